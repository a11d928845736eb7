//! Chat completions: as a whole and in chunks, with all that a caller brings, and with everything that fails.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{
    Answer, Client, ClusterOptions, EventSource, Gate, Script, ScriptedProvider,
    provider::{COMPLETION_TOKENS, Fault, Finish, PROMPT_TOKENS, default_reply},
    within,
};

use super::{error, expected};
use crate::{cluster, small_cluster};

const PATH: &str = "/v1/chat/completions";
/// What a worker asks a model that is to go on with the reply of another.
pub(super) const GO_ON: &str = "Your reply was cut off. Go on exactly where it stops, in the same language and style, and repeat \
                     nothing of it.";

fn asking(question: &str) -> Value {
    json!({"model": "demo", "messages": [{"role": "user", "content": question}]})
}

fn with(mut call: Value, name: &str, value: impl Into<Value>) -> Value {
    call[name] = value.into();
    call
}

fn content(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().unwrap()
}

async fn chunks(user: &Client, call: &Value) -> EventSource {
    let call = with(call.clone(), "stream", true);
    user.open_events(user.call(Method::POST, PATH).json(&call)).await
}

/// The text of all chunks, and why it ended.
fn joined(chunks: &[Value]) -> (String, Vec<&str>) {
    let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    let text = choices.clone().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
    (text, choices.filter_map(|choice| choice["finish_reason"].as_str()).collect())
}

