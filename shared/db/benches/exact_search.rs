//! How long a search in the memory of a process takes, over a real PostgreSQL (without fsync):
//! `cargo bench -p troupe-core --bench exact_search`.
//!
//! The first search for a persona reads its vectors; the others look at its version once a second, and go through all
//! of them.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark: whatever is unexpected ends it")]

use std::time::{Duration, Instant};

use sqlx::PgPool;
use troupe_core::{
    config::Config,
    ids::{PassageId, PersonaId},
    ports::VectorStore,
};
use troupe_db::{knowledge::embeddings, vector_stores::LocalVectorStore};
use troupe_engines::{Durability, Postgres};
use uuid::Uuid;

const SEARCHES: usize = 500;
const LIMIT: usize = 20;
/// Passages that are made at once.
const BATCH: usize = 1_000;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let postgres = Postgres::start(directory.path(), Durability::Throwaway).await.expect("a PostgreSQL");
    let environment = [("DATABASE_URL".to_owned(), postgres.url().to_owned())];
    let config = Config::from_sources(None, environment).expect("a configuration");
    let pool = troupe_db::connect(&config.database, "benchmark").await.expect("a connection");
    println!("passages  personas  dimension  memory  first search   p50       p99");
    for (passages, personas) in [(10_000, 1), (10_000, 100), (100_000, 1), (100_000, 100)] {
        for dimension in [512, 1536] {
            measure(&pool, passages, personas, dimension).await;
        }
    }
}

async fn measure(pool: &PgPool, passages: usize, personas: usize, dimension: usize) {
    let mut random = Random(1);
    let model = format!("random@{dimension}");
    let mut known = Vec::new();
    for _ in 0..personas {
        known.push(persona(pool, &model, passages / personas, || random.vector(dimension)).await);
    }
    let store = LocalVectorStore::new(pool.clone(), &model, dimension);
    let mut first = Vec::new();
    for persona in &known {
        first.push(search(&store, *persona, &random.vector(dimension)).await);
    }
    let mut times = Vec::new();
    for _ in 0..SEARCHES {
        let persona = known[random.next() as usize % personas];
        times.push(search(&store, persona, &random.vector(dimension)).await);
    }
    let megabytes = passages * dimension * size_of::<f32>() / 1_000_000;
    println!(
        "{passages:<9} {personas:<9} {dimension:<10} {megabytes:>3} MB  {:>9.1} ms {:>6.2} ms {:>6.2} ms",
        at(&mut first, 50),
        at(&mut times, 50),
        at(&mut times, 99)
    );
    let removed = sqlx::raw_sql("truncate passages, embeddings, vector_work, vector_versions").execute(pool).await;
    removed.expect("an empty database");
}

async fn search(store: &LocalVectorStore, persona: PersonaId, asked: &[f32]) -> Duration {
    let began = Instant::now();
    let found = store.search(persona, asked, LIMIT).await.expect("an answer");
    let took = began.elapsed();
    assert_eq!(found.len(), LIMIT);
    took
}

/// In milliseconds.
fn at(times: &mut [Duration], share: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0
}

/// A persona with so many passages.
async fn persona(pool: &PgPool, model: &str, passages: usize, mut vector: impl FnMut() -> Vec<f32>) -> PersonaId {
    let persona = PersonaId::new();
    let made = sqlx::query("insert into personas (id, slug, name, system_prompt) values ($1, $2, 'P', '')");
    made.bind(persona.as_uuid()).bind(format!("p-{persona}")).execute(pool).await.expect("a persona");
    let insert =
        "insert into passages (id, persona_id, source_kind, source_id, ordinal, place, content, language, search)
        select id, $1, 'document', id, 0, '{}', id::text, 'simple', '' from unnest($2::uuid[]) as new (id)";
    for from in (0..passages).step_by(BATCH) {
        let ids: Vec<_> = (from..passages.min(from + BATCH)).map(|_| PassageId::new()).collect();
        let uuids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        sqlx::query(insert).bind(persona.as_uuid()).bind(uuids).execute(pool).await.expect("passages");
        let contents = embeddings::missing(pool, model, &ids).await.expect("what they say");
        let vectors: Vec<_> = contents.iter().map(|_| vector()).collect();
        embeddings::keep(pool, model, &contents, &vectors).await.expect("vectors");
    }
    persona
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn vector(&mut self, dimension: usize) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..dimension).map(|_| self.next() as f32 / 16_777_216.0 - 0.5).collect();
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        for number in &mut vector {
            *number /= length;
        }
        vector
    }

    /// Of 24 bits.
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 40
    }
}
