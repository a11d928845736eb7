//! What every vector store must do, of each of them: the exact one in memory, and Qdrant over a real socket behind its
//! circuit breaker.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use proptest::{
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use sqlx::{PgExecutor, PgPool};
use tempfile::TempDir;
use troupe_core::{
    clock::SystemClock,
    config::{Config, Live},
    ids::{PassageId, PersonaId},
    lifecycle,
    ports::{EmbedError, Embedder, Point, VectorStore, VectorStoreError},
};
use troupe_db::{knowledge::embeddings, retrieval::nearest, vector_stores};
use troupe_engines::{Durability, Postgres};
use troupe_tests::{qdrant::FakeQdrant, within};
use uuid::Uuid;

const DIMENSION: usize = 8;

/// Only names a model: the vectors are the tests' own.
struct Named;

#[tonic::async_trait]
impl Embedder for Named {
    async fn embed(&self, _: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Err(EmbedError::Refused("it only has a name".to_owned()))
    }

    async fn embed_queries(&self, queries: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed(queries).await
    }

    fn model(&self) -> &'static str {
        "named@8"
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn batch(&self) -> usize {
        16
    }
}

/// A database, and a store over it with an index that is searched.
pub(crate) struct World {
    name: &'static str,
    pool: PgPool,
    pub(crate) store: Arc<dyn VectorStore>,
}

/// What all worlds of a test stand on.
pub(crate) struct Ground {
    pub(crate) config: Config,
    pub(crate) pool: PgPool,
    pub(crate) qdrant: FakeQdrant,
    _postgres: Postgres,
    _directory: TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        lifecycle::install_tls();
        let directory = tempfile::tempdir().expect("a directory");
        let postgres = within("PostgreSQL", Postgres::start(directory.path(), Durability::Throwaway)).await.unwrap();
        let environment = [("DATABASE_URL".to_owned(), postgres.url().to_owned())];
        let config = Config::from_sources(None, environment).unwrap();
        let pool = troupe_db::connect(&config.database, "tests").await.unwrap();
        Self { config, pool, qdrant: FakeQdrant::start().await, _postgres: postgres, _directory: directory }
    }

    pub(crate) fn config_with_qdrant(&self) -> Config {
        let mut config = self.config.clone();
        config.qdrant.url = Some(self.qdrant.url().parse().unwrap());
        // Once Qdrant is back, a test has not the time of production to wait for a probe.
        config.qdrant.breaker_pause = Duration::from_millis(10);
        config.qdrant.breaker_cap = Duration::from_millis(10);
        config
    }

    pub(crate) fn store(&self, config: &Config) -> Arc<dyn VectorStore> {
        let live = Live::fixed(config.clone());
        vector_stores::from_config(&live, &Named, self.pool.clone(), Arc::new(SystemClock)).unwrap()
    }

    pub(crate) async fn worlds(&self) -> [World; 2] {
        let world = |name, config: &Config| World { name, pool: self.pool.clone(), store: self.store(config) };
        let worlds = [world("memory", &self.config), world("Qdrant", &self.config_with_qdrant())];
        for world in &worlds {
            let index = world.store.begin().await.unwrap();
            world.store.finish(&index).await.unwrap();
        }
        worlds
    }
}

impl World {
    pub(crate) async fn persona(&self) -> PersonaId {
        persona(&self.pool).await
    }

    /// Passages as PostgreSQL has them, with their vectors; the store has not been told.
    async fn passages(&self, persona: PersonaId, vectors: &[Vec<f32>]) -> Vec<Point> {
        let mut points = Vec::new();
        for vector in vectors {
            let (passage, source) = (PassageId::from(Uuid::from(PersonaId::new())), Uuid::from(PersonaId::new()));
            let content = passage.to_string();
            insert(&self.pool, passage, persona, source, &content).await;
            let contents = embeddings::missing(&self.pool, Named.model(), &[passage]).await.unwrap();
            embeddings::keep(&self.pool, Named.model(), &contents, std::slice::from_ref(vector)).await.unwrap();
            points.push(Point { passage, persona, source, vector: vector.clone() });
        }
        points
    }

    pub(crate) async fn told(&self, persona: PersonaId, vectors: &[Vec<f32>]) -> Vec<Point> {
        let points = self.passages(persona, vectors).await;
        self.store.upsert(&points).await.unwrap();
        points
    }

    async fn remove(&self, points: &[Point]) {
        for point in points {
            let removed = sqlx::query("delete from passages where id = $1").bind(point.passage.as_uuid());
            removed.execute(&self.pool).await.unwrap();
            self.store.remove(point.persona, &[point.passage]).await.unwrap();
        }
    }

    async fn remove_persona(&self, persona: PersonaId) {
        let removed = sqlx::query("delete from personas where id = $1").bind(persona.as_uuid());
        removed.execute(&self.pool).await.unwrap();
        self.store.remove_persona(persona).await.unwrap();
    }

