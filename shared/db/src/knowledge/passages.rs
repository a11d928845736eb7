//! Passages: excerpts of a persona's sources, the unit of search.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{PassageId, PersonaId},
    // The name in the statements below, which are checked by their text.
    model::knowledge::{PassageLocation as Place, SourceKind},
};
use uuid::Uuid;

/// The maximum per statement, to stay within the statement timeout.
const BATCH: usize = 500;

/// A new passage of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPassage {
    pub id: PassageId,
    pub ordinal: u32,
    pub place: Place,
    pub content: String,
}

/// A stored passage.
#[derive(Debug, Clone)]
pub struct Passage {
    pub id: PassageId,
    pub content: String,
    pub place: Json<Place>,
    pub source_kind: SourceKind,
    pub source_id: Uuid,
    pub created_at: DateTime<Utc>,
}

/// Replaces the passages of a source, in the caller's transaction. An unchanged passage stays.
pub async fn replace(
    db: &mut PgConnection,
    persona: PersonaId,
    kind: SourceKind,
    source_id: Uuid,
    passages: &[NewPassage],
) -> Result<()> {
    let ids: Vec<_> = passages.iter().map(|passage| passage.id.as_uuid()).collect();
    sqlx::query!(
        "delete from passages where source_kind = $1 and source_id = $2 and id <> all ($3)",
        kind as SourceKind,
        source_id,
        &ids,
    )
    .execute(&mut *db)
    .await?;
    for batch in passages.chunks(BATCH) {
        insert(&mut *db, persona, kind, source_id, batch).await?;
    }
    Ok(())
}

async fn insert(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    kind: SourceKind,
    source_id: Uuid,
    passages: &[NewPassage],
) -> Result<()> {
    let ids: Vec<_> = passages.iter().map(|passage| passage.id.as_uuid()).collect();
    let ordinals: Vec<_> = passages.iter().map(|passage| passage.ordinal as i32).collect();
    let places: Vec<_> = passages.iter().map(|passage| Json(&passage.place)).collect();
    let headings: Vec<_> = passages.iter().map(|passage| passage.place.headings.join("\n")).collect();
    let contents: Vec<_> = passages.iter().map(|passage| passage.content.as_str()).collect();
    sqlx::query!(
        "insert into passages as p (id, persona_id, source_kind, source_id, ordinal, place, content, language, search)
         select n.id, persona.id, $2, $3, n.ordinal, n.place, n.content, language,
             setweight(to_tsvector(language, n.headings), 'B') || to_tsvector(language, n.content)
         from personas persona, search_configuration(persona.languages[1]) language,
             unnest($4::uuid[], $5::int[], $6::jsonb[], $7::text[], $8::text[]) n (id, ordinal, place, headings, content)
         where persona.id = $1
         on conflict (id) do update set place = excluded.place, language = excluded.language, search = excluded.search
         where p.place <> excluded.place or p.language <> excluded.language",
        persona.as_uuid(),
        kind as SourceKind,
        source_id,
        &ids,
        &ordinals,
        &places as _,
        &headings,
        &contents as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Those of these passages that this persona has, unordered. Ids from an index may be stale, or wrong.
pub async fn of_persona(db: impl PgExecutor<'_>, persona: PersonaId, ids: &[PassageId]) -> Result<Vec<Passage>> {
    sqlx::query_as!(
        Passage,
        r#"select id as "id: PassageId", content, place as "place: Json<Place>", source_kind as "source_kind: SourceKind", source_id,
               created_at
           from passages where id = any ($2) and persona_id = $1"#,
        persona.as_uuid(),
        ids as &[PassageId],
    )
    .fetch_all(db)
    .await
}

/// Keyword search in a persona's passages, the best first; the query is cut to a thousand characters. It may have
/// quoted phrases, `or`, and `-` for excluded words; otherwise a passage needs only some of the words, and ranks higher
/// with all of them.
pub async fn search(db: impl PgExecutor<'_>, persona: PersonaId, query: &str, limit: i64) -> Result<Vec<Passage>> {
    sqlx::query_as!(
        Passage,
        r#"with query as materialized (
               select websearch_to_tsquery(search_configuration(languages[1]), left($2, 1000)) as strict
               from personas where id = $1
           ), asked as materialized (
               -- Where a word must not be there, "or" would find everything else.
               select strict,
                   case when strict::text like '%!%' then strict else replace(strict::text, ' & ', ' | ')::tsquery end as lenient
               from query
           )
           select p.id as "id: PassageId", p.content, p.place as "place: Json<Place>", p.source_kind as "source_kind: SourceKind",
               p.source_id, p.created_at
           from asked, passages p
           where p.persona_id = $1 and p.search @@ lenient
           order by ts_rank_cd(p.search, strict) + ts_rank(p.search, lenient) desc, p.id limit $3"#,
        persona.as_uuid(),
        query,
        limit,
    )
    .fetch_all(db)
    .await
}
