//! Embedders: the built-in lexical one, and services with OpenAI's API, behind a circuit
//! breaker and a cache of queries.

mod breaker;
mod lexical;
mod openai;
mod queries;
mod unit;

use std::sync::Arc;

pub use breaker::BreakerEmbedder;
pub use lexical::LexicalEmbedder;
pub use openai::OpenAiEmbedder;
pub use queries::QueryCacheEmbedder;

use crate::{clock::Clock, config::Live, lifecycle::Tasks, ports::Embedder};

/// The configured embedder. Its key is read at each call. Queries are embedded by tasks among `tasks`.
pub fn from_config(live: &Live, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Arc<dyn Embedder>, reqwest::Error> {
    let config = live.now();
    let Some(service) = config.embeddings.service(&config.providers) else {
        return Ok(Arc::new(LexicalEmbedder::new(config.embeddings.batch)));
    };
    let key = live.secret(|config| config.embeddings.service(&config.providers)?.key);
    let embedder = OpenAiEmbedder::new(&service, key, &config.embeddings, config.models.connect_timeout)?;
    let embedder = BreakerEmbedder::new(Arc::new(embedder), (&config.embeddings).into(), clock);
    // Outermost: what is cached is answered while the breaker is open.
    Ok(Arc::new(QueryCacheEmbedder::start(Arc::new(embedder), tasks)))
}
