//! `troupe-worker doctor`: whether everything that a worker needs is there and well.

use std::sync::Arc;

use futures::future::join_all;
use troupe_core::{
    adapters::{embedders, redis},
    clock::SystemClock,
    config::Live,
    doctor::Finding,
    lifecycle::Tasks,
};
use troupe_db::{operations::doctor, vector_stores};

use crate::{
    APPLICATION,
    providers::{Endpoint, Roster},
};

/// Looks at PostgreSQL, Redis, the model services of the chain and the vector store. No tokens are spent.
pub async fn examine(live: &Live) -> Vec<Finding> {
    let config = live.now();
    let (postgres, redis) = tokio::join!(doctor::examine(&config.database, APPLICATION), redis::doctor::examine(live));
    let mut findings = postgres;
    findings.extend(redis);
    match Roster::from_config(&config) {
        Ok(roster) => {
            let endpoints = roster.endpoints();
            findings.extend(join_all(endpoints.iter().map(|endpoint| service(endpoint))).await);
        }
        Err(error) => findings.push(Finding::ill("providers", error.to_string(), "look at [providers] and [models]")),
    }
    findings.push(vectors(live).await);
    findings
}

async fn service(endpoint: &Endpoint) -> Finding {
    match endpoint.model.check().await {
        Ok(()) => Finding::well(&endpoint.name, format!("answers ({})", endpoint.default_model)),
        Err(failure) => {
            let advice = "look at its key, its address and its account; replies go to the next of the chain meanwhile";
            Finding::ill(&endpoint.name, failure.to_string(), advice)
        }
    }
}

async fn vectors(live: &Live) -> Finding {
    let config = live.now();
    let searched = async {
        let clock = Arc::new(SystemClock);
        let embedder =
            embedders::from_config(live, clock.clone(), &Tasks::default()).map_err(|error| error.to_string())?;
        let pool = troupe_db::connect_to_look(&config.database, APPLICATION).await;
        let pool = pool.map_err(|error| error.to_string())?;
        let store =
            vector_stores::from_config(live, embedder.as_ref(), pool, clock).map_err(|error| error.to_string())?;
        store.searched().await.map_err(|error| error.to_string())
    };
    match searched.await {
        Ok(Some(index)) => Finding::well("vector store", format!("searches {}", index.name)),
        Ok(None) => {
            Finding::doubtful("vector store", "it has no index", "start a worker, or run troupe-worker reindex")
        }
        Err(error) => Finding::ill("vector store", error, "look at QDRANT_URL (qdrant.url) and [embeddings]"),
    }
}
