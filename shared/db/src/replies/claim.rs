//! Claims: an attempt takes a request under a lease, with a new fencing token, and reads all that its prompt needs.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{ConversationId, PersonaId, RequestId, UserId},
    model::{
        Role,
        caller_options::CallerOptions,
        providers::{OverBudget, WhenCut},
    },
    trace::TraceParent,
};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    pub content: String,
}

/// The persona, as it is now.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "settings that have nothing to do with each other")]
pub struct Persona {
    pub id: PersonaId,
    pub version: i32,
    pub public: bool,
    pub name: String,
    pub system_prompt: String,
    pub temperature: f32,
    /// For links without a model.
    pub model: Option<String>,
    /// Its own, or its user's tier's.
    pub chain: Option<Vec<String>>,
    pub when_cut: WhenCut,
    pub over_budget: OverBudget,
    pub cache_replies: bool,
    pub remembers: bool,
    /// Whether retrieval may find anything.
    pub has_passages: bool,
    /// Whether an admin has hidden it: it answers no user.
    pub hidden: bool,
    /// What a conversation begins with.
    pub greeting: Option<String>,
    pub example_dialogue: String,
    /// Instructions after the conversation.
    pub post_history: String,
    pub nickname: Option<String>,
    pub from_card: bool,
    /// Whether any lore may be found.
    pub has_lorebook: bool,
}

/// A claimed request, with all that the prompt needs.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "properties that have nothing to do with each other")]
pub struct Claimed {
    pub request_id: RequestId,
    pub conversation_id: ConversationId,
    pub turn: i64,
    pub branch: i32,
    pub user_id: UserId,
    pub tier: String,
    /// The fencing token.
    pub attempt: i32,
    /// Attempts before this one that do not count against `worker.max_attempts`.
    pub waits: i32,
    /// Clients may have seen text of an earlier attempt.
    pub shown: bool,
    pub correlation_id: String,
    /// What its trace goes on from.
    pub trace: Option<TraceParent>,
    pub created_at: DateTime<Utc>,
    /// Of the attempts before this one.
    pub cost: f64,
    /// Not from the reply cache.
    pub fresh: bool,
    /// The models that the user's tier allows; `None` for all.
    pub models: Option<Vec<String>>,
    pub persona: Persona,
    /// The language that its conversation is to be in, where the user has chosen one.
    pub language: Option<String>,
    /// Whether its conversation is temporary: nothing of it is remembered.
    pub temporary: bool,
    /// Whether the user has browsers that want to be told of its end.
    pub notify: bool,
    /// The reply that this one begins with, and goes on from.
    pub continues: Option<String>,
    /// Newest first; the first is the question.
    pub history: Vec<Turn>,
    /// What its sender has brought, over `/v1`. The history is its already.
    pub options: Option<CallerOptions>,
}

impl Claimed {
    /// Whether the history is the sender's, and not that of the conversation.
    pub fn brings_history(&self) -> bool {
        self.options.as_ref().is_some_and(|options| options.history.is_some())
    }
}

