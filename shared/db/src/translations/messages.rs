//! Translated messages: each is kept for its conversation's user, and goes with the conversation.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{MessageId, PersonaId, RequestId, UserId},
    jobs::TranslateMessage,
    model::{RequestStatus, Role, translation::MessageTranslation},
};

/// A message that is to be translated.
#[derive(Debug, Clone)]
pub struct Translatable {
    pub status: RequestStatus,
    pub tier: String,
    pub persona: PersonaId,
    /// Of a reply there may be none.
    pub message: Option<MessageId>,
}

/// The question or the reply of a request of this user.
pub async fn translatable(
    db: impl PgExecutor<'_>,
    user: UserId,
    request: RequestId,
    role: Role,
) -> Result<Option<Translatable>> {
    sqlx::query_as!(
        Translatable,
        r#"select r.status as "status: RequestStatus", r.tier, c.persona_id as "persona: PersonaId", m.id as "message?: MessageId"
           from requests r
           join conversations c on c.id = r.conversation_id
           left join messages m on m.request_id = r.id and m.role = $3
           where r.id = $2 and r.user_id = $1"#,
        user.as_uuid(),
        request.as_uuid(),
        role as Role,
    )
    .fetch_optional(db)
    .await
}

pub async fn find(db: impl PgExecutor<'_>, message: MessageId, language: &str) -> Result<Option<MessageTranslation>> {
    sqlx::query_as!(
        MessageTranslation,
        r#"select m.role as "role: Role", t.language, t.text, t.provider, t.created_at
           from message_translations t join messages m on m.id = t.message_id
           where t.message_id = $1 and t.language = $2"#,
        message.as_uuid(),
        language,
    )
    .fetch_optional(db)
    .await
}

/// All of a request's messages, by role and language; `None` where the user has no such request.
pub async fn list(
    db: impl PgExecutor<'_> + Copy,
    user: UserId,
    request: RequestId,
) -> Result<Option<Vec<MessageTranslation>>> {
    let translations = sqlx::query_as!(
        MessageTranslation,
        r#"select m.role as "role: Role", t.language, t.text, t.provider, t.created_at
           from requests r
           join messages m on m.request_id = r.id
           join message_translations t on t.message_id = m.id
           where r.id = $2 and r.user_id = $1
           order by m.role desc, t.language"#,
        user.as_uuid(),
        request.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    if !translations.is_empty() {
        return Ok(Some(translations));
    }
    let is_there = translatable(db, user, request, Role::User).await?.is_some();
    Ok(is_there.then_some(translations))
}

/// What a translator needs to know of a message.
#[derive(Debug, Clone)]
pub struct Original {
    pub content: String,
    /// What the persona is called.
    pub name: String,
}

pub async fn original(db: impl PgExecutor<'_>, wanted: &TranslateMessage) -> Result<Option<Original>> {
    sqlx::query_as!(
        Original,
        "select m.content, p.name from messages m
         join conversations c on c.id = m.conversation_id
         join personas p on p.id = c.persona_id
         where m.id = $1 and c.user_id = $2",
        wanted.message_id.as_uuid(),
        wanted.user_id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Stores a translation, unless there is one, or the conversation is gone.
pub async fn store(db: impl PgExecutor<'_>, wanted: &TranslateMessage, text: &str, provider: &str) -> Result<()> {
    sqlx::query!(
        "insert into message_translations (message_id, conversation_id, language, text, provider)
         select m.id, c.id, $2, $3, $4 from messages m join conversations c on c.id = m.conversation_id
         where m.id = $1 for key share of c
         on conflict (message_id, language) do nothing",
        wanted.message_id.as_uuid(),
        wanted.language,
        text,
        provider,
    )
    .execute(db)
    .await?;
    Ok(())
}
