//! Concurrency limits: how many calls run at once. Calls that only wait or stream have permits of their own, and take
//! none from the others.

use std::{collections::HashMap, sync::Arc};

use axum::{body::Body, http::request::Parts, response::Response};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use troupe_core::{config::Server, ids::UserId};

use super::route_classes::Pace;
use crate::http::error::ApiError;

#[derive(Clone)]
pub(crate) struct ConcurrencyLimits {
    calls: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    waiting_by_user: Arc<Mutex<HashMap<UserId, usize>>>,
    max_waiting_per_user: usize,
}

/// The permit of a call, returned by [`CallPermit::release`] or when it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct CallPermit(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl CallPermit {
    fn release(&self) {
        self.0.lock().take();
    }
}

/// The permit of a call that waits, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct WaitPermit {
    _permit: OwnedSemaphorePermit,
    waiting_by_user: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl ConcurrencyLimits {
    pub(crate) fn new(config: &Server) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            calls: semaphore(config.max_calls),
            waiting: semaphore(config.max_waiting),
            waiting_by_user: Arc::default(),
            max_waiting_per_user: config.waiting_per_user,
        }
    }

    pub(crate) fn acquire_call(&self) -> Result<CallPermit, ApiError> {
        let permit = self.calls.clone().try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        Ok(CallPermit(Arc::new(Mutex::new(Some(permit)))))
    }

    /// Exchanges the call's permit for one of those that wait.
    pub(crate) fn acquire_wait(&self, user: UserId, parts: &Parts) -> Result<WaitPermit, ApiError> {
        let permit = self.wait_permit(user)?;
        if let Some(call) = parts.extensions.get::<CallPermit>() {
            call.release();
        }
        Ok(permit)
    }

    fn wait_permit(&self, user: UserId) -> Result<WaitPermit, ApiError> {
        let permit = self.waiting.clone().try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        let mut waiting_by_user = self.waiting_by_user.lock();
        let count = waiting_by_user.entry(user).or_default();
        if *count >= self.max_waiting_per_user {
            return Err(ApiError::too_many_requests(format!(
                "{} calls of yours wait already, or follow events or exports",
                self.max_waiting_per_user
            )));
        }
        *count += 1;
        drop(waiting_by_user);
        Ok(WaitPermit { _permit: permit, waiting_by_user: self.waiting_by_user.clone(), user })
    }
}

/// Keeps the permit of a streaming response until its body has ended.
pub(crate) fn hold_while_streaming(response: Response, pace: Pace, permit: Option<WaitPermit>) -> Response {
    let Some(held) = permit.filter(|_| matches!(pace, Pace::Streams | Pace::Replies)) else { return response };
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |part| {
            _ = &held;
            part
        }))
    })
}

impl Drop for WaitPermit {
    fn drop(&mut self) {
        let mut waiting_by_user = self.waiting_by_user.lock();
        if let Some(count) = waiting_by_user.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                waiting_by_user.remove(&self.user);
            }
        }
    }
}
