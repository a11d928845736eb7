//! Conversations and their replies, on every transport: what a user of the chat sees.

mod bodies;
pub(crate) mod cache;
mod cancels;
mod conversations;
mod correlation;
mod fairness;
pub(crate) mod feedback;
mod idempotency;
mod memories;
mod personas;
mod reply;
mod resume;
mod sockets;
mod tiers;
