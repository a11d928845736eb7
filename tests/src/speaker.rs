//! A service that speaks, over real HTTP, in every format and with ways to fail. Its sound is a tone, as long as the
//! text, so that a test can tell what it hears.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use troupe_core::wav::Wav;

use crate::{ClusterOptions, Gate, within};

pub const SAMPLE_RATE: u32 = 22_050;
const MS_PER_CHARACTER: usize = 10;
const MODEL: &str = "speaks";
const KEY: &str = "sk-of-the-speaker";

/// The format that it is called in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechFormat {
    OpenAi,
    ElevenLabs,
    Speechify,
}

impl SpeechFormat {
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::ElevenLabs, Self::Speechify];

    const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::ElevenLabs => "elevenlabs",
            Self::Speechify => "speechify",
        }
    }
}

/// How it answers.
#[derive(Debug, Clone, Default)]
pub enum SpeechMood {
    #[default]
    Well,
    /// With this status and body.
    Refuses(u16, Value),
    /// Never.
    Silent,
    /// The connection breaks in the middle of the sound.
    BreaksOff,
    /// With something that is no sound.
    Babbles(&'static str),
    /// With a sound without samples.
    Empty,
    /// Well, once the gate lets it.
    Waits(Gate),
}

/// A sentence that was to be spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uttered {
    pub text: String,
    pub voice: String,
}

struct Shared {
    format: SpeechFormat,
    mood: Mutex<SpeechMood>,
    uttered: watch::Sender<Vec<Uttered>>,
}

/// Dropping it ends it.
pub struct ScriptedSpeaker {
    shared: Arc<Shared>,
    base_url: String,
    _serving: JoinSet<()>,
}

impl ScriptedSpeaker {
    pub async fn start(format: SpeechFormat) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the speaker");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("the speaker's address"));
        let shared = Arc::new(Shared { format, mood: Mutex::default(), uttered: watch::Sender::default() });
        let router = Router::new().fallback(speak).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("serve the speaker") });
        Self { shared, base_url, _serving: serving }
    }

    /// The settings by which a cluster has it as a provider of this name.
    #[must_use]
    pub fn provider(&self, options: ClusterOptions, name: &str, voices: &str) -> ClusterOptions {
        let setting = |setting: &str| format!("TROUPE_PROVIDERS__{}__{setting}", name.to_uppercase());
        options
            .set(&setting("FORMAT"), self.shared.format.name())
            .set(&setting("BASE_URL"), &self.base_url)
            .set(&setting("SPEECH_MODEL"), MODEL)
            .set(&setting("VOICES"), voices)
            .set(&setting("KEYS__DEFAULT"), KEY)
    }

    pub fn set_mood(&self, mood: SpeechMood) {
        *self.shared.mood.lock() = mood;
    }

    /// All that was to be spoken, in the order of the calls.
    pub fn uttered(&self) -> Vec<Uttered> {
        self.shared.uttered.borrow().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.uttered().into_iter().map(|uttered| uttered.text).collect()
    }

    /// Waits until so many calls have come; they may not have been answered yet.
    pub async fn called(&self, times: usize) {
        let mut uttered = self.shared.uttered.subscribe();
        _ = within(&format!("call {times} of the speaker"), uttered.wait_for(|uttered| uttered.len() >= times)).await;
    }
}

/// The sound of a text.
pub fn sound_of(text: &str) -> Wav {
    let count = text.chars().count() * MS_PER_CHARACTER * SAMPLE_RATE as usize / 1_000;
    let period = 40 + text.bytes().fold(0_usize, |sum, byte| (sum * 31 + usize::from(byte)) % 60);
    let sample = |n: usize| if n % period < period / 2 { 6_000_i16 } else { -6_000 };
    Wav { sample_rate: SAMPLE_RATE, samples: (0..count).flat_map(|n| sample(n).to_le_bytes()).collect() }
}

/// How long it is.
pub fn length_of(text: &str) -> Duration {
    sound_of(text).duration()
}

async fn speak(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let bearer =
        || headers.get(header::AUTHORIZATION).is_some_and(|key| key.as_bytes() == format!("Bearer {KEY}").as_bytes());
    let string = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (text, voice, is_sound) = match shared.format {
        SpeechFormat::OpenAi => (
            string("input"),
            string("voice"),
            uri.path() == "/v1/audio/speech" && bearer() && body["model"] == MODEL && body["response_format"] == "wav",
        ),
        SpeechFormat::Speechify => (
            string("input"),
            string("voice_id"),
            uri.path() == "/v1/audio/speech" && bearer() && body["model"] == MODEL && body["audio_format"] == "wav",
        ),
        SpeechFormat::ElevenLabs => {
            let voice = uri.path().strip_prefix("/v1/text-to-speech/").unwrap_or_default().to_owned();
            let keyed = headers.get("xi-api-key").is_some_and(|key| key == KEY);
            let sound = keyed && uri.query() == Some("output_format=pcm_22050") && body["model_id"] == MODEL;
            (string("text"), voice, sound)
        }
    };
    if !is_sound || text.is_empty() || voice.is_empty() {
        return (StatusCode::BAD_REQUEST, Json(json!({ "detail": format!("{uri} {body}") }))).into_response();
    }
    let mood = shared.mood.lock().clone();
    shared.uttered.send_modify(|uttered| uttered.push(Uttered { text: text.clone(), voice }));
    let wav = sound_of(&text);
    match mood {
        SpeechMood::Well => answer(shared.format, &wav),
        SpeechMood::Waits(gate) => {
            gate.pass().await;
            answer(shared.format, &wav)
        }
        SpeechMood::Silent => std::future::pending().await,
        SpeechMood::Empty => answer(shared.format, &Wav { samples: Vec::new(), ..wav }),
        SpeechMood::Babbles(text) => text.into_response(),
        SpeechMood::Refuses(status, body) => {
            (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
        }
        SpeechMood::BreaksOff => {
            let half = stream::iter([Ok(Bytes::from(wav.encode()[..wav.samples.len() / 2].to_vec()))]);
            let broken = stream::once(async { Err(io::Error::other("as scripted")) });
            Body::from_stream(half.chain(broken)).into_response()
        }
    }
}

fn answer(format: SpeechFormat, wav: &Wav) -> Response {
    match format {
        // As it is streamed: the length is not known yet.
        SpeechFormat::OpenAi => {
            let mut file = wav.encode();
            file[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
            file[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
            let pieces: Vec<_> =
                file.chunks(4_096).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
            ([(header::CONTENT_TYPE, "audio/wav")], Body::from_stream(stream::iter(pieces))).into_response()
        }
        SpeechFormat::ElevenLabs => wav.samples.clone().into_response(),
        SpeechFormat::Speechify => {
            Json(json!({ "audio_format": "wav", "audio_data": BASE64_STANDARD.encode(wav.encode()) })).into_response()
        }
    }
}
