//! E-mails that are asked for here: a worker finds the account, makes the link and sends it (`worker/src/emails/`).

use sqlx::PgExecutor;
use troupe_core::{config::Mail, jobs::Payload};
use troupe_db::jobs::{NewJob, enqueue::enqueue_bounded};

use crate::http::error::ApiError;

/// Enqueues an e-mail. The address is not looked up, so what is answered cannot reveal whether there is an account.
pub(super) async fn enqueue(db: impl PgExecutor<'_>, mail: &Mail, email: &impl Payload) -> Result<(), ApiError> {
    if !mail.is_set_up() {
        return Err(ApiError::mail_not_configured());
    }
    if enqueue_bounded(db, &NewJob::new(email), mail.queue).await? { Ok(()) } else { Err(ApiError::overloaded()) }
}