#[tokio::test]
async fn a_persona_answers_with_what_the_caller_brings() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let call = json!({
        "model": "demo",
        "messages": [
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": "First?"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [{"type": "text", "text": "And then?"}]},
        ],
        "temperature": 1.5, "top_p": 0.5, "seed": 7, "presence_penalty": 0.25, "frequency_penalty": -0.25,
        "stop": "END", "max_completion_tokens": 12, "user": "somebody", "metadata": {"a": "b"}, "unknown": {},
    });
    let answer = user.post(PATH, &call).await.expect(200);
    assert_eq!(content(&answer), default_reply("And then?"));
    let origin = &answer["troupe"];
    let request = origin["request_id"].as_str().unwrap();
    assert_eq!(answer["id"], format!("chatcmpl-{}", request.replace('-', "")));
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("demo")));
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let total = PROMPT_TOKENS + COMPLETION_TOKENS;
    let usage = json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": total});
    assert_eq!(answer["usage"], usage);

    let [asked] = &cluster.provider.calls_of("And then?")[..] else { panic!("one call") };
    let messages = asked.messages();
    let (system, turns) = messages.split_first().unwrap();
    let persona = system.1.find("You are").unwrap();
    assert!(system.1.find("Answer in one word.").unwrap() > persona, "the persona's own go first: {}", system.1);
    let turns: Vec<_> = turns.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
    assert_eq!(turns, [("user", "First?"), ("assistant", "One."), ("user", "And then?")]);
    for (setting, value) in [
        ("temperature", json!(1.5)),
        ("top_p", json!(0.5)),
        ("seed", json!(7)),
        ("presence_penalty", json!(0.25)),
        ("frequency_penalty", json!(-0.25)),
        ("stop", json!(["END"])),
        ("max_completion_tokens", json!(12)),
    ] {
        assert_eq!(asked.body[setting], value, "{setting}");
    }

    // It is a request like any other, in a conversation that is in no list.
    assert_eq!(user.request(request).await["reply"]["content"], content(&answer));
    let listed = user.get("/api/v1/conversations").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    let plain = user.post(PATH, &asking("Plainly")).await.expect(200);
    assert_eq!(content(&plain), default_reply("Plainly"));
    let [asked] = &cluster.provider.calls_of("Plainly")[..] else { panic!("one call") };
    assert_eq!((&asked.body["stop"], &asked.body["top_p"]), (&Value::Null, &Value::Null));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_stream_has_every_chunk_that_clients_wait_for() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    cluster.provider.on("Short", [Script::chunks(["The ", "sea."]).ending(Finish::Length)]);
    let call = with(asking("Short"), "stream_options", json!({"include_usage": true}));
    let events = chunks(&user, &call).await.rest().await;
    let (done, events) = events.split_last().unwrap();
    assert_eq!(done.text, "[DONE]");
    assert!(events.iter().all(|event| event.id.is_empty() && event.event == "message"), "{events:?}");
    let chunks: Vec<_> = events.iter().map(|event| event.data.clone()).collect();
    let (usage, choices) = chunks.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(COMPLETION_TOKENS)));
    assert_eq!(choices[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert!(choices.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    assert_eq!(joined(choices), ("The sea.".to_owned(), vec!["length"]));
    for same in ["id", "created", "model", "object"] {
        assert!(chunks.iter().all(|chunk| chunk[same] == chunks[0][same] && !chunk[same].is_null()), "{same}");
    }

    let events = self::chunks(&user, &asking("Without usage")).await.rest().await;
    assert!(events.iter().all(|event| event.data.get("usage").is_none()));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let before = cluster.count("conversations").await;
    let unknown = user.post(PATH, &with(asking("?"), "model", "nobody")).await;
    assert_eq!(error(&unknown, 404), expected("not_found", None, "not_found", "false"));
    for (field, value) in [
        ("messages", json!([])),
        ("messages", json!("Hello")),
        ("temperature", json!(2.1)),
        ("top_p", json!(-1)),
        ("max_completion_tokens", json!(0)),
        ("stop", json!(["a", "b", "c", "d", "e"])),
        ("stop", json!("")),
        ("n", json!(2)),
        ("tools", json!([{"type": "function", "function": {"name": "f"}}])),
        ("response_format", json!({"type": "json_object"})),
        ("logprobs", json!(true)),
        ("reasoning_effort", json!("high")),
        ("seed", json!("seven")),
    ] {
        let refused = user.post(PATH, &with(asking("?"), field, value.clone())).await;
        assert_eq!(
            error(&refused, 400),
            expected("invalid_request", Some(field), "invalid", "false"),
            "{field} {value}"
        );
    }
    let image =
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.org"}}]}]);
    let refused = user.post(PATH, &with(asking("?"), "messages", image)).await;
    let named = expected("invalid_request", Some("messages[0].content[0]"), "invalid", "false");
    assert_eq!(error(&refused, 400), named);
    let call = user.call(Method::POST, PATH).header("content-type", "application/json").body("{");
    let broken = user.answer(call).await;
    assert_eq!(error(&broken, 400), expected("invalid_request", None, "malformed_json", "false"));
    let harmless = with(with(asking("Harmless"), "tools", json!([])), "response_format", json!({"type": "text"}));
    user.post(PATH, &with(harmless, "n", 1)).await.expect(200);
    assert_eq!(cluster.count("conversations").await, before + 1, "that of the last");
}

#[tokio::test]
async fn a_reply_that_fails_is_an_error_that_nobody_tries_again() {
    let cluster = ClusterOptions::default().servers(1).workers(1).set("TROUPE_WORKER__MAX_ATTEMPTS", "1").start().await;
    let user = cluster.client(0).await;
    cluster.provider.on("Fail", [Script::error(500)]);
    let failed = user.post(PATH, &asking("Fail")).await;
    assert_eq!(error(&failed, 502), expected("model_error", None, "provider_failed", "false"));
    let events = chunks(&user, &asking("Fail")).await.rest().await;
    let last = &events.last().unwrap().data;
    assert_eq!(last["error"]["code"], "provider_failed", "{events:?}");
    cluster.provider.on("Too long", [Script::fault(Fault::TooLong)]);
    let failed = user.post(PATH, &asking("Too long")).await;
    assert_eq!(error(&failed, 502), expected("model_error", None, "prompt_too_long", "false"));
}

async fn with_key(client: &Client, call: &Value) -> Answer {
    client.answer(client.call(Method::POST, PATH).header("idempotency-key", "k-1").json(call)).await
}

#[tokio::test]
async fn a_call_that_is_made_again_with_its_key_is_answered_once() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Once", [Script::gated(["On", "ce."], &gate)]);
    let there = user.at(cluster.server(1));
    let release = async {
        gate.reached(1).await;
        gate.open();
    };
    let once = asking("Once");
    let both = async { tokio::join!(with_key(&user, &once), with_key(&there, &once), release) };
    let (first, second, ()) = Box::pin(within("both", both)).await;
    let third = with_key(&user, &once).await;
    for answer in [&first, &second, &third] {
        assert_eq!(content(&answer.clone().expect(200)), "Once.");
        assert_eq!(answer.body["id"], first.body["id"]);
    }
    assert_eq!(third.header("idempotency-replayed"), "true");
    assert_eq!(cluster.provider.calls_of("Once").len(), 1);
    let other = with_key(&user, &asking("Something else")).await;
    assert_eq!(error(&other, 400), expected("invalid_request", None, "idempotency_key_reused", "false"));
    assert_eq!(cluster.count("conversations").await, 1, "those of the others are gone");
}

#[tokio::test]
async fn a_reply_whose_caller_has_left_is_cancelled() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Leave", [Script::gated(["Hm", "…"], &gate)]);
    let mut stream = chunks(&user, &asking("Leave")).await;
    let first = stream.next().await.unwrap();
    let id = first.data["id"].as_str().unwrap().strip_prefix("chatcmpl-").unwrap().to_owned();
    gate.reached(1).await;
    drop(stream);
    assert_eq!(user.finished(&id).await["status"], "cancelled");
    gate.open();
}

