//! The open sessions of this process: admitted, counted, asked to end, waited for.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use troupe_shared::ids::UserId;

#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    closing: CancellationToken,
    open: TaskTracker,
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
    most: usize,
    most_of_user: usize,
}

/// Why a session cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The process has as many as it takes.
    Process,
    User,
}

/// A place for one session, free again when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl Sessions {
    pub(crate) fn new(most: usize, most_of_user: usize) -> Self {
        Self { closing: CancellationToken::new(), open: TaskTracker::new(), counts: Arc::default(), most, most_of_user }
    }

    /// Cancelled when every session must end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(crate) fn admit(&self, user: UserId) -> Result<Admitted, Full> {
        if self.open.len() >= self.most {
            return Err(Full::Process);
        }
        let mut counts = self.counts.lock();
        let count = counts.entry(user).or_default();
        if *count >= self.most_of_user {
            return Err(Full::User);
        }
        *count += 1;
        drop(counts);
        Ok(Admitted { counts: self.counts.clone(), user })
    }

    /// Counts the session while it runs.
    pub(crate) async fn run(&self, session: impl Future<Output = ()>) {
        self.open.track_future(session).await;
    }

    /// Asks every session to end and waits for that.
    pub(crate) async fn close_all(&self, within: Duration) {
        self.closing.cancel();
        self.open.close();
        if timeout(within, self.open.wait()).await.is_err() {
            tracing::warn!(sessions = self.open.len(), "sockets were cut off");
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_places_and_gets_them_back() {
        let sessions = Sessions::new(10, 2);
        let (ada, grace) = (UserId::new(), UserId::new());
        let (one, _two) = (sessions.admit(ada).unwrap(), sessions.admit(ada).unwrap());
        assert_eq!(sessions.admit(ada).unwrap_err(), Full::User);
        let _hers = sessions.admit(grace).unwrap();
        drop(one);
        let _three = sessions.admit(ada).unwrap();
        assert_eq!(sessions.admit(ada).unwrap_err(), Full::User);
    }
}