/// Claims requests for an attempt each, all in one statement. `None` for each that is final, running, not due, or
/// behind an earlier message of its conversation.
///
/// The history is that of the request's branch: the messages before the question, and those that came while it waited
/// but belong to earlier turns. (A later turn's question may have the earlier position: messages and requests of
/// concurrent calls are numbered apart.) Of a reply that was interrupted while it was spoken, it has what was heard.
#[expect(clippy::too_many_lines, reason = "one statement, and its columns by name")]
pub async fn claim(
    db: impl PgExecutor<'_>,
    ids: &[RequestId],
    worker: &str,
    lease: Duration,
    history: u32,
) -> Result<Vec<Option<Claimed>>> {
    let rows = sqlx::query!(
        r#"with claimed as (
               update requests r set status = 'in_progress', attempt = r.attempt + 1, worker = $2,
                   due_at = now() + make_interval(secs => $3), started_at = now()
               from unnest($1::uuid[]) as job (id)
               where r.id = job.id and r.status = 'queued' and r.not_before <= now()
                 and not exists (select 1 from requests e
                                 where e.user_id = r.user_id and e.conversation_id = r.conversation_id
                                   and e.finished_at is null and (e.position < r.position or e.status = 'in_progress')
                                 offset 0)
               returning r.id, r.position, r.branch, r.continues, r.conversation_id, r.user_id, r.tier, r.attempt, r.waits, r.shown,
                   r.correlation_id, r.created_at, r.cost, r.fresh, r.traceparent, r.caller_options
           )
           select r.id as "id: RequestId", r.conversation_id as "conversation_id: ConversationId",
               r.position, r.branch, r.user_id as "user_id: UserId", r.tier, r.attempt, r.waits, r.shown, r.correlation_id, r.created_at, r.cost,
               r.fresh, r.traceparent, r.caller_options as "options: Json<CallerOptions>", p.id as "persona_id: PersonaId", p.version, p.visibility = 'public' as "public!",
               p.name as persona_name, p.system_prompt, p.temperature, p.model, coalesce(p.chain, t.chain) as chain, t.models,
               p.when_cut as "when_cut: WhenCut", p.over_budget as "over_budget: OverBudget", p.cache_replies,
               p.remembers, p.hidden_at is not null as "hidden!", p.greetings[1] as greeting, p.example_dialogue, p.post_history,
               p.nickname, p.from_card, p.has_lorebook, c.temporary, c.language,
               exists (select from push_subscriptions where user_id = r.user_id) as "notify!",
               (select content from messages where request_id = r.continues and role = 'assistant') as continues,
               exists (select from passages k where k.persona_id = p.id) as "knows!",
               h.roles as "roles!: Vec<Role>", h.contents as "contents!"
           from claimed r
           left join tiers t on t.name = r.tier
           join conversations c on c.id = r.conversation_id
           join personas p on p.id = c.persona_id
           join messages q on q.request_id = r.id and q.role = 'user'
           left join lateral (
               select ancestors, below from branches
               where conversation_id = r.conversation_id and number = r.branch and r.branch > 0 offset 0) b on true
           cross join lateral (
               select array_agg(m.role) as roles, array_agg(coalesce(left(m.content, m.heard) || '…', m.content)) as contents
               from (select role, content, heard
                     from ((select role, content, heard, turn, position from messages
                            where conversation_id = r.conversation_id and position <= q.position and turn <= r.position
                              and (branch = r.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                                where a.number = branch and turn < a.below))
                            order by position desc limit $4)
                           union all
                           (select role, content, heard, turn, position from messages
                            where conversation_id = r.conversation_id and position > q.position and turn < r.position
                              and (branch = r.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                                where a.number = branch and turn < a.below))
                            order by position desc limit $4)) newest
                     order by turn desc, position desc limit $4) m) h"#,
        &ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>(),
        worker,
        lease.as_secs_f64(),
        i64::from(history),
    )
    .fetch_all(db)
    .await?;
    let mut claimed: HashMap<_, _> = rows
        .into_iter()
        .map(|row| {
            let turns = row.roles.into_iter().zip(row.contents);
            let history: Vec<_> = turns.map(|(role, content)| Turn { role, content }).collect();
            let options = row.options.map(|Json(options)| options);
            let claimed = Claimed {
                request_id: row.id,
                conversation_id: row.conversation_id,
                turn: row.position,
                branch: row.branch,
                user_id: row.user_id,
                tier: row.tier,
                attempt: row.attempt,
                waits: row.waits,
                shown: row.shown,
                correlation_id: row.correlation_id,
                trace: row.traceparent.and_then(|trace| trace.parse().ok()),
                created_at: row.created_at,
                cost: row.cost,
                fresh: row.fresh,
                models: row.models,
                persona: Persona {
                    id: row.persona_id,
                    version: row.version,
                    public: row.public,
                    name: row.persona_name,
                    system_prompt: row.system_prompt,
                    temperature: row.temperature,
                    model: row.model,
                    chain: row.chain,
                    when_cut: row.when_cut,
                    over_budget: row.over_budget,
                    cache_replies: row.cache_replies,
                    remembers: row.remembers,
                    has_passages: row.knows,
                    hidden: row.hidden,
                    greeting: row.greeting,
                    example_dialogue: row.example_dialogue,
                    post_history: row.post_history,
                    nickname: row.nickname,
                    from_card: row.from_card,
                    has_lorebook: row.has_lorebook,
                },
                language: row.language,
                temporary: row.temporary,
                notify: row.notify,
                continues: row.continues,
                history: options.as_ref().and_then(|options| brought(&history, options)).unwrap_or(history),
                options,
            };
            (row.id, claimed)
        })
        .collect();
    Ok(ids.iter().map(|id| claimed.remove(id)).collect())
}

/// The question, and before it the turns that its sender has brought.
fn brought(history: &[Turn], options: &CallerOptions) -> Option<Vec<Turn>> {
    let earlier = options.history.as_ref()?.iter().rev();
    let earlier = earlier.map(|turn| Turn { role: turn.role, content: turn.content.clone() });
    Some(history.first().cloned().into_iter().chain(earlier).collect())
}
