//! The metrics of the web tier. They are counted where it happens; docs/METRICS.md has them all.

use std::sync::Arc;

use axum::http::Method;
use troupe_core::{
    metrics::{
        self, Counter, EncodeLabelSet, Family, FloatGauge, Gauge, Histogram, Histograms, MetricSet, OutcomeLabel,
        TierLabel, milliseconds,
    },
    problem::ProblemCode,
};

pub fn sets() -> Vec<&'static dyn MetricSet> {
    vec![&*HTTP, &*CHAT, &*QUEUE, &*LIVE, &*AUTH, &*AUDIT, &*SPEECH]
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CallLabels {
    pub(crate) method: &'static str,
    /// The route's template.
    pub(crate) route: Arc<str>,
    pub(crate) status_code: u16,
}

troupe_core::metrics! {
    pub(crate) static HTTP: HttpMetrics {
        /// Time until a call's answer begins, by the route's template.
        duration: Histograms<CallLabels> = "troupe_http_request_duration_seconds", Histograms::new_with_constructor(milliseconds);
        /// Calls that are not answered yet.
        in_flight: Gauge = "troupe_http_requests_in_flight";
        /// Bytes of the bodies of calls, as announced.
        request_bytes: Counter = "troupe_http_request_bytes";
        /// Bytes of the bodies of answers, without streams.
        response_bytes: Counter = "troupe_http_response_bytes";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CodeLabel {
    /// The problem's code.
    pub(crate) code: &'static str,
}

troupe_core::metrics! {
    pub(crate) static CHAT: ChatMetrics {
        /// Messages that were stored, each of which gets a reply.
        accepted: Counter = "troupe_messages_accepted";
        /// Messages that were sent again under their key, and are stored already.
        replayed: Counter = "troupe_messages_replayed";
        /// Messages that were refused, by the problem's code.
        refused: Family<CodeLabel, Counter> = "troupe_messages_refused";
        /// Jobs that could not be pushed to Redis: the sweeper does it later.
        undispatched: Counter = "troupe_dispatches_failed";
    }
}

troupe_core::metrics! {
    pub(crate) static SPEECH: SpeechMetrics {
        /// Sentences that somebody wanted to hear: kept from before, or ordered from a worker.
        sentences: Family<OutcomeLabel, Counter> = "troupe_speech_sentences";
    }
}

troupe_core::metrics! {
    pub(crate) static QUEUE: QueueMetrics {
        /// Replies that no worker has begun, by tier.
        waiting: Family<TierLabel, Gauge> = "troupe_queue_waiting_jobs";
        /// Age of the oldest of them.
        oldest: Family<TierLabel, FloatGauge> = "troupe_queue_oldest_age_seconds";
        /// Requests that have not ended, as far as they are counted.
        open: Gauge = "troupe_requests_open";
        /// Whether Redis told the state of the queues when it was asked last.
        observed: Gauge = "troupe_queue_observed";
        /// Requests that have failed for good and that nobody has settled, as far as they are counted.
        dead_letters: Gauge = "troupe_dead_letters";
        /// Live workers by their state.
        workers: Family<StateLabel, Gauge> = "troupe_workers";
        /// Jobs other than replies, by kind and status.
        jobs: Family<JobLabels, Gauge> = "troupe_jobs";
        /// For how long the oldest due job of a kind has waited.
        oldest_job: Family<KindLabel, Gauge> = "troupe_jobs_oldest_due_seconds";
        /// The share of a daily budget that is spent or reserved, of everyone's and of each tier's.
        budget_used: Family<BudgetLabels, FloatGauge> = "troupe_budget_used_ratio";
    }
}

troupe_core::metrics! {
    pub(crate) static AUDIT: AuditMetrics {
        /// Whether this server has found a fault in the audit log.
        broken: Gauge = "troupe_audit_log_broken";
        /// Entries of the audit log that were verified, round after round.
        verified: Counter = "troupe_audit_entries_verified";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    pub(crate) kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct BudgetLabels {
    pub(crate) scope: &'static str,
    /// The tier; nothing for everyone's.
    pub(crate) subject: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    pub(crate) state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct JobLabels {
    pub(crate) kind: String,
    pub(crate) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    pub(crate) reason: &'static str,
}

troupe_core::metrics! {
    pub(crate) static LIVE: LiveMetrics {
        /// Open sockets.
        sockets: Gauge = "troupe_sockets_open";
        /// Sockets that have ended, and why.
        closed: Family<ReasonLabel, Counter> = "troupe_sockets_closed";
        /// Open event streams.
        streams: Gauge = "troupe_event_streams_open";
        /// Users with an open connection here.
        users: Gauge = "troupe_live_users";
        /// Frames that were sent over sockets.
        frames: Counter = "troupe_socket_frames_sent";
        /// Snapshots that were sent to open sockets after a gap.
        resyncs: Counter = "troupe_socket_resyncs";
        /// Times that Redis' subscription was lost and came back.
        gaps: Counter = "troupe_live_gaps";
        /// From Redis to the socket of a user.
        lag: Histogram = "troupe_live_delivery_seconds", milliseconds();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LimitLabel {
    pub(crate) limit: &'static str,
}

troupe_core::metrics! {
    pub(crate) static AUTH: AuthMetrics {
        /// Sign-ins, by outcome.
        sign_ins: Family<metrics::OutcomeLabel, Counter> = "troupe_sign_ins";
        /// Calls and messages that were refused by a rate limit.
        limited: Family<LimitLabel, Counter> = "troupe_rate_limit_refusals";
        /// Passwords that wait to be hashed, or are.
        hashing: Gauge = "troupe_password_hashes_in_flight";
        /// How long a hash took, with its wait.
        hash_duration: Histogram = "troupe_password_hash_seconds", metrics::seconds();
    }
}

/// Shows the refusals of messages before the first of them, so that it is an increase.
pub(crate) fn show_from_the_start() {
    for code in [
        ProblemCode::ConversationBusy,
        ProblemCode::IdempotencyKeyReused,
        ProblemCode::Overloaded,
        ProblemCode::PersonaHidden,
        ProblemCode::TooManyRequests,
        ProblemCode::Unavailable,
    ] {
        drop(CHAT.refused.get_or_create(&CodeLabel { code: code.name() }));
    }
}

/// One of a few, whatever was sent.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
