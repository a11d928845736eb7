//! Traces: one, from the caller's `traceparent` through three processes to the last event on a socket.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::json;
use troupe_tests::{Client, Cluster, ClusterOptions, Collector, Script, collector::Span};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{TRACE}-{CALLERS_SPAN}-01")
}

fn options(collector: &Collector, sample: &str) -> ClusterOptions {
    ClusterOptions::default()
        .workers(1)
        .processes()
        .set("TROUPE_TRACES__ENDPOINT", collector.endpoint())
        .set("TROUPE_TRACES__SAMPLE", sample)
}

/// Sends a message within the caller's trace.
async fn send(user: &Client, conversation: &str, content: &str) -> String {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let call = user.call(Method::POST, &path).header("traceparent", traceparent()).json(&json!({"content": content}));
    user.answer(call).await.expect(202)["request"]["id"].as_str().expect("an id").to_owned()
}

fn of_trace(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.trace == TRACE).collect()
}

fn delivered(spans: &[Span], event: &str) -> bool {
    of_trace(spans).iter().any(|span| span.name == "deliver" && span.attributes["troupe.event"] == event)
}

fn has(spans: &[Span], name: &str) -> bool {
    of_trace(spans).iter().any(|span| span.name == name)
}

#[tokio::test]
async fn one_trace_leads_from_the_caller_through_three_processes_to_the_last_event() {
    let collector = Collector::start().await;
    let cluster = options(&collector, "1").set("TROUPE_TRACES__AUTHORIZATION", "Bearer collect").start().await;
    let user = cluster.client(0).await;
    let socket = user.at(cluster.server(1)).socket().await;
    // The first try fails, so that there are two.
    cluster.provider.on("What do you trace?", [Script::error(503), Script::text("Everything, to its end.")]);
    let conversation = user.conversation("demo").await;
    let request = send(&user, &conversation, "What do you trace?").await;
    socket.ended(&request).await;
    let spans = collector
        .wait_for("the whole trace", |spans| {
            let replies = of_trace(spans).iter().filter(|span| span.name == "reply").count();
            replies == 2 && has(spans, "accept") && delivered(spans, "reply.completed")
        })
        .await;
    let spans = of_trace(&spans);
    let by_id: HashMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), *span)).collect();
    assert_eq!(by_id.len(), spans.len(), "each has an id of its own");
    let parent = |span: &Span| by_id.get(span.parent.as_str()).map_or("nobody", |parent| parent.name.as_str());
    let call = "POST /api/v1/conversations/{id}/messages";
    for span in &spans {
        let expected = match span.name.as_str() {
            name if name == call => "nobody",
            "accept" | "dispatch" => call,
            "reply" => "accept",
            "wait in the queue" | "claim" | "append" | "finish" | "deliver" => "reply",
            name if name.starts_with("chat ") => "reply",
            other => panic!("nobody expects {other}"),
        };
        assert_eq!(parent(span), expected, "{span:?}");
        assert!(span.start <= span.end, "{span:?}");
        // The call may be answered before the reply begins, but nothing begins before what it follows from.
        assert!(by_id.get(span.parent.as_str()).is_none_or(|parent| parent.start <= span.end), "{span:?}");
    }
    let named = |name: &str| spans.iter().filter(|span| span.name == name).copied().collect::<Vec<_>>();
    let (calls, accepts, replies) = (named(call), named("accept"), named("reply"));
    assert_eq!(calls[0].parent, CALLERS_SPAN, "it goes on from the caller's");
    assert_eq!(calls[0].attributes["http.response.status_code"], "202");
    assert_eq!(accepts[0].attributes["troupe.request_id"], request.as_str());
    let (first, second) = if replies[0].links.is_empty() { (replies[0], replies[1]) } else { (replies[1], replies[0]) };
    assert_eq!(second.links.join(" "), first.id, "an attempt links to the one before it");
    assert_eq!((first.error.as_deref(), &first.attributes["troupe.outcome"]), (Some("retried"), &json!("retried")));
    assert_eq!((second.error.as_deref(), &second.attributes["troupe.outcome"]), (None, &json!("completed")));
    let processes: HashMap<&str, &str> =
        [calls[0], first, named("deliver")[0]].map(|span| (span.instance.as_str(), span.service.as_str())).into();
    let mut services: Vec<_> = processes.into_values().collect();
    services.sort_unstable();
    assert_eq!(services, ["troupe-server", "troupe-server", "troupe-worker"], "three processes");
    let tries: Vec<_> = spans.iter().filter(|span| span.name.starts_with("chat ")).collect();
    let last = tries.iter().find(|span| span.error.is_none()).expect("the try that went well");
    assert_eq!((tries.len(), &last.attributes["gen_ai.provider.name"]), (2, &json!("openai")));
    assert!(last.attributes.contains_key("gen_ai.usage.output_tokens") && last.kind == 3, "{last:?}");
    // The provider is told, too.
    let told = cluster.provider.calls_of("What do you trace?").into_iter().filter_map(|call| call.traceparent);
    let told: Vec<_> = told.collect();
    assert!(told.iter().all(|told| told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-01")), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
    let delivered: Vec<_> = named("deliver").iter().map(|span| span.attributes["troupe.event"].clone()).collect();
    for event in ["request.started", "reply.delta", "reply.completed"] {
        assert!(delivered.contains(&json!(event)), "{event} is not in {delivered:?}");
    }
    assert_eq!(collector.authorization().as_deref(), Some("Bearer collect"));
    // What was said is nobody's business.
    assert!(!format!("{spans:?}").contains("Everything"), "{spans:?}");
    let logged = cluster.worker_logged("a line with the trace", |line| line["span"]["trace_id"] == TRACE).await;
    assert_eq!(logged["span"]["request_id"], request.as_str(), "{logged}");
}

#[tokio::test]
async fn what_fails_is_traced_though_nothing_is_sampled() {
    let collector = Collector::start().await;
    let cluster = options(&collector, "0").servers(1).start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let well = send(&user, &conversation, "Are you well?").await;
    user.finished(&well).await;
    cluster.provider.on("And now?", [Script::error(400)]);
    let failed = send(&user, &conversation, "And now?").await;
    user.finished(&failed).await;
    let spans = collector.wait_for("the failed reply", |spans| has(spans, "reply")).await;
    let replies: Vec<_> = spans.iter().filter(|span| span.name == "reply").collect();
    let of: Vec<_> = replies.iter().map(|span| &span.attributes["troupe.request_id"]).collect();
    assert_eq!(of, [failed.as_str()], "and not the one that went well");
    assert_eq!(replies[0].error.as_deref(), Some("failed"));
    assert_eq!(replies[0].trace, TRACE, "its trace can be found by its caller's id");
    let told = cluster.provider.calls_of("And now?").into_iter().filter_map(|call| call.traceparent);
    assert_eq!(told.count(), 0, "nobody else records what is not sampled");
}

#[tokio::test]
async fn replies_do_not_wait_for_a_collector_and_it_is_asked_again() {
    let collector = Collector::start().await;
    let cluster = options(&collector, "1").servers(1).start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    collector.refuse([503, 429]);
    let request = send(&user, &conversation, "Does anybody hear?").await;
    user.finished(&request).await;
    collector.wait_for("the trace", |spans| has(spans, "accept") && has(spans, "reply")).await;
    assert_eq!(collector.refusals_left(), 0, "after it had refused twice");
    drop(collector);
    let request = send(&user, &conversation, "And now?").await;
    assert_eq!(user.finished(&request).await["status"], "completed", "without a collector");
}

#[tokio::test]
async fn messages_over_sockets_have_a_trace_too() {
    let collector = Collector::start().await;
    let cluster = options(&collector, "1").servers(1).start().await;
    let user = cluster.client(0).await;
    let mut socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    let message = json!({"type": "message.send", "ref": "1", "conversation_id": conversation, "content": "Hello",
        "traceparent": traceparent()});
    socket.send(&message).await;
    let accepted = socket.wait_for("the answer", |frame| frame["ref"] == "1").await;
    socket.ended(accepted["request"]["id"].as_str().expect("an id")).await;
    let spans = collector.wait_for("the end", |spans| delivered(spans, "reply.completed")).await;
    let sent = spans.iter().find(|span| span.name == "socket message.send").expect("the message");
    assert_eq!((sent.trace.as_str(), sent.parent.as_str()), (TRACE, CALLERS_SPAN));
}

async fn stored(cluster: &Cluster) -> i64 {
    cluster.number("select count(traceparent) from requests").await
}

#[tokio::test]
async fn without_a_collector_nothing_is_recorded() {
    let cluster = ClusterOptions::default().servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let request = send(&user, &conversation, "Does it cost?").await;
    user.finished(&request).await;
    assert_eq!(stored(&cluster).await, 0);
    assert!(!cluster.log_of(&request).await.contains(TRACE), "events are as they were");
}
