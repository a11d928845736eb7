//! Personas: who may see and change them, and that they are who replies.

use serde_json::{Value, json};

use crate::{cluster, small_cluster};

#[tokio::test]
async fn a_persona_of_ones_own_speaks_with_its_own_prompt() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let body = json!({
        "slug": "grandmother", "name": "Grandmother", "system_prompt": "You are kind, and knit. 🧶",
        "temperature": 0.25, "model": "her-model",
    });
    let created = user.post("/api/v1/personas", &body).await.expect(201);
    assert_eq!((&created["visibility"], &created["owned"]), (&json!("private"), &json!(true)));
    assert_eq!(there.get("/api/v1/personas/grandmother").await.expect(200), created);
    assert_eq!(user.post("/api/v1/personas", &body).await.problem(409)["code"], "slug_taken");

    let conversation = there.conversation("grandmother").await;
    there.ask(&conversation, "How are you?").await;
    let call = &cluster.provider.calls_of("How are you?")[0];
    assert_eq!(call.messages()[0], ("system".to_owned(), "You are kind, and knit. 🧶".to_owned()));
    assert_eq!((&call.body["model"], &call.body["temperature"]), (&json!("her-model"), &json!(0.25)));

    let changed =
        there.patch("/api/v1/personas/grandmother", &json!({"system_prompt": "You are stern."})).await.expect(200);
    assert_eq!((&changed["system_prompt"], &changed["name"]), (&json!("You are stern."), &json!("Grandmother")));
    there.ask(&conversation, "And now?").await;
    assert_eq!(cluster.provider.calls_of("And now?")[0].messages()[0].1, "You are stern.");

    assert_eq!(user.delete("/api/v1/personas/grandmother").await.status, 204);
    user.get("/api/v1/personas/grandmother").await.problem(404);
    user.get(&format!("/api/v1/conversations/{conversation}")).await.problem(404);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_others_see_of_a_persona_follows_its_visibility() {
    let cluster = small_cluster().await;
    let owner = cluster.client(0).await;
    let stranger = cluster.client(0).await;
    for visibility in ["private", "link", "public"] {
        let body = json!({"slug": format!("my-{visibility}"), "name": "Mine", "system_prompt": "Secret.", "visibility": visibility});
        owner.post("/api/v1/personas", &body).await.expect(201);
    }
    let slugs = |page: Value| {
        let mut slugs: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|persona| persona["slug"].as_str().unwrap().to_owned())
            .collect();
        slugs.sort();
        slugs
    };
    let listed = owner.get("/api/v1/personas").await.expect(200);
    assert_eq!(slugs(listed), ["demo", "my-link", "my-private", "my-public"]);
    let listed = stranger.get("/api/v1/personas").await;
    assert!(!listed.text.contains("Secret.") && !listed.text.contains("lighthouse where"), "{}", listed.text);
    assert_eq!(slugs(listed.expect(200)), ["demo", "my-public"]);

    for visibility in ["link", "public"] {
        let seen = stranger.get(&format!("/api/v1/personas/my-{visibility}")).await.expect(200);
        assert_eq!((&seen["owned"], &seen["system_prompt"]), (&json!(false), &Value::Null));
        stranger.conversation(&format!("my-{visibility}")).await;
    }
    stranger.get("/api/v1/personas/my-private").await.problem(404);
    cluster.assert_quiet().await;
}
