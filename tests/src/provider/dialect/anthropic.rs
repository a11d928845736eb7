//! Anthropic's messages.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::provider::{COMPLETION_TOKENS, Fault, Finish, PROMPT_TOKENS, Script, perform::Act, script::Step};

pub(super) fn acts(script: &Script) -> VecDeque<Act> {
    let mut acts = VecDeque::new();
    let usage = |tokens: Value| if script.usage { tokens } else { Value::Null };
    if script.role {
        let counted = usage(json!({"input_tokens": PROMPT_TOKENS, "output_tokens": 1}));
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": counted});
        acts.push_back(event(script, "message_start", &json!({ "message": message })));
        let block = json!({"type": "text", "text": ""});
        acts.push_back(event(script, "content_block_start", &json!({"index": 0, "content_block": block})));
        acts.push_back(event(script, "ping", &json!({})));
    }
    for step in &script.steps {
        acts.push_back(match step {
            Step::Text(text) => {
                let delta = json!({"type": "text_delta", "text": text});
                event(script, "content_block_delta", &json!({"index": 0, "delta": delta}))
            }
            Step::Malformed => Act::write("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\n\n"),
            Step::Error => event(script, "error", &fault(Fault::Overloaded).1),
            Step::Act(act) => act.clone(),
        });
    }
    if let Some(finish) = script.finish {
        let reason = match finish {
            Finish::Stop => "end_turn",
            Finish::Length => "max_tokens",
            Finish::Filtered | Finish::Declined => "refusal",
        };
        acts.push_back(event(script, "content_block_stop", &json!({"index": 0})));
        let delta = json!({"stop_reason": reason, "stop_sequence": null});
        let counted = usage(json!({"output_tokens": COMPLETION_TOKENS}));
        acts.push_back(event(script, "message_delta", &json!({"delta": delta, "usage": counted})));
    }
    if script.done {
        acts.push_back(event(script, "message_stop", &json!({})));
    }
    acts
}

fn event(script: &Script, kind: &str, fields: &Value) -> Act {
    let mut data = fields.clone();
    data["type"] = json!(kind);
    let mut comment = "";
    if script.unknown_fields {
        data["x_surprise"] = json!({"deeply": ["nested", null, 1e300]});
        comment = ": a comment\n\nevent: news\ndata: {\"type\":\"news\",\"delta\":null}\n\n";
    }
    Act::write(format!("{comment}event: {kind}\ndata: {data}\n\n"))
}

pub(super) fn fault(fault: Fault) -> (u16, Value) {
    let (status, kind, message) = match fault {
        Fault::BadKey => (401, "authentication_error", "invalid x-api-key"),
        Fault::NoCredit => (402, "billing_error", "Your payment failed."),
        Fault::OutOfQuota => (400, "invalid_request_error", "Your credit balance is too low to access the API."),
        Fault::NoSuchModel => (404, "not_found_error", "model: scripted"),
        Fault::TooLong => (400, "invalid_request_error", "prompt is too long: 12 tokens > 9 maximum"),
        Fault::Filtered => (400, "invalid_request_error", "Output blocked by content filtering policy"),
        Fault::Overloaded => (529, "overloaded_error", "Overloaded"),
    };
    (status, json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}))
}
