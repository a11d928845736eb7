//! Live events, from the channel of a user to every connection of that user on this server; and the registry of open
//! connections.

pub(crate) mod connections;
pub(crate) mod hub;

/// The hub, and the registry of connections.
pub(crate) struct Live {
    pub(crate) hub: hub::Hub,
    pub(crate) connections: connections::Connections,
}
