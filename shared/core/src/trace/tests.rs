use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::*;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SLOW: Duration = Duration::from_secs(5);

type Exported = Arc<Mutex<Vec<SpanData>>>;

/// A tracer of this test alone.
fn tracer(sample: f64, callers: bool) -> (&'static Tracer, Exported) {
    let exported = Exported::default();
    let kept = exported.clone();
    let export: Export = Box::new(move |spans| kept.lock().extend(spans));
    (Box::leak(Box::new(Tracer { sample, callers, slow: SLOW, export })), exported)
}

fn caller() -> Option<TraceParent> {
    CALLER.parse().ok()
}

fn names(exported: &Exported) -> Vec<String> {
    exported.lock().iter().map(|span| span.name.to_string()).collect()
}

#[tokio::test]
async fn children_have_the_span_that_their_task_works_for_as_parent() {
    let (tracer, exported) = tracer(1.0, false);
    // What is current is looked up only where tracing is on.
    switch_on(Tracer { sample: 0.0, callers: false, slow: SLOW, export: Box::new(|_| {}) });
    let call = tracer.begin("call".into(), caller());
    let work = call.scope(async {
        let mut inner = span("inner");
        inner.set("passages", 3_usize);
        inner.scope(async { drop(span("innermost").kind(Kind::Client)) }).await;
        outgoing()
    });
    let outgoing = work.await.unwrap();
    assert!(current().is_none(), "only while it works");
    assert!(exported.lock().is_empty(), "not before its end");
    let context = call.context().unwrap();
    assert_eq!(context.as_parent(), outgoing);
    drop(call);
    assert!(exported.lock().is_empty(), "nor while somebody else works for it");
    drop(context);
    let spans = exported.lock();
    let by_name = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (call, inner, innermost) = (by_name("call"), by_name("inner"), by_name("innermost"));
    assert_eq!(Some(call.trace), caller().map(|caller| caller.trace));
    assert_eq!(call.parent, caller().map(|caller| caller.span));
    assert_eq!((inner.parent, innermost.parent), (Some(call.id), Some(inner.id)));
    assert_eq!((inner.attributes.as_slice(), innermost.kind), (&[("passages", Value::Number(3))][..], Kind::Client));
    assert!(spans.iter().all(|span| span.trace == call.trace));
}

#[test]
fn what_fails_or_is_slow_is_exported_whatever_was_decided() {
    let (tracer, exported) = tracer(0.0, false);
    drop(tracer.begin("well".into(), None));
    let patient = tracer.begin("patient".into(), None).since(SystemTime::now() - SLOW);
    patient.context().unwrap().be_patient();
    drop(patient);
    let failed_try = tracer.begin("failed over".into(), None);
    failed_try.context().unwrap().span("try").fail("503");
    drop(failed_try);
    assert_eq!(names(&exported), Vec::<String>::new());
    let mut failed = tracer.begin("failed".into(), None);
    drop(failed.context().unwrap().span("child"));
    failed.fail("no provider answers");
    drop(failed);
    drop(tracer.begin("slow".into(), None).since(SystemTime::now() - SLOW));
    drop(tracer.begin("waited".into(), None).after(SLOW));
    assert_eq!(names(&exported), ["child", "failed", "slow", "waited"]);
    assert_eq!(exported.lock()[1].error.as_deref(), Some("no provider answers"));
}

#[test]
fn what_nobody_will_see_is_not_described() {
    for (sample, failed, described) in [(0.0, false, false), (1.0, false, true), (0.0, true, true)] {
        let (tracer, _) = tracer(sample, false);
        let mut call = tracer.begin("call".into(), None);
        if failed {
            call.fail("503");
        }
        let mut seen = false;
        call.describe(|_| seen = true);
        assert_eq!(seen, described, "sampled {sample}, failed {failed}");
    }
}

#[test]
fn a_callers_flag_counts_only_where_it_may() {
    for callers in [false, true] {
        let (tracer, exported) = tracer(0.0, callers);
        drop(tracer.begin("call".into(), caller()));
        assert_eq!(exported.lock().len(), usize::from(callers));
        // What another process of ours has decided always does.
        drop(tracer.resume(Kind::Consumer, "reply".into(), caller().unwrap()));
        assert_eq!(exported.lock().len(), usize::from(callers) + 1);
    }
}

#[test]
fn a_recording_is_bounded_and_keeps_its_first_span() {
    let (tracer, exported) = tracer(1.0, false);
    let first = tracer.begin("first".into(), None);
    (0..1_000).for_each(|_| drop(first.context().unwrap().span("append")));
    drop(first);
    let names = names(&exported);
    assert!(names.len() < 200 && names.last().is_some_and(|name| name == "first"), "{}", names.len());
}

#[test]
fn times_may_be_told_afterwards() {
    let (tracer, exported) = tracer(1.0, false);
    let reply = tracer.resume(Kind::Consumer, "reply".into(), caller().unwrap());
    let (start, end) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
    reply.context().unwrap().span("wait").since(start).end_at(end);
    drop(reply);
    let waited = exported.lock()[0].clone();
    assert_eq!((waited.start, waited.took), (start, Duration::from_millis(1_500)));
}
