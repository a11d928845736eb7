//! Personas: who may see and change them, and that they are who replies.

use serde_json::{Value, json};
use troupe_tests::ClusterOptions;

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

#[tokio::test]
async fn who_speaks_for_a_persona_is_set_and_set_back() {
    let cluster = ClusterOptions::default()
        .servers(1)
        .workers(0)
        .set("TROUPE_PROVIDERS__OPENAI__KEYS__SPARE", "another")
        .start()
        .await;
    let (owner, stranger) = (cluster.client(0).await, cluster.client(0).await);
    let path = "/api/v1/personas/grandmother";
    let body =
        json!({"slug": "grandmother", "name": "Grandmother", "system_prompt": "You are kind.", "visibility": "public"});
    let created = owner.post("/api/v1/personas", &body).await.expect(201);
    let settings = |persona: &Value| {
        ["model", "chain", "when_cut", "over_budget", "cache_replies", "remembers"]
            .map(|setting| persona[setting].clone())
    };
    let defaults = [json!(null), json!(null), json!("restart"), json!("fail"), json!(false), json!(false)];
    assert_eq!(settings(&created), defaults);

    let chain = json!(["openai#spare/gpt-4.1-mini", "offline"]);
    let change = json!({"model": "m", "chain": [" openai#spare/gpt-4.1-mini", "offline"], "when_cut": "continue",
        "over_budget": "offline", "cache_replies": true, "remembers": true});
    let all = [json!("m"), chain.clone(), json!("continue"), json!("offline"), json!(true), json!(true)];
    assert_eq!(settings(&owner.patch(path, &change).await.expect(200)), all);
    assert_eq!(settings(&owner.get(path).await.expect(200)), all);
    let seen = stranger.get(path).await.expect(200);
    assert_eq!((&seen["chain"], &seen["cache_replies"]), (&Value::Null, &json!(true)), "keys are the owner's business");

    // What is left out stays, null and an empty chain are the default again; each change is another version.
    let version = || cluster.number("select version::bigint from personas where slug = 'grandmother'");
    let before = version().await;
    assert_eq!(settings(&owner.patch(path, &json!({"name": "Nan"})).await.expect(200)), all);
    assert_eq!(owner.patch(path, &json!({"chain": null})).await.expect(200)["chain"], Value::Null);
    assert_eq!(owner.patch(path, &json!({"chain": chain})).await.expect(200)["chain"], chain);
    assert_eq!(owner.patch(path, &json!({"chain": []})).await.expect(200)["chain"], Value::Null);
    let unset = owner.patch(path, &json!({"model": null, "when_cut": "stop"})).await.expect(200);
    assert_eq!((&unset["model"], &unset["when_cut"]), (&Value::Null, &json!("stop")));
    assert_eq!(version().await, before + 5);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_persona_may_be_made_with_all_its_settings() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let owner = cluster.client(0).await;
    let settings = json!({"chain": ["openai/a", "anthropic", "offline"], "when_cut": "stop", "over_budget": "offline",
        "cache_replies": true, "remembers": true, "model": "m"});
    let mut body = json!({"slug": "grandmother", "name": "Grandmother", "system_prompt": "You are kind."});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let created = owner.post("/api/v1/personas", &body).await.expect(201);
    for (setting, value) in settings.as_object().unwrap() {
        assert_eq!(created[setting], *value, "{setting}");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn earlier_versions_of_a_persona_are_kept_and_restored_as_a_change() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let owner = cluster.client(0).await;
    let body = json!({"slug": "grandmother", "name": "Grandmother", "system_prompt": "You knit.", "temperature": 0.25});
    owner.post("/api/v1/personas", &body).await.expect(201);
    let patch = async |change: Value| owner.patch("/api/v1/personas/grandmother", &change).await.expect(200);
    patch(json!({"system_prompt": "You are stern.", "temperature": 1.0})).await;
    patch(json!({"visibility": "public"})).await;
    // The same again is no other version.
    patch(json!({"visibility": "public"})).await;

    let versions = async || owner.get("/api/v1/personas/grandmother/versions").await.expect(200);
    let listed = versions().await;
    let changed: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|version| version["changed"].clone()).collect();
    assert_eq!(changed, [json!(["visibility"]), json!(["system_prompt", "temperature"]), json!([])], "{listed}");
    let first = &listed["items"][2];
    assert_eq!(
        (&first["settings"]["system_prompt"], &first["settings"]["name"]),
        (&json!("You knit."), &json!("Grandmother"))
    );
    assert!(first["settings"]["owner_id"].is_null(), "only what is a setting: {first}");

    let restore = async |version: &Value| {
        owner.post(&format!("/api/v1/personas/grandmother/versions/{version}/restore"), &json!({})).await
    };
    let restored = restore(&first["version"]).await.expect(200);
    let settings = ["system_prompt", "temperature", "visibility"].map(|key| &restored[key]);
    assert_eq!(settings, [&json!("You knit."), &json!(0.25), &json!("public")], "the visibility stays");
    assert_eq!(versions().await["items"].as_array().unwrap().len(), 4, "nothing is lost by it");
    restore(&json!(99)).await.problem(404);

    let stranger = cluster.client(0).await;
    stranger.get("/api/v1/personas/grandmother/versions").await.problem(404);
    stranger.post("/api/v1/personas/grandmother/versions/1/restore", &json!({})).await.problem(404);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn versions_of_a_large_persona_are_kept_by_their_size() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let owner = cluster.client(0).await;
    let body = json!({"slug": "talker", "name": "Talker", "system_prompt": "You talk."});
    owner.post("/api/v1/personas", &body).await.expect(201);
    for number in 0..8 {
        let grow = "update personas set greetings = array[$1 || repeat('x', 1500000)], version = version + 1 where slug = 'talker'";
        sqlx::query(grow).bind(number.to_string()).execute(&cluster.db).await.unwrap();
    }
    assert_eq!(cluster.count("persona_versions").await, 2, "two of 1.5 MB fit into 4 MiB");
    let newest = cluster.number("select max(version)::bigint from persona_versions").await;
    assert_eq!(newest, cluster.number("select version::bigint - 1 from personas where slug = 'talker'").await);
}
