//! What personas know: documents, search, and what they remember of their users.

pub(crate) mod add_document;
pub(crate) mod notify_indexer;
pub(crate) mod routes;
