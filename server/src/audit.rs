//! The audit log. Operations append what they did, in the transaction of the change and as its last statement: others
//! who append wait until that commits.

use sqlx::PgExecutor;
use troupe_core::model::audit::Act;
use troupe_db::operations::audit;

use crate::http::error::ApiError;

/// Appends an entry. Where that fails, the operation has to fail as well: nothing is done unseen.
pub(crate) async fn note(db: impl PgExecutor<'_>, act: &Act<'_>) -> Result<(), ApiError> {
    Ok(audit::append(db, act).await?)
}
