//! WebSockets: one task per connection, the protocol, snapshots on connecting, limits on frames.

pub(crate) mod connection;
pub(crate) mod frame_limit;
pub(crate) mod protocol;
pub(crate) mod queue_watch;
pub(crate) mod routes;
pub(crate) mod snapshot;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{clock::Clock, config::Config};

use crate::{admin::Admin, auth::Auth, chat::Chat, live::Live};

pub(crate) struct Sockets {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) live: Arc<Live>,
    pub(crate) chat: Arc<Chat>,
    pub(crate) admin: Arc<Admin>,
}
