//! What personas know reaches the vector store: embedded once, told until it is heard, removed when it goes.

use std::sync::Arc;

use serde_json::Value;
use troupe_core::{
    adapters::embedders,
    clock::SystemClock,
    config::Live,
    ids::{PassageId, PersonaId},
    lifecycle::Tasks,
    ports::VectorStore,
};
use troupe_db::{retrieval::nearest, vector_stores};
use troupe_tests::{
    Cluster, ClusterOptions, Process,
    embedder::{Mood, REFUSED, ScriptedEmbedder},
    qdrant::{FakeQdrant, Trouble},
    within,
};
use uuid::Uuid;

use crate::knowledge::vector_stores::{insert, persona};

pub(crate) const ALIAS: &str = "troupe_scripted-8";

/// One server, no worker yet, no Qdrant, and this embedder.
fn options(embedder: &ScriptedEmbedder) -> ClusterOptions {
    embedding_by(embedder, ClusterOptions::default())
}

fn embedding_by(embedder: &ScriptedEmbedder, options: ClusterOptions) -> ClusterOptions {
    options
        .servers(1)
        .workers(0)
        .set("TROUPE_PROVIDERS__SCRIPTED__FORMAT", "openai")
        .set("TROUPE_PROVIDERS__SCRIPTED__BASE_URL", embedder.base_url())
        .set("TROUPE_PROVIDERS__SCRIPTED__MODEL", "none")
        .set("TROUPE_EMBEDDINGS__PROVIDER", "scripted")
        .set("TROUPE_EMBEDDINGS__MODEL", "scripted")
        .set("TROUPE_EMBEDDINGS__DIMENSION", "8")
        .set("TROUPE_EMBEDDINGS__BATCH", "10")
        .set("TROUPE_EMBEDDINGS__LOOK_INTERVAL", "50ms")
        .set("TROUPE_EMBEDDINGS__CHECK_INTERVAL", "400ms")
        .set("TROUPE_EMBEDDINGS__RETRY_BASE", "50ms")
        .set("TROUPE_EMBEDDINGS__RETRY_CAP", "200ms")
        // Replies that look something up have time for it, on a busy machine too.
        .set("TROUPE_RETRIEVAL__TIMEOUT", "20s")
        .set("TROUPE_QDRANT__TIMEOUT", "20s")
}

/// A cluster with an embedder and a vector store that its test rules.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) embedder: ScriptedEmbedder,
    pub(crate) qdrant: FakeQdrant,
}

impl Scene {
    /// Without any worker yet.
    pub(crate) async fn without_workers() -> Self {
        Self::start(ClusterOptions::default()).await
    }

    /// With one worker, which has made the index that is searched.
    pub(crate) async fn new() -> Self {
        Self::without_workers().await.with_worker().await
    }

    /// The same as real processes.
    async fn of_processes() -> Self {
        Self::start(ClusterOptions::default().processes()).await.with_worker().await
    }

    async fn start(cluster: ClusterOptions) -> Self {
        let (embedder, qdrant) = (ScriptedEmbedder::start(8).await, FakeQdrant::start().await);
        let cluster = embedding_by(&embedder, cluster).set("QDRANT_URL", &qdrant.url()).start().await;
        Self { cluster, embedder, qdrant }
    }

    async fn with_worker(mut self) -> Self {
        self.cluster.add_worker().await;
        self.cluster.workers[0].logged("made an index of vectors").await;
        self
    }

    pub(crate) async fn persona(&self) -> PersonaId {
        persona(&self.cluster.db).await
    }

    /// Passages that say this, each of a source of its own. They come all at once.
    pub(crate) async fn passages<T: AsRef<str>>(&self, persona: PersonaId, contents: &[T]) -> Vec<PassageId> {
        let mut passages = Vec::new();
        let mut transaction = self.cluster.db.begin().await.unwrap();
        for content in contents {
            let (passage, source) = (PassageId::new(), Uuid::from(PassageId::new()));
            insert(&mut *transaction, passage, persona, source, content.as_ref()).await;
            passages.push(passage);
        }
        transaction.commit().await.unwrap();
        passages
    }

    pub(crate) async fn execute(&self, statement: &'static str, id: Uuid) {
        sqlx::query(statement).bind(id).execute(&self.cluster.db).await.unwrap();
    }

