//! Knowledge of personas: documents, passages, embeddings, and the work that keeps the indexes up to date; memories of
//! users.

pub mod documents;
pub mod embeddings;
pub mod index_work;
pub mod memories;
pub mod passages;
pub mod progress;
pub mod vector_rebuilds;
pub mod vector_versions;
pub mod vector_work;
