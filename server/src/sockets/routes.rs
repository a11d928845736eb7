//! WebSockets: the ticket that a browser needs, and the upgrade.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, FromRequestParts, State, WebSocketUpgrade},
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use troupe_core::ids::MessageId;
use troupe_db::accounts::socket_tickets;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Sockets,
    connection::Connection,
    protocol::{Closing, Opened, SUBPROTOCOL},
};
use crate::{
    auth::{
        caller::Identified,
        secrets::{self, Fresh},
    },
    http::{
        error::ApiError,
        extract::{correlation::CorrelationId, paging::Params},
    },
    live::connections::LimitReached,
};

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Sockets>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(create_socket_ticket)).routes(routes!(open_socket))
}

/// Beside the content of a message, which doubles when every character is escaped.
const FRAME_MARGIN: usize = 4_096;
/// Held by each idle socket: axum's default of 128 KiB would be most of their memory.
const READ_BUFFER: usize = 2_048;

#[derive(Serialize, ToSchema)]
pub(crate) struct SocketTicket {
    /// Opens one socket, as the second subprotocol: `troupe.v1, ticket.<value>`.
    ticket: String,
    /// Seconds.
    expires_in: u64,
}

/// A one-time ticket for a socket, for clients that cannot send headers with an upgrade
#[utoipa::path(post, path = "/ws-tickets", tag = "live", security(("token" = ["chat:read"])), responses((status = 201, body = SocketTicket)))]
pub(crate) async fn create_socket_ticket(
    State(sockets): State<Arc<Sockets>>,
    Identified(identity): Identified,
) -> Result<(StatusCode, Json<SocketTicket>), ApiError> {
    let Fresh { secret: ticket, digest } = secrets::fresh()?;
    let ttl = sockets.config.auth.socket_ticket_ttl;
    let stored = serde_json::to_value(&identity).map_err(|error| ApiError::Internal(error.to_string()))?;
    socket_tickets::create(&sockets.pool, &digest, identity.user, &stored, ttl).await?;
    Ok((StatusCode::CREATED, Json(SocketTicket { ticket, expires_in: ttl.as_secs() })))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Resuming {
    /// The newest message that the client has: the hello then brings what was said since.
    after: Option<MessageId>,
}

/// The live connection: see the section on events in the API's description
#[utoipa::path(get, path = "/ws", tag = "live", security(("token" = ["chat:read"])), params(Resuming),
    responses((status = 101, description = "the socket is open"), (status = 400, description = "not an upgrade"),
        (status = 503, description = "the server has as many sockets as it takes, or is about to stop")))]
pub(crate) async fn open_socket(
    State(sockets): State<Arc<Sockets>>,
    Identified(identity): Identified,
    correlation: CorrelationId,
    Params(Resuming { after }): Params<Resuming>,
    Upgrade(upgrade): Upgrade,
) -> Result<Response, ApiError> {
    let admitted = sockets.live.connections.admit(identity.user, identity.credential.id);
    if matches!(admitted, Err(LimitReached::Process)) || sockets.live.connections.closing().is_cancelled() {
        return Err(ApiError::overloaded());
    }
    let max_size = sockets.config.server.max_content * 2 + FRAME_MARGIN;
    Ok(upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(max_size)
        .max_frame_size(max_size)
        .on_upgrade(move |socket| async move {
            // Browsers expose the reason of a close, but not that of a refused upgrade.
            let Ok(permit) = admitted else { return Connection::refuse(socket, Closing::TooMany).await };
            let connections = sockets.live.connections.clone();
            let opened = Opened { identity, after };
            let ended = permit.ended().clone();
            connections.run(Connection::open(socket, sockets, opened, ended, correlation)).await;
        }))
}

/// The upgrade, with rejections as problems.
pub(crate) struct Upgrade(WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        upgrade
            .map(Self)
            .map_err(|e| ApiError::malformed_json(format!("this address takes WebSocket upgrades: {}", e.body_text())))
    }
}
