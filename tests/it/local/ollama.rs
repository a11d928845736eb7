//! An Ollama on this machine: it is found by itself, and speaks with its smallest chat model, or with the one that is
//! named.

use serde_json::json;
use troupe_tests::{Client, ScriptedProvider};

use crate::operations::standalone::{data_dir, start_with, welcome};

const PULLED: [(&str, u64, &str); 3] =
    [("llama3.2:3b", 2_000, "llama"), ("qwen3:0.6b", 500, "qwen3"), ("nomic-embed-text:latest", 100, "nomic-bert")];

#[tokio::test]
async fn the_smallest_chat_model_speaks_unless_another_is_named() {
    let provider = ScriptedProvider::start().await;
    provider.has_pulled(&PULLED);
    let url = provider.base_url().replace("/v1", "");
    for (named, expected) in [("", "qwen3:0.6b"), ("llama3.2:3b", "llama3.2:3b")] {
        let data = data_dir();
        let settings = [
            ("TROUPE_LOCAL_MODELS", "auto"),
            ("TROUPE_LOCAL__OLLAMA_URL", url.as_str()),
            ("TROUPE_LOCAL__OLLAMA_MODEL", named),
        ];
        let mut troupe = start_with(data.path(), &settings);
        let (address, email, password) = welcome(&troupe).await;
        troupe.printed(&format!("{expected}, by the Ollama on this machine")).await;
        let user = Client::sign_in(&address, &email, &password).await;
        user.ask(&user.conversation("demo").await, "Who speaks?").await;
        assert_eq!(provider.calls().last().unwrap().body["model"], expected);
        assert_eq!(user.get("/api/v1/ai/health").await.expect(200), json!({"speaker": "local"}));
        troupe.stop().await;
    }
}

#[tokio::test]
async fn a_service_with_a_key_goes_before_it_and_it_can_be_switched_off() {
    let provider = ScriptedProvider::start().await;
    provider.has_pulled(&PULLED);
    let url = provider.base_url().replace("/v1", "");
    let base_url = provider.base_url();
    let service = [("OPENAI_API_KEY", "key"), ("OPENAI_BASE_URL", base_url.as_str())];
    for (models, service, speaker) in
        [("auto", &service[..], "openai"), ("off", &[][..], "the built-in voice, which only quotes: no model is there")]
    {
        let data = data_dir();
        let mut settings = vec![("TROUPE_LOCAL_MODELS", models), ("TROUPE_LOCAL__OLLAMA_URL", url.as_str())];
        settings.extend(service);
        let mut troupe = start_with(data.path(), &settings);
        welcome(&troupe).await;
        troupe.printed(&format!("Who replies   {speaker}")).await;
        troupe.stop().await;
    }
}
