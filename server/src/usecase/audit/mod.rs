//! The audit log: noting what was done, telling it, and looking whether it is whole.
//!
//! What changes something notes it in the transaction of the change, as its last statement: others who note wait until then.

mod chain;
pub(crate) mod export;
pub(crate) mod verify;

use sqlx::PgExecutor;
use troupe_core::model::audit::Act;
use troupe_db::operations::audit;

use crate::error::ApiError;

/// Notes what was done. Where that fails, what was done has to fail as well: nothing is done unseen.
pub(crate) async fn note(db: impl PgExecutor<'_>, act: &Act<'_>) -> Result<(), ApiError> {
    Ok(audit::append(db, act).await?)
}
