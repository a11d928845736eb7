//! What the use cases and workers need of the world outside PostgreSQL, in our own types.
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

/// The outside did not do what it was asked; the caller decides whether to try again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {why}")]
pub struct PortError {
    pub what: &'static str,
    pub why: String,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    Yes,
    /// A newer attempt has written: the caller's attempt is over.
    Refused,
    /// Nothing was appended: the log that the events continue is gone. The text must be told from its beginning.
    Forgotten,
}

/// What a subscriber is told.
#[derive(Debug, Clone)]
pub enum Signal {
    Event(UserId, Frame),
    /// Events may have been missed: whoever shows live text must take a snapshot.
    Gap,
    /// Nothing is heard for now; a gap follows when that is over.
    Away,
}

/// The event log of each request, and the live channel of each user.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Appends to the log and publishes on the user's channel in one step. Repeating an append is harmless.
    async fn append(&self, user: UserId, frames: &[Frame]) -> Result<Appended, PortError>;
    /// Refuses whatever the attempt would still append, but for its end; returns all that was appended.
    async fn seal(&self, user: UserId, request: RequestId, attempt: u32) -> Result<Vec<Frame>, PortError>;
    /// Publishes without logging: for what a snapshot tells anyway.
    async fn publish(&self, events: &[(UserId, Frame)]) -> Result<(), PortError>;
    /// Returns once the channel is confirmed: whatever is published after that is signalled.
    async fn subscribe(&self, user: UserId) -> Result<(), PortError>;
    async fn unsubscribe(&self, user: UserId) -> Result<(), PortError>;
    /// Everything on the subscribed channels, from now on.
    fn signals(&self) -> BoxStream<'static, Signal>;
    /// The logged events after a cursor, in order; empty once the log has expired.
    async fn replay(&self, user: UserId, request: RequestId, after: Cursor) -> Result<Vec<Frame>, PortError>;
}

/// How the queue of a tier stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueLevel {
    /// Jobs that no worker has taken yet.
    pub waiting: u64,
    /// The request at its head.
    pub head: Option<RequestId>,
    /// Jobs ever pushed and ever finished. Both begin at zero again when the queue has lost its data.
    pub pushed: u64,
    pub finished: u64,
}

/// Hands work to the workers.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// All in one round trip. Pushing the same dispatch again while it is queued is harmless.
    async fn enqueue(&self, dispatches: &[Dispatch]) -> Result<(), PortError>;
    /// Ahead of all that waits: for a reply that was under way already.
    async fn enqueue_first(&self, dispatch: &Dispatch) -> Result<(), PortError>;
    /// How the queues of these tiers stand, in their order, in one round trip.
    async fn levels(&self, tiers: &[String]) -> Result<Vec<QueueLevel>, PortError>;
    /// Whether the queue can be reached.
    async fn ping(&self) -> Result<(), PortError>;
}
