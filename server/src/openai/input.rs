//! What a caller brings: messages in OpenAI's shape, as instructions, earlier turns and a question.

use serde::Deserialize;
use troupe_core::model::{Role, caller_options::CallerTurn};
use utoipa::ToSchema;

use crate::http::error::ApiError;

/// A message of the caller's.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InputMessage {
    /// `system` or `developer` for instructions, `user` and `assistant` for turns.
    #[schema(example = "user")]
    role: String,
    #[serde(default)]
    content: Option<InputContent>,
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
}

impl Brought {
    /// `field`: what the messages are called in the call, for errors.
    pub(crate) fn of(messages: Vec<InputMessage>, field: &str) -> Result<Self, ApiError> {
        let mut instructions = Vec::new();
        let mut turns = Vec::new();
        for (number, InputMessage { role, content }) in messages.into_iter().enumerate() {
            let place = format!("{field}[{number}]");
            let content = text(content, &place)?;
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
        let question = turns.pop().filter(|last| last.role == Role::User && !last.content.trim().is_empty());
        let question = question.ok_or_else(|| ApiError::field(field, "must end with something that the user says"))?;
        instructions.retain(|text| !text.trim().is_empty());
        turns.retain(|turn| !turn.content.trim().is_empty());
        let instructions = (!instructions.is_empty()).then(|| instructions.join("\n\n"));
        Ok(Self { instructions, history: turns, question: question.content })
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
        Brought::of(messages, "messages").map_err(|error| error.problem().detail)
    }

    #[test]
    fn instructions_are_taken_out_and_the_last_is_the_question() {
        let brought = brought(json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": [{"type": "text", "text": "Yes."}, {"type": "refusal", "refusal": "No."}]},
            {"role": "developer", "content": "And kind."},
            {"role": "assistant", "content": null},
            {"role": "user", "content": [{"type": "input_text", "text": "And now?"}], "name": "ignored"},
        ]));
        let turn = |role, content: &str| CallerTurn { role, content: content.to_owned() };
        let expected = Brought {
            instructions: Some("Be brief.\n\nAnd kind.".to_owned()),
            history: vec![turn(Role::User, "Hello?"), turn(Role::Assistant, "Yes.\n\nNo.")],
            question: "And now?".to_owned(),
        };
        assert_eq!(brought, Ok(expected));
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        let user = |content: Value| json!([{"role": "user", "content": content}]);
        for (messages, fault) in [
            (json!([]), "messages: must end with something that the user says"),
            (user(json!(" ")), "messages: must end with something that the user says"),
            (json!([{"role": "assistant", "content": "Hm."}]), "messages: must end with something that the user says"),
            (json!([{"role": "tool", "content": "4"}]), "messages[0].role: 'tool' is no role that is supported here"),
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
