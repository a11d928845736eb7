//! A vector store behind a circuit breaker: after failures or timeouts it is not called for a while.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    adapters::service_breaker::ServiceBreaker,
    circuit_breaker::BreakerSettings,
    clock::Clock,
    ids::{PassageId, PersonaId},
    ports::{Found, Index, Point, PortError, VectorStore, VectorStoreError},
};

pub struct BreakerVectorStore {
    inner: Arc<dyn VectorStore>,
    breaker: ServiceBreaker,
}

impl BreakerVectorStore {
    pub fn new(inner: Arc<dyn VectorStore>, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self { inner, breaker: ServiceBreaker::new("vector store", settings, clock) }
    }

    /// The call is made at the first poll, and not at all while the breaker is open.
    async fn guard<T>(
        &self,
        call: impl Future<Output = Result<T, VectorStoreError>> + Send,
    ) -> Result<T, VectorStoreError> {
        let permit =
            self.breaker.admit().map_err(|open| PortError { what: "call the vector store", why: open.to_string() })?;
        let result = call.await;
        match &result {
            Err(VectorStoreError::Failed(_)) => permit.fail(None),
            // Some errors are detected without a call.
            Err(VectorStoreError::Unfit(_)) => permit.release(),
            Ok(_) | Err(VectorStoreError::NoIndex) => permit.succeed(),
        }
        result
    }
}

/// Empty operations need no call: they always pass, and are no result.
#[async_trait]
impl VectorStore for BreakerVectorStore {
    async fn searched(&self) -> Result<Option<Index>, VectorStoreError> {
        self.guard(self.inner.searched()).await
    }

    async fn upsert(&self, points: &[Point]) -> Result<(), VectorStoreError> {
        if points.is_empty() {
            return self.inner.upsert(points).await;
        }
        self.guard(self.inner.upsert(points)).await
    }

    async fn remove(&self, persona: PersonaId, passages: &[PassageId]) -> Result<(), VectorStoreError> {
        if passages.is_empty() {
            return self.inner.remove(persona, passages).await;
        }
        self.guard(self.inner.remove(persona, passages)).await
    }

    async fn remove_persona(&self, persona: PersonaId) -> Result<(), VectorStoreError> {
        self.guard(self.inner.remove_persona(persona)).await
    }

    async fn search(&self, persona: PersonaId, vector: &[f32], limit: usize) -> Result<Vec<Found>, VectorStoreError> {
        if limit == 0 {
            return self.inner.search(persona, vector, limit).await;
        }
        self.guard(self.inner.search(persona, vector, limit)).await
    }

    async fn begin(&self) -> Result<Index, VectorStoreError> {
        self.guard(self.inner.begin()).await
    }

    async fn fill(&self, index: &Index, points: &[Point]) -> Result<(), VectorStoreError> {
        if points.is_empty() {
            return self.inner.fill(index, points).await;
        }
        self.guard(self.inner.fill(index, points)).await
    }

