//! What a reply drew on: the receipt of its request, and the passages that it names, as they are now.

use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{PassageId, PersonaId, RequestId, UserId},
    // The name in the statements below, which are checked by their text.
    model::{grounding::Grounding, knowledge::PassageLocation as Place},
};

#[derive(Debug, Clone)]
pub struct Receipt {
    pub persona: PersonaId,
    /// Whether the persona is the user's own.
    pub owned: bool,
    /// `None` until the reply is complete, and where nothing was looked for.
    pub grounding: Option<Json<Grounding>>,
}

/// The receipt of a request of this user.
pub async fn receipt(db: impl PgExecutor<'_>, user: UserId, request: RequestId) -> Result<Option<Receipt>> {
    sqlx::query_as!(
        Receipt,
        r#"select p.id as "persona: PersonaId", p.owner_id is not distinct from $1 as "owned!",
               r.retrieval as "grounding: Json<Grounding>"
           from requests r join conversations c on c.id = r.conversation_id join personas p on p.id = c.persona_id
           where r.id = $2 and r.user_id = $1"#,
        user.as_uuid(),
        request.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// A passage, and what its source is called: a document's title, or the question that was answered.
#[derive(Debug, Clone)]
pub struct TitledPassage {
    pub id: PassageId,
    pub title: String,
    pub place: Json<Place>,
    pub content: String,
}

/// Those of these passages that this persona still has, unordered.
pub async fn passages(db: impl PgExecutor<'_>, persona: PersonaId, ids: &[PassageId]) -> Result<Vec<TitledPassage>> {
    sqlx::query_as!(
        TitledPassage,
        r#"select p.id as "id: PassageId", coalesce(d.title, q.text, '') as "title!", p.place as "place: Json<Place>", p.content
           from passages p
           left join documents d on p.source_kind = 'document' and d.id = p.source_id
           left join responses a on p.source_kind = 'response' and a.id = p.source_id
           left join questions q on q.id = a.question_id
           where p.id = any ($2) and p.persona_id = $1"#,
        persona.as_uuid(),
        ids as &[PassageId],
    )
    .fetch_all(db)
    .await
}
