//! Responses: whole, streamed, in the background, followed again at another server, in a thread, cancelled, deleted.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{
    Client, ClusterOptions, EventSource, Gate, Script, ServerSentEvent,
    provider::{COMPLETION_TOKENS, Finish, PROMPT_TOKENS, default_reply},
};

use super::{error, expected};
use crate::{cluster, small_cluster};

const PATH: &str = "/v1/responses";

fn asking(input: impl Into<Value>) -> Value {
    json!({"model": "demo", "input": input.into()})
}

fn with(mut call: Value, name: &str, value: impl Into<Value>) -> Value {
    call[name] = value.into();
    call
}

fn id(response: &Value) -> &str {
    response["id"].as_str().unwrap()
}

/// Of the API of this service.
fn request(response: &Value) -> &str {
    response["troupe"]["request_id"].as_str().unwrap()
}

fn text(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {response}"))
}

async fn streamed(user: &Client, call: &Value) -> EventSource {
    user.open_events(user.call(Method::POST, PATH).json(&with(call.clone(), "stream", true))).await
}

async fn followed(user: &Client, id: &str, after: Option<u64>) -> EventSource {
    let after = after.map(|number| format!("&starting_after={number}")).unwrap_or_default();
    user.open_events(user.call(Method::GET, &format!("{PATH}/{id}?stream=true{after}"))).await
}

/// The events, which end as they must, and whose numbers grow by one.
fn sound(events: &[ServerSentEvent]) -> Vec<Value> {
    let (done, events) = events.split_last().expect("events");
    assert_eq!(done.text, "[DONE]");
    for event in events {
        assert_eq!((event.data["type"].as_str(), event.id.as_str()), (Some(event.event.as_str()), ""));
    }
    let events: Vec<_> = events.iter().map(|event| event.data.clone()).collect();
    let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

const ALL: [&str; 10] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
];

