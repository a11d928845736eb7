//! Server-Sent Events of one request, as [`super::follow`] has them.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use troupe_core::{
    events::{Cursor, Frame},
    ids::RequestId,
};

use super::{
    Chat,
    follow::{Followed, Follower},
};
use crate::{auth::identity::Identity, http::error::ApiError};

/// A comment.
const OPENING: &[u8] = b": here\n\n";
pub(crate) const STILL_HERE: &[u8] = b": still here\n\n";

pub(crate) async fn follow(
    chat: Arc<Chat>,
    identity: &Identity,
    id: RequestId,
    after: Cursor,
) -> Result<Response, ApiError> {
    let follower = Follower::open(chat, identity, id, after).await?;
    if follower.is_over() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(respond(stream::unfold(follower, |mut follower| async move {
        let bytes = match follower.next().await? {
            Followed::Event(frame) => encode(&frame),
            Followed::Quiet => Bytes::from_static(STILL_HERE),
        };
        Some((bytes, follower))
    })))
}

/// A response of events. It begins at once, so that a client learns early whether something on the way holds streams
/// back.
pub(crate) fn respond(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let opening = stream::once(async { Bytes::from_static(OPENING) });
    (headers, Body::from_stream(opening.chain(events).map(Ok::<_, Infallible>))).into_response()
}

fn encode(frame: &Frame) -> Bytes {
    let mut text = BytesMut::with_capacity(frame.json().len() + 64);
    text.put_slice(format!("id: {}\nevent: {}\ndata: ", frame.cursor, frame.kind.as_str()).as_bytes());
    text.put_slice(frame.json());
    text.put_slice(b"\n\n");
    text.freeze()
}
