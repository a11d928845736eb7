//! Replies do without what cannot be looked up: whatever the embedder and the vector store do, each is written, and
//! says on what.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{Client, Gate, Script, embedder::Mood, provider::default_reply, qdrant::Trouble};

use crate::{
    interview::answers::owner,
    knowledge::retrieval::{FOOD, HOME, ask, mode, sources, teach, told},
    knowledge::vectors::Scene,
    operations::admin::{admin, see},
};

const QUESTION: &str = "Where did you grow up, and who kept the lamp?";

/// Questions of a wave.
const MANY: usize = 24;

/// How a reply to the question was looked up; the passage is found by its words, whatever happens.
async fn looked_up(scene: &Scene, user: &Client, response: &str) -> String {
    let request = ask(user, "nan", QUESTION).await;
    assert_eq!(sources(&request)[0], response, "{request}");
    assert!(told(&scene.cluster, QUESTION)[0].ends_with(HOME.1));
    assert_eq!(request["tries"].as_array().unwrap().len(), 1, "{request}");
    mode(&request).to_owned()
}

#[tokio::test]
async fn an_embedder_or_vector_store_that_fails_is_done_without() {
    let mut scene = Scene::new().await;
    let user = owner(&scene.cluster, "nan").await;
    let response = teach(&scene.cluster, &user, "nan", &[HOME, FOOD]).await.remove(0);
    assert_eq!(looked_up(&scene, &user, &response).await, "hybrid");
    for status in [400, 401, 429, 503] {
        scene.embedder.set_mood(Mood::Status(status));
        assert_eq!(looked_up(&scene, &user, &response).await, "keyword", "an embedder that says {status}");
    }
    // Not a word in common, and nobody who knows its meaning.
    let request = ask(&user, "nan", "Zymurgy?").await;
    assert_eq!(request["retrieval"], json!({"mode": "none", "sources": []}));
    assert!(told(&scene.cluster, "Zymurgy?").is_empty());
    scene.embedder.set_mood(Mood::Well);
    assert_eq!(looked_up(&scene, &user, &response).await, "hybrid");

    scene.qdrant.set_trouble(Trouble::Refuse);
    assert_eq!(looked_up(&scene, &user, &response).await, "keyword");
    let path = "/api/v1/personas/nan/knowledge/search?q=lighthouse";
    let found = user.get(path).await.expect(200);
    assert_eq!((&found["mode"], found["passages"].as_array().unwrap().len()), (&json!("keyword"), 1), "{found}");
    scene.qdrant.set_trouble(Trouble::None);
    scene.qdrant.go_away().await;
    assert_eq!(looked_up(&scene, &user, &response).await, "keyword");
    scene.qdrant.come_back().await;
    assert_eq!(looked_up(&scene, &user, &response).await, "hybrid");

    // What they said of the look-ups can be seen by admins.
    let expected = json!({"hybrid": 3, "keyword": 6, "none": 1});
    let admin = admin(&scene.cluster).await;
    see(&admin, "/api/v1/admin/ai/status", "every look-up", |status| status["look_ups"] == expected).await;
    scene.cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_embedder_or_vector_store_that_is_too_slow_is_not_waited_for() {
    let mut scene = Scene::without_workers().await;
    // More than PostgreSQL needs on a busy machine.
    scene.cluster.set("TROUPE_RETRIEVAL__TIMEOUT", "3s");
    scene.cluster.add_worker().await;
    scene.cluster.workers[0].logged("made an index of vectors").await;
    let user = owner(&scene.cluster, "nan").await;
    let response = teach(&scene.cluster, &user, "nan", &[HOME, FOOD]).await.remove(0);
    scene.embedder.set_mood(Mood::Silence);
    assert_eq!(looked_up(&scene, &user, &response).await, "keyword");
    scene.embedder.set_mood(Mood::Well);
    scene.qdrant.set_trouble(Trouble::Silence);
    assert_eq!(looked_up(&scene, &user, &response).await, "keyword");
    scene.qdrant.set_trouble(Trouble::None);
    scene.cluster.assert_quiet().await;
}

/// A user of its own for each wave: there is a limit to what one may have under way.
struct Wave {
    user: Client,
    requests: Vec<String>,
}

impl Wave {
    /// So many questions at once, each in a conversation of its own.
    async fn send(user: Client, conversations: Vec<String>, name: &str) -> Self {
        let send = async |(number, conversation): (usize, &String)| {
            user.send(conversation, &format!("{name} {number}: {QUESTION}")).await.request
        };
        let requests = join_all(conversations.iter().enumerate().map(send)).await;
        Self { user, requests }
    }

    /// How each was looked up, when all have their replies.
    async fn modes(&self) -> Vec<String> {
        let ended = join_all(self.requests.iter().map(|request| self.user.finished(request))).await;
        let one = |request: &Value| {
            assert_eq!(request["status"], "completed", "{request}");
            mode(request).to_owned()
        };
        ended.iter().map(one).collect()
    }
}

/// A user with so many conversations.
async fn talker(scene: &Scene) -> (Client, Vec<String>) {
    let user = scene.cluster.client(0).await;
    let conversations = join_all((0..MANY).map(|_| user.conversation("nan"))).await;
    (user, conversations)
}

/// Those under way have looked up before, those that come while it goes may or may not, and those after it cannot.
#[tokio::test]
async fn no_reply_is_lost_when_the_vector_store_dies_under_load() {
    let mut scene = Scene::new().await;
    scene.cluster.add_worker().await;
    let owner = owner(&scene.cluster, "nan").await;
    teach(&scene.cluster, &owner, "nan", &[HOME, FOOD]).await;
    let mut talkers = Vec::new();
    for _ in 0..4 {
        talkers.push(talker(&scene).await);
    }
    let mut talkers = talkers.into_iter();
    let mut send = |name| {
        let (user, conversations) = talkers.next().expect("a talker");
        Wave::send(user, conversations, name)
    };
    let gate = Gate::new();
    let held = gate.clone();
    scene.cluster.provider.by_habit(move |question, _| Script::gated([default_reply(question)], &held));

    let before = send("Before").await;
    gate.reached(MANY).await;
    let (during, ()) = tokio::join!(send("During"), scene.qdrant.go_away());
    let after = send("After").await;
    gate.reached(3 * MANY).await;
    gate.open();
    assert_eq!(before.modes().await, ["hybrid"; MANY]);
    assert_eq!(after.modes().await, ["keyword"; MANY]);
    let meanwhile = during.modes().await;
    assert!(meanwhile.iter().all(|mode| ["hybrid", "keyword"].contains(&mode.as_str())), "{meanwhile:?}");
    scene.qdrant.come_back().await;
    assert_eq!(send("Again").await.modes().await, ["hybrid"; MANY]);

    let asked: Vec<_> = scene.cluster.provider.calls().into_iter().map(|call| call.question).collect();
    let different: HashSet<_> = asked.iter().collect();
    assert_eq!((asked.len(), different.len()), (4 * MANY, 4 * MANY), "each was asked once");
    let replies = scene.cluster.number("select count(*) from messages where role = 'assistant'").await;
    assert_eq!(replies, 4 * MANY as i64);
    assert_eq!(scene.cluster.number("select max(attempt)::bigint from requests").await, 1);
    scene.cluster.assert_quiet().await;
}
