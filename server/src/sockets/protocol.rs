//! What a socket may say, what it is answered, and why it is closed.

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId},
    model::{Message, Place, Request},
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
/// Over so long the sockets of a server that stops are told to come back.
const RECONNECT_WITHIN_MS: u32 = 3_000;

/// What a client may send.
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
    /// The client's own name for this message: the answer bears it.
    pub(crate) r#ref: String,
    pub(crate) conversation_id: ConversationId,
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) if_busy: IfBusy,
    pub(crate) idempotency_key: Option<String>,
    /// No reply that was given before will do.
    #[serde(default)]
    pub(crate) fresh: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    pub(crate) r#ref: Option<String>,
    pub(crate) request_id: RequestId,
}

/// A type, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bare {
    #[serde(rename = "type")]
    _type: IgnoredAny,
}

impl FromClient {
    /// Two looks, the first at the type alone: a tagged enum would not say which field is wrong.
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

/// What it is answered. Events come as the workers encoded them.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum ToClient {
    #[serde(rename = "message.accepted")]
    Accepted {
        r#ref: String,
        request: Request,
        message: Message,
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
    },
    /// How a request stands that was to be cancelled.
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

/// News of the service itself.
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

/// Why a socket is closed. 4000–4499 mean: connect again; 4500 and above: do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Restart,
    Overload,
    /// What it was opened with has ended.
    SignedOut,
    TooSlow,
    /// The user has as many open as is allowed.
    TooMany,
    /// It sent what is no text, or too much of it.
    Misbehaved,
    /// It sent more frames than anybody may.
    Flooded,
}

impl Closing {
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

/// Each socket is told another moment to come back, so that not all come at once.
fn restart() -> CloseFrame {
    let wait = fastrand::u32(0..=RECONNECT_WITHIN_MS);
    CloseFrame { code: 1012, reason: format!(r#"{{"reconnect_after_ms":{wait}}}"#).into() }
}

/// Who opened a socket, and what it has seen already.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) after: Option<MessageId>,
}
