//! A conversation as a file: its chosen path for people, all that there is of it for programs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::{ConversationId, UserId},
    model::{Conversation, Message, Role},
};
use troupe_db::replies::{
    conversations,
    messages::{self, Window},
};
use utoipa::ToSchema;

use super::Chat;
use crate::http::error::ApiError;

/// Messages that are read at a time.
const PAGE: i64 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    #[default]
    Json,
    Markdown,
}

impl Format {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }

    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Markdown => "md",
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    conversation: &'a Conversation,
    /// Oldest first.
    messages: &'a [Message],
}

/// The chosen path of a conversation.
pub(crate) async fn export(chat: &Chat, user: UserId, id: ConversationId, format: Format) -> Result<String, ApiError> {
    let conversation = conversations::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("conversation"))?;
    let mut all = Vec::new();
    loop {
        let before = all.last().map(|message: &Message| message.id);
        let page = messages::list(&chat.pool, user, id, Window::Before(before), PAGE).await?.unwrap_or_default();
        let last = (page.len() as i64) < PAGE;
        all.extend(page);
        if last {
            break;
        }
    }
    all.sort_by_key(|message| (message.turn, message.role != Role::User));
    match format {
        Format::Json => serde_json::to_string_pretty(&File { conversation: &conversation, messages: &all })
            .map_err(|error| ApiError::Internal(error.to_string())),
        Format::Markdown => Ok(markdown(&conversation, &all)),
    }
}

fn markdown(conversation: &Conversation, messages: &[Message]) -> String {
    let name = &conversation.persona.name;
    let mut text = format!("# {}\n", conversation.title.as_ref().unwrap_or(name));
    for message in messages {
        let speaker = if message.role == Role::User { "You" } else { name };
        // Writes into memory are infallible.
        _ = write!(
            text,
            "\n**{speaker}**, {}\n\n{}\n",
            message.created_at.format("%Y-%m-%d %H:%M UTC"),
            message.content.trim_end()
        );
    }
    text
}
