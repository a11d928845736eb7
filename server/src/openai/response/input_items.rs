//! The input of a response, as a list of items.

use serde::Serialize;
use serde_json::Value;
use troupe_core::model::caller_options::InputItem;
use troupe_db::replies::responses::Response;
use utoipa::ToSchema;

use crate::http::error::ApiError;

/// A page of the input of a response.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InputItems {
    #[schema(example = "list")]
    object: &'static str,
    #[schema(inline)]
    data: Vec<InputItemView>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct InputItemView {
    #[schema(example = "message")]
    r#type: &'static str,
    id: String,
    #[schema(example = "completed")]
    status: &'static str,
    #[schema(example = "user")]
    role: String,
    #[schema(inline)]
    content: [InputTextView; 1],
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct InputTextView {
    /// `input_text`, or `output_text` of what an assistant said.
    #[schema(example = "input_text")]
    r#type: &'static str,
    text: String,
    /// Of an assistant's: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[Value; 0]>,
}

impl InputItems {
    pub(in crate::openai) fn of(
        response: &Response,
        newest_first: bool,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Self, ApiError> {
        let settings = response.options.response.as_ref();
        let question = InputItem { role: "user".to_owned(), content: response.question.clone() };
        let input = settings.map(|settings| settings.input.as_slice()).unwrap_or_default().iter().chain([&question]);
        let mut items: Vec<_> = input.enumerate().map(|(number, item)| view(response, number, item)).collect();
        if newest_first {
            items.reverse();
        }
        if let Some(after) = after {
            let place = items.iter().position(|item| item.id == after);
            let place = place.ok_or_else(|| ApiError::field("after", "is no item of this response"))?;
            items.drain(..=place);
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let id = |item: Option<&InputItemView>| item.map(|item| item.id.clone());
        let (first_id, last_id) = (id(items.first()), id(items.last()));
        Ok(Self { object: "list", data: items, first_id, last_id, has_more })
    }
}

fn view(response: &Response, number: usize, item: &InputItem) -> InputItemView {
    let (said, annotations) = if item.role == "assistant" { ("output_text", Some([])) } else { ("input_text", None) };
    InputItemView {
        r#type: "message",
        id: format!("msg_{}_{number}", response.question_id.as_uuid().simple()),
        status: "completed",
        role: item.role.clone(),
        content: [InputTextView { r#type: said, text: item.content.clone(), annotations }],
    }
}
