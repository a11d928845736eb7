//! Two users, each of whom tries every id of the other's, at every address that the server has.
//!
//! The addresses come from the server's own description, so that a new one is tried as soon as it is there, or named by
//! a failure where this test does not know what to put in.

use std::collections::BTreeMap;

use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Cluster};

use crate::{chat::avatars, interview::answers, knowledge::documents, small_cluster_of_processes};

/// What somebody has, by the beginning of its address.
type Belongings = BTreeMap<&'static str, String>;

/// The longest that fits says what an id in a path is of.
const ADDRESSES: [&str; 15] = [
    "/api/v1/conversations/",
    "/api/v1/requests/",
    "/api/v1/requests/{id}/speech/",
    "/api/v1/personas/",
    "/api/v1/personas/{slug}/documents/",
    "/api/v1/personas/{slug}/responses/",
    "/api/v1/personas/{slug}/memories/",
    "/api/v1/personas/{slug}/versions/",
    "/api/v1/questions/",
    "/api/v1/api-keys/",
    "/api/v1/auth/sign-ins/",
    "/api/v1/auth/me/exports/",
    "/v1/conversations/",
    "/v1/models/",
    "/v1/responses/",
];

/// A request of nobody's.
const NOBODYS: &str = "01900000-0000-7000-8000-000000000000";

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap_or_else(|| panic!("an id in {made}")).to_owned()
}

/// One of everything.
async fn belongings(cluster: &Cluster, slug: &str) -> (Client, Belongings) {
    let user = cluster.client(0).await;
    let persona = json!({"slug": slug, "name": "Mine", "system_prompt": "You are mine.", "remembers": true});
    user.post("/api/v1/personas", &persona).await.expect(201);
    let path = format!("/api/v1/personas/{slug}");
    user.patch(&path, &json!({"description": "Mine still."})).await.expect(200);
    let document = documents::added(&user, &format!("{path}/documents"), "text/plain", "The lighthouse.").await;
    let question = id(&user.post("/api/v1/questions", &json!({"text": format!("Who is {slug}?")})).await.expect(201));
    answers::put(&user, slug, &question, "Nobody else's business.", "final").await.expect(201);
    let memory = user.post(&format!("{path}/memories"), &json!({"fact": "I like tea"})).await.expect(201);
    let lore = json!({"entries": [{"keys": ["mine"], "content": "Mine alone."}]});
    user.put(&format!("{path}/lorebook"), &lore).await.expect(200);
    avatars::put(&user, slug, avatars::picture(8, 8, ImageFormat::Png)).await.expect(200);
    let conversation = user.conversation(slug).await;
    let sent = user.send(&conversation, "Mine alone").await;
    user.reply(&sent.request).await;
    user.post(&format!("/api/v1/requests/{}/feedback", sent.request), &json!({"rating": "up"})).await;
    let key = user.post("/api/v1/api-keys", &json!({"name": "mine", "scopes": ["chat:read"]})).await.expect(201);
    let sign_ins = user.get("/api/v1/auth/sign-ins").await.expect(200);
    let export = user.post("/api/v1/auth/me/exports", &Value::Null).await.expect(202);
    let response = json!({"model": slug, "input": "Mine alone, too"});
    let response = user.post("/v1/responses", &response).await.expect(200);
    let all = BTreeMap::from([
        ("/v1/conversations/", format!("conv_{}", conversation.replace('-', ""))),
        ("/v1/models/", slug.to_owned()),
        ("/v1/responses/", id(&response)),
        ("/api/v1/auth/me/exports/", id(&export)),
        ("/api/v1/conversations/", conversation),
        ("/api/v1/requests/", sent.request),
        ("/api/v1/requests/{id}/speech/", "1".to_owned()),
        ("/api/v1/personas/", slug.to_owned()),
        ("/api/v1/personas/{slug}/documents/", id(&document)),
        ("/api/v1/personas/{slug}/responses/", question.clone()),
        ("/api/v1/personas/{slug}/memories/", id(&memory)),
        ("/api/v1/personas/{slug}/versions/", "1".to_owned()),
        ("/api/v1/questions/", question),
        ("/api/v1/api-keys/", id(&key)),
        ("/api/v1/auth/sign-ins/", id(&sign_ins[0])),
    ]);
    (user, all)
}

/// The address with everything of theirs in it; `None` where there is nothing to put in.
fn aimed(path: &str, theirs: &Belongings) -> Option<String> {
    let mut aimed = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').expect("a closing brace");
        aimed.push_str(before);
        let so_far = &path[..path.len() - rest.len() + before.len()];
        let known = ADDRESSES.iter().filter(|known| **known == so_far).max_by_key(|known| known.len());
        let known = known.unwrap_or_else(|| panic!("this test does not know what to put into {path}"));
        aimed.push_str(&theirs[known]);
        rest = after;
    }
    (!aimed.is_empty()).then(|| aimed + rest)
}

