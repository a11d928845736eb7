//! Moderation: personas of all owners, searched, hidden, unhidden and deleted by admins.

use sqlx::{PgExecutor, Postgres, QueryBuilder, Result};
use troupe_core::{
    ids::{PersonaId, UserId},
    model::{Visibility, moderation::ModeratedPersona},
};
use uuid::Uuid;

use crate::Page;

/// A filter; omitted fields match all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Words of the slug or the name; the last one may be a prefix.
    pub words: Option<&'a str>,
    pub owner: Option<UserId>,
    pub visibility: Option<Visibility>,
    pub hidden: Option<bool>,
}

/// A page of personas, the newest first.
pub async fn list(db: impl PgExecutor<'_>, filter: Filter<'_>, page: Page<PersonaId>) -> Result<Vec<ModeratedPersona>> {
    let Some(mut query) = narrowed(filter) else { return Ok(Vec::new()) };
    query.push(" and id < ").push_bind(page.after.map_or(Uuid::max(), PersonaId::as_uuid));
    query.push(" order by id desc limit ").push_bind(page.limit);
    query.build_query_as().fetch_all(db).await
}

/// Only the given conditions, so that PostgreSQL uses an index for them. `None` where the words contain none.
fn narrowed(filter: Filter<'_>) -> Option<QueryBuilder<Postgres>> {
    let mut query = QueryBuilder::new(
        "select id, slug, name, description, owner_id, visibility, hidden_at, hidden_reason, created_at, updated_at from ",
    );
    match filter.words {
        // `offset 0` is an optimization fence: otherwise the planner may scan in the order of ids.
        Some(words) => {
            query.push("(select * from personas where persona_words(slug, name) @@ ");
            query.push_bind(as_tsquery(words)?).push("::text::tsquery offset 0) found where true");
        }
        None => _ = query.push("personas where true"),
    }
    if let Some(owner) = filter.owner {
        query.push(" and owner_id = ").push_bind(owner.as_uuid());
    }
    if let Some(visibility) = filter.visibility {
        query.push(" and visibility = ").push_bind(visibility);
    }
    match filter.hidden {
        Some(true) => _ = query.push(" and hidden_at is not null"),
        Some(false) => _ = query.push(" and hidden_at is null"),
        None => {}
    }
    Some(query)
}

/// Splits like `persona_words` in the migrations.
fn as_tsquery(words: &str) -> Option<String> {
    let words = words.to_lowercase();
    let words: Vec<_> = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| format!("{}:*", words.join(" & ")))
}

/// Hides a persona, or replaces the reason; `None` where there is no such persona.
pub async fn hide(db: impl PgExecutor<'_>, slug: &str, reason: &str) -> Result<Option<ModeratedPersona>> {
    sqlx::query_as!(
        ModeratedPersona,
        r#"update personas set hidden_at = coalesce(hidden_at, now()), hidden_reason = $2 where slug = $1
           returning id as "id: PersonaId", slug, name, description, owner_id as "owner_id: UserId",
               visibility as "visibility: Visibility", hidden_at, hidden_reason, created_at, updated_at"#,
        slug,
        reason,
    )
    .fetch_optional(db)
    .await
}

/// Unhides a persona; `None` where there is no such persona.
pub async fn unhide(db: impl PgExecutor<'_>, slug: &str) -> Result<Option<ModeratedPersona>> {
    sqlx::query_as!(
        ModeratedPersona,
        r#"update personas set hidden_at = null, hidden_reason = null where slug = $1
           returning id as "id: PersonaId", slug, name, description, owner_id as "owner_id: UserId",
               visibility as "visibility: Visibility", hidden_at, hidden_reason, created_at, updated_at"#,
        slug,
    )
    .fetch_optional(db)
    .await
}

pub async fn find(db: impl PgExecutor<'_>, slug: &str) -> Result<Option<ModeratedPersona>> {
    sqlx::query_as!(
        ModeratedPersona,
        r#"select id as "id: PersonaId", slug, name, description, owner_id as "owner_id: UserId",
               visibility as "visibility: Visibility", hidden_at, hidden_reason, created_at, updated_at
           from personas where slug = $1"#,
        slug,
    )
    .fetch_optional(db)
    .await
}

/// Finds a persona, and locks it until the end of the transaction.
pub async fn lock(db: impl PgExecutor<'_>, slug: &str) -> Result<Option<ModeratedPersona>> {
    sqlx::query_as!(
        ModeratedPersona,
        r#"select id as "id: PersonaId", slug, name, description, owner_id as "owner_id: UserId",
               visibility as "visibility: Visibility", hidden_at, hidden_reason, created_at, updated_at
           from personas where slug = $1 for update"#,
        slug,
    )
    .fetch_optional(db)
    .await
}

/// Deletes a persona of any owner with its conversations.
pub async fn delete(db: impl PgExecutor<'_>, id: PersonaId) -> Result<()> {
    sqlx::query!("delete from personas where id = $1", id.as_uuid()).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persona_is_looked_for_by_its_words() {
        for (words, asked) in [
            ("ada", Some("ada:*")),
            ("Grand-Mother", Some("grand & mother:*")),
            ("Über", Some("über:*")),
            ("a' | b:* \\", Some("a & b:*")),
            ("", None),
            (" -. ", None),
        ] {
            assert_eq!(as_tsquery(words).as_deref(), asked, "{words}");
        }
    }
}
