//! The open sessions of this process: admitted, counted, asked to end, waited for.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use troupe_shared::ids::{CredentialId, UserId};

#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    closing: CancellationToken,
    open: TaskTracker,
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
    credentials: Arc<Mutex<HashMap<CredentialId, Standing>>>,
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

/// A credential with open sessions.
#[derive(Debug)]
struct Standing {
    ended: CancellationToken,
    sessions: usize,
}

/// A place for one session, free again when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    sessions: Sessions,
    user: UserId,
    credential: CredentialId,
    ended: CancellationToken,
}

impl Admitted {
    /// Cancelled when the session must end: its credential has, or every session does.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Sessions {
    pub(crate) fn new(most: usize, most_of_user: usize) -> Self {
        Self {
            closing: CancellationToken::new(),
            open: TaskTracker::new(),
            counts: Arc::default(),
            credentials: Arc::default(),
            most,
            most_of_user,
        }
    }

    /// Cancelled when every session must end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(crate) fn admit(&self, user: UserId, credential: CredentialId) -> Result<Admitted, Full> {
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
        let mut credentials = self.credentials.lock();
        let new = || Standing { ended: self.closing.child_token(), sessions: 0 };
        let standing = credentials.entry(credential).or_insert_with(new);
        standing.sessions += 1;
        let ended = standing.ended.clone();
        drop(credentials);
        Ok(Admitted { sessions: self.clone(), user, credential, ended })
    }

    /// Asks the sessions of these credentials to end.
    pub(crate) fn end(&self, credentials: &[CredentialId]) {
        let standing = self.credentials.lock();
        for standing in credentials.iter().filter_map(|id| standing.get(id)) {
            standing.ended.cancel();
        }
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
        let mut counts = self.sessions.counts.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
        drop(counts);
        let mut credentials = self.sessions.credentials.lock();
        if let Some(standing) = credentials.get_mut(&self.credential) {
            standing.sessions -= 1;
            if standing.sessions == 0 {
                credentials.remove(&self.credential);
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
        let (ada, grace, token) = (UserId::new(), UserId::new(), CredentialId::new());
        let (one, _two) = (sessions.admit(ada, token).unwrap(), sessions.admit(ada, token).unwrap());
        assert_eq!(sessions.admit(ada, token).unwrap_err(), Full::User);
        let _hers = sessions.admit(grace, token).unwrap();
        drop(one);
        let _three = sessions.admit(ada, token).unwrap();
        assert_eq!(sessions.admit(ada, token).unwrap_err(), Full::User);
    }

    #[tokio::test]
    async fn a_credential_takes_its_sessions_with_it() {
        let sessions = Sessions::new(10, 10);
        let (user, laptop, phone) = (UserId::new(), CredentialId::new(), CredentialId::new());
        let (first, second) = (sessions.admit(user, laptop).unwrap(), sessions.admit(user, laptop).unwrap());
        let other = sessions.admit(user, phone).unwrap();
        sessions.end(&[laptop, CredentialId::new()]);
        assert!(first.ended().is_cancelled() && second.ended().is_cancelled() && !other.ended().is_cancelled());
        drop((first, second));
        // Whoever signs in anew, even under the same id, is not ended by what was.
        assert!(!sessions.admit(user, laptop).unwrap().ended().is_cancelled());
        sessions.close_all(Duration::ZERO).await;
        assert!(other.ended().is_cancelled());
    }
}
