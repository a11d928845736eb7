//! Live events, from the channel of a user to every connection of that user on this server; and the connections
//! that are open.

pub(crate) mod connections;
pub(crate) mod hub;

/// The hub that events come in through, and the connections that they go out to.
pub(crate) struct Live {
    pub(crate) hub: hub::Hub,
    pub(crate) connections: connections::Connections,
}
