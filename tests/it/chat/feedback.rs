//! What users think of replies: the last word counts, and is the user's own.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, Gate, Script};

use crate::{
    cluster,
    interview::answers::{NOBODY, owner},
    small_cluster,
};

fn path(request: &str) -> String {
    format!("/api/v1/requests/{request}/feedback")
}

/// Asks a persona; returns the request, which is completed.
pub(crate) async fn asked(user: &Client, persona: &str, question: &str) -> String {
    let conversation = user.conversation(persona).await;
    let sent = user.send(&conversation, question).await;
    user.reply(&sent.request).await;
    sent.request
}

async fn ratings(owner: &Client) -> Value {
    owner.get("/api/v1/personas/nan/analytics").await.expect(200)["ratings"].clone()
}

#[tokio::test]
async fn the_last_word_on_a_reply_counts() {
    let cluster = cluster().await;
    let owner = owner(&cluster, "nan").await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let (first, second) = (asked(&user, "nan", "One").await, asked(&user, "nan", "Two").await);
    assert_eq!(ratings(&owner).await, json!({"up": 0, "down": 0}));
    user.get(&path(&first)).await.problem(404);

    let said = user.post(&path(&first), &json!({"rating": "up", "note": "Warm, and true 🧶"})).await.expect(200);
    let expected = json!({"request_id": first, "rating": "up", "note": "Warm, and true 🧶", "share": false,
        "rated_at": said["rated_at"]});
    assert!(said == expected && said["rated_at"].is_string(), "{said}");
    assert_eq!(there.get(&path(&first)).await.expect(200), said);
    user.post(&path(&second), &json!({"rating": "up", "share": true})).await.expect(200);
    assert_eq!(ratings(&owner).await, json!({"up": 2, "down": 0}));

    // What is said later takes the place of all of it.
    let changed = there.post(&path(&first), &json!({"rating": "down"})).await.expect(200);
    assert_eq!(
        (&changed["rating"], &changed["note"], &changed["share"]),
        (&json!("down"), &Value::Null, &json!(false))
    );
    assert_eq!(ratings(&owner).await, json!({"up": 1, "down": 1}));
    let words = join_all((0..8).map(|n| {
        let (user, path) = (user.at(cluster.server(n % 2)), path(&first));
        async move { user.post(&path, &json!({"rating": "up", "note": format!("n{n}")})).await.expect(200) }
    }));
    assert!(words.await.iter().all(|said| said["rating"] == "up"));
    assert_eq!((ratings(&owner).await, cluster.count("feedback").await), (json!({"up": 2, "down": 0}), 2));

    assert_eq!(there.delete(&path(&first)).await.status, 204);
    user.delete(&path(&first)).await.problem(404);
    user.get(&path(&first)).await.problem(404);
    assert_eq!(ratings(&owner).await, json!({"up": 1, "down": 0}));
    user.post(&path(&first), &json!({"rating": "down"})).await.expect(200);
    assert_eq!(ratings(&owner).await, json!({"up": 1, "down": 1}));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_rating_with_a_key_is_given_once() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let request = asked(&owner, "nan", "One").await;
    let keyed = async |body: Value| {
        let call = owner.call(Method::POST, &path(&request)).header("idempotency-key", "f-1");
        owner.answer(call.json(&body)).await
    };
    let first = keyed(json!({"rating": "up"})).await;
    owner.post(&path(&request), &json!({"rating": "down"})).await.expect(200);
    let again = keyed(json!({"rating": "up"})).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
    assert_eq!(owner.get(&path(&request)).await.expect(200)["rating"], "down", "it did nothing more");
    assert_eq!(keyed(json!({"rating": "down"})).await.problem(422)["code"], "idempotency_key_reused");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn only_a_whole_reply_of_ones_own_is_rated() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let (user, stranger) = (cluster.client(0).await, cluster.client(0).await);
    let gate = Gate::new();
    cluster.provider.on("Running", [Script::gated(["One"], &gate)]);
    cluster.provider.on("Failing", [Script::error(400)]);
    let done = asked(&user, "nan", "Done").await;
    let failing = user.send(&user.conversation("nan").await, "Failing").await.request;
    assert_eq!(user.finished(&failing).await["status"], "failed");
    let running = user.send(&user.conversation("nan").await, "Running").await.request;
    gate.reached(1).await;
    let up = json!({"rating": "up"});
    for request in [&failing, &running] {
        assert_eq!(user.post(&path(request), &up).await.problem(409)["code"], "not_completed");
    }
    let cancelled = user.answer(user.call(Method::POST, &format!("/api/v1/requests/{running}/cancel"))).await;
    assert_eq!(cancelled.expect(200)["status"], "cancelled");
    assert_eq!(user.post(&path(&running), &up).await.problem(409)["code"], "not_completed");
    gate.open();

    user.post(&path(&done), &up).await.expect(200);
    // Nobody else rates it, sees what was said or takes it back: not even the persona's owner.
    for other in [&stranger, &owner] {
        let refused = [
            other.post(&path(&done), &json!({"rating": "down"})).await,
            other.get(&path(&done)).await,
            other.delete(&path(&done)).await,
        ];
        for answer in &refused {
            assert_eq!(answer.problem(404)["code"], "not_found");
        }
        let nobodys = other.post(&path(NOBODY), &up).await;
        assert_eq!(nobodys.problem(404)["detail"], refused[0].body["detail"]);
    }
    user.post(&path("no-id"), &up).await.problem(404);
    assert_eq!(ratings(&owner).await, json!({"up": 1, "down": 0}));
    assert_eq!(cluster.count("feedback").await, 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_rating_that_is_wrong_is_refused_with_the_field_at_fault() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let request = asked(&owner, "nan", "One").await;
    for (body, field) in [
        (json!({}), "rating"),
        (json!({"rating": "sideways"}), "rating"),
        (json!({"rating": "up", "note": " "}), "note"),
        (json!({"rating": "up", "note": "a\0b"}), "note"),
        (json!({"rating": "up", "note": "x".repeat(2_001)}), "note"),
        (json!({"rating": "up", "share": "yes"}), "share"),
        (json!({"rating": "up", "user_id": NOBODY}), "user_id"),
    ] {
        let answer = owner.post(&path(&request), &body).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{}", answer.text);
    }
    assert_eq!(cluster.count("feedback").await, 0);
    owner.post(&path(&request), &json!({"rating": "down", "note": "🌊".repeat(2_000)})).await.expect(200);
    cluster.assert_quiet().await;
}

/// With what it is about goes what was said of it.
#[tokio::test]
async fn a_rating_goes_with_its_conversation_its_persona_and_its_user() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let user = cluster.client(0).await;
    let rated = async |cluster: &Cluster, by: &Client, persona: &str| {
        let conversation = by.conversation(persona).await;
        let request = by.send(&conversation, "Hello").await.request;
        by.reply(&request).await;
        by.post(&path(&request), &json!({"rating": "up"})).await.expect(200);
        assert_eq!(cluster.count("feedback").await, 1);
        conversation
    };
    let conversation = rated(&cluster, &user, "nan").await;
    assert_eq!(user.delete(&format!("/api/v1/conversations/{conversation}")).await.status, 204);
    assert_eq!((cluster.count("feedback").await, ratings(&owner).await), (0, json!({"up": 0, "down": 0})));
    rated(&cluster, &user, "nan").await;
    assert_eq!(owner.delete("/api/v1/personas/nan").await.status, 204);
    assert_eq!(cluster.count("feedback").await, 0);
    rated(&cluster, &user, "demo").await;
    sqlx::query("delete from users where email = $1").bind(&user.email).execute(&cluster.db).await.unwrap();
    assert_eq!(cluster.count("feedback").await, 0);
    cluster.assert_quiet().await;
}
