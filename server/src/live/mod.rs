//! Live events, from the channel of a user to every connection of that user on this server; and the connections
//! that are open.

pub(crate) mod connections;
pub(crate) mod hub;
