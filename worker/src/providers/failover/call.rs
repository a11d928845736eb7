//! One call of a provider, and its record in the trail, whatever its end; also when it is dropped in mid-stream.

use std::{mem, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::time::Instant;
use troupe_core::{
    metrics::ObserveTime,
    model::{
        Usage,
        providers::{Outcome, Try},
    },
    trace::{self, Kind, Span},
};

use super::{chain::Chain, roster::Candidate};
use crate::{
    metrics::{CallLabels, GEN_AI, GenAiLabels, PROVIDERS, ProviderLabel, TokenLabels},
    providers::{
        chat_model::{Call, Chunk, Chunks},
        failure::Failure,
        prompt::Prompt,
        tokens,
    },
};

/// The records of a reply's calls, in the order of their ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(Arc<Mutex<Vec<Try>>>);

impl Trail {
    /// Complete once the failover stream has been dropped.
    pub(crate) fn take(&self) -> Vec<Try> {
        mem::take(&mut self.0.lock())
    }
}

/// The options of a call.
pub(super) struct CallPurpose {
    pub(super) prompt: Arc<Prompt>,
    /// The prefill.
    pub(super) prefill: String,
    /// The prompt asks it to go on from the text of another call.
    pub(super) goes_on: bool,
    /// Among the calls for this reply.
    pub(super) number: usize,
    /// Whether it is the circuit breaker's probe.
    pub(super) probe: bool,
    /// Whether it was made because another was slow.
    pub(super) hedge: bool,
}

pub(super) struct ProviderCall {
    chain: Arc<Chain>,
    trail: Trail,
    pub(super) candidate: Candidate,
    purpose: CallPurpose,
    chunks: Chunks,
    pub(super) began: Instant,
    first_token: Option<Duration>,
    text: String,
    usage: Option<Usage>,
    recorded: bool,
    span: Span,
}

impl ProviderCall {
    /// Lazy: the request is sent when the first chunk is polled.
    pub(super) fn new(chain: Arc<Chain>, trail: Trail, candidate: Candidate, purpose: CallPurpose) -> Self {
        let endpoint = candidate.endpoint.clone();
        let model = candidate.model.clone();
        let prompt = purpose.prompt.clone();
        let prefill = purpose.prefill.clone();
        let max_tokens = chain.max_tokens(&prompt);
        let span = trace::current().map(|current| current.span(format!("chat {model}")).kind(Kind::Client));
        let span = span.unwrap_or_default();
        let call = span.scope(async move {
            let call = Call { prompt: &prompt, model: &model, max_tokens, prefill: &prefill };
            endpoint.model.stream(call).await
        });
        Self {
            chain,
            trail,
            candidate,
            purpose,
            chunks: stream::once(call).try_flatten().boxed(),
            began: Instant::now(),
            first_token: None,
            text: String::new(),
            usage: None,
            recorded: false,
            span,
        }
    }

    /// Whether its first token has come.
    pub(super) fn has_text(&self) -> bool {
        self.first_token.is_some()
    }

    pub(super) fn number(&self) -> usize {
        self.purpose.number
    }

    pub(super) fn continues_prefill(&self) -> bool {
        !self.purpose.prefill.is_empty()
    }

    /// Whether it continues text of another call.
    pub(super) fn continues_text(&self) -> bool {
        self.continues_prefill() || self.purpose.goes_on
    }

    /// The next text, the end, or a failure. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Chunk, Failure> {
        loop {
            match self.chunks.next().await {
                Some(Ok(Chunk::Usage(usage))) => self.usage = Some(usage),
                Some(Ok(Chunk::Text(text))) => {
                    self.note(&text);
                    return Ok(Chunk::Text(text));
                }
                Some(end) => return end,
                None => return Err(Failure::new(Outcome::Cut, "the service broke off in mid-reply")),
            }
        }
    }

    fn note(&mut self, text: &str) {
        self.text.push_str(text);
        if self.first_token.is_none() {
            let waited = self.began.elapsed();
            self.first_token = Some(waited);
            self.candidate.endpoint.first_token_latency.record(waited);
        }
    }

    /// The usage as reported, or as estimated.
    pub(super) fn usage(&mut self) -> Usage {
        *self.usage.get_or_insert_with(|| tokens::usage(&self.purpose.prompt, &self.text))
    }

    pub(super) fn fail(mut self, failure: &Failure) {
        tracing::warn!(endpoint = self.candidate.endpoint.name, model = self.candidate.model, outcome = ?failure.outcome,
            %failure, "a provider failed");
        self.chain.record_failure(&self.candidate.endpoint, failure, self.purpose.probe);
        self.record(failure.outcome);
    }

    pub(super) fn succeed(mut self, outcome: Outcome) {
        self.chain.record_success(&self.candidate.endpoint, self.purpose.probe);
        self.record(outcome);
    }

    /// A hedged call was faster.
    pub(super) fn outrun(mut self) {
        self.candidate.endpoint.breaker.release(self.purpose.probe);
        self.record(Outcome::Outrun);
    }

    fn record(&mut self, outcome: Outcome) {
        self.recorded = true;
        // An abandoned provider has read the prompt, and bills it.
        let billed = self.usage.is_some() || self.has_text() || matches!(outcome, Outcome::Outrun | Outcome::Completed);
        let usage = billed.then(|| self.usage());
        let Candidate { endpoint, model } = &self.candidate;
        let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let tried = Try {
            provider: endpoint.provider.clone(),
            key: endpoint.key.clone(),
            model: model.clone(),
            outcome,
            first_word_ms: self.first_token.map(milliseconds),
            ms: milliseconds(self.began.elapsed()),
            usage,
            cost: usage.map_or(0.0, |usage| self.chain.money.price_of(&endpoint.provider, model, usage)),
            hedge: self.purpose.hedge,
        };
        count(&tried, self.began.elapsed(), self.first_token);
        describe(&mut self.span, &tried, self.purpose.number);
        if self.purpose.number > 1 && !self.purpose.hedge {
            let label = ProviderLabel { provider: endpoint.provider.clone() };
            PROVIDERS.failovers.get_or_create(&label).inc();
        }
        self.chain.health_board.count_call(endpoint, &tried);
        self.trail.0.lock().push(tried);
    }
}

