//! The other side: the same steps through `shared::db`, over a real PostgreSQL.

use std::time::Duration;

use sqlx::{PgPool, Row, postgres::PgRow};
use tempfile::TempDir;
use troupe_core::{
    config::Config,
    ids::{ConversationId, MessageId, RequestId, UserId},
    jobs::Dispatch,
    model::Usage,
    problem::{Problem, ProblemCode},
};
use troupe_db::replies::{
    accept::{self, Limits, NewMessage, Outcome},
    cancel::{self, PartialReply},
    claim,
    finish::{self, FinalState, Finished, Reply, Retry},
    requests,
};
use troupe_engines::{Durability, Postgres};

use super::states::{End, Lasting, Request, Status};

const CONVERSATIONS: usize = 3;
/// More than any sequence has.
const MANY: u32 = 10_000;

pub(super) struct Database {
    pool: PgPool,
    user: UserId,
    at_once: u32,
    _postgres: Postgres,
    _directory: TempDir,
}

fn duration(lasting: Lasting) -> Duration {
    match lasting {
        Lasting::Nothing => Duration::ZERO,
        Lasting::AnHour => Duration::from_hours(1),
    }
}

fn ids(dispatches: Vec<Dispatch>) -> Vec<RequestId> {
    dispatches.into_iter().map(|dispatch| dispatch.request_id).collect()
}

impl Database {
    pub(super) async fn start() -> Self {
        troupe_core::lifecycle::install_tls();
        let directory = tempfile::tempdir().expect("a directory");
        let postgres = Postgres::start(directory.path(), Durability::Throwaway).await.expect("a PostgreSQL");
        let environment = [("DATABASE_URL".to_owned(), postgres.url().to_owned())];
        let config = Config::from_sources(None, environment).expect("a sound configuration");
        let pool = troupe_db::connect(&config.database, "model").await.expect("a database with our schema");
        Self { pool, user: UserId::new(), at_once: 1, _postgres: postgres, _directory: directory }
    }

    /// Forgets the sequence before; a new user may have so many requests at work at once, in these conversations.
    pub(super) async fn begin(&mut self, at_once: u32) -> Vec<ConversationId> {
        (self.user, self.at_once) = (UserId::new(), at_once);
        let user = "insert into users (id, email, name, password_hash) values ($1, $1 || '@example.com', 'Grace', '-')";
        // Row by row: a truncation of users would reach the audit log, which refuses that.
        let forget = "delete from messages; delete from attempts; delete from requests; delete from conversations;
                      delete from personas; delete from users";
        sqlx::raw_sql(forget).execute(&self.pool).await.expect("no users");
        sqlx::query(user).bind(self.user.as_uuid()).execute(&self.pool).await.expect("a user");
        let persona = "insert into personas (id, slug, name, system_prompt) values ($1, 'model', 'Ada', '-')";
        sqlx::query(persona).bind(self.user.as_uuid()).execute(&self.pool).await.expect("a persona");
        let conversations: Vec<_> = (0..CONVERSATIONS).map(|_| ConversationId::new()).collect();
        for conversation in &conversations {
            let insert = "insert into conversations (id, user_id, persona_id) values ($1, $2, $2)";
            let insert = sqlx::query(insert).bind(conversation.as_uuid()).bind(self.user.as_uuid());
            insert.execute(&self.pool).await.expect("a conversation");
        }
        conversations
    }

    /// Nothing that is queued has to wait until it is looked at again.
    fn limits(&self) -> Limits {
        Limits { at_once: self.at_once, open: MANY, redispatch_after: Duration::ZERO }
    }

    /// All must be stored; returns what was handed over.
    pub(super) async fn accept(&self, new: &[(RequestId, ConversationId)]) -> Vec<RequestId> {
        let message = |&(request_id, conversation_id): &(RequestId, ConversationId)| NewMessage {
            request_id,
            message_id: MessageId::new(),
            conversation_id,
            user_id: self.user,
            content: "Well?".to_owned(),
            trace: None,
            correlation_id: "c".to_owned(),
            key: None,
            only_if_idle: false,
            fresh: false,
            options: None,
        };
        let new: Vec<_> = new.iter().map(message).collect();
        let outcomes = accept::accept(&self.pool, &new, self.limits()).await.expect("an accept");
        let dispatch = |outcome| match outcome {
            Outcome::Stored(accepted) => accepted.dispatch.map(|dispatch| dispatch.request_id),
            refused => panic!("{refused:?}"),
        };
        outcomes.into_iter().filter_map(dispatch).collect()
    }

