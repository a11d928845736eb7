//! Follows the text of a reply until there is enough of it to be spoken.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use troupe_core::{
    events::{Cursor, Transcript},
    ids::{RequestId, UserId},
    trace,
};
use troupe_db::speech::{self, Speakable};

use super::{
    Speech,
    sentences::{Sentence, sentences},
};
use crate::{
    http::error::ApiError,
    live::hub::{Delivery, Subscription},
};

/// PostgreSQL is polled as well, so that a reply goes on being spoken while Redis is away.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
const DEFAULT_LANGUAGE: &str = "en";

/// A reply, as far as it is written.
pub(super) struct Reply {
    pub(super) request: Speakable,
    pub(super) text: String,
    /// Whether no text comes any more.
    pub(super) is_whole: bool,
}

impl Reply {
    /// Those that no further text changes.
    pub(super) fn sentences(&self) -> Vec<Sentence> {
        sentences(&self.text, self.is_whole, language(&self.request))
    }
}

fn language(request: &Speakable) -> &str {
    request.language.as_deref().unwrap_or(DEFAULT_LANGUAGE)
}

/// Returns the reply as soon as it has more than so many sentences or has ended, or as it is at the deadline.
pub(super) async fn follow(
    speech: &Speech,
    user: UserId,
    id: RequestId,
    more_than: usize,
    deadline: Instant,
) -> Result<Reply, ApiError> {
    if let Some(call) = trace::current() {
        call.be_patient();
    }
    let waits = Instant::now() < deadline;
    // Subscribed before the text is read, so that none is missed in between.
    let mut live = if waits { speech.chat.live.hub.subscribe(user).await.ok() } else { None };
    loop {
        let request = speech::find(&speech.pool, user, id).await?.ok_or(ApiError::NotFound("request of yours"))?;
        if request.status.is_final() {
            let text = request.reply.clone().unwrap_or_default();
            return Ok(Reply { request, text, is_whole: true });
        }
        // While Redis is away, the reply is heard once it has ended.
        let log = speech.chat.bus.replay(user, id, Cursor::START).await.unwrap_or_default();
        let mut transcript = Transcript::of(&log);
        let is_enough = |text: &str| sentences(text, false, language(&request)).len() > more_than;
        if is_enough(&transcript.text) || Instant::now() >= deadline {
            return Ok(Reply { request, text: transcript.text, is_whole: false });
        }
        let until = deadline.min(Instant::now() + POLL_INTERVAL);
        let comes = until_enough(&mut live, id, &mut transcript, is_enough);
        if timeout_at(until, comes).await == Ok(true) {
            return Ok(Reply { request, text: transcript.text, is_whole: false });
        }
    }
}

/// Applies live events; `false` where the request must be read again.
async fn until_enough(
    live: &mut Option<Subscription>,
    id: RequestId,
    transcript: &mut Transcript,
    is_enough: impl Fn(&str) -> bool,
) -> bool {
    let Some(subscription) = live else { return std::future::pending().await };
    loop {
        match subscription.next().await {
            Some(Delivery::Event(frame, _)) if frame.request_id == id => {
                transcript.apply(&frame);
                if frame.kind.is_terminal() {
                    return false;
                }
                if is_enough(&transcript.text) {
                    return true;
                }
            }
            Some(Delivery::Event(..) | Delivery::Delayed) => {}
            Some(Delivery::Resync) => return false,
            None => break,
        }
    }
    *live = None;
    std::future::pending().await
}
