//! Accepting messages, each with the request for its reply.
//!
//! One statement decides everything that the sender must know at once: whether the conversation is theirs, whether the
//! idempotency key was used before, whether they have too many open requests; and whether the request is dispatched. At
//! most `Limits::at_once` requests of one user are with the queue or a worker; the others wait in PostgreSQL, each
//! released by the end of one before it. So a user with a thousand messages delays others by `at_once` of them at most.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::{
    config,
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::caller_options::CallerOptions,
    trace::TraceParent,
};
use uuid::Uuid;

/// A message to be stored, and the request for its reply.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub request_id: RequestId,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub content: String,
    pub correlation_id: String,
    /// What its trace goes on from.
    pub trace: Option<TraceParent>,
    pub key: Option<MessageKey>,
    /// Refuse it while an earlier message of the conversation is unanswered.
    pub only_if_idle: bool,
    /// Not from the reply cache.
    pub fresh: bool,
    pub options: Option<CallerOptions>,
}

/// An idempotency key.
#[derive(Debug, Clone)]
pub struct MessageKey {
    pub key: String,
    pub fingerprint: Vec<u8>,
}

/// Of one user's open requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// With the queue or a worker.
    pub at_once: u32,
    /// In all.
    pub open: u32,
    /// See `queue.redispatch_after`.
    pub redispatch_after: Duration,
}

impl From<&config::Queue> for Limits {
    fn from(queue: &config::Queue) -> Self {
        Self { at_once: queue.user_at_once, open: queue.user_open, redispatch_after: queue.redispatch_after }
    }
}

#[derive(Debug, Clone)]
pub enum Outcome {
    Stored(Accepted),
    /// The user has no such conversation.
    NoConversation,
    /// An admin has hidden the persona.
    PersonaHidden,
    /// An earlier message of the conversation is unanswered, and this one was `only_if_idle`.
    Busy,
    TooManyOpen,
    /// For which call is in [`crate::operations::idempotency`]. With the other refusals the key may have been used,
    /// too.
    KeyUsed,
}

/// A stored message.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub created_at: DateTime<Utc>,
    pub turn: i64,
    pub branch: i32,
    /// `None` while it waits for an earlier message of the conversation, or for others of the user beyond the limit.
    pub dispatch: Option<Dispatch>,
}

/// The first sweep of a request that waits its turn: the end that would have released it may have been concurrent.
pub(super) const FIRST_SWEEP_DELAY: Duration = Duration::from_secs(1);

