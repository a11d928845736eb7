//! The face of `OpenAI`: what programs that speak to it get.

mod chat_completions;
mod models;

use serde_json::{Value, json};
use troupe_tests::Answer;

/// The error of an answer that must be one, in `OpenAI`'s shape: (type, param, code, whether to try again).
fn error(answer: &Answer, status: u16) -> (Value, Value, Value, &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.text);
    let error = &answer.body["error"];
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", answer.text);
    assert!(!answer.header("x-request-id").is_empty());
    let [kind, param, code] = ["type", "param", "code"].map(|name| error[name].clone());
    (kind, param, code, answer.header("x-should-retry"))
}

fn expected(kind: &str, param: Option<&str>, code: &str, retry: &'static str) -> (Value, Value, Value, &'static str) {
    (json!(kind), json!(param), json!(code), retry)
}
