//! Vector stores: Qdrant, its circuit breaker, and the exact search in memory that `troupe-db` builds on.

mod breaker;
mod exact;
mod qdrant;

pub use breaker::BreakerVectorStore;
pub use exact::ExactIndex;
pub use qdrant::QdrantVectorStore;