    pub(crate) async fn found(&self, persona: PersonaId, vector: &[f32], limit: usize) -> Vec<PassageId> {
        let found = self.store.search(persona, vector, limit).await;
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert!(found.is_sorted_by(|one, other| one.score >= other.score), "{}: {found:?}", self.name);
        found.into_iter().map(|found| found.passage).collect()
    }
}

/// A persona of nobody's.
pub(crate) async fn persona(pool: &PgPool) -> PersonaId {
    let id = PersonaId::new();
    let made = sqlx::query("insert into personas (id, slug, name, system_prompt) values ($1, $2, 'P', '')");
    made.bind(id.as_uuid()).bind(format!("p-{id}")).execute(pool).await.unwrap();
    id
}

/// A passage as indexing leaves it.
pub(crate) async fn insert(
    db: impl PgExecutor<'_>,
    passage: PassageId,
    persona: PersonaId,
    source: Uuid,
    content: &str,
) {
    let made = r#"insert into passages (id, persona_id, source_kind, source_id, ordinal, place, content, language, search)
                values ($1, $2, 'document', $3, 0, '{"headings": [], "start": 0, "end": 0}', $4, 'simple', to_tsvector('simple', $4))"#;
    let made = sqlx::query(made).bind(passage.as_uuid()).bind(persona.as_uuid()).bind(source).bind(content);
    made.execute(db).await.unwrap();
}

/// A vector of length 1 in the plane of the first two numbers, so many degrees from the first.
pub(crate) fn at(degrees: f32) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    (vector[0], vector[1]) = (degrees.to_radians().cos(), degrees.to_radians().sin());
    vector
}

fn ids(points: &[&Point]) -> Vec<PassageId> {
    points.iter().map(|point| point.passage).collect()
}

#[tokio::test]
async fn the_nearest_come_first_and_no_more_than_were_asked_for() {
    let ground = Ground::new().await;
    for world in ground.worlds().await {
        let persona = world.persona().await;
        assert!(world.found(persona, &at(0.0), 5).await.is_empty(), "{}", world.name);
        let points = world.told(persona, &[at(80.0), at(10.0), at(170.0), at(30.0)]).await;
        let all = ids(&[&points[1], &points[3], &points[0], &points[2]]);
        assert_eq!(world.found(persona, &at(0.0), 10).await, all, "{}", world.name);
        assert_eq!(world.found(persona, &at(0.0), 2).await, all[..2], "{}", world.name);
        assert!(world.found(persona, &at(0.0), 0).await.is_empty(), "{}", world.name);
        let found = world.store.search(persona, &at(0.0), 1).await.unwrap();
        assert!((found[0].score - 10.0_f32.to_radians().cos()).abs() < 1e-5, "{}: {found:?}", world.name);
    }
}

#[tokio::test]
async fn telling_it_twice_changes_nothing() {
    let ground = Ground::new().await;
    for world in ground.worlds().await {
        let persona = world.persona().await;
        let points = world.told(persona, &[at(10.0), at(20.0)]).await;
        world.store.upsert(&points).await.unwrap();
        world.store.upsert(&points[1..]).await.unwrap();
        assert_eq!(world.found(persona, &at(0.0), 10).await, ids(&[&points[0], &points[1]]), "{}", world.name);
        world.store.upsert(&[]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_removed_is_not_found() {
    let ground = Ground::new().await;
    for world in ground.worlds().await {
        let (persona, other) = (world.persona().await, world.persona().await);
        let points = world.told(persona, &[at(10.0), at(20.0), at(30.0)]).await;
        let others = world.told(other, &[at(10.0)]).await;
        world.remove(&points[1..2]).await;
        assert_eq!(world.found(persona, &at(0.0), 10).await, ids(&[&points[0], &points[2]]), "{}", world.name);
        // What is not there can be removed; and no persona removes another's.
        world.remove(&points[1..2]).await;
        world.store.remove(persona, &[others[0].passage]).await.unwrap();
        assert_eq!(world.found(other, &at(0.0), 10).await, ids(&[&others[0]]), "{}", world.name);
        world.remove_persona(persona).await;
        assert!(world.found(persona, &at(0.0), 10).await.is_empty(), "{}", world.name);
        assert_eq!(world.found(other, &at(0.0), 10).await.len(), 1, "{}", world.name);
    }
}

#[tokio::test]
async fn vectors_of_another_dimension_are_refused_and_nothing_is_changed() {
    let ground = Ground::new().await;
    for world in ground.worlds().await {
        let persona = world.persona().await;
        let points = world.told(persona, &[at(10.0)]).await;
        let longer = Point { vector: vec![1.0; DIMENSION + 1], ..points[0].clone() };
        for refused in [
            world.store.upsert(&[longer]).await.err(),
            world.store.search(persona, &[1.0; DIMENSION - 1], 5).await.err(),
        ] {
            assert!(matches!(refused, Some(VectorStoreError::Unfit(_))), "{}: {refused:?}", world.name);
        }
        assert_eq!(world.found(persona, &at(0.0), 5).await, ids(&[&points[0]]), "{}", world.name);
    }
}

/// What may happen to the passages of four personas.
#[derive(Debug, Clone)]
enum Step {
    Come { persona: usize, degrees: f32 },
    Go { passage: usize },
    PersonaGoes { persona: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..4_usize, 0.0..180.0_f32).prop_map(|(persona, degrees)| Step::Come { persona, degrees }),
        2 => any::<usize>().prop_map(|passage| Step::Go { passage }),
        1 => (0..4_usize).prop_map(|persona| Step::PersonaGoes { persona }),
    ];
    prop::collection::vec(step, 1..30)
}

/// Whatever came and went: each persona's passages are found for it, and for nobody else.
#[test]
fn no_persona_finds_what_is_anothers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (ground, worlds) = runtime.block_on(async {
        let ground = Ground::new().await;
        let worlds = ground.worlds().await;
        (ground, worlds)
    });
    let mut runner = TestRunner::new(Cases { cases: 24, failure_persistence: None, ..Cases::default() });
    let held = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            for world in &worlds {
                keeps_apart(world, &steps).await;
            }
        });
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(async { drop(ground) });
}

