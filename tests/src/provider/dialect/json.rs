//! A model server of one's own: plain JSON, whole.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::provider::{COMPLETION_TOKENS, Fault, Finish, PROMPT_TOKENS, Script, perform::Act, script::Step};

/// The answer, in two writes; what the script does after its text comes between them.
pub(super) fn acts(script: &Script) -> VecDeque<Act> {
    let mut acts: VecDeque<Act> = VecDeque::new();
    let mut reply = String::new();
    let (mut broken, mut malformed, mut error) = (None, false, false);
    for step in &script.steps {
        match step {
            Step::Text(text) => reply.push_str(text),
            Step::Malformed => malformed = true,
            Step::Error => error = true,
            Step::Act(act @ (Act::Cut | Act::Stall)) => broken = Some(act.clone()),
            Step::Act(act) => acts.push_back(act.clone()),
        }
    }
    let mut answer = if error { fault(Fault::Overloaded).1 } else { json!({ "response": reply }) };
    if script.usage {
        answer["usage"] = json!({"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS});
    }
    answer["finish_reason"] = script.finish.map_or(Value::Null, |finish| match finish {
        Finish::Stop => json!("stop"),
        Finish::Length => json!("length"),
        Finish::Filtered => json!("content_filter"),
        Finish::Declined => json!("refusal"),
    });
    if script.unknown_fields {
        answer["x_surprise"] = json!({"deeply": ["nested", null, 1e300]});
    }
    let answer = Bytes::from(answer.to_string());
    let (first, rest) = (answer.slice(..answer.len() / 2), answer.slice(answer.len() / 2..));
    acts.push_back(Act::Write(first));
    acts.extend(broken);
    if script.finish.is_some() && !malformed {
        acts.push_back(Act::Write(rest));
    }
    acts
}

pub(super) fn fault(fault: Fault) -> (u16, Value) {
    let (status, error) = match fault {
        Fault::BadKey => (401, "not authorized"),
        Fault::NoCredit => (402, "no credit"),
        Fault::OutOfQuota => (429, "quota exceeded"),
        Fault::NoSuchModel => (404, "no such model"),
        Fault::TooLong => (413, "too long"),
        Fault::Filtered => (422, "refused by content_policy"),
        Fault::Overloaded => (503, "overloaded"),
    };
    (status, json!({ "error": error }))
}
