//! Replies spoken aloud: what a listener hears, and what happens when something that speaks does not.

mod engines;
mod listening;

use std::time::Duration;

use reqwest::{Method, StatusCode, header::HeaderMap};
use troupe_core::wav::Wav;
use troupe_tests::{
    Client, ClusterOptions,
    speaker::{ScriptedSpeaker, SpeechFormat, length_of},
};

/// With one that speaks, the provider `speaker`.
pub(crate) async fn with_speaker() -> (ScriptedSpeaker, ClusterOptions) {
    let speaker = ScriptedSpeaker::start(SpeechFormat::OpenAi).await;
    let options = speaker.provider(ClusterOptions::default(), "speaker", "calm, stern");
    (speaker, options.set("TROUPE_SPEECH__CHAIN", "speaker"))
}

/// An answer with sound, or without.
struct Heard {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The sound of an answer that must be one.
    fn sound(&self) -> Wav {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        assert_eq!(self.header("content-type"), "audio/wav");
        Wav::parse(&self.bytes).unwrap()
    }
}

async fn hear_with(user: &Client, path: &str, headers: &[(&str, &str)]) -> Heard {
    let mut call = user.call(Method::GET, path);
    for (name, value) in headers {
        call = call.header(*name, *value);
    }
    let answer = troupe_tests::within(path, call.send()).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    Heard { status, headers, bytes: answer.bytes().await.unwrap().to_vec() }
}

/// A sentence of a reply, as soon as it is there.
async fn hear(user: &Client, request: &str, sentence: usize) -> Heard {
    hear_with(user, &format!("/api/v1/requests/{request}/speech/{sentence}?wait=20"), &[]).await
}

/// Whether it is that of the text: as long, and not silent.
fn assert_says(wav: &Wav, text: &str) {
    let difference = wav.duration().abs_diff(length_of(text));
    assert!(difference < Duration::from_millis(1), "{:?} is not the sound of “{text}”", wav.duration());
    let (samples, _) = wav.samples.as_chunks::<2>();
    let loud = samples.iter().filter(|sample| i16::from_le_bytes(**sample).unsigned_abs() > 1_000).count();
    assert!(loud > samples.len() / 2, "it is silent");
}
