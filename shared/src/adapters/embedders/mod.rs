//! Embedders: the built-in one, which compares words and their parts, and services that speak OpenAI's embeddings.

mod lexical;
mod openai;
mod unit;

use std::sync::Arc;

pub use lexical::LexicalEmbedder;
pub use openai::OpenAiEmbedder;

use crate::{
    config::{Config, Embeddings},
    ports::Embedder,
};

/// The one that is configured.
pub fn from_config(config: &Config) -> Result<Arc<dyn Embedder>, reqwest::Error> {
    let Embeddings { batch, .. } = config.embeddings;
    Ok(match config.embeddings.service(&config.providers) {
        Some(service) => Arc::new(OpenAiEmbedder::new(&service, &config.embeddings, config.models.connect_timeout)?),
        None => Arc::new(LexicalEmbedder::new(batch)),
    })
}
