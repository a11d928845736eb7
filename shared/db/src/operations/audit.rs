//! The audit log. Rows are only appended, by the database function `audit_append`; we never change or remove one.
//!
//! An append blocks all others until the end of the transaction, so it must be the last statement.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgExecutor, Postgres, QueryBuilder, Result};
use troupe_core::{
    ids::UserId,
    model::audit::{Act, ActorKind, AuditActor, AuditEntry, AuditTarget, On},
};
use uuid::Uuid;

use crate::Page;

/// Appends an entry, in the transaction of the change if there is one: then there is no change without its entry.
pub async fn append(db: impl PgExecutor<'_>, act: &Act<'_>) -> Result<()> {
    let Act { by, verb, on, before, after } = act;
    let (on_kind, on_user, on_id) = match on {
        Some(On { kind, user, id }) => (Some(*kind), *user, id.as_deref()),
        None => (None, None, None),
    };
    let known = [("before", before), ("after", after)].into_iter().filter(|(_, value)| !value.is_null());
    let change: serde_json::Map<_, _> = known.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    sqlx::query!(
        "select audit_append(
             case when $1 = 'api_key' and exists (select from users where id = $2 and kind = 'service') then 'service' else $1 end,
             $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        by.kind as ActorKind,
        by.user.map(UserId::as_uuid),
        by.credential.as_deref(),
        verb,
        on_kind,
        on_user.map(UserId::as_uuid),
        on_id,
        by.address.map(|address| json!({ "address": address })),
        (!change.is_empty()).then_some(Value::Object(change)),
        by.correlation_id.as_deref(),
    )
    .fetch_one(db)
    .await?;
    Ok(())
}

/// A filter; omitted fields match all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The actor: a user, or the pseudonymous subject.
    pub actor: Option<Uuid>,
    /// The owner of the object, or the user that is the object; likewise.
    pub about: Option<Uuid>,
    pub verb: Option<String>,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub correlation_id: Option<String>,
}

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

#[derive(sqlx::FromRow)]
struct Row {
    position: i64,
    at: DateTime<Utc>,
    actor_kind: ActorKind,
    actor_subject: Option<Uuid>,
    actor_user: Option<UserId>,
    actor_id: Option<String>,
    verb: String,
    target_kind: Option<String>,
    target_subject: Option<Uuid>,
    target_user: Option<UserId>,
    target_id: Option<String>,
    address: Option<String>,
    before: Option<Value>,
    after: Option<Value>,
    correlation_id: Option<String>,
    hash: String,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        let (subject, user_id) = (row.target_subject, row.target_user);
        Self {
            position: row.position,
            at: row.at,
            actor: AuditActor {
                kind: row.actor_kind,
                subject: row.actor_subject,
                user_id: row.actor_user,
                id: row.actor_id,
            },
            verb: row.verb,
            target: row.target_kind.map(|kind| AuditTarget { kind, subject, user_id, id: row.target_id }),
            address: row.address,
            before: row.before,
            after: row.after,
            correlation_id: row.correlation_id,
            hash: row.hash,
        }
    }
}