/// Stores messages and their requests, all in one statement.
pub async fn accept(db: impl PgExecutor<'_>, new: &[NewMessage], limits: Limits) -> Result<Vec<Outcome>> {
    let ids = |id: fn(&NewMessage) -> Uuid| new.iter().map(id).collect::<Vec<_>>();
    let texts = |text: fn(&NewMessage) -> &String| new.iter().map(|new| text(new).clone()).collect::<Vec<_>>();
    let keys: Vec<_> = new.iter().map(|new| new.key.as_ref().map(|key| key.key.clone())).collect();
    let fingerprints: Vec<_> = new.iter().map(|new| new.key.as_ref().map(|key| key.fingerprint.clone())).collect();
    let rows = sqlx::query!(
        r#"with new as (
               select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bytea[],
                                    $9::boolean[], $14::boolean[], $15::text[], $16::jsonb[]) with ordinality
                   as n (request_id, message_id, conversation_id, user_id, content, correlation_id, key, fingerprint,
                         only_if_idle, fresh, traceparent, caller_options, place)
           ), looked_at as (
               select n.*, c.branch, u.tier, p.hidden_at is not null as hidden, mine.with_workers,
                   mine.open + row_number() over (partition by n.user_id order by n.place) > $11 as too_many,
                   mine.busy or row_number() over (partition by n.conversation_id order by n.place) > 1 as busy,
                   row_number() over (partition by n.user_id order by n.place) as place_of_user
               from new n
               join conversations c on c.id = n.conversation_id and c.user_id = n.user_id
               join personas p on p.id = c.persona_id
               join users u on u.id = n.user_id
               cross join lateral (
                   select count(*) as open, count(o.dispatched_at) as with_workers,
                       coalesce(bool_or(o.conversation_id = n.conversation_id), false) as busy
                   from requests o where o.user_id = n.user_id and o.finished_at is null) mine
           ), welcome as (
               select *, not busy and with_workers + place_of_user <= $10 as first
               from looked_at where not hidden and not too_many and not (busy and only_if_idle)
           ), keyed as (
               insert into idempotency_keys (user_id, key, fingerprint, request_id)
               select user_id, key, fingerprint, request_id from welcome where key is not null order by place
               on conflict do nothing
               returning request_id
           ), request as (
               insert into requests (id, conversation_id, user_id, tier, correlation_id, due_at, dispatched_at, dispatches,
                   fresh, traceparent, branch, caller_options)
               select request_id, conversation_id, user_id, tier, correlation_id,
                   now() + make_interval(secs => case when first then $12::float8 else least($12::float8, $13::float8) end),
                   case when first then now() end, case when first then 1 else 0 end, fresh, traceparent, branch,
                   caller_options
               from welcome where key is null or request_id in (select request_id from keyed) order by place
               returning id, position, branch, dispatches, created_at
           ), message as (
               insert into messages (id, conversation_id, request_id, turn, branch, role, content)
               select n.message_id, n.conversation_id, r.id, r.position, r.branch, 'user', n.content
               from request r join new n on n.request_id = r.id order by n.place
           )
           select l.request_id as "id!: RequestId", l.tier, l.hidden as "hidden!", l.too_many as "too_many!", l.busy as "busy!",
               r.dispatches as "dispatches?", r.created_at as "created_at?",
               r.position as "turn?", r.branch as "branch?"
           from looked_at l left join request r on r.id = l.request_id"#,
        &ids(|new| new.request_id.as_uuid()),
        &ids(|new| new.message_id.as_uuid()),
        &ids(|new| new.conversation_id.as_uuid()),
        &ids(|new| new.user_id.as_uuid()),
        &texts(|new| &new.content),
        &texts(|new| &new.correlation_id),
        &keys as &[Option<String>],
        &fingerprints as &[Option<Vec<u8>>],
        &new.iter().map(|new| new.only_if_idle).collect::<Vec<_>>(),
        i64::from(limits.at_once),
        i64::from(limits.open),
        limits.redispatch_after.as_secs_f64(),
        FIRST_SWEEP_DELAY.as_secs_f64(),
        &new.iter().map(|new| new.fresh).collect::<Vec<_>>(),
        &new.iter().map(|new| new.trace.map(|trace| trace.to_string())).collect::<Vec<_>>() as &[Option<String>],
        &new.iter().map(|new| new.options.as_ref().map(Json)).collect::<Vec<_>>() as &[Option<Json<&CallerOptions>>],
    )
    .fetch_all(db)
    .await?;
    let outcome = |new: &NewMessage| {
        let Some(row) = rows.iter().find(|row| row.id == new.request_id) else { return Outcome::NoConversation };
        match (row.created_at, row.turn, row.branch, row.dispatches) {
            (Some(created_at), Some(turn), Some(branch), Some(number)) => {
                let dispatch = Dispatch { request_id: row.id, tier: row.tier.clone(), number };
                Outcome::Stored(Accepted { created_at, turn, branch, dispatch: (number > 0).then_some(dispatch) })
            }
            _ if row.hidden => Outcome::PersonaHidden,
            _ if row.too_many => Outcome::TooManyOpen,
            _ if row.busy && new.only_if_idle => Outcome::Busy,
            _ => Outcome::KeyUsed,
        }
    };
    Ok(new.iter().map(outcome).collect())
}
