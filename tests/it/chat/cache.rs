//! Replies given again: the same question in the same circumstances, and nothing but that.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use troupe_core::{
    adapters::redis::{RedisCache, RedisHandle},
    config::Live,
    ports::{Cache, Lookups},
};
use troupe_tests::{Client, Cluster, ClusterOptions, Script, Transcript, provider::words_of, within};

const ORACLE: &str = "/api/v1/personas/oracle";
const QUESTION: &str = "Will it rain?";

/// With time enough for the cache on a busy machine.
fn options() -> ClusterOptions {
    ClusterOptions::default().set("TROUPE_CACHE__TIMEOUT", "20s")
}

/// A persona whose replies are kept, and a provider that says something else each time it is asked.
async fn oracle(cluster: &Cluster, visibility: &str) -> Client {
    let owner = cluster.client(0).await;
    let body = json!({"slug": "oracle", "name": "Oracle", "system_prompt": "You are old.", "visibility": visibility,
        "cache_replies": true});
    owner.post("/api/v1/personas", &body).await.expect(201);
    cluster.provider.by_habit(|question, before| Script::text(&reply(question, before)));
    owner
}

fn reply(question: &str, before: usize) -> String {
    format!("{question} I was asked {before} times before, and say: {}", words_of(40))
}

/// The request of a question in a conversation of its own, when it has ended.
async fn ask(user: &Client) -> Value {
    let sent = user.send(&user.conversation("oracle").await, QUESTION).await;
    ended(user, &sent.request).await
}

async fn ended(user: &Client, request: &str) -> Value {
    let ended = user.finished(request).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    ended
}

/// Waits until so many replies are kept: each is, when it has been told.
pub(crate) async fn kept(cluster: &Cluster, replies: usize) {
    within(&format!("{replies} replies to be kept"), async { while keys(cluster).await.len() < replies {} }).await;
}

/// Waits until a plain question gets this reply, in the place of an older one.
async fn replaced(user: &Client, reply: &str) {
    within("the newer reply in the place of the older", async { while said(&ask(user).await) != reply {} }).await;
}

async fn keys(cluster: &Cluster) -> Vec<String> {
    redis::from_redis_value(cluster.redis(&["KEYS", &format!("{}:cache:replies:*", cluster.redis_prefix())]).await)
        .expect("keys")
}

fn asked(cluster: &Cluster) -> usize {
    cluster.provider.calls_of(QUESTION).len()
}

fn said(request: &Value) -> &str {
    request["reply"]["content"].as_str().expect("a reply")
}

