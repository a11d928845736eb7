//! Replies that go with their reader: where a caller leaves a reply that is kept nowhere, it is cancelled.
//!
//! Not at once: a caller whose connection broke may come back with the same `Idempotency-Key`. Only readers at this
//! server count. At its shutdown nothing is cancelled: the reply is finished, and kept a day.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::sleep;
use troupe_core::{
    ids::{RequestId, UserId},
    lifecycle::Tasks,
};

use crate::chat::{Chat, cancel::cancel_request};

const GRACE: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(super) struct Attached {
    readers: Arc<Mutex<HashMap<RequestId, usize>>>,
    chat: Arc<Chat>,
    tasks: Tasks,
}

/// A reader of a reply, until it is dropped.
pub(super) struct Reader {
    attached: Attached,
    user: UserId,
    request: RequestId,
    is_done: bool,
}

impl Reader {
    /// The reply has ended.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Attached {
    pub(super) fn new(chat: Arc<Chat>, tasks: Tasks) -> Self {
        Self { readers: Arc::default(), chat, tasks }
    }

    pub(super) fn attach(&self, user: UserId, request: RequestId) -> Reader {
        *self.readers.lock().entry(request).or_default() += 1;
        Reader { attached: self.clone(), user, request, is_done: false }
    }

    /// The number of readers that are left.
    fn detach(&self, request: RequestId) -> usize {
        let mut readers = self.readers.lock();
        let left = readers.get_mut(&request).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            readers.remove(&request);
        }
        left
    }

    fn has_readers(&self, request: RequestId) -> bool {
        self.readers.lock().contains_key(&request)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let left = self.attached.detach(self.request);
        if self.is_done || left > 0 {
            return;
        }
        let (attached, user, request) = (self.attached.clone(), self.user, self.request);
        self.attached.tasks.spawn_until_shutdown(async move {
            sleep(GRACE).await;
            if attached.has_readers(request) {
                return;
            }
            match cancel_request(&attached.chat, user, request).await {
                Ok(_) => tracing::debug!(request_id = %request, "its caller has left"),
                Err(error) => tracing::warn!(%error, request_id = %request, "could not cancel what nobody reads"),
            }
        });
    }
}
