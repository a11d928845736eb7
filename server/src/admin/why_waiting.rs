//! Why a request is not answered yet: all known reasons, for admins.

use chrono::{DateTime, Utc};
use serde::Serialize;
use troupe_core::{
    ids::{RequestId, UserId},
    model::{
        RequestStatus,
        admin::{Attempt, Worker, WorkerState},
    },
};
use troupe_db::{
    operations::workers,
    replies::{
        dead_letters,
        queue_state::{self, Waiting},
    },
};
use utoipa::ToSchema;

use super::Admin;
use crate::http::error::ApiError;

/// The state of a request, the reasons for it, and its history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingView {
    request_id: RequestId,
    user_id: UserId,
    #[schema(example = "free")]
    tier: String,
    status: RequestStatus,
    attempt: i32,
    created_at: DateTime<Utc>,
    reasons: Vec<Reason>,
    /// The finished ones.
    attempts: Vec<Attempt>,
    /// The request that retries this one.
    redriven_as: Option<RequestId>,
}

/// Why a request has no reply yet, or why a job is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasonCode {
    BusyConversation,
    Backoff,
    UserLimit,
    Queued,
    NotDispatched,
    WorkersBusy,
    Delayed,
    DeadLetter,
    NoWorker,
    WorkersPaused,
    RedisAway,
    InProgress,
    WorkerGone,
    Final,
}

/// A reason: `code` for programs, `detail` for people, and its subject.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reason {
    #[schema(example = "busy_conversation")]
    pub(super) code: ReasonCode,
    #[schema(example = "an earlier message of the conversation waits for its reply")]
    pub(super) detail: &'static str,
    /// The request ahead of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worker: Option<String>,
    /// The requests ahead: in the queue of the tier, or of the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<DateTime<Utc>>,
}

/// The state of the system, besides the request's.
struct SystemState {
    jobs: u64,
    redis_answers: bool,
    workers: Vec<Worker>,
    running: usize,
    /// The limit of concurrent requests per user.
    at_once: i64,
}

pub(crate) async fn why_waiting(admin: &Admin, id: RequestId) -> Result<WaitingView, ApiError> {
    let waiting = queue_state::waiting(&admin.pool, id).await?.ok_or(ApiError::NotFound("request"))?;
    let system = SystemState {
        jobs: admin.chat.gauge.tier(&waiting.tier).waiting,
        redis_answers: admin.chat.gauge.redis_answers(),
        workers: workers::list(&admin.pool).await?,
        running: queue_state::running(&admin.pool).await?.len(),
        at_once: i64::from(admin.chat.limits().at_once),
    };
    Ok(WaitingView {
        request_id: id,
        user_id: waiting.user_id,
        reasons: reasons(&waiting, &system),
        tier: waiting.tier,
        status: waiting.status,
        attempt: waiting.attempt,
        created_at: waiting.created_at,
        attempts: dead_letters::attempts(&admin.pool, id).await?,
        redriven_as: waiting.redriven_as,
    })
}

fn reasons(waiting: &Waiting, system: &SystemState) -> Vec<Reason> {
    match waiting.status {
        RequestStatus::Queued => reasons_of_queued(waiting, system),
        RequestStatus::InProgress => reasons_of_running(waiting, system),
        RequestStatus::Completed => vec![final_since(waiting, "it has been answered")],
        RequestStatus::Failed => vec![final_since(waiting, "it failed for good")],
        RequestStatus::Cancelled => vec![final_since(waiting, "it was cancelled")],
    }
}

impl Reason {
    pub(super) const fn new(code: ReasonCode, detail: &'static str) -> Self {
        Self { code, detail, request_id: None, worker: None, jobs: None, since: None, until: None }
    }
}

fn final_since(waiting: &Waiting, detail: &'static str) -> Reason {
    Reason { since: waiting.finished_at, ..Reason::new(ReasonCode::Final, detail) }
}

fn reasons_of_running(waiting: &Waiting, system: &SystemState) -> Vec<Reason> {
    let worker = waiting.worker.clone();
    let mut reasons = vec![Reason {
        worker: worker.clone(),
        since: waiting.started_at,
        until: waiting.due_at,
        ..Reason::new(ReasonCode::InProgress, "a worker is writing its reply")
    }];
    let alive = system.workers.iter().any(|known| known.alive && Some(&known.name) == worker.as_ref());
    if !alive || waiting.overdue {
        let detail = "its worker has fallen silent; when the lease has run out, the request is queued again";
        reasons.push(Reason { worker, until: waiting.due_at, ..Reason::new(ReasonCode::WorkerGone, detail) });
    }
    reasons
}

fn reasons_of_queued(waiting: &Waiting, system: &SystemState) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(before) = waiting.before {
        let detail = "an earlier message of the conversation waits for its reply";
        reasons.push(Reason { request_id: Some(before), ..Reason::new(ReasonCode::BusyConversation, detail) });
    }
    if waiting.paused {
        let (detail, until) = ("it failed, and is tried again after a pause", Some(waiting.not_before));
        reasons.push(Reason { until, ..Reason::new(ReasonCode::Backoff, detail) });
    }
    if reasons.is_empty() {
        reasons.push(if waiting.dispatched_at.is_some() {
            Reason {
                jobs: Some(system.jobs),
                since: waiting.dispatched_at,
                ..Reason::new(ReasonCode::Queued, "it is in the queue of its tier, with so many jobs at the last look")
            }
        } else if waiting.with_workers >= system.at_once {
            let detail = "as many of the user's own as may be are with the queue and the workers";
            let jobs = Some(waiting.with_workers.unsigned_abs());
            Reason { jobs, ..Reason::new(ReasonCode::UserLimit, detail) }
        } else {
            let detail = "its turn has come, and the sweeper will hand it over";
            Reason { until: waiting.due_at, ..Reason::new(ReasonCode::NotDispatched, detail) }
        });
    }
    if !system.redis_answers {
        let detail = "Redis is away: nothing is handed to the workers";
        reasons.push(Reason::new(ReasonCode::RedisAway, detail));
    }
    let alive = || system.workers.iter().filter(|worker| worker.alive);
    let slots: i32 = alive().filter(|worker| worker.state == WorkerState::Active).map(|worker| worker.slots).sum();
    if alive().next().is_none() {
        reasons.push(Reason::new(ReasonCode::NoWorker, "no worker is alive"));
    } else if slots == 0 {
        reasons.push(Reason::new(ReasonCode::WorkersPaused, "every worker is paused, or draining"));
    } else if system.running >= slots.unsigned_abs() as usize {
        reasons.push(Reason::new(ReasonCode::WorkersBusy, "every slot of every worker is taken"));
    }
    reasons
}