#[tokio::test]
async fn the_same_question_gets_the_same_reply_streamed_and_asks_nobody() {
    let cluster = options().start().await;
    let owner = oracle(&cluster, "private").await;
    let first = ask(&owner).await;
    assert_eq!((said(&first), asked(&cluster)), (&*reply(QUESTION, 0), 1));
    assert_eq!(first["tries"][0]["provider"], "openai");
    kept(&cluster, 1).await;

    // Elsewhere, too: what is kept is every server's and every worker's.
    let there = owner.at(cluster.server(1));
    let sent = there.send(&there.conversation("oracle").await, QUESTION).await;
    let mut streamed = Transcript::strict(&sent.request);
    let events = there.events(&sent.request, None).await.rest().await;
    streamed.apply_all(events.iter().map(|event| &event.data));
    let deltas = events.iter().filter(|event| event.event == "reply.delta").count();
    assert!(deltas > 1, "it is told in {deltas} piece");
    assert_eq!(streamed.completed(), said(&first));
    let again = there.finished(&sent.request).await;
    assert_eq!((said(&again), asked(&cluster)), (said(&first), 1));
    assert_eq!((&again["provider"], &again["model"]), (&first["provider"], &first["model"]));
    assert_eq!(again["usage"], json!({"prompt_tokens": 0, "completion_tokens": 0, "estimated": false}));
    let tries = again["tries"].as_array().expect("tries");
    assert_eq!(tries.len(), 1, "{again}");
    assert_eq!((&tries[0]["provider"], &tries[0]["outcome"]), (&json!("cache"), &json!("completed")));
    assert_eq!((&tries[0]["attempt"], &tries[0]["cost"]), (&json!(1), &json!(0.0)));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_one_user_was_told_is_given_to_another_only_if_the_persona_is_public() {
    let cluster = options().servers(1).workers(1).start().await;
    let owner = oracle(&cluster, "link").await;
    let stranger = cluster.client(0).await;
    let mine = ask(&owner).await;
    let theirs = ask(&stranger).await;
    assert_ne!(said(&mine), said(&theirs));
    assert_eq!(asked(&cluster), 2);
    kept(&cluster, 2).await;

    owner.patch(ORACLE, &json!({"visibility": "public"})).await.expect(200);
    let public = ask(&owner).await;
    kept(&cluster, 3).await;
    assert_eq!((said(&public), asked(&cluster)), (&*reply(QUESTION, 2), 3), "it is another persona now");
    let shared = ask(&stranger).await;
    assert_eq!((said(&shared), asked(&cluster)), (said(&public), 3));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn other_circumstances_or_the_wish_for_it_have_a_new_reply_written() {
    let cluster = options().own_engines().servers(1).workers(1).start().await;
    let owner = oracle(&cluster, "private").await;
    let conversation = owner.conversation("oracle").await;
    let first = owner.send(&conversation, QUESTION).await;
    ended(&owner, &first.request).await;
    kept(&cluster, 1).await;
    let with_history = owner.ask(&conversation, QUESTION).await;
    assert_eq!((with_history, asked(&cluster)), (reply(QUESTION, 1), 2), "the conversation says more now");
    kept(&cluster, 2).await;

    let path = format!("/api/v1/conversations/{}/messages?wait=20", owner.conversation("oracle").await);
    let call = owner.call(Method::POST, &path).header("cache-control", "no-cache");
    let fresh = owner.answer(call.json(&json!({"content": QUESTION}))).await.expect(200);
    assert_eq!((said(&fresh["request"]), asked(&cluster)), (&*reply(QUESTION, 2), 3), "it was to be a new one");
    replaced(&owner, &reply(QUESTION, 2)).await;
    let mut socket = owner.socket().await;
    let message = json!({"type": "message.send", "ref": "a", "conversation_id": owner.conversation("oracle").await,
        "content": QUESTION, "fresh": true});
    socket.send(&message).await;
    let accepted = socket.wait_for("the answer", |frame| frame["ref"] == "a").await;
    let newest = ended(&owner, accepted["request"]["id"].as_str().expect("an id")).await;
    assert_eq!((said(&newest), asked(&cluster)), (&*reply(QUESTION, 3), 4));
    replaced(&owner, said(&newest)).await;
    assert_eq!(asked(&cluster), 4);

    owner.patch(ORACLE, &json!({"system_prompt": "You are young."})).await.expect(200);
    assert_eq!(said(&ask(&owner).await), reply(QUESTION, 4), "another persona speaks");
    kept(&cluster, 3).await;
    cluster.redis(&["FLUSHALL"]).await;
    assert_eq!(said(&ask(&owner).await), reply(QUESTION, 5), "nothing is kept any more");
    owner.patch(ORACLE, &json!({"cache_replies": false})).await.expect(200);
    for before in 6..8 {
        assert_eq!(said(&ask(&owner).await), reply(QUESTION, before), "the persona is set so");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_kept_has_its_time_and_look_ups_are_counted() {
    let cluster = ClusterOptions::default().servers(0).workers(0).start().await;
    let redis = RedisHandle::connect(&Live::fixed(cluster.config())).await.expect("Redis");
    let cache = RedisCache::replies(redis.clone());
    assert_eq!(cache.lookups().await.unwrap(), Lookups::default());
    assert_eq!(cache.get("a").await.unwrap(), None);
    for value in [&b"\x00\xff one"[..], b"two"] {
        cache.put("a", value.into(), Duration::from_mins(1)).await.unwrap();
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(value));
    }
    assert_eq!(cache.get("b").await.unwrap(), None);
    assert_eq!(cache.lookups().await.unwrap(), Lookups { hits: 2, misses: 2 });
    let key = format!("{}:cache:replies:a", cluster.redis_prefix());
    let left: i64 = redis::from_redis_value(cluster.redis(&["PTTL", &key]).await).unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    redis.close().await;
}
