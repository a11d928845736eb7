//! Traces: what was done for one call, from the `traceparent` of its caller to the last event, across processes.
//!
//! Where tracing is on, each process records the spans of a call or of an attempt in memory, also of those that are not
//! sampled: one that fails or is slow is exported whatever was decided at its beginning. Where it is off, all of this
//! is a look at a static. The current span is the task's own ([`current`]), so that what is deep below needs no
//! parameter for it.

mod context;
mod recording;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    pin::Pin,
    sync::OnceLock,
    task::{self, Poll},
    time::Duration,
};

pub use context::{BadTraceParent, SpanId, TraceId, TraceParent};
pub use recording::{Context, Kind, Span, SpanData, Value};

/// Takes the spans of a recording that is to be exported.
pub type Export = Box<dyn Fn(Vec<SpanData>) + Send + Sync>;

/// How a process traces.
pub struct Tracer {
    /// The share of calls that are exported whatever becomes of them.
    pub sample: f64,
    /// Whether callers may have theirs exported, by the flag of their `traceparent`.
    pub callers: bool,
    /// What takes as long is exported.
    pub slow: Duration,
    pub export: Export,
}

static TRACER: OnceLock<Tracer> = OnceLock::new();

tokio::task_local! {
    static CURRENT: Context;
}

/// Switches tracing on, for the rest of the process' life; `false` where it is on already.
pub fn switch_on(tracer: Tracer) -> bool {
    TRACER.set(tracer).is_ok()
}

impl Tracer {
    /// The first span for a caller from outside, who may have named a trace.
    fn begin(&'static self, name: Cow<'static, str>, caller: Option<TraceParent>) -> Span {
        let asked = self.callers && caller.is_some_and(|caller| caller.sampled);
        let sampled = asked || (self.sample > 0.0 && fastrand::f64() < self.sample);
        Span::first(self, Kind::Server, name, caller, sampled)
    }

    fn resume(&'static self, kind: Kind, name: Cow<'static, str>, parent: TraceParent) -> Span {
        Span::first(self, kind, name, Some(parent), parent.sampled)
    }
}

/// The first span for a caller from outside.
pub fn begin(name: impl FnOnce() -> String, caller: impl FnOnce() -> Option<TraceParent>) -> Span {
    TRACER.get().map_or_else(Span::default, |tracer| tracer.begin(name().into(), caller()))
}

/// The first span here of what another process of ours has begun, which has decided whether it is sampled.
pub fn resume(kind: Kind, name: &'static str, parent: Option<TraceParent>) -> Span {
    match (TRACER.get(), parent) {
        (Some(tracer), Some(parent)) => tracer.resume(kind, name.into(), parent),
        _ => Span::default(),
    }
}

/// The span that this task works for.
pub fn current() -> Option<Context> {
    TRACER.get()?;
    CURRENT.try_with(Clone::clone).ok()
}

/// A child of the current span; nothing where there is none.
pub fn span(name: &'static str) -> Span {
    current().map_or_else(Span::default, |current| current.span(name))
}

/// For the headers of a call to another service: the current span, if it is sampled.
pub fn outgoing() -> Option<TraceParent> {
    current().map(|current| current.as_parent()).filter(|parent| parent.sampled)
}

impl Span {
    /// Runs the future as the work of this span.
    pub fn scope<F>(&self, work: F) -> Scope<F> {
        Scope { context: self.context(), work }
    }
}

pin_project_lite::pin_project! {
    /// See [`Span::scope`].
    pub struct Scope<F> {
        context: Option<Context>,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.context {
            Some(context) => CURRENT.sync_scope(context.clone(), || this.work.poll(cx)),
            None => this.work.poll(cx),
        }
    }
}
