//! Vector stores: Qdrant, the circuit breaker that it is called through, and the exact search in memory that
//! `troupe-db` builds its own on.

mod breaker;
mod exact;
mod qdrant;

pub use breaker::BreakerVectorStore;
pub use exact::ExactIndex;
pub use qdrant::QdrantVectorStore;