    pub(super) async fn claim(&self, ids: &[RequestId], lease: Lasting) -> Vec<Option<(i32, bool)>> {
        let claimed = claim::claim(&self.pool, ids, "worker", duration(lease), 10).await.expect("a claim");
        claimed.into_iter().map(|claimed| claimed.map(|claimed| (claimed.attempt, claimed.shown))).collect()
    }

    pub(super) async fn renew(&self, running: &[(RequestId, i32)]) -> Vec<bool> {
        let mut held = Vec::new();
        // One by one: which attempt a renewal is of is not in the answer.
        for renewal in running {
            let renewed = finish::renew(&self.pool, &[*renewal], duration(Lasting::AnHour)).await.expect("a renewal");
            held.push(renewed == [renewal.0]);
        }
        held
    }

    /// Which were finished, and what was handed over. As workers do: what fails together is tried one by one.
    pub(super) async fn finish(&self, ends: &[End]) -> (Vec<bool>, Vec<RequestId>) {
        let ends: Vec<_> =
            ends.iter().map(|&(id, attempt, reply, completed)| finished(id, attempt, reply, completed)).collect();
        let mut ended = Vec::new();
        match finish::finish(&self.pool, &ends, Duration::ZERO).await {
            Ok(all) => ended = all,
            Err(together) => {
                for end in &ends {
                    let alone = finish::finish(&self.pool, std::slice::from_ref(end), Duration::ZERO).await;
                    ended.extend(alone.unwrap_or_else(|error| panic!("{error}, and together {together}")));
                }
            }
        }
        let done = ended.iter().map(Option::is_some).collect();
        (done, ids(ended.into_iter().flatten().flat_map(|ended| ended.next).collect()))
    }

    pub(super) async fn give_back(&self, id: RequestId, attempt: i32, pause: Lasting, shown: bool) -> bool {
        let back = Retry { pause: duration(pause), shown, cause: "the model", cost: 0.0, trail: &[], counts: true };
        finish::retry(&self.pool, id, attempt, back).await.expect("a return")
    }

    /// What it made way for is handed over by the sweeper here.
    pub(super) async fn cancel(&self, id: RequestId, attempt: i32, kept: bool) -> bool {
        let kept = kept.then(|| PartialReply { message_id: MessageId::new(), content: "Kept".to_owned() });
        cancel::cancel(&self.pool, id, attempt, kept.as_ref()).await.expect("a cancellation").is_some()
    }

    pub(super) async fn take_due(&self) -> Vec<RequestId> {
        ids(requests::sweep_due(&self.pool, self.limits(), i64::from(MANY)).await.expect("a sweep"))
    }

    pub(super) async fn an_hour_passes(&self) {
        let pass = "update requests set due_at = due_at - interval '2 hours', not_before = not_before - interval '2 hours' \
                    where finished_at is null";
        sqlx::query(pass).execute(&self.pool).await.expect("time that passes");
    }

    /// All requests, in the order of being accepted.
    pub(super) async fn requests(&self) -> Vec<Request> {
        let all = "select id, conversation_id, status, attempt, shown, finished_at is null and coalesce(
                       case status when 'queued' then not_before else due_at end > now() + interval '1 minute', false),
                   array(select outcome from attempt_history a where a.request_id = r.id order by number),
                   (select count(*) from messages m where m.request_id = r.id and m.role = 'assistant')
                   from requests r order by position";
        let rows = sqlx::query(all).fetch_all(&self.pool).await.expect("the requests");
        rows.iter().map(request).collect()
    }
}

fn finished(request_id: RequestId, attempt: i32, message_id: MessageId, completed: bool) -> Finished {
    let state = if completed {
        let (content, provider, model) = ("Well.".to_owned(), "p".to_owned(), "m".to_owned());
        FinalState::Completed(Reply {
            message_id,
            content,
            usage: Usage::default(),
            provider,
            model,
            incomplete: None,
            retrieval: None,
        })
    } else {
        FinalState::Failed { error: Problem::new(ProblemCode::ProviderFailed, "failed"), cause: "the model".to_owned() }
    };
    Finished { request_id, attempt, cost: 0.0, trail: Vec::new(), state }
}

fn request(row: &PgRow) -> Request {
    let status = match row.get(2) {
        "queued" => Status::Queued,
        "in_progress" => Status::InProgress,
        "completed" => Status::Completed,
        "failed" => Status::Failed,
        "cancelled" => Status::Cancelled,
        other => panic!("an unknown status {other}"),
    };
    let (id, conversation): (uuid::Uuid, uuid::Uuid) = (row.get(0), row.get(1));
    Request {
        id: id.into(),
        conversation: conversation.into(),
        status,
        attempt: row.get(3),
        shown: row.get(4),
        lasts: row.get(5),
        outcomes: row.get(6),
        replies: row.get(7),
    }
}