    async fn finish(&self, index: &Index) -> Result<(), VectorStoreError> {
        self.guard(self.inner.finish(index)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use parking_lot::Mutex;
    use uuid::Uuid;

    use super::*;
    use crate::{
        adapters::service_breaker::tests::SetClock,
        config::{Config, Qdrant},
    };

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Mood {
        Well,
        Fails,
        Hangs,
        Unfit,
        NoIndex,
    }

    struct ScriptedStore {
        mood: Mutex<Mood>,
        calls: Mutex<Vec<&'static str>>,
    }

    impl ScriptedStore {
        async fn answer<T>(&self, call: &'static str, answer: T) -> Result<T, VectorStoreError> {
            self.calls.lock().push(call);
            let mood = *self.mood.lock();
            match mood {
                Mood::Well => Ok(answer),
                Mood::Fails => Err(PortError { what: "call", why: "as scripted".to_owned() }.into()),
                Mood::Hangs => std::future::pending().await,
                Mood::Unfit => Err(VectorStoreError::Unfit("as scripted".to_owned())),
                Mood::NoIndex => Err(VectorStoreError::NoIndex),
            }
        }
    }

    fn index() -> Index {
        Index { name: "an index".to_owned(), made: false }
    }

    #[async_trait]
    impl VectorStore for ScriptedStore {
        async fn searched(&self) -> Result<Option<Index>, VectorStoreError> {
            self.answer("searched", Some(index())).await
        }

        async fn upsert(&self, _: &[Point]) -> Result<(), VectorStoreError> {
            self.answer("upsert", ()).await
        }

        async fn remove(&self, _: PersonaId, _: &[PassageId]) -> Result<(), VectorStoreError> {
            self.answer("remove", ()).await
        }

        async fn remove_persona(&self, _: PersonaId) -> Result<(), VectorStoreError> {
            self.answer("remove_persona", ()).await
        }

        async fn search(&self, _: PersonaId, _: &[f32], _: usize) -> Result<Vec<Found>, VectorStoreError> {
            self.answer("search", Vec::new()).await
        }

        async fn begin(&self) -> Result<Index, VectorStoreError> {
            self.answer("begin", index()).await
        }

        async fn fill(&self, _: &Index, _: &[Point]) -> Result<(), VectorStoreError> {
            self.answer("fill", ()).await
        }

        async fn finish(&self, _: &Index) -> Result<(), VectorStoreError> {
            self.answer("finish", ()).await
        }
    }

    struct Scene {
        inner: Arc<ScriptedStore>,
        clock: Arc<SetClock>,
        store: BreakerVectorStore,
        persona: PersonaId,
    }

    impl Scene {
        /// Two failures open it, for five seconds at first.
        fn new(mood: Mood) -> Self {
            let settings = Qdrant {
                breaker_failures: 2,
                breaker_pause: Duration::from_secs(5),
                breaker_cap: Duration::from_secs(20),
                ..Config::from_sources(None, []).unwrap().qdrant
            };
            let inner = Arc::new(ScriptedStore { mood: Mutex::new(mood), calls: Mutex::default() });
            let clock = SetClock::new();
            let store = BreakerVectorStore::new(inner.clone(), (&settings).into(), clock.clone());
            Self { inner, clock, store, persona: PersonaId::from(Uuid::nil()) }
        }

        fn set_mood(&self, mood: Mood) {
            *self.inner.mood.lock() = mood;
        }

        /// A search whose caller waits no moment; `None` where it was given up.
        fn search(&self) -> Option<Result<usize, String>> {
            let found = self.store.search(self.persona, &[1.0], 5).now_or_never()?;
            Some(found.map(|found| found.len()).map_err(|error| error.to_string()))
        }

        /// Every operation once: those that were refused.
        fn refused(&self) -> usize {
            let passage = PassageId::from(Uuid::nil());
            let point = Point { passage, persona: self.persona, source: Uuid::nil(), vector: vec![1.0] };
            let points = [point];
            let results = [
                self.store.searched().now_or_never().unwrap().map(drop),
                self.store.upsert(&points).now_or_never().unwrap(),
                self.store.remove(self.persona, &[passage]).now_or_never().unwrap(),
                self.store.remove_persona(self.persona).now_or_never().unwrap(),
                self.store.search(self.persona, &[1.0], 5).now_or_never().unwrap().map(drop),
                self.store.begin().now_or_never().unwrap().map(drop),
                self.store.fill(&index(), &points).now_or_never().unwrap(),
                self.store.finish(&index()).now_or_never().unwrap(),
            ];
            results.into_iter().filter(Result::is_err).count()
        }

        fn calls(&self) -> usize {
            self.inner.calls.lock().len()
        }
    }

    fn open(pause: &str) -> Result<usize, String> {
        Err(format!("call the vector store: its circuit breaker is open, the next call is in {pause}"))
    }

    #[test]
    fn every_operation_reaches_the_store_until_it_fails() {
        let scene = Scene::new(Mood::Well);
        assert_eq!(scene.refused(), 0);
        let all = ["searched", "upsert", "remove", "remove_persona", "search", "begin", "fill", "finish"];
        assert_eq!(*scene.inner.calls.lock(), all);
        scene.set_mood(Mood::Fails);
        assert_eq!(scene.refused(), 8);
        assert_eq!(scene.calls(), 16, "half of the calls have failed, and the last of them opens it");
        assert_eq!(scene.refused(), 8);
        assert_eq!(scene.calls(), 16, "an open breaker lets nothing through");
    }

    #[test]
    fn searches_that_are_given_up_open_it_and_a_probe_closes_it() {
        let scene = Scene::new(Mood::Hangs);
        assert_eq!((scene.search(), scene.search()), (None, None));
        scene.clock.advance(2);
        assert_eq!(scene.search(), Some(open("3s")));
        scene.clock.advance(3);
        assert_eq!(scene.search(), None, "the probe");
        assert_eq!(scene.search(), Some(open("10s")), "twice as long");
        scene.set_mood(Mood::Well);
        scene.clock.advance(10);
        assert_eq!(scene.search(), Some(Ok(0)));
        assert_eq!(scene.refused(), 0);
    }

    #[test]
    fn what_does_not_fit_and_a_missing_index_are_no_failures() {
        for mood in [Mood::Unfit, Mood::NoIndex] {
            let scene = Scene::new(mood);
            for _ in 0..10 {
                scene.search();
            }
            scene.set_mood(Mood::Well);
            assert_eq!(scene.search(), Some(Ok(0)), "{mood:?}");
        }
    }

    #[test]
    fn what_needs_no_call_is_no_probe() {
        let scene = Scene::new(Mood::Hangs);
        assert_eq!((scene.search(), scene.search()), (None, None));
        scene.set_mood(Mood::Well);
        for seconds in [0, 5] {
            scene.clock.advance(seconds);
            assert!(scene.store.upsert(&[]).now_or_never().unwrap().is_ok());
            assert!(scene.store.remove(scene.persona, &[]).now_or_never().unwrap().is_ok());
            assert!(scene.store.fill(&index(), &[]).now_or_never().unwrap().is_ok());
            assert!(scene.store.search(scene.persona, &[1.0], 0).now_or_never().unwrap().is_ok());
        }
        scene.set_mood(Mood::Unfit);
        scene.search();
        scene.set_mood(Mood::Hangs);
        assert_eq!(scene.search(), None, "the probe is still to come");
        assert_eq!(scene.search(), Some(open("10s")));
    }
}
