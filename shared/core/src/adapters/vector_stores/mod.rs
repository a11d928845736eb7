//! Vector stores: Qdrant, and the exact search in memory that `troupe-db` builds its own on.

mod exact;
mod qdrant;

pub use exact::ExactIndex;
pub use qdrant::QdrantVectorStore;