    /// Waits until the collection that is searched has exactly these, and nothing is left to be done.
    pub(crate) async fn indexed(&self, passages: &[PassageId]) {
        let mut expected: Vec<_> = passages.iter().map(ToString::to_string).collect();
        expected.sort();
        let points =
            || self.qdrant.searched(ALIAS).map(|collection| self.qdrant.points(&collection)).unwrap_or_default();
        // The count comes first: Qdrant is served by the same thread while it is waited for.
        let looks = async { while self.cluster.count("vector_work").await > 0 || points() != expected {} };
        within(&format!("{} points in Qdrant", expected.len()), looks).await;
    }
}

fn numbered(many: usize) -> Vec<String> {
    (0..many).map(|number| format!("This is what passage {number} says.")).collect()
}

#[tokio::test]
async fn passages_that_come_and_go_do_so_in_the_vector_store() {
    let scene = Scene::new().await;
    let (one, other) = (scene.persona().await, scene.persona().await);
    let mut passages = scene.passages(one, &numbered(25)).await;
    let others = scene.passages(other, &["Something else."]).await;
    scene.indexed(&[&passages[..], &others].concat()).await;
    assert_eq!(scene.cluster.count("embeddings").await, 26);

    let gone = passages.remove(7);
    scene.execute("delete from passages where id = $1", gone.as_uuid()).await;
    scene.indexed(&[&passages[..], &others].concat()).await;
    assert_eq!(scene.cluster.count("embeddings").await, 25, "what nobody says any more is forgotten");

    scene.execute("delete from personas where id = $1", one.as_uuid()).await;
    scene.indexed(&others).await;
    assert_eq!(scene.cluster.count("embeddings").await, 1);
    scene.cluster.assert_quiet().await;
}

/// An edit cuts a document anew: all its passages go and come in one transaction, and most say what others said before.
#[tokio::test]
async fn no_content_is_paid_for_twice() {
    let scene = Scene::new().await;
    let persona = scene.persona().await;
    let contents = numbered(12);
    let before = scene.passages(persona, &contents).await;
    scene.indexed(&before).await;

    let mut transaction = scene.cluster.db.begin().await.unwrap();
    sqlx::query("delete from passages where persona_id = $1")
        .bind(persona.as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();
    let again = r#"insert into passages (id, persona_id, source_kind, source_id, ordinal, place, content, language, search)
                 select gen_random_uuid(), $1, 'document', gen_random_uuid(), 0, '{"headings": [], "start": 0, "end": 0}', content, 'simple', ''
                 from unnest($2::text[]) as said (content) returning id"#;
    let edited: Vec<_> = contents[1..].iter().map(String::as_str).chain(["A new beginning."]).collect();
    let after =
        sqlx::query_scalar(again).bind(persona.as_uuid()).bind(&edited).fetch_all(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let mut after: Vec<_> = after.into_iter().map(|id: Uuid| PassageId::from(id)).collect();
    scene.indexed(&after).await;
    let elsewhere = scene.persona().await;
    after.extend(scene.passages(elsewhere, &contents[..5]).await);
    scene.indexed(&after).await;

    for content in &contents[1..] {
        assert_eq!(scene.embedder.embedded(content), 1, "{content}");
    }
    assert_eq!(scene.embedder.embedded("A new beginning."), 1);
}

#[tokio::test]
async fn an_embedder_that_is_away_or_refuses_holds_nothing_up_for_long() {
    let scene = Scene::new().await;
    scene.embedder.set_mood(Mood::Status(503));
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &numbered(3)).await;
    scene.embedder.called(scene.embedder.calls() + 3).await;
    assert_eq!(scene.cluster.count("embeddings").await, 0);
    scene.embedder.set_mood(Mood::Well);
    scene.indexed(&passages).await;

    // One that is refused waits; those that came with it do not.
    let unspeakable = format!("An {REFUSED} word.");
    let mut more = scene.passages(persona, &["One more.", &unspeakable, "And another."]).await;
    let refused = more.remove(1);
    let warned = |entry: &Value| entry["fields"]["message"] == "a passage cannot be found by its vector";
    scene.cluster.worker_logged("that a passage was refused", warned).await;
    let expected = passages.len() + more.len();
    let indexed = async {
        while scene.cluster.count("vector_work").await != 1
            || scene.qdrant.points(&scene.qdrant.searched(ALIAS).unwrap()).len() != expected
        {}
        while scene.cluster.count("vector_work where due_at > now() + interval '1 hour'").await != 1 {}
    };
    within("all but the refused one", indexed).await;
    scene.execute("delete from passages where id = $1", refused.as_uuid()).await;
    scene.indexed(&[passages, more].concat()).await;
    assert!(scene.cluster.logs().matches(REFUSED).count() == 0, "what passages say is no business of a log's");
}

/// Away, silent, forgetting its answers; and the worker killed in the middle.
#[tokio::test]
async fn what_the_vector_store_did_not_hear_it_is_told_again() {
    let mut scene = Scene::of_processes().await;
    let persona = scene.persona().await;
    scene.qdrant.go_away().await;
    let mut passages = scene.passages(persona, &numbered(40)).await;
    scene.cluster.workers[0].logged("a job failed; it is tried again").await;
    let gone = passages.split_off(30);
    for passage in &gone {
        scene.execute("delete from passages where id = $1", passage.as_uuid()).await;
    }
    scene.qdrant.come_back().await;
    scene.indexed(&passages).await;

    scene.qdrant.set_trouble(Trouble::LoseAnswers);
    let calls = scene.qdrant.calls();
    passages.extend(scene.passages(persona, &["Heard, and not confirmed."]).await);
    scene.qdrant.called(calls + 2).await;
    scene.qdrant.set_trouble(Trouble::None);
    scene.indexed(&passages).await;

    scene.qdrant.set_trouble(Trouble::Silence);
    passages.extend(scene.passages(persona, &["Told by one who dies."]).await);
    within("its vector", async { while scene.cluster.count("embeddings").await != 32 {} }).await;
    scene.cluster.workers[0].kill().await;
    scene.qdrant.set_trouble(Trouble::None);
    // Its lease would end by itself; a test has not the time.
    scene.execute("update vector_work set due_at = now() where $1 is not null", Uuid::nil()).await;
    scene.cluster.add_worker().await;
    scene.indexed(&passages).await;
    assert_eq!(scene.embedder.embedded("Told by one who dies."), 1);
}

/// Whatever was lost comes back by itself, without a word being embedded again.
#[tokio::test]
async fn a_vector_store_that_lost_everything_is_filled_again() {
    let scene = Scene::new().await;
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &numbered(35)).await;
    scene.indexed(&passages).await;
    let calls = scene.embedder.calls();
    scene.qdrant.forget();
    scene.indexed(&passages).await;
    assert_eq!(scene.embedder.calls(), calls);
}

