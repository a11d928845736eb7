//! Conversations and their replies, on every transport: what a user of the chat sees.

pub(crate) mod avatars;
mod bodies;
mod branches;
pub(crate) mod cache;
mod cancels;
pub(crate) mod characters;
mod conversations;
mod correlation;
mod fairness;
pub(crate) mod feedback;
mod idempotency;
mod inspection;
mod memories;
mod notifications;
mod organised;
mod personas;
mod reply;
mod resume;
mod sockets;
mod tiers;
mod waiting_line;