#[tokio::test]
async fn a_response_has_all_that_strict_clients_look_for() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let call = json!({
        "model": "demo", "instructions": "Be brief.", "temperature": 0.5, "max_output_tokens": 50,
        "metadata": {"a": "b"}, "user": "u", "truncation": "disabled",
        "input": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "First?"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
            {"role": "user", "content": "Second?"},
        ],
    });
    let response = user.post(PATH, &call).await.expect(200);
    assert_eq!(text(&response), default_reply("Second?"));
    let message = &response["output"][0];
    assert_eq!(
        (&message["type"], &message["role"], &message["status"]),
        (&json!("message"), &json!("assistant"), &json!("completed"))
    );
    let usage = json!({
        "input_tokens": PROMPT_TOKENS, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": COMPLETION_TOKENS, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    });
    for (field, value) in [
        ("object", json!("response")),
        ("status", json!("completed")),
        ("model", json!("demo")),
        ("instructions", json!("Be brief.")),
        ("temperature", json!(0.5)),
        ("top_p", json!(1.0)),
        ("max_output_tokens", json!(50)),
        ("metadata", json!({"a": "b"})),
        ("user", json!("u")),
        ("truncation", json!("disabled")),
        ("store", json!(true)),
        ("background", json!(false)),
        ("tools", json!([])),
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("text", json!({"format": {"type": "text"}})),
        ("usage", usage),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
        ("previous_response_id", Value::Null),
        ("reasoning", Value::Null),
    ] {
        assert_eq!(response[field], value, "{field}");
        assert!(response.get(field).is_some(), "{field}");
    }
    assert!(response["completed_at"].as_i64() >= response["created_at"].as_i64());
    let [asked] = &cluster.provider.calls_of("Second?")[..] else { panic!("one call") };
    let messages = asked.messages();
    assert!(messages[0].1.contains("Be brief.\n\nBe kind."), "{}", messages[0].1);
    assert_eq!(messages[1..].iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["First?", "One.", "Second?"]);
    assert_eq!(user.get(&format!("{PATH}/{}", id(&response))).await.expect(200), response);

    // It is in a conversation that stays, and the chat page shows.
    let listed = user.get("/api/v1/conversations").await.expect(200);
    assert_eq!(listed["items"][0]["id"], response["troupe"]["conversation_id"]);

    let items = |query: &str| format!("{PATH}/{}/input_items{query}", id(&response));
    let page = user.get(&items("?order=asc&limit=3")).await.expect(200);
    let texts = |page: &Value| -> Vec<String> {
        let items = page["data"].as_array().unwrap().iter();
        items.map(|item| item["content"][0]["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (texts(&page), &page["has_more"]),
        (["Be kind.", "First?", "One."].map(str::to_owned).to_vec(), &json!(true))
    );
    let rest = user.get(&items(&format!("?order=asc&after={}", page["last_id"].as_str().unwrap()))).await.expect(200);
    assert_eq!(texts(&rest), ["Second?"]);
    assert_eq!(texts(&user.get(&items("")).await.expect(200)), ["Second?", "One.", "First?", "Be kind."]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_stream_is_resumed_at_another_server_at_any_number() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Resume", [Script::gated(["The ", "sea ", "is ", "wide."], &gate)]);
    let mut stream = streamed(&user, &asking("Resume")).await;
    gate.release(2);
    let is_delta = |event: &ServerSentEvent| event.data["delta"] == "sea ";
    let mut seen: Vec<_> = stream.until(is_delta).await.into_iter().map(|event| event.data).collect();
    drop(stream);
    let name = id(&seen[0]["response"]).to_owned();
    let last = seen.last().unwrap()["sequence_number"].as_u64().unwrap();
    let there = user.at(cluster.server(1));
    let resumed = followed(&there, &name, Some(last)).await;
    gate.open();
    seen.extend(sound(&resumed.rest().await));
    assert_eq!(kinds(&seen), ALL);
    let numbers: Vec<_> = seen.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
    let deltas: String = seen.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, "The sea is wide.");
    for delta in seen.iter().filter(|event| event["type"] == "response.output_text.delta") {
        let places = ["output_index", "content_index"].map(|name| delta[name].as_u64());
        assert_eq!((places, &delta["logprobs"]), ([Some(0), Some(0)], &json!([])));
        assert_eq!(delta["item_id"], seen.last().unwrap()["response"]["output"][0]["id"]);
    }
    let whole = user.get(&format!("{PATH}/{name}")).await.expect(200);
    assert_eq!(seen.last().unwrap()["response"], whole);

    // All of it once more, and all of it when the log has gone: the last number stays.
    let again = sound(&followed(&user, &name, None).await.rest().await);
    assert_eq!(again[2..], seen[2..], "before that, the first was told its place in the queue");
    cluster.forget_log(request(&whole)).await;
    let made_up = followed(&user, &name, None).await.rest().await;
    let made_up: Vec<_> = made_up[..made_up.len() - 1].iter().map(|event| event.data.clone()).collect();
    assert_eq!(kinds(&made_up), ALL);
    assert_eq!(made_up[made_up.len() - 4..], seen[seen.len() - 4..], "the last ones are as they were");
    let end = seen.last().unwrap()["sequence_number"].as_u64();
    let nothing = followed(&user, &name, end).await.rest().await;
    assert_eq!(nothing.iter().map(|event| event.text.as_str()).collect::<Vec<_>>(), ["[DONE]"]);
    let rest = followed(&user, &name, Some(last)).await.rest().await;
    assert_eq!(rest.iter().rev().nth(1).unwrap().data, *seen.last().unwrap());
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_runs_in_the_background_survives_its_caller_and_its_worker() {
    let mut cluster = ClusterOptions::default().workers(2).processes().set("TROUPE_WORKER__LEASE", "2s").start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Survive", [Script::gated(["The sea ", "is lost"], &gate), Script::text("is wide.")]);
    let go_on = super::chat_completions::GO_ON;
    cluster.provider.on(go_on, [Script::chunks(["is wide."])]);
    let queued = user.post(PATH, &with(asking("Survive"), "background", true)).await.expect(200);
    assert_eq!(
        (&queued["status"], &queued["output"], &queued["background"]),
        (&json!("queued"), &json!([]), &json!(true))
    );
    assert_eq!(queued["troupe"]["place"]["position"], 1, "{queued}");
    let mut stream = followed(&user, id(&queued), None).await;
    gate.release(1);
    let mut seen = stream.until(|event| event.data["delta"] == "The sea ").await;
    let running = user.get(&format!("{PATH}/{}", id(&queued))).await.expect(200);
    assert_eq!(running["status"], "in_progress");
    let worker = cluster.worker_of(request(&queued)).await;
    cluster.workers[worker].kill().await;
    seen.extend(stream.rest().await);
    let seen = sound(&seen);
    assert_eq!(kinds(&seen), ALL);
    assert_eq!(text(&seen.last().unwrap()["response"]), "The sea is wide.");
    // Somebody who counts from the beginning comes to the same numbers.
    let again = sound(&followed(&user.at(cluster.server(1)), id(&queued), None).await.rest().await);
    assert_eq!(again, seen);
}

#[tokio::test]
async fn a_cancelled_response_keeps_what_was_shown_whoever_cancels_it() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Stop", [Script::gated(["The ", "rest"], &gate)]);
    let mut stream = streamed(&user, &asking("Stop")).await;
    gate.release(1);
    let mut seen = stream.until(|event| event.data["delta"] == "The ").await;
    let name = id(&seen[0].data["response"]).to_owned();
    let cancel = format!("{PATH}/{name}/cancel");
    let cancelled = user.at(cluster.server(1)).post(&cancel, &json!({})).await.expect(200);
    assert_eq!((&cancelled["status"], text(&cancelled)), (&json!("cancelled"), "The "));
    seen.extend(stream.rest().await);
    let seen = sound(&seen);
    let end = seen.last().unwrap();
    assert_eq!((&end["type"], &end["response"]["status"]), (&json!("response.incomplete"), &json!("cancelled")));
    assert_eq!(user.post(&cancel, &json!({})).await.expect(200)["status"], "cancelled", "again");
    let done = user.post(PATH, &asking("Done")).await.expect(200);
    let too_late = user.post(&format!("{PATH}/{}/cancel", id(&done)), &json!({})).await.expect(200);
    assert_eq!(too_late, done);
    gate.open();
    cluster.provider.on("Length", [Script::text("The sea").ending(Finish::Length)]);
    let cut = user.post(PATH, &asking("Length")).await.expect(200);
    let details = json!({"reason": "max_output_tokens"});
    assert_eq!((&cut["status"], &cut["incomplete_details"], text(&cut)), (&json!("incomplete"), &details, "The sea"));
}

#[tokio::test]
async fn a_response_follows_another_with_all_that_was_said_before() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let after = |previous: &Value, input: Value| {
        with(with(asking(input), "previous_response_id", id(previous)), "model", Value::Null)
    };
    let asked = |question: &str| {
        let calls = cluster.provider.calls_of(question);
        let messages = calls.last().unwrap_or_else(|| panic!("{question} was asked")).messages();
        messages.into_iter().skip(1).map(|(_, text)| text).collect::<Vec<_>>()
    };
    let first = user.post(PATH, &with(asking("One?"), "instructions", "Only now.")).await.expect(200);
    let second = user.post(PATH, &after(&first, json!("Two?"))).await.expect(200);
    assert_eq!(second["previous_response_id"], first["id"]);
    assert_eq!(second["troupe"]["conversation_id"], first["troupe"]["conversation_id"]);
    let [one, two] = ["One?", "Two?"].map(default_reply);
    assert_eq!(asked("Two?"), ["One?", &one, "Two?"]);
    let system = &cluster.provider.calls_of("Two?")[0].messages()[0].1;
    assert!(!system.contains("Only now."), "instructions are not inherited");
    // After the first once more: on a branch of its own.
    let other = user.post(PATH, &after(&first, json!("Other?"))).await.expect(200);
    assert_eq!(asked("Other?"), ["One?", &one, "Other?"]);
    user.post(PATH, &after(&second, json!("Three?"))).await.expect(200);
    assert_eq!(asked("Three?"), ["One?", &one, "Two?", &two, "Three?"]);
    // With turns of the caller's own, which later responses have, too; as they have instructions among the input.
    let turns = json!([
        {"role": "developer", "content": "Always."},
        {"role": "user", "content": "By the way"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Four?"},
    ]);
    let fourth = user.post(PATH, &after(&other, turns)).await.expect(200);
    let before = ["One?", &one, "Other?", &default_reply("Other?"), "By the way", "Yes?", "Four?"];
    assert_eq!(asked("Four?"), before);
    user.post(PATH, &after(&fourth, json!("Five?"))).await.expect(200);
    assert_eq!(asked("Five?"), [&before[..], &[&default_reply("Four?"), "Five?"]].concat());
    assert!(cluster.provider.calls_of("Five?")[0].messages()[0].1.contains("Always."));

    // Apart from the conversation, with what was said in it.
    let apart = with(after(&first, json!("Apart?")), "store", false);
    let apart = user.post(PATH, &apart).await.expect(200);
    assert_eq!(asked("Apart?"), ["One?", &one, "Apart?"]);
    assert_ne!(apart["troupe"]["conversation_id"], first["troupe"]["conversation_id"]);

    let name = format!("conv_{}", first["troupe"]["conversation_id"].as_str().unwrap().replace('-', ""));
    assert_eq!(first["conversation"]["id"], name);
    let named = with(asking("Six?"), "conversation", json!({"id": name}));
    let sixth = user.post(PATH, &named).await.expect(200);
    assert_eq!(sixth["troupe"]["conversation_id"], first["troupe"]["conversation_id"]);
    assert!(asked("Six?").contains(&default_reply("Four?")), "at the end of the path that was chosen last");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_not_stored_is_in_no_list_and_goes_with_its_caller() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Leave", [Script::gated(["Hm", "…"], &gate)]);
    let mut stream = streamed(&user, &with(asking("Leave"), "store", false)).await;
    let first = stream.next().await.unwrap().data;
    assert_eq!(first["response"]["conversation"], Value::Null);
    gate.reached(1).await;
    drop(stream);
    assert_eq!(user.finished(request(&first["response"])).await["status"], "cancelled");
    gate.open();
    assert_eq!(user.get("/api/v1/conversations").await.expect(200)["items"], json!([]));
    let after = with(asking("And?"), "previous_response_id", id(&first["response"]));
    let refused = user.post(PATH, &after).await;
    assert_eq!(error(&refused, 404), expected("not_found", None, "not_found", "false"));

    let made = user.post(PATH, &asking("Delete me")).await.expect(200);
    let path = format!("{PATH}/{}", id(&made));
    assert_eq!(user.delete(&path).await.expect(200)["deleted"], true);
    assert_eq!(user.get(&path).await.status, 404);
    assert_eq!(user.get("/api/v1/conversations").await.expect(200)["items"], json!([]));
    let first = user.post(PATH, &asking("Stays")).await.expect(200);
    let after = with(asking("Goes"), "previous_response_id", id(&first));
    let second = user.post(PATH, &after).await.expect(200);
    user.delete(&format!("{PATH}/{}", id(&second))).await.expect(200);
    assert_eq!(user.get(&format!("{PATH}/{}", id(&second))).await.status, 404);
    user.get(&format!("{PATH}/{}", id(&first))).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_response_is_named_and_nothing_is_stored() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    for (field, value) in [
        ("model", Value::Null),
        ("input", json!([])),
        ("input", json!("x".repeat(40_000))),
        ("temperature", json!(3)),
        ("max_output_tokens", json!(0)),
        ("truncation", json!("sometimes")),
        ("previous_response_id", json!("chatcmpl-1")),
        ("tools", json!([{"type": "web_search"}])),
        ("text", json!({"format": {"type": "json_schema"}})),
        ("reasoning", json!({"effort": "high"})),
        ("metadata", json!({"a": "x".repeat(600)})),
    ] {
        let refused = user.post(PATH, &with(asking("?"), field, value.clone())).await;
        let error = refused.openai_error(400);
        let named = if field == "input" && value.is_string() { "input[0]" } else { field };
        assert_eq!(error["param"], named, "{field} {value}: {}", refused.text);
    }
    let background = with(with(asking("?"), "background", true), "store", false);
    assert_eq!(user.post(PATH, &background).await.openai_error(400)["param"], "background");
    let long = json!([{"role": "user", "content": "sea ".repeat(7_000)}, {"role": "user", "content": "?"}]);
    let long = with(asking(long), "truncation", "disabled");
    assert_eq!(user.post(PATH, &long).await.openai_error(400)["param"], "input");
    let image = json!([{"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org"}]}]);
    assert_eq!(user.post(PATH, &asking(image)).await.openai_error(400)["param"], "input[0].content[0]");
    for path in ["/v1/responses/resp_1", "/v1/responses/resp_1/input_items"] {
        assert_eq!(user.get(path).await.openai_error(404)["code"], "not_found");
    }
    let far = user.get("/v1/responses/resp_1?stream=true&starting_after=4294967295").await;
    assert_eq!(far.openai_error(400)["param"], "starting_after");
    assert_eq!(cluster.count("conversations").await, 0);
}