/// A call that its owner could make.
async fn call(client: &Client, method: &str, path: &str, aimed: &str) -> Answer {
    let asked = if path.ends_with("/search") { format!("{aimed}?q=lighthouse") } else { aimed.to_owned() };
    let call = client.call(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &asked);
    let json =
        |body: Value| client.call(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &asked).json(&body);
    let call = match (method, path) {
        ("get" | "delete", _) => call,
        (_, "/api/v1/personas/{slug}/documents") => call.header("content-type", "text/plain").body("Planted."),
        (_, "/api/v1/personas/{slug}/responses/import") => json(json!([])),
        (_, "/api/v1/personas/{slug}/lorebook") => {
            json(json!({"entries": [{"keys": ["mine"], "content": "Planted."}]}))
        }
        (_, "/api/v1/personas/{slug}/responses/{question_id}") => {
            json(json!({"content": "Planted.", "status": "final"}))
        }
        (_, "/api/v1/personas/{slug}/avatar") => call.body(avatars::picture(9, 9, ImageFormat::Png)),
        (_, "/api/v1/personas/{slug}/inspect") => json(json!({"question": "Who are you?"})),
        (_, "/api/v1/personas/{slug}/memories") => json(json!({"fact": "I like coffee"})),
        (_, "/api/v1/personas/{slug}") => json(json!({"name": "Stolen"})),
        (_, "/api/v1/conversations/{id}") => json(json!({"title": "Stolen"})),
        (_, "/api/v1/conversations/{id}/messages" | "/api/v1/requests/{id}") => json(json!({"content": "Planted."})),
        (_, "/api/v1/conversations/{id}/path") => json(json!({"through": NOBODYS})),
        (_, "/api/v1/conversations/{id}/fork") => json(json!({"until": NOBODYS})),
        (_, "/api/v1/conversations/{id}/queue") => json(json!({"request_ids": []})),
        (
            _,
            "/api/v1/requests/{id}/regenerate" | "/api/v1/requests/{id}/continue" | "/api/v1/requests/{id}/withdraw",
        ) => json(json!({})),
        (_, "/v1/conversations/{id}") => json(json!({"metadata": {"stolen": "yes"}})),
        (_, "/api/v1/requests/{id}/heard") => json(json!({"sentence": 0})),
        (_, "/api/v1/requests/{id}/translations") => json(json!({"language": "de"})),
        (_, "/api/v1/requests/{id}/feedback") => json(json!({"rating": "down"})),
        _ => call,
    };
    client.answer(call).await
}

/// Everything that is stored, but for what notes the calls themselves.
async fn everything(cluster: &Cluster) -> Vec<String> {
    let tables = [
        "users",
        "personas",
        "persona_avatars",
        "persona_cards",
        "persona_versions",
        "persona_lorebooks",
        "lore_receipts",
        "questions",
        "responses",
        "documents",
        "passages",
        "memories",
        "conversations",
        "messages",
        "requests",
        "feedback",
        "api_keys",
    ];
    let mut all = Vec::new();
    for table in tables {
        let digest = format!("select md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {table} t");
        let digest: String = sqlx::query_scalar(sqlx::AssertSqlSafe(digest)).fetch_one(&cluster.db).await.unwrap();
        all.push(format!("{table} {digest}"));
    }
    all
}

#[tokio::test]
async fn nobody_gets_at_what_is_another_users() {
    let cluster = small_cluster_of_processes().await;
    let (ada, adas) = belongings(&cluster, "of-ada").await;
    let (grace, graces) = belongings(&cluster, "of-grace").await;
    let before = everything(&cluster).await;
    let description = ada.get("/openapi.json").await.expect(200);
    let mut tried = 0;
    // What anybody may call who has been told its id (`GET /auth/deletions/{id}`) is nobody's.
    let is_open = |operation: &Value| operation["security"] == json!([{}]);
    for (path, item) in description["paths"].as_object().expect("paths") {
        if !path.contains('{') || path.starts_with("/api/v1/admin/") || is_open(&item["get"]) {
            continue;
        }
        for method in ["get", "put", "post", "patch", "delete"] {
            if item[method].is_null() {
                continue;
            }
            for (thief, theirs) in [(&ada, &graces), (&grace, &adas)] {
                let aimed = aimed(path, theirs).expect("an address");
                let answer = call(thief, method, path, &aimed).await;
                assert_eq!(answer.error_code(path, 404), "not_found", "{method} {aimed}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 50, "only {tried} were tried");
    assert_eq!(everything(&cluster).await, before, "nothing was changed");
    // And the same calls do something for those whose it is: they were no wrong addresses.
    for (path, item) in description["paths"].as_object().expect("paths") {
        if path.contains('{') && !path.starts_with("/api/v1/admin/") && !item["get"].is_null() && !is_open(&item["get"])
        {
            let answer = ada.get(&aimed(path, &adas).expect("an address")).await;
            // An export that is not made yet is a conflict; what is not spoken yet is accepted.
            assert!(
                [200, 202, 409, 422].contains(&answer.status.as_u16()),
                "GET {path}: {} {}",
                answer.status,
                answer.text
            );
        }
    }
    cluster.assert_quiet().await;
}
