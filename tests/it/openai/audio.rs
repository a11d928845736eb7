//! Speech for programs.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_core::wav::Wav;
use troupe_tests::{Client, ClusterOptions, speaker::length_of, within};

use crate::speech::with_speaker;

const PATH: &str = "/v1/audio/speech";

async fn spoken(user: &Client, call: &Value) -> Wav {
    let answer = within("the sound", user.call(Method::POST, PATH).json(call).send()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "audio/wav");
    Wav::parse(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_text_is_spoken_with_the_voice_that_is_named_or_the_personas_own() {
    let (speaker, options) = with_speaker().await;
    let cluster = options.servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let voices = user.get("/v1/audio/voices").await.expect(200);
    let ids: Vec<_> = voices["data"].as_array().unwrap().iter().map(|voice| voice["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["speaker/calm", "speaker/stern"]);
    assert_eq!(voices["voices"], voices["data"]);

    let text = "The sea is wide. The boat is small.";
    let call = json!({"model": "demo", "input": text, "voice": "stern", "response_format": "wav", "speed": 1.0});
    let wav = spoken(&user, &call).await;
    let expected = length_of("The sea is wide.") + length_of("The boat is small.");
    assert!(wav.duration().abs_diff(expected).as_millis() < 2, "{:?}", wav.duration());
    assert!(speaker.uttered().iter().all(|call| call.voice == "stern"));
    let calls = speaker.uttered().len();
    assert_eq!(
        spoken(&user, &json!({"model": "demo", "input": "The sea is wide.", "voice": "speaker/stern"}))
            .await
            .duration(),
        length_of("The sea is wide.")
    );
    assert_eq!(speaker.uttered().len(), calls, "it is kept");
    spoken(&user, &json!({"model": "demo", "input": "The sea is wide."})).await;
    assert_eq!(speaker.uttered().last().unwrap().voice, "calm");
    assert_eq!(user.get("/api/v1/conversations").await.expect(200)["items"], json!([]));

    for (field, value) in [
        ("voice", json!("nobody")),
        ("input", json!("")),
        ("input", json!("```\ncode\n```")),
        ("response_format", json!("mp3")),
        ("speed", json!(2.0)),
        ("instructions", json!("Whisper.")),
    ] {
        let mut call = json!({"model": "demo", "input": "Hm."});
        call[field] = value.clone();
        assert_eq!(user.post(PATH, &call).await.openai_error(400)["param"], field, "{field} {value}");
    }
    let nobody = json!({"model": "nobody", "input": "Hm."});
    assert_eq!(user.post(PATH, &nobody).await.openai_error(404)["code"], "not_found");
}

#[tokio::test]
async fn where_nothing_speaks_it_is_said() {
    let options = ClusterOptions::default().servers(1).workers(1);
    let cluster = options.set("TROUPE_PROVIDERS__OPENAI__SPEECH_MODEL", "").start().await;
    let user = cluster.client(0).await;
    assert_eq!(user.get("/v1/audio/voices").await.expect(200)["data"], json!([]));
    let refused = user.post(PATH, &json!({"model": "demo", "input": "Hm."})).await;
    assert_eq!(refused.openai_error(503)["code"], "no_voice");
    assert_eq!(refused.header("x-should-retry"), "false");
}
