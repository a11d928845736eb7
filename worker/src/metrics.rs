//! The metrics of workers. They are counted where it happens; docs/METRICS.md has them all.

use troupe_core::metrics::{
    Counter, EncodeLabelSet, Family, FloatCounter, FloatGauge, Gauge, Histograms, KindLabel, MetricSet, OutcomeLabel,
    TierLabel, seconds,
};

pub fn sets() -> Vec<&'static dyn MetricSet> {
    vec![&*REPLIES, &*PROVIDERS, &*GEN_AI, &*JOBS, &*PUSH, &*SPEECH]
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AttemptLabels {
    pub(crate) tier: String,
    pub(crate) outcome: &'static str,
}

troupe_core::metrics! {
    pub(crate) static REPLIES: ReplyMetrics {
        /// Attempts at replies that have ended, by outcome.
        attempts: Family<AttemptLabels, Counter> = "troupe_reply_attempts";
        /// Attempts that run.
        running: Gauge = "troupe_replies_running";
        /// The most that may run at once.
        slots: Gauge = "troupe_reply_slots";
        /// From the message to the first attempt at its reply.
        wait: Histograms<TierLabel> = "troupe_reply_wait_seconds", Histograms::new_with_constructor(seconds);
        /// From the message to the first text of its reply.
        first_text: Histograms<TierLabel> = "troupe_reply_first_text_seconds", Histograms::new_with_constructor(seconds);
        /// From the message to the end of its reply.
        duration: Histograms<TierLabel> = "troupe_reply_duration_seconds", Histograms::new_with_constructor(seconds);
        /// Attempts whose lease was lost.
        leases_lost: Counter = "troupe_leases_lost";
        /// Requests that the sweeper dispatched again.
        redispatched: Counter = "troupe_requests_redispatched";
        /// Replies that came from the cache.
        cached: Counter = "troupe_replies_cached";
    }
}

troupe_core::metrics! {
    pub(crate) static PUSH: PushMetrics {
        /// Notifications handed to push services, by outcome.
        sent: Family<OutcomeLabel, Counter> = "troupe_push_notifications";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ProviderLabel {
    pub(crate) provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CallLabels {
    pub(crate) provider: String,
    pub(crate) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TokenLabels {
    pub(crate) provider: String,
    /// `input` or `output`.
    pub(crate) r#type: &'static str,
}

troupe_core::metrics! {
    pub(crate) static SPEECH: SpeechMetrics {
        /// Calls of services that speak, by outcome.
        calls: Histograms<CallLabels> = "troupe_speech_call_seconds", Histograms::new_with_constructor(seconds);
        /// Characters that were spoken.
        characters: Family<ProviderLabel, Counter> = "troupe_speech_characters";
    }
}

troupe_core::metrics! {
    pub(crate) static PROVIDERS: ProviderMetrics {
        /// Calls of model services, by outcome.
        calls: Histograms<CallLabels> = "troupe_provider_call_seconds", Histograms::new_with_constructor(seconds);
        /// From a call to its first text.
        first_token: Histograms<ProviderLabel> = "troupe_provider_first_token_seconds", Histograms::new_with_constructor(seconds);
        /// Tokens, as told by the service or estimated.
        tokens: Family<TokenLabels, Counter> = "troupe_provider_tokens";
        /// Cost, in the unit of the prices.
        cost: Family<ProviderLabel, FloatCounter> = "troupe_provider_cost";
        /// Calls in the place of a provider before, which had failed.
        failovers: Family<ProviderLabel, Counter> = "troupe_failovers";
        /// Calls beside a provider that was slow to begin.
        hedges: Family<ProviderLabel, Counter> = "troupe_hedges";
        /// Replies that had to wait because the budget of further calls was spent.
        retries_denied: Counter = "troupe_retry_budget_exhausted";
    }
}

/// The labels of OpenTelemetry's conventions for generative models.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct GenAiLabels {
    pub(crate) gen_ai_operation_name: &'static str,
    pub(crate) gen_ai_provider_name: String,
}

troupe_core::metrics! {
    /// The same by OpenTelemetry's names (in development; kept in this one place).
    pub(crate) static GEN_AI: GenAiMetrics {
        /// Duration of calls of models.
        duration: Histograms<GenAiLabels> = "gen_ai_client_inference_duration_seconds", Histograms::new_with_constructor(seconds);
        /// Time to the first chunk.
        first_chunk: Histograms<GenAiLabels> = "gen_ai_client_inference_time_to_first_chunk_seconds", Histograms::new_with_constructor(seconds);
        /// Tokens that were sent.
        input_tokens: Family<GenAiLabels, Counter> = "gen_ai_client_inference_usage_input_tokens";
        /// Tokens that came.
        output_tokens: Family<GenAiLabels, Counter> = "gen_ai_client_inference_usage_output_tokens";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct JobLabels {
    pub(crate) kind: &'static str,
    pub(crate) outcome: &'static str,
}

troupe_core::metrics! {
    pub(crate) static JOBS: JobMetrics {
        /// Attempts at jobs other than replies, by kind and outcome.
        attempts: Histograms<JobLabels> = "troupe_job_attempt_seconds", Histograms::new_with_constructor(seconds);
        /// Jobs that run here.
        running: Family<KindLabel, Gauge> = "troupe_jobs_running";
        /// When a job of this kind was done here last, since 1970.
        last_success: Family<KindLabel, FloatGauge> = "troupe_job_last_success_timestamp_seconds";
    }
}
