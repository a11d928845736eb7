//! Who speaks: model services behind one port, one file per wire format.

mod offline;
mod openai;
mod time_limits;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use troupe_shared::{config, model::Usage};

use offline::OfflineChatModel;
use openai::OpenAiChatModel;
use time_limits::WithTimeLimits;

use crate::reply::prompt::Prompt;

/// A service that continues a conversation.
#[async_trait]
pub(crate) trait ChatModel: Send + Sync {
    /// Of the provider, as recorded with each reply.
    fn name(&self) -> &'static str;

    /// The model that will answer this prompt.
    fn model<'a>(&'a self, prompt: &'a Prompt) -> &'a str;

    /// Begins a reply. The stream ends after [`Chunk::End`], or with an error; a stream that just stops was cut off.
    async fn stream(&self, prompt: &Prompt) -> Result<BoxStream<'static, Result<Chunk, ModelError>>, ModelError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    Text(String),
    /// Tokens as the provider counted them.
    Usage(Usage),
    End,
}

/// Why a model did not answer, and whether another try may help.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ModelError {
    pub(crate) transient: bool,
    /// For operators: it may quote the service.
    pub(crate) message: String,
    /// When the service wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl ModelError {
    pub(crate) fn transient(message: impl Into<String>) -> Self {
        Self { transient: true, message: message.into(), retry_after: None }
    }

    pub(crate) fn permanent(message: impl Into<String>) -> Self {
        Self { transient: false, message: message.into(), retry_after: None }
    }
}

/// The model service that is configured, or the built-in model where none is.
pub(crate) fn from_config(config: &config::Provider) -> anyhow::Result<Arc<dyn ChatModel>> {
    if config.openai_api_key.is_none() && config.openai_base_url.is_none() {
        return Ok(Arc::new(OfflineChatModel::new(config.offline_word_interval)));
    }
    let service = OpenAiChatModel::new(config)?;
    Ok(Arc::new(WithTimeLimits::new(service, config.first_token_timeout, config.token_gap_timeout)))
}
