//! Replies do without what cannot be looked up: whatever the embedder and the vector store do, each is written, and
//! says on what.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{Client, Gate, Script, embedder::Mood, provider::default_reply, qdrant::Trouble, within};

use crate::{
    interview::answers::owner,
    knowledge::retrieval::{FOOD, HOME, ask, known, mode, sources, teach, told},
    knowledge::vectors::Scene,
    operations::admin::{admin, see},
};

const QUESTION: &str = "Where did you grow up, and who kept the lamp?";

/// Questions of a wave.
const MANY: usize = 24;
const FEW: usize = 8;

/// Logged when a circuit breaker opens.
const BREAKER_OPENED: &str = "circuit breaker opened";

/// How a reply to the question was looked up; the passage is found by its words, whatever happens. The question is
/// another each time, because vectors of questions are cached.
async fn looked_up(scene: &Scene, user: &Client, response: &str) -> String {
    let question = format!("{QUESTION} ({})", scene.cluster.count("requests").await);
    let request = ask(user, "nan", &question).await;
    assert_eq!(sources(&request)[0], response, "{request}");
    assert!(told(&scene.cluster, &question)[0].ends_with(HOME.1));
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

/// The first replies wait for the time limit; then nobody calls the embedder, so nobody waits for it.
#[tokio::test]
async fn an_embedder_that_hangs_is_not_called_for_long_and_is_called_again_later() {
    let mut scene = Scene::without_workers().await;
    // More than PostgreSQL needs on a busy machine.
    scene.cluster.set("TROUPE_RETRIEVAL__TIMEOUT", "3s");
    scene.cluster.set("TROUPE_EMBEDDINGS__BREAKER_FAILURES", "2");
    // No probe while this worker lives.
    scene.cluster.set("TROUPE_EMBEDDINGS__BREAKER_PAUSE", "1h");
    scene.cluster.set("TROUPE_EMBEDDINGS__BREAKER_CAP", "1h");
    scene.cluster.add_worker().await;
    scene.cluster.workers[0].logged("made an index of vectors").await;
    let user = owner(&scene.cluster, "nan").await;
    teach(&scene.cluster, &user, "nan", &[HOME, FOOD]).await;
    scene.embedder.set_mood(Mood::Silence);
    // The questions of a wave share calls: at least one fails in each.
    for name in ["Waits", "Waits too"] {
        assert_eq!(few(&scene, name).await.modes().await, ["keyword"; FEW]);
    }
    scene.cluster.workers[0].logged(BREAKER_OPENED).await;
    let calls = scene.embedder.calls();
    for name in ["Does not wait", "Nor does"] {
        assert_eq!(few(&scene, name).await.modes().await, ["keyword"; FEW]);
    }
    // Indexing is postponed, too.
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &["Said while the embedder hung."]).await;
    let postponed = async { while scene.cluster.count("vector_work where attempts > 2").await == 0 {} };
    within("further attempts at indexing", postponed).await;
    assert_eq!(scene.embedder.calls(), calls, "the breaker is open");

    // Nothing is lost by it: another worker, whose breaker is closed, does what was postponed.
    scene.cluster.workers[0].stop().await;
    scene.embedder.set_mood(Mood::Well);
    scene.cluster.set("TROUPE_EMBEDDINGS__BREAKER_PAUSE", "100ms");
    scene.cluster.set("TROUPE_EMBEDDINGS__BREAKER_CAP", "200ms");
    let worker = scene.cluster.add_worker().await;
    known(&scene.cluster).await;
    assert_eq!((scene.embedder.embedded("Said while the embedder hung."), passages.len()), (1, 1));
    // And where the embedder comes back, its breaker closes.
    scene.embedder.set_mood(Mood::Silence);
    for name in ["Waits again", "And again"] {
        assert_eq!(few(&scene, name).await.modes().await, ["keyword"; FEW]);
    }
    scene.cluster.workers[worker].logged(BREAKER_OPENED).await;
    scene.embedder.set_mood(Mood::Well);
    let hybrid = async { while mode(&ask(&user, "nan", QUESTION).await) != "hybrid" {} };
    within("a reply that draws on both searches", hybrid).await;
    scene.cluster.workers[worker].logged("circuit breaker closed").await;
    assert_eq!(few(&scene, "Again").await.modes().await, ["hybrid"; FEW]);
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

async fn few(scene: &Scene, name: &str) -> Wave {
    let (user, mut conversations) = talker(scene).await;
    conversations.truncate(FEW);
    Wave::send(user, conversations, name).await
}

/// Those under way have looked up before, those that come while it goes may or may not, and those after it cannot.
#[tokio::test]
async fn no_reply_is_lost_when_the_vector_store_dies_under_load() {
    let mut scene = Scene::without_workers().await;
    // Circuit breakers open, and a test has not the time of production to wait for their probes.
    scene.cluster.set("TROUPE_QDRANT__BREAKER_FAILURES", "5");
    scene.cluster.set("TROUPE_QDRANT__BREAKER_PAUSE", "50ms");
    scene.cluster.set("TROUPE_QDRANT__BREAKER_CAP", "100ms");
    scene.cluster.add_workers(2).await;
    scene.cluster.worker_logged("an index", |entry| entry["fields"]["message"] == "made an index of vectors").await;
    let owner = owner(&scene.cluster, "nan").await;
    teach(&scene.cluster, &owner, "nan", &[HOME, FOOD]).await;
    let mut talkers = Vec::new();
    for _ in 0..3 {
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
    let waves = 3 + waves_until_hybrid(&scene).await;

    let asked: Vec<_> = scene.cluster.provider.calls().into_iter().map(|call| call.question).collect();
    let different: HashSet<_> = asked.iter().collect();
    assert_eq!((asked.len(), different.len()), (waves * MANY, waves * MANY), "each was asked once");
    let replies = scene.cluster.number("select count(*) from messages where role = 'assistant'").await;
    assert_eq!(replies, (waves * MANY) as i64);
    assert_eq!(scene.cluster.number("select max(attempt)::bigint from requests").await, 1);
    scene.cluster.assert_quiet().await;
}

/// Sends waves until every worker's circuit breaker has closed; how many it took.
async fn waves_until_hybrid(scene: &Scene) -> usize {
    for number in 1..=20 {
        let (user, conversations) = talker(scene).await;
        let modes = Wave::send(user, conversations, &format!("Again {number}")).await.modes().await;
        if modes.iter().all(|mode| mode == "hybrid") {
            return number;
        }
        assert!(modes.iter().all(|mode| ["hybrid", "keyword"].contains(&mode.as_str())), "{modes:?}");
    }
    panic!("not every reply draws on both searches again");
}
