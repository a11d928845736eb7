//! A request of somebody, as an admin sees and ends it.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Gate, Script};

use super::admin::admin;
use crate::small_cluster;

#[tokio::test]
async fn an_admin_sees_what_was_sent_without_its_words_and_cancels_with_a_reason() {
    let cluster = small_cluster().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Half 🌊 ", "of it ", "and more"], &gate)]);
    let socket = user.socket().await;
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(2);
    socket.shown(&sent.request, "Half 🌊 of it ").await;
    let path = format!("/api/v1/admin/requests/{}", sent.request);
    let events = async || admin.get(&format!("{path}/events")).await.expect(200)["items"].as_array().unwrap().clone();
    let seen = events().await;
    assert!(!json!(seen).to_string().contains("Half"), "no words: {seen:?}");
    let kinds = |events: &[Value]| events.iter().map(|event| event["type"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&seen)[0], "request.started");
    let characters = seen.iter().filter_map(|event| event["characters"].as_u64());
    assert_eq!(characters.sum::<u64>(), 13);
    assert!(seen.windows(2).all(|two| two[0]["at"].as_str() <= two[1]["at"].as_str()), "{seen:?}");

    let cancel = async |body: Value| admin.post(&format!("{path}/cancel"), &body).await;
    assert_eq!(cancel(json!({"reason": ""})).await.problem(422)["errors"][0]["field"], "reason");
    let cancelled = cancel(json!({"reason": "it hangs"})).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(socket.ended(&sent.request).await["message"]["content"], "Half 🌊 of it ");
    assert_eq!(kinds(&events().await).last().unwrap(), "request.cancelled");
    assert_eq!(cancel(json!({"reason": "again"})).await.problem(409)["code"], "already_settled");
    gate.open();
    cluster.worker_logged("that it was overtaken", |entry| entry.to_string().contains("overtaken")).await;

    let audited = admin.get("/api/v1/admin/audit?verb=request.cancelled").await.expect(200);
    let entries = audited["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{audited}");
    assert_eq!(entries[0]["after"], json!({"status": "cancelled", "reason": "it hangs"}));
    let nobodys = "/api/v1/admin/requests/00000000-0000-7000-8000-00000000000f";
    admin.get(&format!("{nobodys}/events")).await.problem(404);
    admin.post(&format!("{nobodys}/cancel"), &json!({"reason": "hm"})).await.problem(404);
    user.answer(user.call(Method::GET, &format!("{path}/events"))).await.problem(403);
    cluster.assert_quiet().await;
}
