//! Embedders: the built-in lexical one, and services with OpenAI's API, behind a circuit breaker.

mod breaker;
mod lexical;
mod openai;
mod unit;

use std::sync::Arc;

pub use breaker::BreakerEmbedder;
pub use lexical::LexicalEmbedder;
pub use openai::OpenAiEmbedder;

use crate::{clock::Clock, config::Live, ports::Embedder};

/// The configured embedder. Its key is read at each call.
pub fn from_config(live: &Live, clock: Arc<dyn Clock>) -> Result<Arc<dyn Embedder>, reqwest::Error> {
    let config = live.now();
    let Some(service) = config.embeddings.service(&config.providers) else {
        return Ok(Arc::new(LexicalEmbedder::new(config.embeddings.batch)));
    };
    let key = live.secret(|config| config.embeddings.service(&config.providers)?.key);
    let embedder = OpenAiEmbedder::new(&service, key, &config.embeddings, config.models.connect_timeout)?;
    Ok(Arc::new(BreakerEmbedder::new(Arc::new(embedder), (&config.embeddings).into(), clock)))
}
