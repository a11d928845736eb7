//! The face that programs for OpenAI's API speak to, at `/v1`: a persona is a model.
//!
//! A thin layer: accepting, requests, their log and their cancellation are those of [`crate::chat`], and no model is
//! called but by a worker. What a caller brings beside the message goes with its request ([`CallerOptions`]). Errors
//! below `/v1` have OpenAI's shape ([`crate::http::error::openai`]). `docs/OPENAI.md` says what is supported.
//!
//! [`CallerOptions`]: troupe_core::model::caller_options::CallerOptions

mod accept;
mod attached;
mod body;
mod chat_completion;
mod input;
mod items;
mod metadata;
mod reply;
mod response;
pub(crate) mod routes;
mod sampling;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{lifecycle::Tasks, ports::Embedder};

use crate::chat::Chat;
use attached::Attached;

pub(crate) struct OpenAi {
    pub(crate) pool: PgPool,
    pub(crate) chat: Arc<Chat>,
    embedder: Arc<dyn Embedder>,
    attached: Attached,
}

impl OpenAi {
    pub(crate) fn new(pool: PgPool, chat: Arc<Chat>, embedder: Arc<dyn Embedder>, tasks: Tasks) -> Self {
        Self { pool, attached: Attached::new(chat.clone(), tasks), chat, embedder }
    }
}
