//! What personas remember of their users: told to the model, seen and deleted by the user, nobody else's.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, ClusterOptions, Script, within};

use crate::{
    cluster,
    interview::answers::{NOBODY, items, texts},
    small_cluster,
};

const PATH: &str = "/api/v1/personas/nan/memories";

/// A user with a persona that remembers.
async fn owner(cluster: &Cluster) -> Client {
    let owner = cluster.client(0).await;
    let persona = json!({"slug": "nan", "name": "Nan", "system_prompt": "You are kind.", "visibility": "public", "remembers": true});
    owner.post("/api/v1/personas", &persona).await.expect(201);
    owner
}

async fn facts(user: &Client) -> Vec<String> {
    texts(&items(&user.get(PATH).await.expect(200)), "/fact")
}

/// Waits until so much is remembered: that is kept after the reply, which nobody waits for.
async fn remembered(user: &Client, number: usize) -> Vec<String> {
    within(&format!("{number} memories"), async {
        loop {
            let facts = facts(user).await;
            if facts.len() >= number {
                return facts;
            }
        }
    })
    .await
}

/// The system prompt with which a question was asked.
fn told(cluster: &Cluster, question: &str) -> String {
    cluster.provider.calls_of(question)[0].messages()[0].1.clone()
}

#[tokio::test]
async fn what_a_user_tells_is_known_in_the_next_conversation() {
    let cluster = cluster().await;
    let owner = owner(&cluster).await;
    let (user, other) = (cluster.client(0).await, cluster.client(1).await);
    let first = "Hi, my name is Ada and I'm allergic to nuts.";
    let sent = user.send(&user.conversation("nan").await, first).await;
    user.reply(&sent.request).await;
    assert_eq!(told(&cluster, first), "You are kind.", "nothing was known then");
    assert_eq!(remembered(&user, 2).await, ["I'm allergic to nuts", "My name is Ada"]);
    let shown = user.get(PATH).await.expect(200);
    assert_eq!(shown["items"][0]["request_id"], json!(sent.request));

    let there = user.at(cluster.server(1));
    there.ask(&there.conversation("nan").await, "What may I eat?").await;
    let prompt = told(&cluster, "What may I eat?");
    assert!(prompt.starts_with("You are kind.\n\nWhat the user told you"), "{prompt}");
    assert!(prompt.ends_with("\n- \"I'm allergic to nuts\"\n- \"My name is Ada\""), "{prompt}");

    // Others are strangers to it: other users, the persona's owner, and other personas.
    for who in [&other, &owner] {
        let question = format!("Who am I, {}?", who.email);
        who.ask(&who.conversation("nan").await, &question).await;
        assert_eq!(told(&cluster, &question), "You are kind.");
        assert_eq!(facts(who).await, [] as [&str; 0]);
    }
    user.ask(&user.conversation("demo").await, "I live in Oslo.").await;
    user.ask(&user.conversation("demo").await, "And you?").await;
    assert!(!told(&cluster, "And you?").contains("the user told"), "{}", told(&cluster, "And you?"));
    assert_eq!(cluster.count("memories").await, 2, "the demo persona remembers nothing");

    // Told again it is known already; what is set to remember no more is told nothing, and keeps nothing.
    user.ask(&user.conversation("nan").await, "My NAME is ada. I have a dog.").await;
    assert_eq!(remembered(&user, 3).await, ["I have a dog", "I'm allergic to nuts", "My name is Ada"]);
    owner.patch("/api/v1/personas/nan", &json!({"remembers": false})).await.expect(200);
    user.ask(&user.conversation("nan").await, "I live in Oslo. Bye.").await;
    assert_eq!(told(&cluster, "I live in Oslo. Bye."), "You are kind.");
    assert_eq!(user.post(PATH, &json!({"fact": "I sail"})).await.problem(409)["code"], "remembers_nothing");
    assert_eq!(facts(&user).await.len(), 3);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_user_writes_sees_and_deletes_what_is_remembered() {
    let cluster = ClusterOptions::default().servers(2).workers(0).start().await;
    owner(&cluster).await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let written = user.post(PATH, &json!({"fact": " I sail "})).await.expect(201);
    let expected =
        json!({"id": written["id"], "fact": "I sail", "request_id": null, "created_at": written["created_at"]});
    assert_eq!(written, expected);
    let again = there.post(PATH, &json!({"fact": "i SAIL"})).await.expect(201);
    assert_eq!((&again["id"], &again["fact"]), (&written["id"], &json!("i SAIL")), "it is known already");
    let keyed = async |fact: &str| {
        let call = user.call(Method::POST, PATH).header("idempotency-key", "m-1");
        user.answer(call.json(&json!({ "fact": fact }))).await
    };
    let (first, second) = (keyed("I knit").await, keyed("I knit").await);
    assert_eq!((second.header("idempotency-replayed"), &second.body), ("true", &first.body));
    assert_eq!(keyed("I bake").await.problem(422)["code"], "idempotency_key_reused");

    for n in 0..5 {
        user.post(PATH, &json!({"fact": format!("Fact {n}")})).await.expect(201);
    }
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = there.get(&format!("{PATH}?limit=3{after}")).await.expect(200);
        all.extend(texts(&items(&page), "/fact"));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(all, ["Fact 4", "Fact 3", "Fact 2", "Fact 1", "Fact 0", "I knit", "i SAIL"]);

    let one = format!("{PATH}/{}", written["id"].as_str().unwrap());
    assert_eq!(there.delete(&one).await.status, 204);
    user.delete(&one).await.problem(404);
    assert_eq!(facts(&user).await.len(), 6);
    assert_eq!(there.delete(PATH).await.status, 204);
    assert_eq!(facts(&user).await, [] as [&str; 0]);
    assert_eq!(user.delete(PATH).await.status, 204, "there is nothing left to forget");

    for (body, field) in [
        (json!({}), "fact"),
        (json!({"fact": " "}), "fact"),
        (json!({"fact": "a\0b"}), "fact"),
        (json!({"fact": "x".repeat(501)}), "fact"),
        (json!({"fact": "I sail", "user_id": NOBODY}), "user_id"),
    ] {
        let answer = user.post(PATH, &body).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{}", answer.text);
    }
    for query in ["after=x", "limit=0", "limit=101", "colour=red"] {
        user.get(&format!("{PATH}?{query}")).await.problem(422);
    }
    assert_eq!(cluster.count("memories").await, 0);
    user.post(PATH, &json!({"fact": "🌊".repeat(500)})).await.expect(201);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn memories_are_the_users_alone() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let owner = owner(&cluster).await;
    let (user, stranger) = (cluster.client(0).await, cluster.client(0).await);
    let written = user.post(PATH, &json!({"fact": "I sail"})).await.expect(201);
    let one = format!("{PATH}/{}", written["id"].as_str().unwrap());
    for other in [&stranger, &owner] {
        assert_eq!(facts(other).await, [] as [&str; 0]);
        assert_eq!(other.delete(&one).await.problem(404)["code"], "not_found");
        assert_eq!(other.delete(PATH).await.status, 204);
        assert_eq!(items(&other.get(&format!("{PATH}?after={NOBODY}")).await.expect(200)), [] as [Value; 0]);
    }
    user.delete(&format!("/api/v1/personas/demo/memories/{}", written["id"].as_str().unwrap())).await.problem(404);
    for slug in ["nobody", "N%20o"] {
        let path = format!("/api/v1/personas/{slug}/memories");
        for answer in [
            user.get(&path).await,
            user.post(&path, &json!({"fact": "I sail"})).await,
            user.delete(&path).await,
            user.delete(&format!("{path}/{NOBODY}")).await,
        ] {
            assert_eq!(answer.problem(404)["code"], "not_found", "{slug}");
        }
    }
    // Of a persona that is no longer shown to them, users see and delete what is theirs, and it is not there for
    // others.
    owner.patch("/api/v1/personas/nan", &json!({"visibility": "private"})).await.expect(200);
    assert_eq!(facts(&user).await, ["I sail"]);
    user.post(PATH, &json!({"fact": "I knit"})).await.problem(404);
    stranger.get(PATH).await.problem(404);
    stranger.delete(PATH).await.problem(404);
    assert_eq!(user.delete(PATH).await.status, 204);
    user.get(PATH).await.problem(404);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_oldest_go_and_all_goes_with_the_persona_or_the_user() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster).await;
    let user = cluster.client(0).await;
    for n in 0..101 {
        user.post(PATH, &json!({"fact": format!("Fact {n}")})).await.expect(201);
    }
    assert_eq!(cluster.count("memories").await, 100);
    assert_eq!(cluster.count("memories where fact = 'Fact 0'").await, 0);
    // What a message tells takes the place of the oldest, too.
    let conversation = user.conversation("nan").await;
    user.ask(&conversation, "I like sailing. I like knitting.").await;
    within("what was told", async { while cluster.count("memories where fact = 'I like knitting'").await == 0 {} })
        .await;
    assert_eq!(cluster.count("memories").await, 100);
    assert_eq!(cluster.count("memories where fact in ('Fact 1', 'Fact 2')").await, 0);
    assert_eq!(cluster.count("memories where fact = 'Fact 3'").await, 1);
    // Without its conversation it is still known, and not from where.
    assert_eq!(cluster.count("memories where request_id is not null").await, 2);
    assert_eq!(user.delete(&format!("/api/v1/conversations/{conversation}")).await.status, 204);
    assert_eq!(cluster.count("memories where request_id is not null").await, 0);
    assert_eq!(cluster.count("memories").await, 100);

    sqlx::query("delete from users where email = $1").bind(&user.email).execute(&cluster.db).await.unwrap();
    assert_eq!(cluster.count("memories").await, 0);
    owner.post(PATH, &json!({"fact": "I sail"})).await.expect(201);
    assert_eq!(owner.delete("/api/v1/personas/nan").await.status, 204);
    assert_eq!(cluster.count("memories").await, 0);
    cluster.assert_quiet().await;
}

/// Replies do not depend on it.
#[tokio::test]
async fn a_reply_comes_when_nothing_can_be_remembered() {
    let cluster = small_cluster().await;
    owner(&cluster).await;
    let user = cluster.client(0).await;
    sqlx::query("alter table memories rename to lost").execute(&cluster.db).await.unwrap();
    cluster.provider.on("I own a boat. Hello.", [Script::text("Ahoy")]);
    cluster.provider.on("I have a dog.", [Script::text("Woof")]);
    let conversation = user.conversation("nan").await;
    assert_eq!(user.ask(&conversation, "I have a dog.").await, "Woof");
    let missed = |entry: &Value| entry["fields"]["message"] == "what the user told was not remembered";
    cluster.worker_logged("that it was not remembered", missed).await;
    assert_eq!(told(&cluster, "I have a dog."), "You are kind.");
    sqlx::query("alter table lost rename to memories").execute(&cluster.db).await.unwrap();
    assert_eq!(user.ask(&conversation, "I own a boat. Hello.").await, "Ahoy");
    cluster.assert_quiet().await;
}
