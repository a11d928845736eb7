//! A conversation with what a newcomer has: no key, a very small model, and the demo personas.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use troupe_engines::local::LocalKind;
use troupe_tests::{Client, Process, Signal};

use super::{directory, fetched};
use crate::operations::standalone::{data_dir, start_with, welcome};

/// Each of the demo personas' passages takes the embedder half a second of a core, which other tests have as well.
const INDEXED: Duration = Duration::from_mins(2);

struct Scene {
    data: TempDir,
    troupe: Process,
    user: Client,
}

/// `None` where the models could not be fetched.
async fn scene() -> Option<Scene> {
    fetched(LocalKind::ChatModel)?;
    fetched(LocalKind::Embedder)?;
    let data = data_dir();
    let models = directory().canonicalize().unwrap();
    let settings = [
        ("TROUPE_LOCAL_MODELS", "auto"),
        ("TROUPE_LOCAL__OLLAMA_URL", ""),
        ("TROUPE_LOCAL__DIRECTORY", models.to_str().unwrap()),
        // Other tests have the cores as well.
        ("TROUPE_RETRIEVAL__TIMEOUT", "20s"),
        ("TROUPE_EMBEDDINGS__TIMEOUT", "20s"),
    ];
    let troupe = start_with(data.path(), &settings);
    let (address, email, password) = welcome(&troupe).await;
    troupe.printed("a very small model on this machine (smollm2-135m-instruct)").await;
    let user = Client::sign_in(&address, &email, &password).await;
    Some(Scene { data, troupe, user })
}

impl Scene {
    /// Waits until all that a demo persona knows is indexed.
    async fn until_indexed(&self, persona: &str) {
        let knowledge = format!("/api/v1/personas/{persona}/knowledge");
        let mut polls = tokio::time::interval(Duration::from_millis(200));
        let indexed = async {
            loop {
                polls.tick().await;
                let progress = self.user.get(&knowledge).await.expect(200);
                if progress["pending"] == json!({"sources": 0, "vectors": 0}) {
                    assert_ne!(progress["passages"], 0, "{progress}");
                    return;
                }
            }
        };
        tokio::time::timeout(INDEXED, indexed).await.expect("the demo persona is indexed");
    }

    async fn ask(&self, conversation: &str, question: &str) -> Value {
        let sent = self.user.send(conversation, question).await;
        let mut events = self.user.events(&sent.request, None).await;
        let events = events.until(|event| ["reply.completed", "request.failed"].contains(&event.event.as_str())).await;
        events.last().unwrap().data.clone()
    }
}

fn pid(data: &Path, engine: &str) -> u32 {
    fs::read_to_string(data.join(engine).join("pid")).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn personas_answer_in_their_own_words_also_while_engines_are_killed() {
    let Some(mut scene) = scene().await else { return };
    scene.until_indexed("ines").await;
    answers_in_both_languages(&scene).await;
    scene.until_indexed("henrik").await;
    answers_while_engines_are_killed(&mut scene).await;
    scene.troupe.stop().await;
}

async fn answers_in_both_languages(scene: &Scene) {
    let conversation = scene.user.conversation("ines").await;
    for (question, words) in
        [("Was macht dir Sorgen?", "Die Wolken steigen"), ("How do I keep moss alive at home?", "shade and rain water")]
    {
        let completed = scene.ask(&conversation, question).await;
        let reply = completed["message"]["content"].as_str().unwrap();
        assert!(reply.contains(words), "{question}: {reply}");
        assert_eq!(completed["provider"], "local", "{completed}");
        assert_eq!(completed["retrieval"]["mode"], "hybrid", "{completed}");
    }
}

async fn answers_while_engines_are_killed(scene: &mut Scene) {
    let conversation = scene.user.conversation("henrik").await;
    for (engine, title) in [("chat_model", "the local chat model"), ("embedder", "the local embedder")] {
        let killed = pid(scene.data.path(), engine);
        let sent = scene.user.send(&conversation, "Are you married, and since when?").await;
        Signal::Kill.send(killed).unwrap();
        let reply = scene.user.reply(&sent.request).await;
        assert!(reply.contains("Birgit"), "{engine}: {reply}");
        let is_back =
            |line: &Value| line["fields"]["message"] == "a local engine is back" && line["fields"]["engine"] == title;
        scene.troupe.logged_where("a local engine is back", is_back).await;
        assert_ne!(pid(scene.data.path(), engine), killed, "{engine}");
    }
}

#[tokio::test]
async fn a_reply_is_cancelled_in_mid_stream() {
    let Some(mut scene) = scene().await else { return };
    let conversation = scene.user.conversation("demo").await;
    let sent = scene.user.send(&conversation, "Please count from one to one hundred for me, slowly.").await;
    let mut events = scene.user.events(&sent.request, None).await;
    events.until(|event| event.event.as_str() == "reply.delta").await;
    scene.user.post(&format!("/api/v1/requests/{}/cancel", sent.request), &json!({})).await.expect(200);
    let request = scene.user.finished(&sent.request).await;
    assert_eq!(request["status"], "cancelled", "{request}");
    scene.troupe.stop().await;
}
