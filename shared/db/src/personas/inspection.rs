//! Inspection of prompts: what a model would be told for a question, without asking one.
//!
//! A worker makes the prompt, by the same code as for a reply; its result is in the job's row for a moment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, Result, types::Json};
use troupe_characters::lorebook::EntryReceipt;
use troupe_core::{
    ids::{ConversationId, JobId, PersonaId, RequestId, UserId},
    model::{
        Role,
        grounding::Mode,
        jobs::JobStatus,
        providers::{OverBudget, WhenCut},
    },
};
use utoipa::ToSchema;

use crate::replies::claim::{Claimed, Persona, Turn};

/// What a section of a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Who the persona is.
    Persona,
    /// An entry of the lorebook.
    Lore,
    Memory,
    Passage,
    Examples,
    Greeting,
    /// An earlier message.
    History,
    Question,
    /// What the model shall do, after the conversation.
    Instructions,
    /// What the model is told of the sections that follow.
    Note,
}

/// Whose words a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptRole {
    System,
    User,
    Assistant,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromptSection {
    pub kind: SectionKind,
    pub role: PromptRole,
    /// Of a passage: the question or the document that it comes from. Of an entry of the lorebook: its name.
    pub title: Option<String>,
    pub text: String,
    /// As it is estimated when a prompt is cut to the budget.
    pub tokens: usize,
}

/// A prompt, section by section in the order in which they are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InspectedPrompt {
    pub sections: Vec<PromptSection>,
    pub total_tokens: usize,
    /// The tokens that a prompt may have: `worker.prompt_tokens`.
    pub budget: usize,
    /// Earlier messages that did not fit.
    pub left_out: usize,
    /// Of each entry of the lorebook whether it is in the prompt, and why.
    pub lore: Vec<EntryReceipt>,
    /// How the passages were found; null where the persona has none.
    pub retrieval: Option<Mode>,
}

/// A message that nobody has sent.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub user: UserId,
    pub persona: PersonaId,
    /// The conversation that it would continue.
    pub conversation: Option<ConversationId>,
    pub content: &'a str,
}

/// What a worker would claim for the question, with no request behind it. `None` where the persona, or the user's
/// conversation with it, does not exist.
pub async fn claim_unsent(
    db: impl PgExecutor<'_> + Copy,
    question: Question<'_>,
    history_messages: u32,
    now: DateTime<Utc>,
) -> Result<Option<Claimed>> {
    let Question { user, persona, conversation, content } = question;
    let Some(persona) = find_persona(db, persona).await? else { return Ok(None) };
    let mut history = vec![Turn { role: Role::User, content: content.to_owned() }];
    let (mut branch, mut language) = (0, None);
    if let Some(conversation) = conversation {
        let Some(found) = newest(db, question, conversation, i64::from(history_messages.saturating_sub(1))).await?
        else {
            return Ok(None);
        };
        (branch, language) = (found.branch, found.language);
        history.extend(found.turns);
    }
    Ok(Some(Claimed {
        request_id: RequestId::new(),
        conversation_id: conversation.unwrap_or_else(ConversationId::new),
        // After all that there are.
        turn: i64::MAX,
        branch,
        user_id: user,
        tier: String::new(),
        attempt: 1,
        waits: 0,
        shown: false,
        correlation_id: String::new(),
        trace: None,
        created_at: now,
        cost: 0.0,
        fresh: true,
        models: None,
        persona,
        language,
        temporary: true,
        notify: false,
        continues: None,
        history,
        options: None,
    }))
}

async fn find_persona(db: impl PgExecutor<'_>, id: PersonaId) -> Result<Option<Persona>> {
    sqlx::query_as!(
        Persona,
        r#"select p.id as "id: PersonaId", p.version, p.visibility = 'public' as "public!", p.name, p.system_prompt,
               p.temperature, p.model, p.chain, p.when_cut as "when_cut: WhenCut",
               p.over_budget as "over_budget: OverBudget", p.cache_replies, p.remembers,
               exists (select from passages k where k.persona_id = p.id) as "has_passages!",
               p.hidden_at is not null as "hidden!", p.greetings[1] as greeting, p.example_dialogue, p.post_history,
               p.nickname, p.from_card, p.has_lorebook
           from personas p where p.id = $1"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

struct Newest {
    branch: i32,
    language: Option<String>,
    /// The newest first.
    turns: Vec<Turn>,
}

/// The newest messages on the chosen path.
async fn newest(
    db: impl PgExecutor<'_>,
    question: Question<'_>,
    conversation: ConversationId,
    limit: i64,
) -> Result<Option<Newest>> {
    let row = sqlx::query!(
        r#"select c.branch, c.language, h.roles as "roles!: Vec<Role>", h.contents as "contents!"
           from conversations c
           left join branches b on b.conversation_id = c.id and b.number = c.branch
           cross join lateral (
               select coalesce(array_agg(m.role), '{}') as roles, coalesce(array_agg(coalesce(left(m.content, m.heard) || '…', m.content)), '{}') as contents
               from (select m.role, m.content, m.heard from messages m
                     where m.conversation_id = c.id
                       and (m.branch = c.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                           where a.number = m.branch and m.turn < a.below))
                     order by m.position desc limit $4) m) h
           where c.id = $1 and c.user_id = $2 and c.persona_id = $3"#,
        conversation.as_uuid(),
        question.user.as_uuid(),
        question.persona.as_uuid(),
        limit,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let turns = row.roles.into_iter().zip(row.contents);
        let turns = turns.map(|(role, content)| Turn { role, content }).collect();
        Newest { branch: row.branch, language: row.language, turns }
    }))
}

/// How far an inspection is.
#[derive(Debug)]
pub enum Inspection {
    /// No worker has finished it yet.
    Open,
    Done(Box<InspectedPrompt>),
    /// The persona or the conversation is gone.
    Nothing,
    Failed,
}

/// Takes the result of an inspection, which is then removed.
pub async fn take(db: impl PgExecutor<'_>, job: JobId) -> Result<Inspection> {
    let row = sqlx::query!(
        r#"delete from jobs where id = $1 and finished_at is not null
           returning status as "status: JobStatus", result as "result: Json<InspectedPrompt>""#,
        job.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(match row {
        None => Inspection::Open,
        Some(row) => match (row.status, row.result) {
            (JobStatus::Done, Some(Json(prompt))) => Inspection::Done(Box::new(prompt)),
            (JobStatus::Done, None) => Inspection::Nothing,
            _ => Inspection::Failed,
        },
    })
}

/// Withdraws an inspection that nobody waits for any longer.
pub async fn withdraw(db: impl PgExecutor<'_>, job: JobId) -> Result<()> {
    sqlx::query!("delete from jobs where id = $1", job.as_uuid()).execute(db).await?;
    Ok(())
}
