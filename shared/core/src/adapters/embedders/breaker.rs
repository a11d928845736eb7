//! An embedder behind a circuit breaker: after failures or timeouts it is not called for a while.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    adapters::service_breaker::ServiceBreaker,
    circuit_breaker::BreakerSettings,
    clock::Clock,
    ports::{EmbedError, Embedder},
};

pub struct BreakerEmbedder {
    inner: Arc<dyn Embedder>,
    breaker: ServiceBreaker,
}

impl BreakerEmbedder {
    pub fn new(inner: Arc<dyn Embedder>, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self { inner, breaker: ServiceBreaker::new("embedder", settings, clock) }
    }
}

type Vectors = Result<Vec<Vec<f32>>, EmbedError>;

impl BreakerEmbedder {
    /// Makes the call, if the breaker admits it.
    async fn guard(&self, call: impl Future<Output = Vectors>) -> Vectors {
        let permit = self
            .breaker
            .admit()
            .map_err(|open| EmbedError::Unavailable { why: open.to_string(), retry_after: Some(open.retry_after) })?;
        let result = call.await;
        match &result {
            Err(EmbedError::Unavailable { retry_after, .. }) => permit.fail(*retry_after),
            // A refusal is an answer: the text or the configuration is at fault.
            Ok(_) | Err(EmbedError::Refused(_) | EmbedError::Unfit(_)) => permit.succeed(),
        }
        result
    }
}

#[async_trait]
impl Embedder for BreakerEmbedder {
    async fn embed(&self, passages: &[String]) -> Vectors {
        self.guard(self.inner.embed(passages)).await
    }

    async fn embed_queries(&self, queries: &[String]) -> Vectors {
        self.guard(self.inner.embed_queries(queries)).await
    }

    fn model(&self) -> &str {
        self.inner.model()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn batch(&self) -> usize {
        self.inner.batch()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, time::Duration};

    use futures::FutureExt;
    use parking_lot::Mutex;

    use super::*;
    use crate::{
        adapters::service_breaker::tests::SetClock,
        config::{Config, Embeddings},
    };

    type Answer = Result<Vec<Vec<f32>>, EmbedError>;

    /// `None` never answers.
    type Script = Option<Answer>;

    /// Answers as scripted, and after that well.
    #[derive(Default)]
    struct ScriptedEmbedder {
        script: Mutex<VecDeque<Script>>,
        calls: Mutex<usize>,
    }

    #[async_trait]
    impl Embedder for ScriptedEmbedder {
        async fn embed(&self, _: &[String]) -> Answer {
            *self.calls.lock() += 1;
            let answer = self.script.lock().pop_front().unwrap_or_else(|| Some(Ok(Vec::new())));
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }

        async fn embed_queries(&self, queries: &[String]) -> Answer {
            self.embed(queries).await
        }

        fn model(&self) -> &'static str {
            "scripted@8"
        }

        fn dimension(&self) -> usize {
            8
        }

        fn batch(&self) -> usize {
            16
        }
    }

    struct Scene {
        inner: Arc<ScriptedEmbedder>,
        clock: Arc<SetClock>,
        embedder: BreakerEmbedder,
    }

    impl Scene {
        /// Three failures open it, for five seconds at first and twenty at most.
        fn new(script: impl IntoIterator<Item = Script>) -> Self {
            let settings = Embeddings {
                breaker_failures: 3,
                breaker_pause: Duration::from_secs(5),
                breaker_cap: Duration::from_secs(20),
                ..Config::from_sources(None, []).unwrap().embeddings
            };
            let script = Mutex::new(script.into_iter().collect());
            let inner = Arc::new(ScriptedEmbedder { script, ..ScriptedEmbedder::default() });
            let clock = SetClock::new();
            let embedder = BreakerEmbedder::new(inner.clone(), (&settings).into(), clock.clone());
            Self { inner, clock, embedder }
        }

        /// A call whose caller waits no moment; `None` where it was given up.
        fn embed(&self) -> Script {
            self.embedder.embed(&["A text".to_owned()]).now_or_never()
        }

        fn calls(&self) -> usize {
            *self.inner.calls.lock()
        }
    }

    fn unavailable(retry_after: Option<u64>) -> Answer {
        let retry_after = retry_after.map(Duration::from_secs);
        Err(EmbedError::Unavailable { why: "as scripted".to_owned(), retry_after })
    }

    fn open(seconds: u64) -> Answer {
        let why = format!("its circuit breaker is open, the next call is in {seconds}s");
        Err(EmbedError::Unavailable { why, retry_after: Some(Duration::from_secs(seconds)) })
    }

    #[test]
    fn failures_open_it_and_a_probe_closes_it() {
        let scene = Scene::new((0..4).map(|_| Some(unavailable(None))));
        for _ in 0..3 {
            assert_eq!(scene.embed(), Some(unavailable(None)));
        }
        scene.clock.advance(1);
        for _ in 0..10 {
            assert_eq!(scene.embed(), Some(open(4)));
        }
        assert_eq!(scene.calls(), 3, "an open breaker lets nothing through");
        scene.clock.advance(4);
        assert_eq!(scene.embed(), Some(unavailable(None)), "the probe");
        assert_eq!(scene.embed(), Some(open(10)), "twice as long");
        scene.clock.advance(10);
        assert_eq!(scene.embed(), Some(Ok(Vec::new())));
        assert_eq!(scene.embed(), Some(Ok(Vec::new())));
        assert_eq!(scene.calls(), 6);
    }

    #[test]
    fn calls_that_are_given_up_are_failures() {
        let scene = Scene::new([None, None, None, None]);
        for _ in 0..3 {
            assert_eq!(scene.embed(), None);
        }
        assert_eq!(scene.embed(), Some(open(5)));
        scene.clock.advance(5);
        assert_eq!(scene.embed(), None, "the probe");
        assert_eq!(scene.embed(), Some(open(10)));
    }

    #[test]
    fn one_probe_at_a_time() {
        let scene = Scene::new([None, None, None, None]);
        for _ in 0..3 {
            scene.embed();
        }
        scene.clock.advance(5);
        let texts = ["A text".to_owned()];
        let mut probe = scene.embedder.embed(&texts);
        assert!((&mut probe).now_or_never().is_none());
        assert_eq!(scene.embed(), Some(open(1)));
        assert_eq!(scene.calls(), 4);
        drop(probe);
        assert_eq!(scene.embed(), Some(open(10)));
    }

    #[test]
    fn what_the_service_refuses_is_no_failure_of_the_service() {
        let refused = || Some(Err(EmbedError::Refused("the text".to_owned())));
        let unfit = || Some(Err(EmbedError::Unfit("the model".to_owned())));
        let scene = Scene::new((0..10).flat_map(|_| [refused(), unfit()]));
        for _ in 0..10 {
            assert_eq!((scene.embed(), scene.embed()), (refused(), unfit()));
        }
        let scene = Scene::new([None, None, None, refused()]);
        for _ in 0..3 {
            scene.embed();
        }
        scene.clock.advance(5);
        assert_eq!(scene.embed(), refused(), "the probe");
        assert_eq!(scene.embed(), Some(Ok(Vec::new())), "it has answered");
    }

    #[test]
    fn the_service_may_ask_for_a_longer_pause() {
        for (asked, pause) in [(2, 5), (12, 12), (7_000, 20)] {
            let scene = Scene::new((0..3).map(|_| Some(unavailable(Some(asked)))));
            for _ in 0..3 {
                scene.embed();
            }
            assert_eq!(scene.embed(), Some(open(pause)), "asked for {asked} s");
        }
    }
}
