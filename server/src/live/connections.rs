//! The open sessions of this process: admitted, counted, asked to end, waited for. And the event streams, which end
//! with their credentials.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use troupe_core::ids::{CredentialId, UserId};

#[derive(Debug, Clone)]
pub(crate) struct Connections {
    closing: CancellationToken,
    open: TaskTracker,
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
    credentials: Arc<Mutex<HashMap<CredentialId, CredentialConnections>>>,
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

/// A credential by which something is open.
#[derive(Debug)]
struct CredentialConnections {
    /// Cancelled when the credential has ended.
    signed_out: CancellationToken,
    /// Cancelled then, and when every session must end.
    ended: CancellationToken,
    held: usize,
}

/// Something is open by a credential, until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    sessions: Connections,
    credential: CredentialId,
    signed_out: CancellationToken,
    ended: CancellationToken,
}

/// A place for one session, free again when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    user: UserId,
    held: ConnectionGuard,
}

impl ConnectionGuard {
    /// Cancelled when the credential has ended.
    pub(crate) fn signed_out(&self) -> &CancellationToken {
        &self.signed_out
    }
}

impl ConnectionPermit {
    /// Cancelled when the session must end: its credential has, or every session does.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.held.ended
    }
}

impl Connections {
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

    pub(crate) fn admit(&self, user: UserId, credential: CredentialId) -> Result<ConnectionPermit, Full> {
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
        Ok(ConnectionPermit { user, held: self.hold(credential) })
    }

    /// For what is open by a credential and has no place of its own.
    pub(crate) fn hold(&self, credential: CredentialId) -> ConnectionGuard {
        let mut credentials = self.credentials.lock();
        let new = || CredentialConnections {
            signed_out: CancellationToken::new(),
            ended: self.closing.child_token(),
            held: 0,
        };
        let standing = credentials.entry(credential).or_insert_with(new);
        standing.held += 1;
        let (signed_out, ended) = (standing.signed_out.clone(), standing.ended.clone());
        drop(credentials);
        ConnectionGuard { sessions: self.clone(), credential, signed_out, ended }
    }

    /// Asks what is open by these credentials to end.
    pub(crate) fn end(&self, credentials: &[CredentialId]) {
        let standing = self.credentials.lock();
        for standing in credentials.iter().filter_map(|id| standing.get(id)) {
            standing.signed_out.cancel();
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

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.held.sessions.counts.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut credentials = self.sessions.credentials.lock();
        if let Some(standing) = credentials.get_mut(&self.credential) {
            standing.held -= 1;
            if standing.held == 0 {
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
        let sessions = Connections::new(10, 2);
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
        let sessions = Connections::new(10, 10);
        let (user, laptop, phone) = (UserId::new(), CredentialId::new(), CredentialId::new());
        let (first, second) = (sessions.admit(user, laptop).unwrap(), sessions.admit(user, laptop).unwrap());
        let (other, stream) = (sessions.admit(user, phone).unwrap(), sessions.hold(laptop));
        sessions.end(&[laptop, CredentialId::new()]);
        assert!([first.ended(), second.ended(), stream.signed_out()].iter().all(|ended| ended.is_cancelled()));
        assert!(!other.ended().is_cancelled());
        drop((first, second, stream));
        // Whoever signs in anew, even under the same id, is not ended by what was.
        assert!(!sessions.admit(user, laptop).unwrap().ended().is_cancelled());
        let stream = sessions.hold(phone);
        sessions.close_all(Duration::ZERO).await;
        assert!(other.ended().is_cancelled() && !stream.signed_out().is_cancelled(), "calls in flight are answered");
    }
}