#[tokio::test]
async fn a_reply_that_somebody_cancels_is_no_answer() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Stop", [Script::gated(["Half ", "of it"], &gate)]);
    let cancel = async {
        let mut stream = chunks(&user, &asking("Stop")).await;
        let first = stream.next().await.unwrap();
        gate.release(1);
        let id = first.data["id"].as_str().unwrap().strip_prefix("chatcmpl-").unwrap().to_owned();
        stream.until(|event| event.data["choices"][0]["delta"]["content"] == "Half ").await;
        user.post(&format!("/api/v1/requests/{id}/cancel"), &json!({})).await.expect(200);
        stream.rest().await
    };
    let rest = Box::pin(cancel).await;
    assert_eq!(rest.last().unwrap().data["error"]["code"], "cancelled", "{rest:?}");
    gate.open();
}

/// A chain of two services, the second of which takes no beginning of a reply.
#[tokio::test]
async fn text_is_never_taken_back_when_a_service_breaks_off() {
    let spare = ScriptedProvider::start().await;
    let cluster = ClusterOptions::default()
        .servers(1)
        .workers(1)
        .set("TROUPE_MODELS__CHAIN", "openai, spare")
        .set("TROUPE_PROVIDERS__SPARE__FORMAT", "openai")
        .set("TROUPE_PROVIDERS__SPARE__BASE_URL", &spare.base_url())
        .set("TROUPE_PROVIDERS__SPARE__MODEL", "spare-model")
        .set("TROUPE_PROVIDERS__SPARE__KEYS__MAIN", "secret of spare")
        .start()
        .await;
    let user = cluster.client(0).await;
    cluster.provider.on("Break", [Script::chunks(["The sea ", "is "]).then_cut()]);
    spare.on(GO_ON, [Script::chunks(["wide."])]);
    let events = chunks(&user, &asking("Break")).await.rest().await;
    let chunks: Vec<_> = events.iter().map(|event| event.data.clone()).collect();
    assert_eq!(joined(&chunks), ("The sea is wide.".to_owned(), vec!["stop"]));
    let [asked] = &spare.calls_of(GO_ON)[..] else { panic!("one call") };
    let messages = asked.messages();
    let said: Vec<_> = messages[1..].iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
    assert_eq!(said, [("user", "Break"), ("assistant", "The sea is "), ("user", GO_ON)]);
}

#[tokio::test]
async fn a_reply_goes_on_from_what_was_sent_when_its_worker_dies() {
    let mut cluster =
        ClusterOptions::default().servers(1).workers(2).processes().set("TROUPE_WORKER__LEASE", "2s").start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Survive", [Script::gated(["The sea ", "is lost"], &gate)]);
    cluster.provider.on(GO_ON, [Script::chunks(["is wide."])]);
    let mut stream = chunks(&user, &asking("Survive")).await;
    gate.release(1);
    let mut before = stream.until(|event| event.data["choices"][0]["delta"]["content"] == "The sea ").await;
    let id = before[0].data["id"].as_str().unwrap().strip_prefix("chatcmpl-").unwrap().to_owned();
    let worker = cluster.worker_of(&id).await;
    cluster.workers[worker].kill().await;
    before.extend(stream.rest().await);
    let chunks: Vec<_> = before.iter().map(|event| event.data.clone()).collect();
    assert_eq!(joined(&chunks), ("The sea is wide.".to_owned(), vec!["stop"]));
    assert_eq!(user.finished(&id).await["reply"]["content"], "The sea is wide.");
    gate.open();
}
