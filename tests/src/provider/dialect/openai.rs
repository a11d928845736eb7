//! `OpenAI`'s chat completions.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::provider::{COMPLETION_TOKENS, Fault, Finish, PROMPT_TOKENS, Script, perform::Act, script::Step};

pub(super) fn acts(script: &Script, usage_wanted: bool) -> VecDeque<Act> {
    let mut acts = VecDeque::new();
    if script.unknown_fields {
        acts.push_back(Act::write(": a comment\n\n"));
    }
    if script.role {
        acts.push_back(chunk(script, &json!({"role": "assistant", "content": ""}), &Value::Null));
    }
    let field = if script.finish == Some(Finish::Declined) { "refusal" } else { "content" };
    for step in &script.steps {
        acts.push_back(match step {
            Step::Text(text) => chunk(script, &json!({ field: text }), &Value::Null),
            Step::Malformed => event(r#"{"choices":[{"delta":{"content":"#),
            Step::Error => event(r#"{"error":{"message":"overloaded","type":"server_error"}}"#),
            Step::Act(act) => act.clone(),
        });
    }
    if let Some(finish) = script.finish {
        let reason = match finish {
            Finish::Stop | Finish::Declined => "stop",
            Finish::Length => "length",
            Finish::Filtered => "content_filter",
        };
        acts.push_back(chunk(script, &json!({}), &json!(reason)));
    }
    if script.usage && usage_wanted {
        let usage = json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": 19});
        acts.push_back(event(&json!({"id": "chatcmpl-1", "choices": [], "usage": usage}).to_string()));
    }
    if script.done {
        acts.push_back(event("[DONE]"));
    }
    acts
}

fn event(data: &str) -> Act {
    Act::write(format!("data: {data}\n\n"))
}

fn chunk(script: &Script, delta: &Value, finish_reason: &Value) -> Act {
    let mut chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    });
    if script.unknown_fields {
        chunk["x_surprise"] = json!({"deeply": ["nested", null, 1e300]});
        chunk["choices"][0]["delta"]["reasoning_details"] = json!([{"kind": "hidden"}]);
    }
    event(&chunk.to_string())
}

pub(super) fn fault(fault: Fault) -> (u16, Value) {
    let (status, kind, code, message) = match fault {
        Fault::BadKey => (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        Fault::NoCredit => (402, "billing", "payment_required", "Payment is required."),
        Fault::OutOfQuota => (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        Fault::NoSuchModel => (404, "invalid_request_error", "model_not_found", "The model does not exist."),
        Fault::TooLong => (400, "invalid_request_error", "context_length_exceeded", "The maximum context length is 9."),
        Fault::Filtered => (400, "invalid_request_error", "content_filter", "The prompt was filtered."),
        Fault::Overloaded => (503, "server_error", "overloaded", "The engine is overloaded."),
    };
    (status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}
