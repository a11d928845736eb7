//! Moderation: admins find everybody's personas, hide them and delete them.

use serde_json::{Value, json};
use troupe_tests::{Client, ClusterOptions, Gate, Script, provider::default_reply};

use crate::{operations::admin::admin, small_cluster};

const ALL: &str = "/api/v1/admin/personas";

async fn publish(owner: &Client, slug: &str, name: &str) {
    let body = json!({"slug": slug, "name": name, "system_prompt": "Secret.", "visibility": "public"});
    owner.post("/api/v1/personas", &body).await.expect(201);
}

async fn slugs(admin: &Client, query: &str) -> Vec<String> {
    let page = admin.get(&format!("{ALL}?{query}")).await;
    assert!(!page.text.contains("Secret."), "the prompt is its owner's: {}", page.text);
    let page = page.expect(200);
    page["items"].as_array().unwrap().iter().map(|persona| persona["slug"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn admins_find_everybodys_personas() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, owner) = (admin(&cluster).await, cluster.client(0).await);
    for (slug, name) in [("grand-mother", "Old Rose"), ("uncle", "Rosé Müller"), ("aunt", "Iris")] {
        publish(&owner, slug, name).await;
    }
    owner.patch("/api/v1/personas/aunt", &json!({"visibility": "private"})).await.expect(200);
    assert_eq!(slugs(&admin, "").await, ["aunt", "uncle", "grand-mother", "demo"]);
    for (query, found) in [
        ("search=rose", vec!["grand-mother"]),
        ("search=Grand%20mo", vec!["grand-mother"]),
        ("search=m%C3%BC", vec!["uncle"]),
        ("search=%20-%20", vec![]),
        ("visibility=private", vec!["aunt"]),
        ("hidden=true", vec![]),
        ("search=iris&visibility=public", vec![]),
    ] {
        assert_eq!(slugs(&admin, query).await, found, "{query}");
    }
    let by_owner = format!("owner={}", owner.user["id"].as_str().unwrap());
    assert_eq!(slugs(&admin, &by_owner).await, ["aunt", "uncle", "grand-mother"]);
    let first = admin.get(&format!("{ALL}?limit=2&{by_owner}")).await.expect(200);
    let next = format!("limit=2&{by_owner}&after={}", first["next"].as_str().expect("a next page"));
    assert_eq!(slugs(&admin, &next).await, ["grand-mother"]);
    for query in ["visibility=secret", "hidden=perhaps", "owner=me", "after=nowhere", "limit=0", "words=x"] {
        admin.get(&format!("{ALL}?{query}")).await.problem(422);
    }
    owner.get(ALL).await.problem(403);
    cluster.assert_quiet().await;
}

/// Running conversations are refused, what waits fails, and the owner is told why.
#[tokio::test]
async fn a_hidden_persona_answers_nobody() {
    let cluster = small_cluster().await;
    let (admin, owner, user) = (admin(&cluster).await, cluster.client(0).await, cluster.client(0).await);
    publish(&owner, "rose", "Rose").await;
    let (theirs, own) = (user.conversation("rose").await, owner.conversation("rose").await);
    let gate = Gate::new();
    cluster.provider.on("First", [Script::gated(["Well."], &gate)]);
    let running = user.send(&theirs, "First").await;
    gate.reached(1).await;
    let waiting = user.send(&theirs, "Second").await;

    let hide = format!("{ALL}/rose/hide");
    admin.post(&hide, &json!({"reason": " "})).await.problem(422);
    user.post(&hide, &json!({"reason": "mine"})).await.problem(403);
    let hidden = admin.post(&hide, &json!({"reason": " Speaks for somebody else. "})).await.expect(200);
    assert_eq!(
        (&hidden["hidden_reason"], &hidden["visibility"]),
        (&json!("Speaks for somebody else."), &json!("public"))
    );
    assert_eq!(slugs(&admin, "hidden=true").await, ["rose"]);

    for (caller, conversation) in [(&user, &theirs), (&owner, &own)] {
        let refused = caller.send_waiting(conversation, "Are you there?", 0).await;
        assert_eq!(refused.problem(409)["code"], "persona_hidden");
    }
    assert_eq!(user.get("/api/v1/personas/rose").await.problem(404)["code"], "not_found");
    assert!(!user.get("/api/v1/personas").await.text.contains("rose"), "nobody else is shown it");
    user.post("/api/v1/conversations", &json!({"persona": "rose"})).await.problem(422);
    let refused = owner.post("/api/v1/conversations", &json!({"persona": "rose"})).await;
    assert_eq!(refused.problem(409)["code"], "persona_hidden");
    let seen = owner.get("/api/v1/personas/rose").await.expect(200);
    assert_eq!(seen["hidden_reason"], "Speaks for somebody else.");
    assert!(owner.get("/api/v1/personas").await.text.contains("hidden_at"), "its owner is");

    // What is said already is said to its end; what waited is answered no more.
    gate.open();
    assert_eq!(user.reply(&running.request).await, "Well.");
    let failed = user.finished(&waiting.request).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("persona_hidden")));
    assert!(cluster.provider.calls_of("Second").is_empty());

    // An owner cannot undo it; an admin can.
    owner.patch("/api/v1/personas/rose", &json!({"visibility": "link"})).await.expect(200);
    assert_eq!(owner.send_waiting(&own, "And now?", 0).await.problem(409)["code"], "persona_hidden");
    let shown = admin.post(&format!("{ALL}/rose/unhide"), &Value::Null).await.expect(200);
    assert_eq!((&shown["hidden_at"], &shown["visibility"]), (&Value::Null, &json!("link")));
    assert_eq!(user.ask(&theirs, "And now?").await, default_reply("And now?"));
    assert!(owner.get("/api/v1/personas/rose").await.expect(200)["hidden_at"].is_null());
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn admins_delete_what_is_nobodys_and_what_is_somebodys() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, owner) = (admin(&cluster).await, cluster.client(0).await);
    publish(&owner, "rose", "Rose").await;
    let conversation = owner.conversation("rose").await;
    assert_eq!(admin.get(&format!("{ALL}/rose")).await.expect(200)["owner_id"], owner.user["id"]);
    assert_eq!(admin.get(&format!("{ALL}/demo")).await.expect(200)["owner_id"], Value::Null);
    for slug in ["rose", "demo"] {
        owner.delete(&format!("{ALL}/{slug}")).await.problem(403);
        assert_eq!(admin.delete(&format!("{ALL}/{slug}")).await.status, 204);
        admin.delete(&format!("{ALL}/{slug}")).await.problem(404);
        admin.post(&format!("{ALL}/{slug}/hide"), &json!({"reason": "gone"})).await.problem(404);
        admin.post(&format!("{ALL}/{slug}/unhide"), &Value::Null).await.problem(404);
    }
    owner.get(&format!("/api/v1/conversations/{conversation}")).await.problem(404);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_moderators_do_is_noted() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, owner) = (admin(&cluster).await, cluster.client(0).await);
    publish(&owner, "rose", "Rose").await;
    let unhide = format!("{ALL}/rose/unhide");
    admin.post(&unhide, &Value::Null).await.expect(200);
    for reason in ["One.", "Two."] {
        admin.post(&format!("{ALL}/rose/hide"), &json!({ "reason": reason })).await.expect(200);
    }
    admin.post(&unhide, &Value::Null).await.expect(200);
    admin.delete(&format!("{ALL}/rose")).await;
    let entries = admin.get("/api/v1/admin/audit?target_kind=persona").await.expect(200);
    let entries: Vec<_> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .skip(1)
        .map(|entry| {
            assert_eq!(entry["actor"]["user_id"], admin.user["id"], "{entry}");
            assert_eq!(entry["target"]["user_id"], owner.user["id"], "{entry}");
            format!("{}: {} to {}", entry["verb"].as_str().unwrap(), entry["before"], entry["after"])
        })
        .collect();
    assert_eq!(
        entries,
        [
            r#"persona.hidden: null to "One.""#,
            r#"persona.hidden: "One." to "Two.""#,
            r#"persona.unhidden: "Two." to null"#,
            r#"persona.deleted: {"slug":"rose"} to null"#,
        ]
    );
    cluster.assert_quiet().await;
}
