//! Personas are models.

use serde_json::json;
use troupe_tests::Client;

use super::{error, expected};
use crate::small_cluster;

#[tokio::test]
async fn a_model_is_a_persona_that_the_caller_may_talk_with() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let persona = |slug: &str| json!({"slug": slug, "name": "Mine", "description": "of mine", "system_prompt": "Hm."});
    user.post("/api/v1/personas", &persona("mine")).await.expect(201);
    cluster.client(0).await.post("/api/v1/personas", &persona("theirs")).await.expect(201);

    let list = user.get("/v1/models").await.expect(200);
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"demo") && ids.contains(&"mine") && !ids.contains(&"theirs"), "{ids:?}");
    let mine = user.get("/v1/models/mine").await.expect(200);
    assert_eq!(mine, *list["data"].as_array().unwrap().iter().find(|model| model["id"] == "mine").unwrap());
    let [object, owner, name] = ["object", "owned_by", "name"].map(|field| mine[field].as_str().unwrap());
    assert_eq!((list["object"].as_str(), object, owner, name), (Some("list"), "model", "you", "Mine"));
    assert!(mine["created"].as_i64().unwrap() > 1_700_000_000);

    let unknown = user.get("/v1/models/theirs").await;
    assert_eq!(error(&unknown, 404), expected("not_found", None, "not_found", "false"));
    let nobody = Client::anonymous(user.base()).get("/v1/models").await;
    assert_eq!(error(&nobody, 401), expected("invalid_request", None, "unauthenticated", "false"));
    let nowhere = user.get("/v1/assistants").await;
    assert_eq!(error(&nowhere, 404), expected("not_found", None, "not_found", "false"));
}

#[tokio::test]
async fn a_key_of_ours_counts_in_either_header() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let made = user.post("/api/v1/api-keys", &json!({"name": "sdk", "scopes": ["personas:read"]})).await.expect(201);
    let key = made["key"].as_str().unwrap();
    user.with_token(key).get("/v1/models").await.expect(200);
    let nobody = user.with_token("");
    let call = nobody.call(reqwest::Method::GET, "/v1/models").header("x-api-key", key);
    nobody.answer(call).await.expect(200);
    let body = json!({"model": "demo", "messages": [{"role": "user", "content": "Hello"}]});
    let refused = user.with_token(key).post("/v1/chat/completions", &body).await;
    assert_eq!(error(&refused, 403), expected("invalid_request", None, "out_of_scope", "false"));
}
