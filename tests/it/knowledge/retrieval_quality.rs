//! How well what a persona knows is found: by words, by meaning, and by both, over questions whose answers are known.
//!
//! `cargo nextest run --workspace --test it --no-capture -E 'test(both_searches_together)'` prints the table of
//! docs/KNOWLEDGE.md.

mod person;

use std::{collections::HashMap, sync::Arc, time::Duration};

use troupe_core::{adapters::embedders::LexicalEmbedder, clock::SystemClock, config::Live, ids::PersonaId};
use troupe_db::{
    knowledge::passages::{self, Passage},
    retrieval::{Retriever, nearest},
    vector_stores,
};
use troupe_tests::Cluster;

use crate::{
    interview::answers::owner,
    knowledge::retrieval::{options, teach},
};
use person::{ANSWERS, QUESTIONS};

/// As many as are looked at for the recall.
const FIRST: usize = 5;
const DEEP: usize = 10;
/// Measured: 0.734 and 0.711, less a margin for changes that are no harm.
const RECALL_FLOOR: f64 = 0.70;
const RANK_FLOOR: f64 = 0.66;

/// Means over all questions.
#[derive(Debug, Clone, Copy, Default)]
struct Quality {
    /// The share of the right passages that is among the first five.
    recall: f64,
    /// Of the first right passage, 1 / its rank.
    reciprocal_rank: f64,
}

impl Quality {
    fn of(found: &[Vec<usize>]) -> Self {
        let mut sum = Self::default();
        for (found, (_, right)) in found.iter().zip(QUESTIONS) {
            let among = right.iter().filter(|one| found.iter().take(FIRST).any(|other| other == *one)).count();
            sum.recall += among as f64 / right.len() as f64;
            let rank = found.iter().position(|one| right.contains(one));
            sum.reciprocal_rank += rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
        }
        let mean = |sum: f64| sum / QUESTIONS.len() as f64;
        Self { recall: mean(sum.recall), reciprocal_rank: mean(sum.reciprocal_rank) }
    }
}

/// A persona that knows all the answers, and what searches it.
struct Library {
    retriever: Retriever,
    persona: PersonaId,
    /// The place of the answer that a response is.
    places: HashMap<String, usize>,
}

impl Library {
    async fn new(cluster: &Cluster) -> Self {
        let user = owner(cluster, "maren").await;
        let responses = teach(cluster, &user, "maren", &ANSWERS).await;
        let persona = sqlx::query_scalar::<_, sqlx::types::Uuid>("select id from personas where slug = 'maren'");
        let persona = persona.fetch_one(&cluster.db).await.unwrap().into();
        let embedder = LexicalEmbedder::new(64);
        let mut settings = cluster.config().retrieval;
        settings.timeout = Duration::from_secs(20);
        let live = Live::fixed(cluster.config());
        let clock = Arc::new(SystemClock);
        let store = vector_stores::from_config(&live, &embedder, cluster.db.clone(), clock.clone()).unwrap();
        let retriever = Retriever { pool: cluster.db.clone(), embedder: Arc::new(embedder), store, settings, clock };
        Self { retriever, persona, places: responses.into_iter().zip(0..).collect() }
    }

    fn place(&self, passage: &Passage) -> usize {
        self.places[&passage.source_id.to_string()]
    }

    async fn by_words(&self, question: &str) -> Vec<usize> {
        let found = passages::search(&self.retriever.pool, self.persona, question, DEEP as i64).await.unwrap();
        found.iter().map(|passage| self.place(passage)).collect()
    }

    async fn by_meaning(&self, question: &str) -> Vec<usize> {
        let Retriever { pool, embedder, store, .. } = &self.retriever;
        let vector = embedder.embed(&[question.to_owned()]).await.unwrap().remove(0);
        let found = nearest(pool, store.as_ref(), self.persona, &vector, DEEP).await.unwrap();
        found.iter().map(|near| self.place(&near.passage)).collect()
    }

    async fn by_both(&self, question: &str) -> Vec<usize> {
        let found = self.retriever.find(self.persona, question, DEEP).await;
        found.passages.iter().map(|ranked| self.place(&ranked.passage)).collect()
    }
}

#[tokio::test]
async fn both_searches_together_are_as_good_as_either() {
    let cluster = options().start().await;
    let library = Library::new(&cluster).await;
    let (mut words, mut meaning, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for (question, right) in QUESTIONS {
        words.push(library.by_words(question).await);
        meaning.push(library.by_meaning(question).await);
        both.push(library.by_both(question).await);
        let rank = |found: &[usize]| found.iter().position(|one| right.contains(one)).map_or(0, |rank| rank + 1);
        let ranks = [&words, &meaning, &both].map(|found| rank(found.last().unwrap()));
        eprintln!("{question}: rank {} by words, {} by meaning, {} by both", ranks[0], ranks[1], ranks[2]);
    }
    let [words, meaning, both] = [words, meaning, both].map(|found| Quality::of(&found));
    eprintln!("| search | recall@5 | MRR |\n| --- | --- | --- |");
    for (search, quality) in [("by words", words), ("by meaning", meaning), ("both", both)] {
        eprintln!("| {search} | {:.3} | {:.3} |", quality.recall, quality.reciprocal_rank);
    }
    assert!(both.recall >= words.recall.max(meaning.recall) - 0.02, "{both:?}, but {words:?} and {meaning:?}");
    assert!(both.recall >= RECALL_FLOOR && both.reciprocal_rank >= RANK_FLOOR, "{both:?}");
    cluster.assert_quiet().await;
}
