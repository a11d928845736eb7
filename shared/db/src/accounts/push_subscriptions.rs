//! Web Push: the browsers of a user that are told of a reply, and the key of this installation.

use sqlx::{PgExecutor, PgPool, Result};
use troupe_core::ids::{ConversationId, RequestId, UserId};

/// A browser that is told.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub endpoint: String,
    pub p256dh: Vec<u8>,
    pub auth: Vec<u8>,
    pub language: Option<String>,
}

/// The signing key, if anybody has asked for it yet.
pub async fn key(db: impl PgExecutor<'_>) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar!("select pkcs8 from push_key").fetch_optional(db).await
}

/// Keeps a new signing key, unless somebody was faster; returns the one that holds.
pub async fn keep_key(pool: &PgPool, made: &[u8]) -> Result<Vec<u8>> {
    sqlx::query!("insert into push_key (pkcs8) values ($1) on conflict do nothing", made).execute(pool).await?;
    sqlx::query_scalar!("select pkcs8 from push_key").fetch_one(pool).await
}

/// Adds a browser, or takes it over from whoever was signed in there before. Of one user's many the oldest go.
pub async fn add(db: impl PgExecutor<'_>, user: UserId, new: &Subscription, max: i64) -> Result<()> {
    sqlx::query!(
        "with old as (
             delete from push_subscriptions where endpoint in (
                 select endpoint from push_subscriptions where user_id = $1 and endpoint <> $2
                 order by created_at desc offset $6)
         )
         insert into push_subscriptions (user_id, endpoint, p256dh, auth, language) values ($1, $2, $3, $4, $5)
         on conflict (endpoint) do update set user_id = excluded.user_id, p256dh = excluded.p256dh, auth = excluded.auth,
             language = excluded.language",
        user.as_uuid(),
        new.endpoint,
        new.p256dh,
        new.auth,
        new.language,
        max - 1,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn remove(db: impl PgExecutor<'_>, user: UserId, endpoint: &str) -> Result<bool> {
    let done =
        sqlx::query!("delete from push_subscriptions where user_id = $1 and endpoint = $2", user.as_uuid(), endpoint)
            .execute(db)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes what a push service does not know any more.
pub async fn forget(db: impl PgExecutor<'_>, endpoint: &str) -> Result<()> {
    sqlx::query!("delete from push_subscriptions where endpoint = $1", endpoint).execute(db).await?;
    Ok(())
}

pub async fn list(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<Subscription>> {
    sqlx::query_as!(
        Subscription,
        "select endpoint, p256dh, auth, language from push_subscriptions where user_id = $1 order by created_at",
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// What is told of a request that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub conversation_id: ConversationId,
    pub persona: String,
    pub reply: Option<String>,
}

/// `None` where it is gone, or its conversation is temporary: nothing of that leaves this service.
pub async fn ended(db: impl PgExecutor<'_>, user: UserId, request: RequestId) -> Result<Option<Ended>> {
    sqlx::query_as!(
        Ended,
        r#"select c.id as "conversation_id: ConversationId", p.name as persona, a.content as "reply?"
           from requests r
           join conversations c on c.id = r.conversation_id
           join personas p on p.id = c.persona_id
           left join messages a on a.request_id = r.id and a.role = 'assistant'
           where r.id = $2 and r.user_id = $1 and not c.temporary"#,
        user.as_uuid(),
        request.as_uuid(),
    )
    .fetch_optional(db)
    .await
}
