//! Cards that personas came as, and their lorebooks. JSON is text here: jsonb would change numbers.

use sqlx::{PgConnection, PgExecutor, Result};
use troupe_core::ids::{PersonaId, UserId};

/// A card as it came.
#[derive(Debug, Clone)]
pub struct StoredCard {
    pub card: String,
    /// A PNG, without the card in it.
    pub picture: Option<Vec<u8>>,
}

pub async fn put_card(db: impl PgExecutor<'_>, persona: PersonaId, card: &str, picture: Option<&[u8]>) -> Result<()> {
    sqlx::query!(
        "insert into persona_cards (persona_id, card, picture) values ($1, $2, $3)
         on conflict (persona_id) do update set card = excluded.card, picture = excluded.picture, imported_at = now()",
        persona.as_uuid(),
        card,
        picture,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the picture that the card came in: the persona has another now, or none.
pub async fn forget_picture(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<()> {
    sqlx::query!(
        "update persona_cards set picture = null where persona_id = $1 and picture is not null",
        persona.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The card that the persona came as, if it came as one.
pub async fn card(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<Option<StoredCard>> {
    sqlx::query_as!(StoredCard, "select card, picture from persona_cards where persona_id = $1", persona.as_uuid(),)
        .fetch_optional(db)
        .await
}

/// Sets or removes the lorebook, and makes the persona another version: what is cached of it is of the one before.
pub async fn put_lorebook(db: &mut PgConnection, persona: PersonaId, book: Option<&str>) -> Result<()> {
    match book {
        Some(book) => {
            sqlx::query!(
                "insert into persona_lorebooks (persona_id, book) values ($1, $2)
                 on conflict (persona_id) do update set book = excluded.book, updated_at = now()",
                persona.as_uuid(),
                book,
            )
            .execute(&mut *db)
            .await?;
        }
        None => {
            sqlx::query!("delete from persona_lorebooks where persona_id = $1", persona.as_uuid())
                .execute(&mut *db)
                .await?;
        }
    }
    sqlx::query!(
        "update personas set has_lorebook = $2, version = version + 1, updated_at = now() where id = $1",
        persona.as_uuid(),
        book.is_some(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The lorebook's JSON, if there is one.
pub async fn lorebook(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<Option<String>> {
    sqlx::query_scalar!("select book from persona_lorebooks where persona_id = $1", persona.as_uuid())
        .fetch_optional(db)
        .await
}

/// Whether a slug is taken, by anybody.
pub async fn is_taken(db: impl PgExecutor<'_>, slug: &str) -> Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from personas where slug = $1) as "taken!""#, slug).fetch_one(db).await
}

/// The name of a user, for `{{user}}`.
pub async fn user_name(db: impl PgExecutor<'_>, user: UserId) -> Result<Option<String>> {
    sqlx::query_scalar!("select name from users where id = $1", user.as_uuid()).fetch_optional(db).await
}
