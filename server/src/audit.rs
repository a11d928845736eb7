//! Appends to the audit log. Operations append in the transaction of the change, as its last statement: other appends
//! wait until it commits.

use sqlx::PgExecutor;
use troupe_core::model::audit::Act;
use troupe_db::operations::audit;

use crate::http::error::ApiError;

/// Appends an entry. The operation must fail where this fails: no change without its entry.
pub(crate) async fn note(db: impl PgExecutor<'_>, act: &Act<'_>) -> Result<(), ApiError> {
    Ok(audit::append(db, act).await?)
}
