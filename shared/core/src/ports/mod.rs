//! The ports to everything outside PostgreSQL, in our own types.
//!
//! Object-safe and held as `Arc<dyn …>`; the implementations are in [`crate::adapters`].

mod cache;
mod embedder;
mod limiter;
mod provider_board;
mod resolver;
mod session_store;
mod vector_store;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use cache::{Cache, Lookups};
pub use embedder::{EmbedError, Embedder};
pub use limiter::{Limit, Limiter, Refused, Verdict};
pub use provider_board::{EndpointState, LOOK_UPS, ProviderBoard};
pub use resolver::Resolver;
pub use session_store::{BrowserSession, SessionStore};
pub use vector_store::{Found, Index, Point, VectorStore, VectorStoreError};

use crate::{
    events::{Cursor, Frame},
    ids::{RequestId, UserId},
    jobs::Dispatch,
};

/// A call of an outside service failed; the caller decides about a retry.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {why}")]
pub struct PortError {
    pub what: &'static str,
    pub why: String,
}

/// The result of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    Yes,
    /// Fenced: a newer attempt has written.
    Refused,
    /// Nothing was appended: the log that the events continue is gone. The whole text must be published again.
    Forgotten,
}

/// What a subscriber receives.
#[derive(Debug, Clone)]
pub enum Signal {
    Event(UserId, Frame),
    /// Events may have been missed: live views need a snapshot.
    Gap,
    /// The connection is lost; a gap follows once it is restored.
    Away,
}

/// The event log of each request, and the live channel of each user.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Appends to the log and publishes on the user's channel in one step. Idempotent.
    async fn append(&self, user: UserId, frames: &[Frame]) -> Result<Appended, PortError>;
    /// Fences the attempt: further appends are refused, except of its end; returns all that was appended.
    async fn seal(&self, user: UserId, request: RequestId, attempt: u32) -> Result<Vec<Frame>, PortError>;
    /// Publishes without logging, for what a snapshot has anyway.
    async fn publish(&self, events: &[(UserId, Frame)]) -> Result<(), PortError>;
    /// Returns once the subscription is confirmed: everything published after that is received.
    async fn subscribe(&self, user: UserId) -> Result<(), PortError>;
    async fn unsubscribe(&self, user: UserId) -> Result<(), PortError>;
    /// How many servers have the user's channel open.
    async fn listeners(&self, user: UserId) -> Result<u64, PortError>;
    /// All signals of the subscribed channels, from now on.
    fn signals(&self) -> BoxStream<'static, Signal>;
    /// The logged events after a cursor, in order; empty once the log has expired.
    async fn replay(&self, user: UserId, request: RequestId, after: Cursor) -> Result<Vec<Frame>, PortError>;
}

/// The level of a tier's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLevel {
    /// Jobs that are not claimed yet.
    pub waiting: u64,
    /// The request at its head.
    pub head: Option<RequestId>,
    /// Jobs ever pushed and ever finished. Both restart at zero when the queue loses its data.
    pub pushed: u64,
    pub finished: u64,
}

/// The queue of jobs for workers.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Pushes all in one round trip. Pushing the same dispatch again while it is queued changes nothing.
    async fn enqueue(&self, dispatches: &[Dispatch]) -> Result<(), PortError>;
    /// Pushes to the front: for replies that were already started.
    async fn enqueue_first(&self, dispatch: &Dispatch) -> Result<(), PortError>;
    /// The levels of these tiers' queues, in their order, in one round trip.
    async fn levels(&self, tiers: &[String]) -> Result<Vec<QueueLevel>, PortError>;
    /// Whether the queue can be reached.
    async fn ping(&self) -> Result<(), PortError>;
}
