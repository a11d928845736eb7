//! Conversations over `/v1`: made for responses, read as items, deleted.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::provider::default_reply;

use crate::small_cluster;

const PATH: &str = "/v1/conversations";

#[tokio::test]
async fn a_conversation_keeps_what_responses_and_the_chat_say_in_it() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let made = user.post(PATH, &json!({"model": "demo", "metadata": {"topic": "sea"}})).await.expect(200);
    let name = made["id"].as_str().unwrap();
    let path = format!("{PATH}/{name}");
    assert_eq!(
        (&made["object"], &made["metadata"], &made["model"]),
        (&json!("conversation"), &json!({"topic": "sea"}), &json!("demo"))
    );
    assert_eq!(user.get(&path).await.expect(200), made);

    let response = user.post("/v1/responses", &json!({"input": "First?", "conversation": name})).await.expect(200);
    let ours = response["troupe"]["conversation_id"].as_str().unwrap().to_owned();
    assert_eq!(user.ask(&ours, "Second?").await, default_reply("Second?"));
    let asked = cluster.provider.calls_of("Second?")[0].messages();
    assert_eq!(asked[1].1, "First?", "the chat goes on where the response was");

    let texts = |page: &Value| -> Vec<String> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["content"][0]["text"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = ["First?".to_owned(), default_reply("First?"), "Second?".to_owned(), default_reply("Second?")];
    let page = user.get(&format!("{path}/items?order=asc&limit=3")).await.expect(200);
    assert_eq!((texts(&page), &page["has_more"]), (all[..3].to_vec(), &json!(true)));
    let rest = format!("{path}/items?order=asc&after={}", page["last_id"].as_str().unwrap());
    assert_eq!(texts(&user.get(&rest).await.expect(200)), all[3..]);
    assert_eq!(page["data"][1]["content"][0]["annotations"], json!([]));

    let noted = user.post(&path, &json!({"metadata": {"topic": "boats"}})).await.expect(200);
    assert_eq!(noted["metadata"]["topic"], "boats");
    assert_eq!(user.delete(&path).await.expect(200)["deleted"], true);
    assert_eq!(user.get(&path).await.openai_error(404)["code"], "not_found");
    assert_eq!(user.get(&format!("{path}/items")).await.openai_error(404)["code"], "not_found");
}

#[tokio::test]
async fn a_conversation_needs_a_persona_and_is_made_once_with_a_key() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    for (call, field) in [
        (json!({}), "model"),
        (json!({"model": "demo", "items": [{"role": "user", "content": "?"}]}), "items"),
        (json!({"model": "demo", "metadata": {"a": "x".repeat(513)}}), "metadata"),
    ] {
        assert_eq!(user.post(PATH, &call).await.openai_error(400)["param"], field, "{call}");
    }
    assert_eq!(user.post(PATH, &json!({"model": "nobody"})).await.openai_error(404)["code"], "not_found");
    assert_eq!(cluster.count("conversations").await, 0);
    let call = json!({"metadata": {"model": "demo"}});
    let make = || user.answer(user.call(Method::POST, PATH).header("idempotency-key", "k").json(&call));
    let (first, second) = (make().await, make().await);
    assert_eq!(first.expect(200), second.clone().expect(200));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(cluster.count("conversations").await, 1);
}
