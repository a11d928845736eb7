//! Messages as items of the protocol: the input of a response, and what was said in a conversation.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use troupe_core::model::{Message, Role, caller_options::InputItem};
use troupe_db::replies::responses::Response;
use utoipa::{IntoParams, ToSchema};

use crate::http::{error::ApiError, extract::validation::Checks};

const DEFAULT_ITEMS: usize = 20;
const MAX_ITEMS: usize = 100;

/// A page of items.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Items {
    #[schema(example = "list")]
    object: &'static str,
    #[schema(inline)]
    data: Vec<Item>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Item {
    #[schema(example = "message")]
    r#type: &'static str,
    id: String,
    #[schema(example = "completed")]
    status: &'static str,
    #[schema(example = "user")]
    role: String,
    #[schema(inline)]
    content: [ItemText; 1],
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ItemText {
    /// `input_text`, or `output_text` of what an assistant said.
    #[schema(example = "input_text")]
    r#type: &'static str,
    text: String,
    /// Of an assistant's: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[Value; 0]>,
}

/// Which items are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ItemPaging {
    /// The id of the last item of the page before.
    after: Option<String>,
    /// 1 to 100, 20 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `desc`, the default, or `asc`.
    order: Option<String>,
}

impl Item {
    fn new(id: String, role: &str, text: &str) -> Self {
        let (said, annotations) = if role == "assistant" { ("output_text", Some([])) } else { ("input_text", None) };
        let content = [ItemText { r#type: said, text: text.to_owned(), annotations }];
        Self { r#type: "message", id, status: "completed", role: role.to_owned(), content }
    }

    /// The input of a response, in its order.
    pub(super) fn of_input(response: &Response) -> Vec<Self> {
        let settings = response.options.response.as_ref();
        let question = InputItem { role: "user".to_owned(), content: response.question.clone() };
        let input = settings.map(|settings| settings.input.as_slice()).unwrap_or_default().iter().chain([&question]);
        let name = response.question_id.as_uuid().simple();
        input
            .enumerate()
            .map(|(number, InputItem { role, content })| Self::new(format!("msg_{name}_{number}"), role, content))
            .collect()
    }
}

impl From<&Message> for Item {
    fn from(message: &Message) -> Self {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        Self::new(format!("msg_{}", message.id.as_uuid().simple()), role, &message.content)
    }
}

impl ItemPaging {
    /// The page of all items, which are in the order of being said.
    pub(super) fn page(&self, mut items: Vec<Item>) -> Result<Items, ApiError> {
        let limit = self.limit.unwrap_or(DEFAULT_ITEMS);
        let order = self.order.as_deref().unwrap_or("desc");
        Checks::default()
            .rule((1..=MAX_ITEMS).contains(&limit), "limit", "must be from 1 to 100")
            .rule(["asc", "desc"].contains(&order), "order", "must be asc or desc")
            .done()?;
        if order == "desc" {
            items.reverse();
        }
        if let Some(after) = &self.after {
            let place = items.iter().position(|item| item.id == *after);
            let place = place.ok_or_else(|| ApiError::field("after", "is no item of this list"))?;
            items.drain(..=place);
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let id = |item: Option<&Item>| item.map(|item| item.id.clone());
        let (first_id, last_id) = (id(items.first()), id(items.last()));
        Ok(Items { object: "list", data: items, first_id, last_id, has_more })
    }
}
