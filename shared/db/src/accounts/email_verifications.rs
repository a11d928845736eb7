//! Verification of e-mail addresses, and the links that verify. What is stored of a link is a digest.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::ids::UserId;

use super::passwords::Addressee;

/// A new account's address is to be verified; that of an account counts as verified unless this is said.
pub async fn require(db: impl PgExecutor<'_>, id: UserId) -> Result<()> {
    sqlx::query!("update users set email_verified_at = null where id = $1", id.as_uuid()).execute(db).await?;
    Ok(())
}

/// Makes this the link that verifies the address of the account that has it, for so long; an earlier one is void.
/// `None` where there is no such account, where it is verified, or where a link was made less than the interval ago.
pub async fn make_link(
    db: impl PgExecutor<'_>,
    email: &str,
    digest: &[u8],
    ttl: Duration,
    interval: Duration,
) -> Result<Option<Addressee>> {
    sqlx::query_as!(
        Addressee,
        r#"update users set verify_digest = $2, verify_until = now() + make_interval(secs => $3)
           where lower(email) = lower($1) and kind = 'person' and closed_at is null and email_verified_at is null
             and (verify_until is null or verify_until <= now() + make_interval(secs => $3) - make_interval(secs => $4))
           returning id as "id: UserId", email"#,
        email,
        digest,
        ttl.as_secs_f64(),
        interval.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Puts another link in the place of one that may not have reached its addressee. `None` where that is not the
/// account's link any more: it is verified, or a newer link was made.
pub async fn replace_link(
    db: impl PgExecutor<'_>,
    user: UserId,
    before: &[u8],
    digest: &[u8],
    ttl: Duration,
) -> Result<Option<Addressee>> {
    sqlx::query_as!(
        Addressee,
        r#"update users set verify_digest = $3, verify_until = now() + make_interval(secs => $4)
           where id = $1 and verify_digest = $2 and closed_at is null
           returning id as "id: UserId", email"#,
        user.as_uuid(),
        before,
        digest,
        ttl.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Verifies the address, and uses the link up; `None` for one that is void, or never was.
pub async fn use_link(db: impl PgExecutor<'_>, digest: &[u8]) -> Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"update users set email_verified_at = now(), verify_digest = null, verify_until = null
           where verify_digest = $1 and verify_until > now() and closed_at is null
           returning id as "id: UserId""#,
        digest,
    )
    .fetch_optional(db)
    .await
}
