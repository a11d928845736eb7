use std::time::Duration;

use futures::FutureExt;

use super::*;
use crate::{
    adapters::{embedders::BreakerEmbedder, service_breaker::tests::SetClock},
    circuit_breaker::BreakerSettings,
    config::Config,
};

const REFUSED: &str = "Refuse this.";

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Well,
    Away,
    Hanging,
}

/// Answers with the length of each text, and notes the sizes of its calls.
#[derive(Default)]
struct CountingEmbedder {
    mood: Mutex<Mood>,
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl Embedder for CountingEmbedder {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.calls.lock().push(texts.len());
        // Others may be queued meanwhile, as during a call over the network.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let mood = *self.mood.lock();
        match mood {
            Mood::Well if texts.iter().any(|text| text == REFUSED) => Err(EmbedError::Refused("as asked".to_owned())),
            Mood::Well => Ok(texts.iter().map(|text| vec![text.len() as f32]).collect()),
            Mood::Away => Err(unavailable("away")),
            Mood::Hanging => std::future::pending().await,
        }
    }

    async fn embed_queries(&self, queries: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed(queries).await
    }

    fn model(&self) -> &'static str {
        "counting@1"
    }

    fn dimension(&self) -> usize {
        1
    }

    fn batch(&self) -> usize {
        16
    }
}

/// Below it a circuit breaker that three failures open.
struct Scene {
    inner: Arc<CountingEmbedder>,
    embedder: QueryCacheEmbedder,
    tasks: Tasks,
}

impl Scene {
    fn new() -> Self {
        let inner = Arc::new(CountingEmbedder::default());
        let mut settings = Config::from_sources(None, []).unwrap().embeddings;
        settings.breaker_failures = 3;
        let breaker = BreakerEmbedder::new(inner.clone(), BreakerSettings::from(&settings), SetClock::new());
        let tasks = Tasks::default();
        let embedder = QueryCacheEmbedder::start(Arc::new(breaker), &tasks);
        Self { inner, embedder, tasks }
    }

    async fn ask(&self, text: &str) -> Result<f32, EmbedError> {
        Ok(self.embedder.embed_queries(&[text.to_owned()]).await?[0][0])
    }

    fn set_mood(&self, mood: Mood) {
        *self.inner.mood.lock() = mood;
    }

    fn calls(&self) -> Vec<usize> {
        self.inner.calls.lock().clone()
    }
}

#[tokio::test]
async fn the_same_question_twice_is_embedded_once() {
    let scene = Scene::new();
    for _ in 0..2 {
        assert_eq!(scene.ask("Where?").await, Ok(6.0));
    }
    assert_eq!(scene.calls(), [1]);
    // Passages are none of its concern.
    scene.embedder.embed(&["Where?".to_owned()]).await.unwrap();
    assert_eq!(scene.calls(), [1, 1]);
}

#[tokio::test]
async fn twenty_questions_together_make_few_calls() {
    let scene = Scene::new();
    let questions: Vec<_> = (1..=20).map(|length| "?".repeat(length)).collect();
    let answers = join_all(questions.iter().map(|question| scene.ask(question))).await;
    let lengths: Vec<_> = (1..=20_u8).map(|length| Ok(f32::from(length))).collect();
    assert_eq!(answers, lengths);
    let calls = scene.calls();
    assert!(calls.len() <= 4 && calls.iter().all(|size| *size <= 16), "{calls:?}");
}

#[tokio::test]
async fn a_refused_question_fails_alone_and_is_not_cached() {
    let scene = Scene::new();
    for _ in 0..2 {
        let (one, refused, other) = tokio::join!(scene.ask("Who?"), scene.ask(REFUSED), scene.ask("Where?"));
        assert_eq!((one, refused, other), (Ok(4.0), Err(EmbedError::Refused("as asked".to_owned())), Ok(6.0)));
    }
    let calls = scene.calls().len();
    scene.ask(REFUSED).await.unwrap_err();
    assert_eq!(scene.calls().len(), calls + 1);
}

#[tokio::test]
async fn a_failure_is_not_cached() {
    let scene = Scene::new();
    scene.set_mood(Mood::Away);
    assert_eq!(scene.ask("Where?").await, Err(unavailable("away")));
    scene.set_mood(Mood::Well);
    assert_eq!(scene.ask("Where?").await, Ok(6.0));
}

#[tokio::test]
async fn a_cached_question_is_answered_while_the_breaker_is_open() {
    let scene = Scene::new();
    scene.ask("Where?").await.unwrap();
    scene.set_mood(Mood::Away);
    for _ in 0..3 {
        scene.ask("When?").await.unwrap_err();
    }
    let calls = scene.calls().len();
    assert!(scene.ask("When?").await.unwrap_err().to_string().contains("breaker is open"));
    assert_eq!(scene.ask("Where?").await, Ok(6.0));
    assert_eq!(scene.calls().len(), calls, "nothing was called");
}

/// Callers have time limits of their own, far shorter than the embedder's.
#[tokio::test]
async fn calls_that_nobody_waits_for_open_the_breaker() {
    let scene = Scene::new();
    scene.set_mood(Mood::Hanging);
    for _ in 0..3 {
        let asked = tokio::time::timeout(Duration::from_millis(20), scene.ask("Where?")).await;
        assert!(asked.is_err(), "it hangs");
    }
    let asked = tokio::time::timeout(Duration::from_secs(20), scene.ask("Where?")).await.expect("an answer at once");
    assert!(asked.unwrap_err().to_string().contains("breaker is open"));
    assert_eq!(scene.calls(), [1, 1, 1]);
}

#[tokio::test]
async fn it_still_embeds_when_the_lanes_have_ended() {
    let scene = Scene::new();
    assert!(scene.tasks.finish(Duration::from_secs(5)).await);
    assert_eq!(scene.ask("Where?").await, Ok(6.0));
}

#[tokio::test]
async fn the_least_recently_used_make_room() {
    let scene = Scene::new();
    let ask = |number: usize| format!("Question {number}?");
    for number in 0..MAX_CACHED_QUERIES {
        scene.ask(&ask(number)).await.unwrap();
    }
    scene.ask(&ask(0)).await.unwrap();
    scene.ask("One more?").await.unwrap();
    assert_eq!(scene.embedder.cache.lock().entries.len(), MAX_CACHED_QUERIES);
    assert!(scene.ask(&ask(0)).now_or_never().is_some(), "it was used just now");
    assert!(scene.ask(&ask(1)).now_or_never().is_none(), "it was the oldest");
    let long = "?".repeat(MAX_CACHED_BYTES + 1);
    scene.ask(&long).await.unwrap();
    assert!(scene.ask(&long).now_or_never().is_none(), "too long to be kept");
}
