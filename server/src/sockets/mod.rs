//! WebSockets: one task a connection, the protocol, snapshots on connecting, limits on frames.

pub(crate) mod connection;
pub(crate) mod frame_limit;
pub(crate) mod protocol;
pub(crate) mod queue_watch;
pub(crate) mod routes;
pub(crate) mod snapshot;