async fn keeps_apart(world: &World, steps: &[Step]) {
    let mut personas = Vec::new();
    for _ in 0..4 {
        personas.push(world.persona().await);
    }
    let mut known: BTreeMap<PassageId, Point> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Come { persona, degrees } => {
                let points = world.told(personas[persona], &[at(degrees)]).await;
                known.extend(points.into_iter().map(|point| (point.passage, point)));
            }
            Step::Go { passage } if !known.is_empty() => {
                let gone = *known.keys().nth(passage % known.len()).unwrap();
                world.remove(&[known.remove(&gone).unwrap()]).await;
            }
            Step::Go { .. } => {}
            Step::PersonaGoes { persona } => {
                known.retain(|_, point| point.persona != personas[persona]);
                world.remove_persona(personas[persona]).await;
                personas[persona] = world.persona().await;
            }
        }
    }
    for persona in personas {
        let found = world.found(persona, &at(0.0), 100).await;
        let own: BTreeSet<_> =
            known.values().filter(|point| point.persona == persona).map(|point| point.passage).collect();
        assert_eq!(found.len(), own.len(), "{}", world.name);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), own, "{}", world.name);
    }
}

/// Whatever a store remembers: only what PostgreSQL has of this persona is said, as it is there.
#[tokio::test]
async fn a_store_that_is_behind_makes_nobody_say_what_is_anothers_or_has_gone() {
    let ground = Ground::new().await;
    for world in ground.worlds().await {
        let (persona, other) = (world.persona().await, world.persona().await);
        let points = world.told(persona, &[at(10.0), at(20.0), at(30.0)]).await;
        let others = world.told(other, &[at(5.0)]).await;
        // It is told that another's passage is this one's; and not that one has gone.
        world.store.upsert(&[Point { persona, ..others[0].clone() }]).await.unwrap();
        assert_eq!(world.found(persona, &at(0.0), 10).await.len(), if world.name == "Qdrant" { 4 } else { 3 });
        let gone = sqlx::query("delete from passages where id = $1").bind(points[0].passage.as_uuid());
        gone.execute(&world.pool).await.unwrap();

        let near = nearest(&world.pool, world.store.as_ref(), persona, &at(0.0), 10).await.unwrap();
        let said: Vec<_> = near.iter().map(|near| (near.passage.id, near.passage.content.clone())).collect();
        let expected = points[1..].iter().map(|point| (point.passage, point.passage.to_string()));
        assert_eq!(said, expected.collect::<Vec<_>>(), "{}", world.name);
        assert_eq!(near[0].passage.source_id, points[1].source, "{}", world.name);
        assert!((near[0].score - 20.0_f32.to_radians().cos()).abs() < 1e-5, "{}: {near:?}", world.name);
        // A question that says nothing has no direction.
        let nothing = nearest(&world.pool, world.store.as_ref(), persona, &[0.0; DIMENSION], 10).await.unwrap();
        assert!(nothing.is_empty(), "{}", world.name);
    }
}

/// A process that searches has a copy of its own: it finds what another process is told.
#[tokio::test]
async fn copies_in_memory_follow_what_other_processes_do() {
    let ground = Ground::new().await;
    let [world, _] = ground.worlds().await;
    let elsewhere = ground.store(&ground.config);
    let persona = world.persona().await;
    let points = world.told(persona, &[at(10.0)]).await;
    let finds = async |expected: usize| {
        let looks = async { while elsewhere.search(persona, &at(0.0), 10).await.unwrap().len() != expected {} };
        within(&format!("{expected} passages in the other copy"), looks).await;
    };
    finds(1).await;
    world.told(persona, &[at(20.0), at(30.0)]).await;
    finds(3).await;
    world.remove(&points).await;
    finds(2).await;
    world.remove_persona(persona).await;
    finds(0).await;
}
