//! The API, a file per resource: extract, call, respond.

pub(crate) mod account_data;
pub(crate) mod accounts;
pub(crate) mod admin;
pub(crate) mod api_keys;
pub(crate) mod conversations;
pub(crate) mod documents;
pub(crate) mod feedback;
pub(crate) mod health;
pub(crate) mod interview;
pub(crate) mod knowledge;
pub(crate) mod memories;
pub(crate) mod messages;
pub(crate) mod passwords;
pub(crate) mod personas;
pub(crate) mod requests;
pub(crate) mod sign_ins;
pub(crate) mod sockets;
