//! The WebSocket protocol: messages of clients and of the server, and close codes.

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId},
    model::{Message, QueuePosition, Request},
    problem::Problem,
};

use crate::{
    admin::queue_state::QueueState,
    auth::identity::Identity,
    chat::send::IfBusy,
    http::{error::ApiError, extract::body},
};

/// The subprotocol; a one-time ticket may follow as a second one, `ticket.<value>`.
pub(crate) const SUBPROTOCOL: &str = "troupe.v1";
/// Clients of a stopping server reconnect within this time, spread over it.
const RECONNECT_WITHIN_MS: u32 = 3_000;

/// A client's message.
#[derive(Debug)]
pub(crate) enum FromClient {
    SendMessage(SendMessage),
    CancelRequest(CancelRequest),
    WatchQueue,
    UnwatchQueue,
    Ping,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    /// The client's own name for this message, repeated in the response.
    pub(crate) r#ref: String,
    pub(crate) conversation_id: ConversationId,
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) if_busy: IfBusy,
    pub(crate) idempotency_key: Option<String>,
    /// No cached reply.
    #[serde(default)]
    pub(crate) fresh: bool,
    /// What the trace of this message goes on from, as in the header.
    pub(crate) traceparent: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    pub(crate) r#ref: Option<String>,
    pub(crate) request_id: RequestId,
}

/// A message without fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bare {
    #[serde(rename = "type")]
    _type: IgnoredAny,
}

impl FromClient {
    /// Parses the type first, then the whole message: a tagged enum would not name the invalid field.
    pub(crate) fn read(text: &str) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Typed {
            r#type: String,
        }
        let json = text.as_bytes();
        match body::parse::<Typed>(json)?.r#type.as_str() {
            "message.send" => body::parse(json).map(Self::SendMessage),
            "request.cancel" => body::parse(json).map(Self::CancelRequest),
            "queue.watch" => body::parse::<Bare>(json).map(|_| Self::WatchQueue),
            "queue.unwatch" => body::parse::<Bare>(json).map(|_| Self::UnwatchQueue),
            "ping" => body::parse::<Bare>(json).map(|_| Self::Ping),
            _ => {
                Err(ApiError::field("type", "must be message.send, request.cancel, queue.watch, queue.unwatch or ping"))
            }
        }
    }
}

/// The server's message. Events are forwarded as the workers encoded them.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum ToClient {
    #[serde(rename = "message.accepted")]
    Accepted {
        r#ref: String,
        request: Request,
        message: Message,
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<QueuePosition>,
    },
    /// The state of a request after its cancellation.
    #[serde(rename = "request.state")]
    State {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
        request: Request,
    },
    #[serde(rename = "error")]
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        r#ref: Option<String>,
        error: Problem,
    },
    #[serde(rename = "queue.state")]
    QueueState(QueueState),
    #[serde(rename = "pong")]
    Pong {},
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum NoticeCode {
    LiveDelayed,
}

/// A notice about the service itself.
#[derive(Debug, Serialize)]
pub(crate) struct Notice {
    r#type: &'static str,
    code: NoticeCode,
    message: &'static str,
}

impl Notice {
    /// Until the next hello.
    pub(crate) const LIVE_DELAYED: Self = Self {
        r#type: "notice",
        code: NoticeCode::LiveDelayed,
        message: "Live updates are delayed. Nothing is lost: replies come as soon as they can.",
    };
}

/// Why a connection is closed. On 4000–4499 clients reconnect, on 4500 and above they do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Restart,
    Overload,
    /// Its credential has expired or was revoked.
    SignedOut,
    TooSlow,
    /// The user has as many open as is allowed.
    TooMany,
    /// It sent a binary, broken or oversized message.
    Misbehaved,
    /// It exceeded the frame limit.
    Flooded,
}

impl Closing {
    /// As metrics name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Overload => "overload",
            Self::SignedOut => "signed_out",
            Self::TooSlow => "too_slow",
            Self::TooMany => "too_many",
            Self::Misbehaved => "misbehaved",
            Self::Flooded => "flooded",
        }
    }

    pub(crate) fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Self::Restart => return restart(),
            Self::Overload => (1013, "try again later"),
            Self::SignedOut => (4001, "the credentials have ended: sign in, or refresh, and connect again"),
            Self::TooSlow => (4008, "too slow: connect again and take a snapshot"),
            Self::TooMany => (4009, "too many sockets of yours are open: close another"),
            Self::Misbehaved => (4500, "only text messages of a bounded size are taken"),
            Self::Flooded => (4501, "too many frames a second"),
        };
        CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
    }
}

/// A random delay for each client, so that not all reconnect at once.
fn restart() -> CloseFrame {
    let wait = fastrand::u32(0..=RECONNECT_WITHIN_MS);
    CloseFrame { code: 1012, reason: format!(r#"{{"reconnect_after_ms":{wait}}}"#).into() }
}

/// The parameters of a connection: the caller, and the last message that the client has.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) after: Option<MessageId>,
}
