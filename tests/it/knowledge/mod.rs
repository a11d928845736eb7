//! What personas know: documents, passages, vectors, and how they are found for a reply.

pub(crate) mod documents;
mod documents_by_url;
mod indexing;
mod knowledge_search;
mod qdrant;
mod reindex;
pub(crate) mod retrieval;
mod retrieval_outages;
mod retrieval_quality;
pub(crate) mod vector_stores;
pub(crate) mod vectors;
