//! How many calls there may be at once. Those that only wait have places of their own, so that they take none from the
//! others.

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
    of_users: Arc<Mutex<HashMap<UserId, usize>>>,
    most_of_user: usize,
}

/// The place of a call, free again when it is left, or dropped.
#[derive(Debug, Clone)]
pub(crate) struct CallPermit(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl CallPermit {
    fn leave(&self) {
        self.0.lock().take();
    }
}

/// The place of a call that waits, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct WaitPermit {
    _place: OwnedSemaphorePermit,
    of_users: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl ConcurrencyLimits {
    pub(crate) fn new(config: &Server) -> Self {
        let semaphore = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self {
            calls: semaphore(config.max_calls),
            waiting: semaphore(config.max_waiting),
            of_users: Arc::default(),
            most_of_user: config.waiting_per_user,
        }
    }

    pub(crate) fn call(&self) -> Result<CallPermit, ApiError> {
        let place = self.calls.clone().try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        Ok(CallPermit(Arc::new(Mutex::new(Some(place)))))
    }

    /// For a call that waits, which leaves its other place.
    pub(crate) fn wait(&self, user: UserId, parts: &Parts) -> Result<WaitPermit, ApiError> {
        let place = self.waiting(user)?;
        if let Some(left) = parts.extensions.get::<CallPermit>() {
            left.leave();
        }
        Ok(place)
    }

    fn waiting(&self, user: UserId) -> Result<WaitPermit, ApiError> {
        let place = self.waiting.clone().try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        let mut of_users = self.of_users.lock();
        let count = of_users.entry(user).or_default();
        if *count >= self.most_of_user {
            return Err(ApiError::too_many_requests(format!(
                "{} calls of yours wait already, or follow events or exports",
                self.most_of_user
            )));
        }
        *count += 1;
        drop(of_users);
        Ok(WaitPermit { _place: place, of_users: self.of_users.clone(), user })
    }
}

/// The answer of a call that had a place, which one that streams keeps until it has ended.
pub(crate) fn held(response: Response, pace: Pace, waiting: Option<WaitPermit>) -> Response {
    let Some(kept) = waiting.filter(|_| pace == Pace::Streams) else { return response };
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |part| {
            _ = &kept;
            part
        }))
    })
}

impl Drop for WaitPermit {
    fn drop(&mut self) {
        let mut of_users = self.of_users.lock();
        if let Some(count) = of_users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                of_users.remove(&self.user);
            }
        }
    }
}
