//! Users for admins: search, change, import. Services are accounts, but not users.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::UserId,
    model::{AccountRole, User},
};
use uuid::Uuid;

use crate::Page;

/// A filter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    pub role: Option<AccountRole>,
    pub tier: Option<&'a str>,
}

/// A page of users, the newest first.
pub async fn list(db: impl PgExecutor<'_>, filter: Filter<'_>, page: Page<UserId>) -> Result<Vec<User>> {
    // Each role of each tier is an index range ordered by id, so a page of each is enough.
    sqlx::query_as!(
        User,
        r#"select u.id as "id: UserId", u.email, u.name, u.role as "role: AccountRole", u.tier, u.created_at
           from tiers t
           cross join unnest($1::text[]) as r (role)
           cross join lateral (
               select * from users where tier = t.name and role = r.role and kind = 'person' and closed_at is null and id < $3
               order by id desc limit $4) u
           where t.name = coalesce($2, t.name)
           order by u.id desc limit $4"#,
        &roles(filter.role) as &[AccountRole],
        filter.tier,
        page.after.map_or(Uuid::max(), UserId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// The same for addresses that have all of these words; the last one may be a prefix: "lovelace ex" finds
/// ada.lovelace@example.com. Words are runs of letters and digits.
pub async fn search(db: impl PgExecutor<'_>, words: &str, filter: Filter<'_>, page: Page<UserId>) -> Result<Vec<User>> {
    let Some(query) = query(words) else { return Ok(Vec::new()) };
    // `offset 0` is an optimization fence: otherwise the planner may scan in the order of ids.
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at
           from (select * from users where email_words(email) @@ $1::text::tsquery offset 0) found
           where role = any ($2) and tier = coalesce($3, tier) and kind = 'person' and closed_at is null and id < $4
           order by id desc limit $5"#,
        query,
        &roles(filter.role) as &[AccountRole],
        filter.tier,
        page.after.map_or(Uuid::max(), UserId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await
}

fn roles(only: Option<AccountRole>) -> Vec<AccountRole> {
    only.map_or_else(|| AccountRole::ALL.to_vec(), |role| vec![role])
}

/// Splits like `email_words` in the migrations.
fn query(words: &str) -> Option<String> {
    let words = words.to_lowercase();
    let words: Vec<_> = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| format!("{}:*", words.join(" & ")))
}

/// The users who are admins, locked until the end of the transaction.
pub async fn lock_admins(db: impl PgExecutor<'_>) -> Result<Vec<UserId>> {
    sqlx::query_scalar!(
        r#"select id as "id: UserId" from users
           where tier = any (array(select name from tiers)) and role = 'admin' and kind = 'person'
             and closed_at is null
           order by id for no key update"#,
    )
    .fetch_all(db)
    .await
}

/// Changes a user; a `None` setting is unchanged. `None` where there is no such user.
pub async fn change(
    db: impl PgExecutor<'_>,
    id: UserId,
    role: Option<AccountRole>,
    tier: Option<&str>,
) -> Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"update users set role = coalesce($2, role), tier = coalesce($3, tier) where id = $1 and closed_at is null
           returning id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at"#,
        id.as_uuid(),
        role.map(AccountRole::name),
        tier,
    )
    .fetch_optional(db)
    .await
}

/// Those of these addresses that have an account, in lower case.
pub async fn taken(db: impl PgExecutor<'_>, emails: &[String]) -> Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select lower(email) as "email!" from users where lower(email) = any (select lower(e) from unnest($1::text[]) e)"#,
        emails,
    )
    .fetch_all(db)
    .await
}

/// Imported accounts, one column per field.
#[derive(Debug, Default)]
pub struct Imported {
    pub ids: Vec<Uuid>,
    pub emails: Vec<String>,
    pub names: Vec<String>,
    pub hashes: Vec<Option<String>>,
    pub tiers: Vec<String>,
}

/// Inserts all of them; returns their number.
pub async fn import(db: impl PgExecutor<'_>, users: &Imported) -> Result<u64> {
    let done = sqlx::query!(
        "insert into users (id, email, name, password_hash, tier)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])",
        &users.ids,
        &users.emails,
        &users.names,
        &users.hashes as &[Option<String>],
        &users.tiers,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_for_by_its_words() {
        for (words, asked) in [
            ("ada", Some("ada:*")),
            ("Ada.Love", Some("ada & love:*")),
            ("@example.com", Some("example & com:*")),
            ("a' | b:* \\", Some("a & b:*")),
            ("", None),
            (" @. ", None),
        ] {
            assert_eq!(query(words).as_deref(), asked, "{words}");
        }
    }
}
