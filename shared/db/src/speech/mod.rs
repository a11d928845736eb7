//! Spoken replies: what is to be said, and the sound that there is of it.

pub mod audio_cache;

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{ConversationId, PersonaId, RequestId, UserId},
    model::RequestStatus,
};

/// A request whose reply is to be spoken.
#[derive(Debug, Clone)]
pub struct Speakable {
    pub status: RequestStatus,
    /// The stored reply.
    pub reply: Option<String>,
    pub tier: String,
    pub conversation: ConversationId,
    pub persona: PersonaId,
    /// As its owner has chosen it.
    pub voice: Option<String>,
    pub language: Option<String>,
}

/// A request of this user.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, request: RequestId) -> Result<Option<Speakable>> {
    sqlx::query_as!(
        Speakable,
        r#"select r.status as "status: RequestStatus", m.content as "reply?", r.tier,
               c.id as "conversation: ConversationId", p.id as "persona: PersonaId", p.voice,
               coalesce(c.language, p.languages[1]) as language
           from requests r
           join conversations c on c.id = r.conversation_id
           join personas p on p.id = c.persona_id
           left join messages m on m.request_id = r.id and m.role = 'assistant'
           where r.id = $2 and r.user_id = $1"#,
        user.as_uuid(),
        request.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Notes how much of a reply was heard, `None` for all; returns whether there is such a reply.
pub async fn set_heard(
    db: impl PgExecutor<'_>,
    user: UserId,
    request: RequestId,
    characters: Option<i32>,
) -> Result<bool> {
    let done = sqlx::query!(
        "update messages m set heard = $3 from requests r
         where r.id = $2 and r.user_id = $1 and m.request_id = r.id and m.role = 'assistant'",
        user.as_uuid(),
        request.as_uuid(),
        characters,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
