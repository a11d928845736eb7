//! Waits for a request to end, by live events. PostgreSQL is polled as well, so that waiting works while Redis is away.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use troupe_core::{
    ids::{RequestId, UserId},
    model::Request,
    trace,
};
use troupe_db::replies::requests;

use super::Chat;
use crate::{
    http::error::ApiError,
    live::hub::{Delivery, Subscription},
};

const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Returns the request as soon as it is final, or in its current state after `wait`.
pub(crate) async fn await_request(
    chat: &Chat,
    user: UserId,
    id: RequestId,
    wait: Duration,
) -> Result<Request, ApiError> {
    if let Some(call) = trace::current() {
        call.be_patient();
    }
    let deadline = Instant::now() + wait.min(chat.config.server.max_wait);
    // Subscribed before the first query, so that no end is missed in between.
    let mut live = if wait.is_zero() { None } else { chat.live.hub.subscribe(user).await.ok() };
    loop {
        let request = requests::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("request"))?;
        let now = Instant::now();
        if request.status.is_final() || now >= deadline {
            return Ok(request);
        }
        let until = deadline.min(now + POLL_INTERVAL);
        _ = timeout_at(until, ended(&mut live, id)).await;
    }
}

async fn ended(live: &mut Option<Subscription>, id: RequestId) {
    let Some(subscription) = live else { return std::future::pending().await };
    loop {
        match subscription.next().await {
            Some(Delivery::Event(frame, _)) if frame.request_id == id && frame.kind.is_terminal() => return,
            Some(Delivery::Event(..) | Delivery::Delayed) => {}
            Some(Delivery::Resync) => return,
            None => break,
        }
    }
    *live = None;
    std::future::pending::<()>().await;
}
