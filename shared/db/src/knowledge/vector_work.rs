//! Pending changes for the vector store, recorded by triggers.
//!
//! A row says that something changed, not what: its worker reads the current state. So work may be repeated, late, or
//! concurrent; a change meanwhile raises `changes`, and keeps the row for another round.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::ids::{PassageId, PersonaId};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A passage was added or removed.
    Passage(PassageId),
    /// A persona was removed.
    Persona,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub subject: Subject,
    pub persona: PersonaId,
    /// The digest of the passage's content.
    pub digest: Option<Vec<u8>>,
    /// The number of attempts, including this one.
    pub attempts: i32,
    changes: i32,
}

impl Work {
    const fn kind(&self) -> &'static str {
        match self.subject {
            Subject::Passage(_) => "passage",
            Subject::Persona => "persona",
        }
    }

    fn id(&self) -> Uuid {
        match self.subject {
            Subject::Passage(passage) => passage.as_uuid(),
            Subject::Persona => self.persona.as_uuid(),
        }
    }
}

/// Enqueues jobs for the due work: one per `batch` of rows, up to `lanes`. Open lanes stay.
pub async fn open_lanes(db: impl PgExecutor<'_>, batch: i64, lanes: i32) -> Result<u64> {
    let done = sqlx::query!(
        "insert into jobs (kind, key, payload)
         select 'vectors', lane::text, jsonb_build_object('lane', lane)
         from (select count(*) as many from (select from vector_work where due_at <= now() limit $1::bigint * $2::integer) due) due
         cross join generate_series(1, $2::integer) lane
         where (lane - 1) * $1 < due.many
           and not exists (select from jobs open where open.kind = 'vectors' and open.key = lane::text and open.finished_at is null)
         on conflict (kind, key) where finished_at is null and key is not null do nothing",
        batch,
        lanes,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Claims due work, the oldest first, for a while.
pub async fn take(db: impl PgExecutor<'_>, max_rows: i64, lease: Duration) -> Result<Vec<Work>> {
    let rows = sqlx::query!(
        r#"update vector_work set due_at = now() + make_interval(secs => $2), attempts = attempts + 1
           where ctid = any (array(
               select ctid from vector_work where due_at <= now() order by due_at limit $1 for update skip locked))
           returning kind, subject_id, persona_id as "persona: PersonaId", digest, attempts, changes"#,
        max_rows,
        lease.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    let work = rows.into_iter().map(|row| Work {
        subject: if row.kind == "persona" { Subject::Persona } else { Subject::Passage(row.subject_id.into()) },
        persona: row.persona,
        digest: row.digest,
        attempts: row.attempts,
        changes: row.changes,
    });
    Ok(work.collect())
}

/// Deletes completed work, unless it has changed since it was claimed.
pub async fn done(db: impl PgExecutor<'_>, work: &[Work]) -> Result<()> {
    let Columns { kinds, ids, changes, .. } = columns(work);
    sqlx::query!(
        "delete from vector_work w using unnest($1::text[], $2::uuid[], $3::integer[]) as done (kind, subject_id, changes)
         where w.kind = done.kind and w.subject_id = done.subject_id and w.changes = done.changes",
        &kinds as &[&str],
        &ids,
        &changes,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The same for passages that were added to the store. One that was removed meanwhile is to be removed again, since the
/// store may have received the two in the wrong order.
pub async fn given(db: impl PgExecutor<'_>, model: &str, work: &[Work]) -> Result<()> {
    let Columns { ids, changes, personas, digests, .. } = columns(work);
    sqlx::query!(
        "with given as (
             select * from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::bytea[])
                 as given (subject_id, changes, persona_id, digest)
         ), again as (
             insert into vector_work (kind, subject_id, persona_id, digest)
             select 'passage', subject_id, persona_id, digest from given
             where not exists (select from passages p where p.id = subject_id)
             on conflict (kind, subject_id) do update set changes = vector_work.changes + 1, due_at = now(), attempts = 0
         )
         delete from vector_work w using given g
         where w.kind = 'passage' and w.subject_id = g.subject_id and w.changes = g.changes
           and exists (select from passages p join embeddings e on e.digest = p.digest and e.model = $5 where p.id = g.subject_id)",
        &ids,
        &changes,
        &personas,
        &digests as &[Option<Vec<u8>>],
        model,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Postpones the work.
pub async fn postpone(db: impl PgExecutor<'_>, work: &[Work], pause: Duration) -> Result<()> {
    let Columns { kinds, ids, changes, .. } = columns(work);
    sqlx::query!(
        "update vector_work w set due_at = now() + make_interval(secs => $4)
         from unnest($1::text[], $2::uuid[], $3::integer[]) as later (kind, subject_id, changes)
         where w.kind = later.kind and w.subject_id = later.subject_id and w.changes = later.changes",
        &kinds as &[&str],
        &ids,
        &changes,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Columns {
    kinds: Vec<&'static str>,
    ids: Vec<Uuid>,
    changes: Vec<i32>,
    personas: Vec<Uuid>,
    digests: Vec<Option<Vec<u8>>>,
}

fn columns(work: &[Work]) -> Columns {
    Columns {
        kinds: work.iter().map(Work::kind).collect(),
        ids: work.iter().map(Work::id).collect(),
        changes: work.iter().map(|work| work.changes).collect(),
        personas: work.iter().map(|work| work.persona.as_uuid()).collect(),
        digests: work.iter().map(|work| work.digest.clone()).collect(),
    }
}
