//! What a caller brings: messages in OpenAI's shape, as instructions, earlier turns and a question.

use serde::Deserialize;
use troupe_core::model::{
    Role,
    caller_options::{CallerTurn, InputItem},
};
use utoipa::ToSchema;

use crate::http::error::ApiError;

/// A message of the caller's.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InputMessage {
    /// `message`, where it is named at all.
    #[serde(default)]
    #[schema(example = "message")]
    r#type: Option<String>,
    /// `system` or `developer` for instructions, `user` and `assistant` for turns.
    #[serde(default)]
    #[schema(example = "user")]
    role: Option<String>,
    #[serde(default)]
    content: Option<InputContent>,
}

/// The input of a response: what the user says, or messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Input {
    Text(String),
    Messages(Vec<InputMessage>),
}

impl Input {
    pub(crate) fn into_messages(self) -> Vec<InputMessage> {
        match self {
            Self::Messages(messages) => messages,
            Self::Text(text) => vec![InputMessage {
                r#type: None,
                role: Some("user".to_owned()),
                content: Some(InputContent::Text(text)),
            }],
        }
    }
}

/// A text, or a list of parts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum InputContent {
    Text(String),
    Parts(Vec<InputPart>),
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InputPart {
    /// `text`, `input_text`, `output_text` or `refusal`.
    #[schema(example = "text")]
    r#type: String,
    #[serde(default, alias = "refusal")]
    text: Option<String>,
}

/// The question, and what stands before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Brought {
    pub(crate) instructions: Option<String>,
    pub(crate) history: Vec<CallerTurn>,
    pub(crate) question: String,
    /// All but the question, as they were written.
    pub(crate) items: Vec<InputItem>,
}

impl Brought {
    /// `field`: what the messages are called in the call, for errors. The question has at most `limit` bytes.
    pub(crate) fn of(messages: Vec<InputMessage>, field: &str, limit: usize) -> Result<Self, ApiError> {
        let mut instructions = Vec::new();
        let mut turns = Vec::new();
        let mut items = Vec::new();
        for (number, InputMessage { r#type, role, content }) in messages.into_iter().enumerate() {
            let place = format!("{field}[{number}]");
            if let Some(other) = r#type.filter(|kind| kind != "message") {
                return Err(ApiError::field(&format!("{place}.type"), format!("'{other}' is not supported here")));
            }
            let role = role.ok_or_else(|| ApiError::field(&format!("{place}.role"), "is missing"))?;
            let content = text(content, &place)?;
            items.push(InputItem { role: role.clone(), content: content.clone() });
            match role.as_str() {
                "system" | "developer" => instructions.push(content),
                "user" => turns.push(CallerTurn { role: Role::User, content }),
                "assistant" => turns.push(CallerTurn { role: Role::Assistant, content }),
                other => {
                    let wrong = format!("'{other}' is no role that is supported here");
                    return Err(ApiError::field(&format!("{place}.role"), wrong));
                }
            }
        }
        let is_last = items.last().is_some_and(|last| last.role == "user");
        let question =
            turns.pop().filter(|_| is_last).filter(|last| last.role == Role::User && !last.content.trim().is_empty());
        let question = question.ok_or_else(|| ApiError::field(field, "must end with something that the user says"))?;
        if question.content.len() > limit {
            let last = format!("{field}[{}]", items.len() - 1);
            return Err(ApiError::field(&last, format!("must not be longer than {limit} bytes")));
        }
        items.pop();
        instructions.retain(|text| !text.trim().is_empty());
        turns.retain(|turn| !turn.content.trim().is_empty());
        let instructions = (!instructions.is_empty()).then(|| instructions.join("\n\n"));
        Ok(Self { instructions, history: turns, question: question.content, items })
    }
}

fn text(content: Option<InputContent>, place: &str) -> Result<String, ApiError> {
    let parts = match content {
        None => return Ok(String::new()),
        Some(InputContent::Text(text)) => return storable(text, place),
        Some(InputContent::Parts(parts)) => parts,
    };
    let mut texts = Vec::with_capacity(parts.len());
    for (number, InputPart { r#type, text }) in parts.into_iter().enumerate() {
        let place = format!("{place}.content[{number}]");
        if !["text", "input_text", "output_text", "refusal"].contains(&r#type.as_str()) {
            return Err(ApiError::field(&place, format!("'{type}' is not supported here: text only")));
        }
        let text = text.ok_or_else(|| ApiError::field(&format!("{place}.text"), "is missing"))?;
        texts.push(storable(text, &place)?);
    }
    Ok(texts.join("\n\n"))
}

/// PostgreSQL stores no zero characters.
fn storable(text: String, place: &str) -> Result<String, ApiError> {
    if text.contains('\0') {
        return Err(ApiError::field(place, "must not contain a zero character"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn brought(messages: Value) -> Result<Brought, String> {
        let messages = serde_json::from_value(messages).unwrap();
        Brought::of(messages, "messages", 20).map_err(|error| error.problem().detail)
    }

    #[test]
    fn instructions_are_taken_out_and_the_last_is_the_question() {
        let brought = brought(json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": [{"type": "text", "text": "Yes."}, {"type": "refusal", "refusal": "No."}]},
            {"role": "developer", "content": "And kind."},
            {"role": "assistant", "content": null},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And now?"}], "name": "ignored"},
        ]));
        let turn = |role, content: &str| CallerTurn { role, content: content.to_owned() };
        let brought = brought.unwrap();
        assert_eq!(brought.instructions.as_deref(), Some("Be brief.\n\nAnd kind."));
        assert_eq!(brought.history, [turn(Role::User, "Hello?"), turn(Role::Assistant, "Yes.\n\nNo.")]);
        assert_eq!(brought.question, "And now?");
        let roles: Vec<_> = brought.items.iter().map(|item| item.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "developer", "assistant"]);
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        let user = |content: Value| json!([{"role": "user", "content": content}]);
        for (messages, fault) in [
            (json!([]), "messages: must end with something that the user says"),
            (user(json!(" ")), "messages: must end with something that the user says"),
            (json!([{"role": "assistant", "content": "Hm."}]), "messages: must end with something that the user says"),
            (json!([{"role": "tool", "content": "4"}]), "messages[0].role: 'tool' is no role that is supported here"),
            (
                json!([{"role": "user", "content": "?"}, {"role": "system", "content": "!"}]),
                "messages: must end with something that the user says",
            ),
            (user(json!("x".repeat(21))), "messages[0]: must not be longer than 20 bytes"),
            (json!([{"content": "?"}]), "messages[0].role: is missing"),
            (
                json!([{"type": "function_call_output"}]),
                "messages[0].type: 'function_call_output' is not supported here",
            ),
            (user(json!("a\0b")), "messages[0]: must not contain a zero character"),
            (
                user(json!([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])),
                "messages[0].content[0]: 'image_url' is not supported here: text only",
            ),
            (user(json!([{"type": "text"}])), "messages[0].content[0].text: is missing"),
        ] {
            assert_eq!(brought(messages.clone()).unwrap_err(), fault, "{messages}");
        }
    }
}
