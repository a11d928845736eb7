//! Invitations: codes that open an account where registration is not open. Only digests of codes are stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{InvitationId, UserId};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Page;

/// An invitation as shown to admins, without its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Invitation {
    pub id: InvitationId,
    #[schema(example = "for Ada, by letter")]
    pub note: String,
    pub created_at: DateTime<Utc>,
    /// The expiry.
    pub expires_at: DateTime<Utc>,
    /// The account that was opened with it; null while it can be used.
    pub used_by: Option<UserId>,
    pub used_at: Option<DateTime<Utc>>,
}

pub async fn create(
    db: impl PgExecutor<'_>,
    id: InvitationId,
    digest: &[u8],
    note: &str,
    lasts: Duration,
) -> Result<Invitation> {
    sqlx::query_as!(
        Invitation,
        r#"insert into invitations (id, digest, note, expires_at) values ($1, $2, $3, now() + make_interval(secs => $4))
           returning id as "id: InvitationId", note, created_at, expires_at, used_by as "used_by: UserId", used_at"#,
        id.as_uuid(),
        digest,
        note,
        lasts.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}

/// The newest first.
pub async fn list(db: impl PgExecutor<'_>, page: Page<InvitationId>) -> Result<Vec<Invitation>> {
    sqlx::query_as!(
        Invitation,
        r#"select id as "id: InvitationId", note, created_at, expires_at, used_by as "used_by: UserId", used_at
           from invitations where id < $1 order by id desc limit $2"#,
        page.after.map_or(Uuid::max(), InvitationId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// Whether a code is valid now.
pub async fn is_valid(db: impl PgExecutor<'_>, digest: &[u8]) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from invitations where digest = $1 and used_by is null and expires_at > now()) as "valid!""#,
        digest,
    )
    .fetch_one(db)
    .await
}

/// Consumes a code for this account; returns its invitation. `None` where it is used, expired, or unknown.
pub async fn take(db: impl PgExecutor<'_>, digest: &[u8], user: UserId) -> Result<Option<InvitationId>> {
    sqlx::query_scalar!(
        r#"update invitations set used_by = $2, used_at = now()
           where digest = $1 and used_by is null and expires_at > now()
           returning id as "id: InvitationId""#,
        digest,
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes an unused invitation; `false` where there is none.
pub async fn delete(db: impl PgExecutor<'_>, id: InvitationId) -> Result<bool> {
    let done =
        sqlx::query!("delete from invitations where id = $1 and used_by is null", id.as_uuid()).execute(db).await?;
    Ok(done.rows_affected() > 0)
}
