//! The client's own time limit of statements.
//!
//! PostgreSQL ends what takes too long (`database.statement_timeout`), but one that is cut off ends nothing, and sends
//! no reset either. So statements that others wait behind, and those of loops, are given up by us. Their connections
//! are closed by the pool ([`crate::connections`]); whether such a statement took effect is unknown.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// In milliseconds; of the process, since all of its pools lead to the same PostgreSQL.
static RESPONSE_TIMEOUT: AtomicU64 = AtomicU64::new(10_000);

pub(crate) fn set_response_timeout(limit: Duration) {
    RESPONSE_TIMEOUT.store(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The result of statements, or an error once `database.response_timeout` is over.
pub async fn with_response_timeout<T, E: From<sqlx::Error>>(
    statements: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let limit = Duration::from_millis(RESPONSE_TIMEOUT.load(Ordering::Relaxed));
    let answered = tokio::time::timeout(limit, statements).await;
    answered.unwrap_or_else(|_| Err(unanswered(format!("PostgreSQL did not answer within {limit:?}")).into()))
}

pub(crate) fn unanswered(what: String) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_statement_without_an_answer_is_given_up() {
        let error = with_response_timeout(std::future::pending::<sqlx::Result<()>>()).await.unwrap_err();
        assert_eq!(error.to_string(), "error communicating with database: PostgreSQL did not answer within 10s");
        assert_eq!(with_response_timeout(async { Ok::<_, sqlx::Error>(1) }).await.unwrap(), 1);
    }
}
