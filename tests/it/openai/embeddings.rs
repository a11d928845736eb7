//! Embeddings, as numbers and as base64.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{error, expected};
use crate::small_cluster;

const PATH: &str = "/v1/embeddings";

fn numbers(embedding: &Value) -> Vec<f32> {
    match &embedding["embedding"] {
        Value::String(text) => {
            let bytes = BASE64_STANDARD.decode(text).unwrap();
            bytes.chunks(4).map(|number| f32::from_le_bytes(number.try_into().unwrap())).collect()
        }
        list => serde_json::from_value(list.clone()).unwrap(),
    }
}

#[tokio::test]
async fn texts_are_embedded_in_their_order_as_numbers_or_in_base64() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let call = json!({"model": "lexical-1", "input": ["The sea is wide", "Wide is the sea", "Bread"]});
    let list = user.post(PATH, &call).await.expect(200);
    assert_eq!((&list["object"], &list["model"]), (&json!("list"), &json!("lexical-1")));
    let data = list["data"].as_array().unwrap();
    assert!(data.iter().enumerate().all(|(place, one)| one["index"] == place && one["object"] == "embedding"));
    let vectors: Vec<_> = data.iter().map(numbers).collect();
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert!(product(&vectors[0], &vectors[1]) > product(&vectors[0], &vectors[2]) + 0.3);
    assert!(list["usage"]["total_tokens"].as_u64() > Some(5));
    let packed = json!({"model": "lexical-1", "input": "Bread", "encoding_format": "base64", "dimensions": 512});
    let packed = user.post(PATH, &packed).await.expect(200);
    assert_eq!(numbers(&packed["data"][0]), vectors[2]);
}

#[tokio::test]
async fn what_cannot_be_embedded_is_named() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    for (call, field) in [
        (json!({"model": "text-embedding-3-small", "input": "?"}), "model"),
        (json!({"model": "lexical-1", "input": [1, 2]}), "input"),
        (json!({"model": "lexical-1", "input": []}), "input"),
        (json!({"model": "lexical-1", "input": ["a", ""]}), "input[1]"),
        (json!({"model": "lexical-1", "input": "a", "dimensions": 3}), "dimensions"),
        (json!({"model": "lexical-1", "input": "a", "encoding_format": "hex"}), "encoding_format"),
    ] {
        assert_eq!(user.post(PATH, &call).await.openai_error(400)["param"], field, "{call}");
    }
    let key = user.post("/api/v1/api-keys", &json!({"name": "k", "scopes": ["chat:write"]})).await.expect(201);
    let call = json!({"model": "lexical-1", "input": "a"});
    let refused = user.with_token(key["key"].as_str().unwrap()).post(PATH, &call).await;
    assert_eq!(error(&refused, 403), expected("invalid_request", None, "out_of_scope", "false"));
}
