//! `troupe-worker reindex`: a new index beside the one that is searched, then in its place.

use std::ffi::OsStr;

use troupe_tests::{Process, qdrant::Trouble};

use crate::knowledge::vectors::{ALIAS, Scene};

const V1: &str = "troupe_scripted-8_v1";
const V2: &str = "troupe_scripted-8_v2";

fn reindex(scene: &Scene) -> Process {
    Process::start("troupe-worker", "reindex".to_owned(), &[OsStr::new("reindex")], scene.cluster.environment())
}

fn contents(many: usize) -> Vec<String> {
    (0..many).map(|number| format!("Thing {number} that somebody knows.")).collect()
}

#[tokio::test]
async fn a_new_index_takes_the_place_of_the_old_one() {
    let scene = Scene::new().await;
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &contents(45)).await;
    scene.indexed(&passages).await;
    let calls = scene.embedder.calls();

    let mut command = reindex(&scene);
    assert!(command.ended().await.success(), "{}", command.lines().join("\n"));
    let said = command.lines().join("\n");
    for words in ["troupe_scripted-8_v2: 0 passages", "v2: 10 passages", "v2: 45 passages", "searched from now on"] {
        assert!(said.contains(words), "{words} is missing:\n{said}");
    }
    assert_eq!(scene.qdrant.searched(ALIAS).as_deref(), Some(V2));
    assert_eq!(scene.qdrant.collections(), [V2], "the old one is removed");
    scene.indexed(&passages).await;
    assert_eq!(scene.embedder.calls(), calls, "nothing is embedded again");
    // What comes later goes to the new one.
    let more = scene.passages(persona, &["Known since."]).await;
    scene.indexed(&[passages, more].concat()).await;
}

/// Killed in the middle, run again: it goes on, and has what came and went meanwhile.
#[tokio::test]
async fn a_rebuild_that_was_interrupted_goes_on() {
    let scene = Scene::new().await;
    let persona = scene.persona().await;
    let mut passages = scene.passages(persona, &contents(45)).await;
    scene.indexed(&passages).await;

    // It is held after some pages, so that its end does not come before it is killed.
    let mut command = reindex(&scene);
    command.printed("v2: 10 passages").await;
    scene.qdrant.set_trouble(Trouble::Silence);
    command.kill().await;
    scene.qdrant.set_trouble(Trouble::None);
    assert_eq!(scene.qdrant.searched(ALIAS).as_deref(), Some(V1));
    let before = scene.qdrant.points(V2).len();
    assert!(before >= 10, "{before}");

    let more = scene.passages(persona, &["Known since."]).await;
    let gone = passages.remove(3);
    scene.execute("delete from passages where id = $1", gone.as_uuid()).await;
    passages.extend(more);
    scene.indexed(&passages).await;

    let mut command = reindex(&scene);
    assert!(command.ended().await.success(), "{}", command.lines().join("\n"));
    assert!(!command.lines().iter().any(|line| line.contains("v2: 0 passages")), "{}", command.lines().join("\n"));
    assert_eq!(scene.qdrant.collections(), [V2]);
    scene.indexed(&passages).await;
}

/// Qdrant goes away for a while: the command waits for it.
#[tokio::test]
async fn a_rebuild_waits_for_a_vector_store_that_is_away() {
    let scene = Scene::new().await;
    let persona = scene.persona().await;
    let passages = scene.passages(persona, &contents(25)).await;
    scene.indexed(&passages).await;
    scene.qdrant.set_trouble(Trouble::Refuse);
    let mut command = reindex(&scene);
    command.printed("as scripted; going on in").await;
    scene.qdrant.set_trouble(Trouble::None);
    assert!(command.ended().await.success(), "{}", command.lines().join("\n"));
    scene.indexed(&passages).await;
    assert_eq!(scene.qdrant.searched(ALIAS).as_deref(), Some(V2));
}