/// What a trace tells of a call, by OpenTelemetry's names where it has any.
fn describe(span: &mut Span, tried: &Try, number: usize) {
    if !matches!(tried.outcome, Outcome::Completed | Outcome::Refused | Outcome::Outrun | Outcome::Abandoned) {
        span.fail(tried.outcome.name());
    }
    span.describe(|span| {
        span.set("gen_ai.operation.name", "chat");
        span.set("gen_ai.provider.name", tried.provider.clone());
        span.set("gen_ai.request.model", tried.model.clone());
        if let Some(usage) = tried.usage {
            span.set("gen_ai.usage.input_tokens", usage.prompt_tokens);
            span.set("gen_ai.usage.output_tokens", usage.completion_tokens);
        }
        if let Some(first_token) = tried.first_word_ms {
            span.set("troupe.first_token_ms", first_token);
        }
        span.set("troupe.outcome", tried.outcome.name());
        span.set("troupe.call", number);
        span.set("troupe.hedge", tried.hedge);
    });
}

/// Counts a call that has ended, by our names and by OpenTelemetry's.
fn count(tried: &Try, took: Duration, first_token: Option<Duration>) {
    let provider = ProviderLabel { provider: tried.provider.clone() };
    let call = CallLabels { provider: tried.provider.clone(), outcome: tried.outcome.name() };
    let gen_ai = GenAiLabels { gen_ai_operation_name: "chat", gen_ai_provider_name: tried.provider.clone() };
    PROVIDERS.calls.get_or_create(&call).observe_time(took);
    GEN_AI.duration.get_or_create(&gen_ai).observe_time(took);
    if let Some(first_token) = first_token {
        PROVIDERS.first_token.get_or_create(&provider).observe_time(first_token);
        GEN_AI.first_chunk.get_or_create(&gen_ai).observe_time(first_token);
    }
    if let Some(usage) = tried.usage {
        let tokens = |r#type| TokenLabels { provider: tried.provider.clone(), r#type };
        let (input, output) = (u64::from(usage.prompt_tokens), u64::from(usage.completion_tokens));
        PROVIDERS.tokens.get_or_create(&tokens("input")).inc_by(input);
        PROVIDERS.tokens.get_or_create(&tokens("output")).inc_by(output);
        GEN_AI.input_tokens.get_or_create(&gen_ai).inc_by(input);
        GEN_AI.output_tokens.get_or_create(&gen_ai).inc_by(output);
    }
    if tried.cost > 0.0 {
        PROVIDERS.cost.get_or_create(&provider).inc_by(tried.cost);
    }
    if tried.hedge {
        PROVIDERS.hedges.get_or_create(&provider).inc();
    }
}

impl Drop for ProviderCall {
    fn drop(&mut self) {
        if !self.recorded {
            self.candidate.endpoint.breaker.release(self.purpose.probe);
            self.record(Outcome::Abandoned);
        }
    }
}