/// Another model's vectors cannot be compared: it has an index of its own, which is made by itself.
#[tokio::test]
async fn a_change_of_the_model_makes_another_index() {
    let mut scene = Scene::new().await;
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &numbered(23)).await;
    scene.indexed(&passages).await;
    scene.cluster.workers[0].stop().await;
    scene.embedder.set_dimension(16);
    scene.cluster.set("TROUPE_EMBEDDINGS__DIMENSION", "16");
    let worker = scene.cluster.add_worker().await;
    scene.cluster.workers[worker].logged("made an index of vectors").await;
    let collection = scene.qdrant.searched("troupe_scripted-16").expect("an index of the new model");
    assert_eq!(scene.qdrant.points(&collection).len(), 23);
    assert_eq!(scene.cluster.count("embeddings where model = 'scripted@16'").await, 23);
    assert_eq!(scene.qdrant.points(&scene.qdrant.searched(ALIAS).unwrap()).len(), 23, "the old one is not touched");

    // And back: what changed meanwhile has not reached the old index, so there is a new one.
    let more = scene.passages(persona, &["Said to the other model."]).await;
    let told =
        async { while scene.cluster.count("vector_work").await > 0 || scene.qdrant.points(&collection).len() != 24 {} };
    within("the new passage", told).await;
    scene.cluster.workers[worker].stop().await;
    scene.embedder.set_dimension(8);
    scene.cluster.set("TROUPE_EMBEDDINGS__DIMENSION", "8");
    scene.cluster.add_worker().await;
    scene.indexed(&[passages, more].concat()).await;
    assert_eq!(scene.qdrant.searched(ALIAS).as_deref(), Some("troupe_scripted-8_v2"));
}

async fn refuses_to_start(scene: &Scene, words: &str) {
    let mut worker = Process::start("troupe-worker", "a worker".to_owned(), &[], scene.cluster.environment());
    assert!(!worker.ended().await.success());
    let said = worker.lines().join("\n");
    assert!(said.contains(words), "{words} is missing:\n{said}");
}

