//! What one process records of a trace, until it is exported or dropped.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;

use super::{
    Tracer,
    context::{SpanId, TraceId, TraceParent},
};

/// Of one recording: a reply of many minutes appends thousands of times.
const MAX_SPANS: usize = 128;

/// Who waits for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Inside one process.
    Internal,
    /// It answers a call.
    Server,
    /// It calls another service.
    Client,
    /// It hands something over, and does not wait.
    Producer,
    /// It takes what was handed over.
    Consumer,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(Cow<'static, str>),
    Number(i64),
    Real(f64),
    Flag(bool),
}

macro_rules! values {
    ($($Type:ty => $Variant:ident($value:ident) $convert:expr;)+) => {
        $(impl From<$Type> for Value {
            fn from($value: $Type) -> Self {
                Self::$Variant($convert)
            }
        })+
    };
}

values! {
    &'static str => Text(value) value.into();
    String => Text(value) value.into();
    i64 => Number(value) value;
    u16 => Number(value) value.into();
    u32 => Number(value) value.into();
    usize => Number(value) i64::try_from(value).unwrap_or(i64::MAX);
    f64 => Real(value) value;
    bool => Flag(value) value;
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanData {
    pub trace: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    /// Another span of the trace that belongs to it and is not its parent.
    pub link: Option<SpanId>,
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub start: SystemTime,
    pub took: Duration,
    pub attributes: Vec<(&'static str, Value)>,
    pub error: Option<String>,
}

impl SpanData {
    /// Of a span that begins now.
    fn new(trace: TraceId, parent: Option<SpanId>, name: Cow<'static, str>, kind: Kind) -> Self {
        Self {
            trace,
            id: SpanId::random(),
            parent,
            link: None,
            name,
            kind,
            start: SystemTime::now(),
            took: Duration::ZERO,
            attributes: Vec::new(),
            error: None,
        }
    }
}

/// Exported when the last of its spans has ended, if it is sampled, or notable.
pub(super) struct Recording {
    tracer: &'static Tracer,
    trace: TraceId,
    sampled: bool,
    /// Its first span failed, or was slow.
    notable: AtomicBool,
    /// It takes as long as somebody wanted it to.
    patient: AtomicBool,
    spans: Mutex<Vec<SpanData>>,
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.sampled || *self.notable.get_mut() {
            (self.tracer.export)(std::mem::take(self.spans.get_mut()));
        }
    }
}

/// A span whose children are recorded. Clones are the same span, and keep the recording open.
#[derive(Clone)]
pub struct Context {
    recording: Arc<Recording>,
    span: SpanId,
}

impl Context {
    /// A child of this span.
    pub fn span(&self, name: impl Into<Cow<'static, str>>) -> Span {
        let data = SpanData::new(self.recording.trace, Some(self.span), name.into(), Kind::Internal);
        Span::open(self.recording.clone(), data, false)
    }

    /// The call takes as long as its caller wants to wait: that is not slow.
    pub fn be_patient(&self) {
        self.recording.patient.store(true, Ordering::Relaxed);
    }

    /// For those who continue the trace elsewhere.
    pub fn as_parent(&self) -> TraceParent {
        TraceParent { trace: self.recording.trace, span: self.span, sampled: self.recording.sampled }
    }
}

/// A span that has begun, and ends when it is dropped; nothing where tracing is off.
#[derive(Default)]
#[must_use = "it ends when it is dropped"]
pub struct Span(Option<Box<Open>>);

struct Open {
    recording: Arc<Recording>,
    data: SpanData,
    began: Instant,
    /// The first of the recording.
    first: bool,
    /// What went before it, and counts when it is judged slow.
    waited: Duration,
}

impl Span {
    /// The first span of a recording.
    pub(super) fn first(
        tracer: &'static Tracer,
        kind: Kind,
        name: Cow<'static, str>,
        parent: Option<TraceParent>,
        sampled: bool,
    ) -> Self {
        let trace = parent.map_or_else(TraceId::random, |parent| parent.trace);
        let (notable, patient, spans) = (AtomicBool::new(false), AtomicBool::new(false), Mutex::default());
        let data = SpanData::new(trace, parent.map(|parent| parent.span), name, kind);
        Self::open(Arc::new(Recording { tracer, trace, sampled, notable, patient, spans }), data, true)
    }

    fn open(recording: Arc<Recording>, data: SpanData, first: bool) -> Self {
        Self(Some(Box::new(Open { recording, data, began: Instant::now(), first, waited: Duration::ZERO })))
    }

    pub fn kind(self, kind: Kind) -> Self {
        self.with(|open| open.data.kind = kind)
    }

    /// With an id that other processes know. Before it has children.
    pub fn id(self, id: SpanId) -> Self {
        self.with(|open| open.data.id = id)
    }

    pub fn link(self, link: Option<SpanId>) -> Self {
        self.with(|open| open.data.link = link)
    }

    /// It began earlier.
    pub fn since(self, start: SystemTime) -> Self {
        self.with(|open| {
            let earlier = open.data.start.duration_since(start).unwrap_or_default();
            open.data.start = start;
            open.began = open.began.checked_sub(earlier).unwrap_or(open.began);
        })
    }

    /// Somebody waited before it began, which counts when it is judged slow.
    pub fn after(self, waited: Duration) -> Self {
        self.with(|open| open.waited = waited)
    }

    fn with(mut self, change: impl FnOnce(&mut Open)) -> Self {
        if let Some(open) = &mut self.0 {
            change(open);
        }
        self
    }

    pub fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Sets what costs more than it is worth where nobody will see it: before the end, and after [`Self::fail`].
    pub fn describe(&mut self, describe: impl FnOnce(&mut Self)) {
        if self.0.as_ref().is_some_and(|open| open.is_of_interest()) {
            describe(self);
        }
    }

    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.data.attributes.push((key, value.into()));
        }
    }

    /// Its end is a failure. Never with what users have written.
    pub fn fail(&mut self, why: impl Into<String>) {
        if let Some(open) = &mut self.0 {
            open.data.error = Some(why.into());
        }
    }

    pub fn context(&self) -> Option<Context> {
        self.0.as_ref().map(|open| Context { recording: open.recording.clone(), span: open.data.id })
    }

    /// Ends it at this time.
    pub fn end_at(mut self, end: SystemTime) {
        if let Some(open) = self.0.take() {
            let took = end.duration_since(open.data.start).unwrap_or_default();
            open.end(took);
        }
    }
}

impl Open {
    /// Whether it failed, or is exported as far as is known by now.
    fn is_of_interest(&self) -> bool {
        self.recording.sampled || self.data.error.is_some() || self.is_slow(self.began.elapsed())
    }

    fn is_slow(&self, took: Duration) -> bool {
        let patient = self.recording.patient.load(Ordering::Relaxed);
        self.waited + took >= self.recording.tracer.slow && !patient
    }

    fn end(mut self, took: Duration) {
        self.data.took = took;
        if self.first && (self.data.error.is_some() || self.is_slow(took)) {
            self.recording.notable.store(true, Ordering::Relaxed);
        }
        let mut spans = self.recording.spans.lock();
        if self.first || spans.len() < MAX_SPANS {
            spans.push(self.data);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let took = open.began.elapsed();
            open.end(took);
        }
    }
}
