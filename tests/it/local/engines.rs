//! Each engine by itself: it does its work, ends with its handle, comes back after a sudden death, and says what is
//! wrong with its files.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use troupe_engines::{
    EngineError,
    local::{LocalEngine, LocalKind, LocalSettings, Packages},
};
use troupe_tests::{Signal, within};

use super::fetched;

const SETTINGS: LocalSettings = LocalSettings { threads: 1, memory_bytes: 3 << 30, context_tokens: 512, parallel: 1 };

async fn start(kind: LocalKind, packages: Packages, dir: &Path) -> LocalEngine {
    LocalEngine::start(kind, packages, SETTINGS, dir).await.expect("the engine starts")
}

fn client() -> reqwest::Client {
    troupe_core::lifecycle::install_tls();
    reqwest::Client::new()
}

async fn call(engine: &LocalEngine, path: &str, body: &Value) -> reqwest::Response {
    let url = format!("{}{path}", engine.base_url());
    client().post(url).bearer_auth(engine.key()).json(body).send().await.expect("an answer")
}

async fn complete(engine: &LocalEngine, question: &str) -> String {
    let body = json!({"messages": [{"role": "user", "content": question}], "max_tokens": 8});
    let answer: Value = call(engine, "/chat/completions", &body).await.json().await.expect("a completion");
    answer["choices"][0]["message"]["content"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_chat_model_speaks_to_those_who_have_its_key_and_comes_back_at_its_address() {
    let Some(packages) = fetched(LocalKind::ChatModel) else { return };
    let dir = TempDir::new().unwrap();
    let engine = start(LocalKind::ChatModel, packages, dir.path()).await;
    assert!(!complete(&engine, "Hello!").await.trim().is_empty());
    let (base_url, key, pid) = (engine.base_url(), engine.key().to_owned(), engine.pid());
    let models = format!("{base_url}/models");
    let stranger = client().get(&models).bearer_auth("guessed").send().await.unwrap();
    assert_eq!(stranger.status(), 401);

    let shutdown = CancellationToken::new();
    let mut supervised = JoinSet::new();
    supervised.spawn(engine.supervise(shutdown.clone()));
    Signal::Kill.send(pid).unwrap();
    let back = async {
        let mut polls = tokio::time::interval(Duration::from_millis(100));
        loop {
            polls.tick().await;
            let answer = client().get(&models).bearer_auth(&key).send().await;
            let pid_now = fs::read_to_string(dir.path().join("chat_model/pid")).unwrap_or_default();
            if answer.is_ok_and(|answer| answer.status().is_success()) && pid_now != pid.to_string() {
                return;
            }
        }
    };
    within("the model comes back", back).await;
    shutdown.cancel();
    supervised.join_next().await.unwrap().unwrap();
    assert!(client().get(&models).send().await.is_err(), "it has ended with its supervisor");
}

#[tokio::test]
async fn the_embedder_finds_what_is_meant_in_another_language() {
    let Some(packages) = fetched(LocalKind::Embedder) else { return };
    let dir = TempDir::new().unwrap();
    let engine = start(LocalKind::Embedder, packages, dir.path()).await;
    let texts = [
        "query: Where does the lighthouse stand?",
        "passage: Der Leuchtturm steht auf dem Kap.",
        "passage: Ich trinke gern Tee mit Milch.",
    ];
    let answer: Value = call(&engine, "/embeddings", &json!({"input": texts})).await.json().await.unwrap();
    let vector = |index: usize| -> Vec<f64> {
        let item = answer["data"].as_array().unwrap().iter().find(|item| item["index"] == index).unwrap();
        serde_json::from_value(item["embedding"].clone()).unwrap()
    };
    let cosine = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (question, near, far) = (vector(0), vector(1), vector(2));
    assert_eq!(question.len(), troupe_engines::local::EMBEDDING_DIMENSION);
    assert!(cosine(&question, &near) > cosine(&question, &far) + 0.03);
}

#[tokio::test]
async fn the_voice_makes_audible_sound_of_plausible_length() {
    let Some(packages) = fetched(LocalKind::Voice) else { return };
    let dir = TempDir::new().unwrap();
    let engine = start(LocalKind::Voice, packages, dir.path()).await;
    let text = "Good evening. The lighthouse stands on the cape, and the sea is calm tonight.";
    let wav = call(&engine, "/audio/speech", &json!({"input": text})).await.bytes().await.unwrap();
    assert!(wav.starts_with(b"RIFF") && &wav[8..12] == b"WAVE", "{:?}", &wav[..12]);
    let rate = u32::from_le_bytes(wav[24..28].try_into().unwrap());
    let samples: Vec<f64> =
        wav[44..].chunks_exact(2).map(|two| f64::from(i16::from_le_bytes([two[0], two[1]])) / 32_768.0).collect();
    let loudness = (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64).sqrt();
    let seconds = samples.len() as f64 / f64::from(rate);
    assert!(loudness > 0.01, "silence: {loudness}");
    assert!((2.0..12.0).contains(&seconds), "{seconds} s for {} letters", text.len());
    let refused = call(&engine, "/audio/speech", &json!({"input": " "})).await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn a_model_file_that_is_none_is_named() {
    let Some(packages) = fetched(LocalKind::ChatModel) else { return };
    let dir = TempDir::new().unwrap();
    let text = dir.path().join("letter.gguf");
    fs::write(&text, "Dear Ada,").unwrap();
    let refused = packages.clone().with_model(&text).unwrap_err();
    assert_eq!(refused.to_string(), format!("{} is no GGUF file", text.display()));
    let missing = packages.clone().with_model(&dir.path().join("none.gguf")).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");

    // It begins like one.
    let broken = dir.path().join("broken.gguf");
    fs::write(&broken, b"GGUF and then nothing").unwrap();
    let packages = packages.with_model(&broken).unwrap();
    let failed = LocalEngine::start(LocalKind::ChatModel, packages, SETTINGS, dir.path()).await.unwrap_err();
    assert!(matches!(failed, EngineError::Failed { .. }), "{failed}");
}

#[tokio::test]
async fn too_little_memory_is_an_error_and_no_hang() {
    let Some(packages) = fetched(LocalKind::ChatModel) else { return };
    let dir = TempDir::new().unwrap();
    let little = LocalSettings { memory_bytes: 192 << 20, ..SETTINGS };
    let failed = LocalEngine::start(LocalKind::ChatModel, packages, little, dir.path()).await.unwrap_err();
    assert!(matches!(failed, EngineError::Failed { .. }), "{failed}");
}

#[test]
fn what_was_not_fetched_is_missing() {
    let dir = TempDir::new().unwrap();
    for kind in [LocalKind::ChatModel, LocalKind::Embedder, LocalKind::Voice] {
        assert!(matches!(Packages::find(kind, dir.path()), Err(EngineError::Missing { .. })), "{kind:?}");
    }
}
