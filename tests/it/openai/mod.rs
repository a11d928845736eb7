//! The face of `OpenAI`: what programs that speak to it get.

mod audio;
mod chat_completions;
mod conversations;
mod embeddings;
mod models;
mod responses;

use serde_json::{Value, json};
use troupe_tests::Answer;

/// (type, param, code, whether to try again)
fn error(answer: &Answer, status: u16) -> (Value, Value, Value, &str) {
    let error = answer.openai_error(status);
    let [kind, param, code] = ["type", "param", "code"].map(|name| error[name].clone());
    (kind, param, code, answer.header("x-should-retry"))
}

fn expected(kind: &str, param: Option<&str>, code: &str, retry: &'static str) -> (Value, Value, Value, &'static str) {
    (json!(kind), json!(param), json!(code), retry)
}
