//! Live events, from the channel of a user to every connection of that user on this server.

mod flood;
pub(crate) mod hub;
pub(crate) mod protocol;
mod queue_watch;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod snapshot;
pub(crate) mod sse;
