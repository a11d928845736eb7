//! The open connections of this process: counted, limited, closed when their credential is revoked, drained at
//! shutdown. Event streams are registered too, since they end with their credentials.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use troupe_core::ids::{CredentialId, UserId};

use crate::metrics::{LIVE, ReasonLabel};

#[derive(Debug, Clone)]
pub(crate) struct Connections {
    closing: CancellationToken,
    open: TaskTracker,
    counts: Arc<Mutex<HashMap<UserId, usize>>>,
    credentials: Arc<Mutex<HashMap<CredentialId, CredentialConnections>>>,
    max_open: usize,
    max_per_user: usize,
}

/// Which limit on connections is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitReached {
    Process,
    User,
}

/// What is open by one credential.
#[derive(Debug)]
struct CredentialConnections {
    /// Cancelled when the credential is revoked.
    revoked: CancellationToken,
    /// Cancelled then, and when all connections are closed.
    ended: CancellationToken,
    open: usize,
}

/// Registers something that is open by a credential, until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    connections: Connections,
    credential: CredentialId,
    revoked: CancellationToken,
    ended: CancellationToken,
}

/// The permit of one connection, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    user: UserId,
    guard: ConnectionGuard,
}

impl ConnectionGuard {
    /// Cancelled when the credential is revoked.
    pub(crate) fn revoked(&self) -> &CancellationToken {
        &self.revoked
    }
}

impl ConnectionPermit {
    /// Cancelled when the connection must end: its credential is revoked, or all connections are closed.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.guard.ended
    }
}

impl Connections {
    pub(crate) fn new(max_connections: usize, max_per_user: usize) -> Self {
        // Shown from the start, so that the first of them is an increase.
        for reason in ["left", "lost", "restart", "overload", "signed_out", "too_slow", "misbehaved", "flooded"] {
            drop(LIVE.closed.get_or_create(&ReasonLabel { reason }));
        }
        Self {
            closing: CancellationToken::new(),
            open: TaskTracker::new(),
            counts: Arc::default(),
            credentials: Arc::default(),
            max_open: max_connections,
            max_per_user,
        }
    }

    /// The number of open connections.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Cancelled when all connections are closed.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    pub(crate) fn admit(&self, user: UserId, credential: CredentialId) -> Result<ConnectionPermit, LimitReached> {
        if self.open.len() >= self.max_open {
            return Err(LimitReached::Process);
        }
        let mut counts = self.counts.lock();
        let count = counts.entry(user).or_default();
        if *count >= self.max_per_user {
            return Err(LimitReached::User);
        }
        *count += 1;
        drop(counts);
        Ok(ConnectionPermit { user, guard: self.register(credential) })
    }

    /// Registers an event stream, which needs no connection permit.
    pub(crate) fn register(&self, credential: CredentialId) -> ConnectionGuard {
        let mut credentials = self.credentials.lock();
        let new =
            || CredentialConnections { revoked: CancellationToken::new(), ended: self.closing.child_token(), open: 0 };
        let entry = credentials.entry(credential).or_insert_with(new);
        entry.open += 1;
        let revoked = entry.revoked.clone();
        let ended = entry.ended.clone();
        drop(credentials);
        ConnectionGuard { connections: self.clone(), credential, revoked, ended }
    }

    /// Cancels whatever is open by these credentials.
    pub(crate) fn revoke(&self, credentials: &[CredentialId]) {
        let registered = self.credentials.lock();
        for entry in credentials.iter().filter_map(|id| registered.get(id)) {
            entry.revoked.cancel();
            entry.ended.cancel();
        }
    }

    /// Counts the connection while it runs.
    pub(crate) async fn run(&self, connection: impl Future<Output = ()>) {
        self.open.track_future(connection).await;
    }

    /// Cancels every connection, and waits until all have ended.
    pub(crate) async fn close_all(&self, within: Duration) {
        self.closing.cancel();
        self.open.close();
        if timeout(within, self.open.wait()).await.is_err() {
            tracing::warn!(connections = self.open.len(), "sockets were cut off");
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.guard.connections.counts.lock();
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
        let mut credentials = self.connections.credentials.lock();
        if let Some(entry) = credentials.get_mut(&self.credential) {
            entry.open -= 1;
            if entry.open == 0 {
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
        let connections = Connections::new(10, 2);
        let (ada, grace, token) = (UserId::new(), UserId::new(), CredentialId::new());
        let (one, _two) = (connections.admit(ada, token).unwrap(), connections.admit(ada, token).unwrap());
        assert_eq!(connections.admit(ada, token).unwrap_err(), LimitReached::User);
        let _hers = connections.admit(grace, token).unwrap();
        drop(one);
        let _three = connections.admit(ada, token).unwrap();
        assert_eq!(connections.admit(ada, token).unwrap_err(), LimitReached::User);
    }

    #[tokio::test]
    async fn a_credential_takes_its_sessions_with_it() {
        let connections = Connections::new(10, 10);
        let (user, laptop, phone) = (UserId::new(), CredentialId::new(), CredentialId::new());
        let (first, second) = (connections.admit(user, laptop).unwrap(), connections.admit(user, laptop).unwrap());
        let (other, stream) = (connections.admit(user, phone).unwrap(), connections.register(laptop));
        connections.revoke(&[laptop, CredentialId::new()]);
        assert!([first.ended(), second.ended(), stream.revoked()].iter().all(|ended| ended.is_cancelled()));
        assert!(!other.ended().is_cancelled());
        drop((first, second, stream));
        // A new connection, even under the same id, is not ended by an earlier revocation.
        assert!(!connections.admit(user, laptop).unwrap().ended().is_cancelled());
        let stream = connections.register(phone);
        connections.close_all(Duration::ZERO).await;
        assert!(other.ended().is_cancelled() && !stream.revoked().is_cancelled(), "calls in flight are answered");
    }
}
