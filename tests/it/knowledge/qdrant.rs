//! Qdrant alone: its versions, its key, what does not fit, and its troubles.

use troupe_core::ports::VectorStoreError;
use troupe_tests::{
    qdrant::{FakeQdrant, Trouble},
    within,
};

use crate::knowledge::vector_stores::{Ground, at};

/// Old versions read vectors from elsewhere, and one that is too old says so.
#[tokio::test]
async fn qdrant_1_10_will_do_and_older_ones_are_named() {
    let ground = Ground::new().await;
    ground.qdrant.set_version("1.10.0");
    let [_, world] = ground.worlds().await;
    let persona = world.persona().await;
    world.told(persona, &[at(10.0)]).await;
    assert_eq!(world.found(persona, &at(0.0), 5).await.len(), 1);
    ground.qdrant.set_version("1.9.7");
    let error = world.store.searched().await.unwrap_err().to_string();
    assert_eq!(error, "the vector store does not fit: Qdrant 1.9.7 is too old: 1.10 or newer is needed");
}

#[tokio::test]
async fn qdrant_is_given_its_key_and_indexes_what_is_filtered() {
    let ground = Ground::new().await;
    let qdrant = FakeQdrant::start_with_key("s3cret").await;
    let mut config = ground.config.clone();
    config.qdrant.url = Some(qdrant.url().parse().unwrap());
    let refused = ground.store(&config).searched().await.unwrap_err().to_string();
    assert!(refused.contains("PermissionDenied"), "{refused}");
    config.qdrant.api_key = Some("s3cret".into());
    let store = ground.store(&config);
    assert_eq!(store.searched().await.unwrap(), None);
    let index = store.begin().await.unwrap();
    store.finish(&index).await.unwrap();
    assert_eq!(qdrant.searched("troupe_named-8").as_deref(), Some("troupe_named-8_v1"));
    assert_eq!(qdrant.indexed_fields("troupe_named-8_v1"), ["persona", "source"]);
}

#[tokio::test]
async fn a_collection_of_another_dimension_is_named() {
    let ground = Ground::new().await;
    ground.qdrant.put_collection("troupe_named-8_v3", "troupe_named-8", 5);
    let store = ground.store(&ground.config_with_qdrant());
    let error = store.searched().await.unwrap_err();
    assert!(matches!(error, VectorStoreError::Unfit(_)), "{error}");
    let said = error.to_string();
    for word in ["troupe_named-8_v3", "vectors of 5 numbers", "vectors of 8 numbers"] {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
}

/// A search ends in time whatever Qdrant does, and works again when Qdrant does.
#[tokio::test]
async fn a_search_in_qdrant_never_takes_long() {
    let mut ground = Ground::new().await;
    let [_, world] = ground.worlds().await;
    let persona = world.persona().await;
    world.told(persona, &[at(10.0)]).await;
    for trouble in [Trouble::Silence, Trouble::Refuse] {
        ground.qdrant.set_trouble(trouble);
        let error = world.store.search(persona, &at(0.0), 5).await.unwrap_err().to_string();
        let expected = if trouble == Trouble::Silence { "no answer within 300ms" } else { "as scripted" };
        assert!(error.contains(expected), "{error}");
        ground.qdrant.set_trouble(Trouble::None);
        assert_eq!(world.found(persona, &at(0.0), 5).await.len(), 1, "after {trouble:?}");
    }
    ground.qdrant.go_away().await;
    assert!(world.store.search(persona, &at(0.0), 5).await.is_err());
    ground.qdrant.come_back().await;
    within("a search that finds", async { while world.store.search(persona, &at(0.0), 5).await.is_err() {} }).await;
}