/// A page of the log, after a position.
pub async fn list(db: impl PgExecutor<'_>, filter: &Filter, order: Order, page: Page<i64>) -> Result<Vec<AuditEntry>> {
    let mut query = QueryBuilder::new(
        "select e.position, e.at, e.actor_kind, e.actor_subject, a.user_id as actor_user, e.actor_id, e.verb, e.target_kind,
             e.target_subject, t.user_id as target_user, e.target_id, o.details->>'address' as address,
             c.details->'before' as before, c.details->'after' as after, e.correlation_id, encode(e.hash, 'hex') as hash
         from audit_entries e
         left join audit_subjects a on a.id = e.actor_subject
         left join audit_subjects t on t.id = e.target_subject
         left join audit_details o on o.position = e.position and o.part = 'origin'
         left join audit_details c on c.position = e.position and c.part = 'change'
         where true",
    );
    narrow(&mut query, filter);
    let (comparison, direction) = match order {
        Order::NewestFirst => (" and e.position < ", " order by e.position desc limit "),
        Order::OldestFirst => (" and e.position > ", " order by e.position limit "),
    };
    if let Some(after) = page.after {
        query.push(comparison).push_bind(after);
    }
    query.push(direction).push_bind(page.limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Only the given conditions, so that PostgreSQL uses an index for them: most filters are selective.
fn narrow(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    for (column, person) in [("actor_subject", filter.actor), ("target_subject", filter.about)] {
        if let Some(person) = person {
            query.push(format!(" and e.{column} = coalesce((select id from audit_subjects where user_id = "));
            query.push_bind(person).push("), ").push_bind(person).push(")");
        }
    }
    for (column, text) in [
        ("verb", &filter.verb),
        ("target_kind", &filter.target_kind),
        ("target_id", &filter.target_id),
        ("correlation_id", &filter.correlation_id),
    ] {
        if let Some(text) = text {
            query.push(format!(" and e.{column} = ")).push_bind(text.clone());
        }
    }
    // Positions are ordered by time, so a time maps to a position.
    for (comparison, time) in [(">=", filter.since), ("<", filter.until)] {
        if let Some(time) = time {
            query.push(format!(
                " and e.position {comparison} coalesce((select position from audit_entries where at >= "
            ));
            query.push_bind(time).push(format!(" order by at, position limit 1), {})", i64::MAX));
        }
    }
}

/// A stored entry, for the verification of the hash chain.
#[derive(Debug, Clone)]
pub struct Link {
    pub position: i64,
    /// Microseconds since 1970.
    pub at: i64,
    pub actor_kind: String,
    pub actor_subject: Option<Uuid>,
    pub actor_id: Option<String>,
    pub verb: String,
    pub target_kind: Option<String>,
    pub target_subject: Option<Uuid>,
    pub target_id: Option<String>,
    pub correlation_id: Option<String>,
    pub origin_digest: Option<Vec<u8>>,
    pub change_digest: Option<Vec<u8>>,
    pub hash: Vec<u8>,
    pub origin_salt: Option<Vec<u8>>,
    pub origin: Option<String>,
    /// Whether the actor's account is deleted, and the address with it.
    pub actor_gone: bool,
    pub change_salt: Option<Vec<u8>>,
    pub change: Option<String>,
    pub target_gone: bool,
}

/// The entries after a position, in order.
pub async fn links(db: impl PgExecutor<'_>, after: i64, max_rows: i64) -> Result<Vec<Link>> {
    sqlx::query_as!(
        Link,
        r#"select e.position, (extract(epoch from e.at) * 1000000)::bigint as "at!", e.actor_kind, e.actor_subject, e.actor_id,
               e.verb, e.target_kind, e.target_subject, e.target_id, e.correlation_id, e.origin_digest, e.change_digest, e.hash,
               o.salt as "origin_salt?", o.details::text as origin, e.actor_subject is not null and a.id is null as "actor_gone!",
               c.salt as "change_salt?", c.details::text as change, e.target_subject is not null and t.id is null as "target_gone!"
           from audit_entries e
           left join audit_subjects a on a.id = e.actor_subject
           left join audit_subjects t on t.id = e.target_subject
           left join audit_details o on o.position = e.position and o.part = 'origin'
           left join audit_details c on c.position = e.position and c.part = 'change'
           where e.position > $1 order by e.position limit $2"#,
        after,
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// The hash of an entry.
pub async fn hash(db: impl PgExecutor<'_>, position: i64) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar!("select hash from audit_entries where position = $1", position).fetch_optional(db).await
}

/// The position of the newest entry and its hash; 0 and the genesis hash where there is none.
pub async fn head(db: impl PgExecutor<'_>) -> Result<(i64, Vec<u8>)> {
    let head = sqlx::query!("select position, hash from audit_head").fetch_one(db).await?;
    Ok((head.position, head.hash))
}