#[tokio::test]
async fn what_does_not_fit_is_said_at_start() {
    let scene = Scene::without_workers().await;
    scene.embedder.set_dimension(12);
    refuses_to_start(&scene, "its vectors have 12 numbers, embeddings.dimension says 8").await;
    scene.embedder.set_dimension(8);
    scene.qdrant.put_collection("troupe_scripted-8_v1", ALIAS, 5);
    refuses_to_start(&scene, "the collection troupe_scripted-8_v1 of Qdrant has vectors of 5 numbers").await;
    scene.qdrant.forget();
    scene.qdrant.set_version("1.7.4");
    refuses_to_start(&scene, "Qdrant 1.7.4 is too old: 1.10 or newer is needed").await;
}

/// TLS and a key, from the worker's start to the last point.
#[tokio::test]
async fn qdrant_is_spoken_with_by_tls() {
    let (embedder, qdrant) = (ScriptedEmbedder::start(8).await, FakeQdrant::start_with_tls("s3cret").await);
    let directory = tempfile::tempdir().unwrap();
    let certificate = directory.path().join("qdrant.pem");
    std::fs::write(&certificate, qdrant.certificate()).unwrap();
    let options = options(&embedder).processes().set("QDRANT_URL", &qdrant.url()).set("QDRANT_API_KEY", "s3cret");
    let mut scene = Scene { cluster: options.start().await, embedder, qdrant };
    // Nobody vouches for it yet.
    scene.cluster.add_worker().await;
    scene.cluster.workers[0].logged("retrieval by vectors does not work yet").await;
    scene.cluster.workers[0].stop().await;
    assert!(scene.qdrant.collections().is_empty());

    scene.cluster.set("SSL_CERT_FILE", certificate.to_str().unwrap());
    let worker = scene.cluster.add_worker().await;
    scene.cluster.workers[worker].logged("made an index of vectors").await;
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &numbered(3)).await;
    scene.indexed(&passages).await;
    assert!(!scene.cluster.logs().contains("s3cret"));
}

/// Each process has copies of its own: what one worker embeds, another finds, and so does a server; and nobody what has
/// gone.
#[tokio::test]
async fn without_qdrant_every_process_finds_what_any_has_embedded() {
    let embedder = ScriptedEmbedder::start(8).await;
    let mut cluster = options(&embedder).start().await;
    cluster.add_worker().await;
    let persona = persona(&cluster.db).await;
    let other = crate::knowledge::vector_stores::persona(&cluster.db).await;
    // As another worker, or a server, makes its own.
    let live = Live::fixed(cluster.config());
    let clock = Arc::new(SystemClock);
    let asking = embedders::from_config(&live, clock.clone(), &Tasks::default()).unwrap();
    let new_store = || vector_stores::from_config(&live, asking.as_ref(), cluster.db.clone(), clock.clone()).unwrap();
    let [here, there] = [new_store(), new_store()];

    // What comes while the index is being made may be embedded for both reasons.
    let made = |line: &Value| line["fields"]["message"] == "made an index of vectors";
    cluster.worker_logged("the index is made", made).await;
    let mut passages = Vec::new();
    for content in ["About lamps.", "About boats.", "About soup."] {
        let passage = PassageId::new();
        insert(&cluster.db, passage, persona, Uuid::from(PassageId::new()), content).await;
        passages.push(passage);
    }
    let vector = asking.embed(&["About boats.".to_owned()]).await.unwrap().remove(0);
    let found = async |store: &dyn VectorStore, persona| {
        let near = nearest(&cluster.db, store, persona, &vector, 10).await.unwrap();
        near.into_iter().map(|near| near.passage.id).collect::<Vec<_>>()
    };
    for store in [&here, &there] {
        within("all three", async { while found(store.as_ref(), persona).await.len() != 3 {} }).await;
        assert_eq!(found(store.as_ref(), persona).await[0], passages[1]);
        assert!(found(store.as_ref(), other).await.is_empty());
    }
    assert_eq!(embedder.embedded("About soup."), 1);

    // Not one moment longer than PostgreSQL has it, though the copies may not have heard of it yet.
    let gone = sqlx::query("delete from passages where id = $1").bind(passages[1].as_uuid());
    gone.execute(&cluster.db).await.unwrap();
    for store in [&here, &there] {
        assert!(!found(store.as_ref(), persona).await.contains(&passages[1]));
        let copies = async { while store.search(persona, &vector, 10).await.unwrap().len() != 2 {} };
        within("the copy to have heard of it", copies).await;
    }
    // A worker that starts later has it all from PostgreSQL.
    cluster.workers[0].stop().await;
    let calls = embedder.calls();
    let later = new_store();
    assert_eq!(found(later.as_ref(), persona).await.len(), 2);
    assert_eq!(embedder.calls(), calls);
}
