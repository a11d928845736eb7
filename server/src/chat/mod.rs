//! Conversations: accepting messages, dispatching their requests, cancelling, waiting and event streams.

pub(crate) mod accept_batch;
pub(crate) mod cancel;
pub(crate) mod dispatcher;
pub(crate) mod event_stream;
pub(crate) mod queue_gauge;
pub(crate) mod routes;
pub(crate) mod send;
pub(crate) mod wait;
