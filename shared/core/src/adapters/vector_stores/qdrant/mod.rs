//! Qdrant over gRPC: one collection per embedding model, searched through an alias.
//!
//! A point's id is its passage's, so upserts are idempotent. The payload has the persona and the source;
//! [`QdrantVectorStore::search`] is the only search, and is filtered by persona. Changes go to the collection behind
//! the alias and to a newer one under construction ([`collections`]).

mod collections;

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use qdrant_client::{
    Payload, Qdrant, QdrantError,
    qdrant::{
        Condition, DeletePointsBuilder, DenseVector, Filter, PointId, PointStruct, Query, QueryPointsBuilder,
        UpsertPointsBuilder, Vector, point_id::PointIdOptions, vector,
    },
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

use super::qdrant::collections::Collections;
use crate::{
    config::{self, LiveSecret},
    ids::{PassageId, PersonaId},
    ports::{Found, Index, Point, PortError, VectorStore, VectorStoreError},
};

/// Fields of a point's payload.
const PERSONA: &str = "persona";
const SOURCE: &str = "source";

/// The timeout of everything but searches.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Passages per call: with vectors sent twice, four bytes per number, it stays far below Qdrant's 32 MiB.
const NUMBERS_IN_A_CALL: usize = 1 << 20;

/// gRPC status codes.
const GRPC_NOT_FOUND: i32 = 5;

pub struct QdrantVectorStore {
    url: String,
    key: LiveSecret,
    /// Built with the key beside it.
    client: RwLock<(Option<SecretString>, Qdrant)>,
    collections: Collections,
    dimension: usize,
    /// The timeout of a search.
    timeout: Duration,
}

impl QdrantVectorStore {
    /// Connects lazily.
    pub fn new(
        url: &Url,
        settings: &config::Qdrant,
        key: LiveSecret,
        model: &str,
        dimension: usize,
    ) -> Result<Self, VectorStoreError> {
        let url = url.as_str().trim_end_matches('/').to_owned();
        let now = key.now();
        let client = RwLock::new((now.clone(), connect(&url, now.as_ref())?));
        let collections = Collections::new(&settings.prefix, model, dimension);
        Ok(Self { url, key, client, collections, dimension, timeout: settings.timeout })
    }

    /// A client with the current key. Calls in flight keep theirs.
    fn client(&self) -> Result<Qdrant, VectorStoreError> {
        let expose = |key: &Option<SecretString>| key.as_ref().map(|key| key.expose_secret().to_owned());
        let key = self.key.now();
        let known = self.client.read();
        if expose(&known.0) == expose(&key) {
            return Ok(known.1.clone());
        }
        drop(known);
        let client = connect(&self.url, key.as_ref())?;
        *self.client.write() = (key, client.clone());
        tracing::info!("Qdrant is asked with another key now");
        Ok(client)
    }

    async fn upsert_into(&self, client: &Qdrant, collection: &str, points: &[Point]) -> Result<(), VectorStoreError> {
        for points in points.chunks((NUMBERS_IN_A_CALL / self.dimension.max(1)).max(1)) {
            let upsert = UpsertPointsBuilder::new(collection, points.iter().map(point).collect::<Vec<_>>()).wait(true);
            client.upsert_points(upsert).await.map_err(failed("tell Qdrant of passages"))?;
        }
        Ok(())
    }

    async fn delete(&self, selected: Filter) -> Result<(), VectorStoreError> {
        let client = self.client()?;
        for collection in self.collections.written(&client).await? {
            let delete = DeletePointsBuilder::new(collection).points(selected.clone()).wait(true);
            client.delete_points(delete).await.map_err(failed("remove passages from Qdrant"))?;
        }
        Ok(())
    }

    /// A vector of another dimension is our own fault, and needs no call.
    fn check(&self, vector: &[f32]) -> Result<(), VectorStoreError> {
        let (has, wants) = (vector.len(), self.dimension);
        if has == wants {
            return Ok(());
        }
        Err(VectorStoreError::Unfit(format!("a vector of {has} numbers among those of {wants}")))
    }
}

#[async_trait]
impl VectorStore for QdrantVectorStore {
    async fn searched(&self) -> Result<Option<Index>, VectorStoreError> {
        self.collections.searched_if_sound(&self.client()?).await
    }

    async fn upsert(&self, points: &[Point]) -> Result<(), VectorStoreError> {
        points.iter().try_for_each(|point| self.check(&point.vector))?;
        if points.is_empty() {
            return Ok(());
        }
        let client = self.client()?;
        for collection in self.collections.written(&client).await? {
            self.upsert_into(&client, &collection, points).await?;
        }
        Ok(())
    }

    async fn remove(&self, persona: PersonaId, passages: &[PassageId]) -> Result<(), VectorStoreError> {
        if passages.is_empty() {
            return Ok(());
        }
        let ids = passages.iter().map(|passage| PointId::from(passage.to_string()));
        self.delete(Filter::must([of(persona), Condition::has_id(ids)])).await
    }

    async fn remove_persona(&self, persona: PersonaId) -> Result<(), VectorStoreError> {
        self.delete(Filter::must([of(persona)])).await
    }

    async fn search(&self, persona: PersonaId, vector: &[f32], limit: usize) -> Result<Vec<Found>, VectorStoreError> {
        self.check(vector)?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let query = QueryPointsBuilder::new(self.collections.alias())
            .query(Query::new_nearest(vector.to_vec()))
            .filter(Filter::must([of(persona)]))
            .limit(limit as u64)
            .with_payload(false);
        let what = "search in Qdrant";
        let client = self.client()?;
        let answer = tokio::time::timeout(self.timeout, client.query(query)).await;
        let answer = answer.map_err(|_| {
            let why = format!("no answer within {}", humantime::format_duration(self.timeout));
            PortError { what, why }
        })?;
        let missing_or_failed =
            |error| if is_missing(&error) { VectorStoreError::NoIndex } else { failed(what)(error) };
        let points = answer.map_err(missing_or_failed)?.result;
        Ok(points
            .into_iter()
            .filter_map(|point| Some(Found { passage: passage(point.id?)?, score: point.score }))
            .collect())
    }

    async fn begin(&self) -> Result<Index, VectorStoreError> {
        self.collections.begin(&self.client()?).await
    }

    async fn fill(&self, index: &Index, points: &[Point]) -> Result<(), VectorStoreError> {
        points.iter().try_for_each(|point| self.check(&point.vector))?;
        if points.is_empty() {
            return Ok(());
        }
        self.upsert_into(&self.client()?, &index.name, points).await
    }

    async fn finish(&self, index: &Index) -> Result<(), VectorStoreError> {
        self.collections.finish(&self.client()?, index).await
    }
}

fn connect(url: &str, key: Option<&SecretString>) -> Result<Qdrant, VectorStoreError> {
    Qdrant::from_url(url)
        .api_key(key.map(ExposeSecret::expose_secret))
        .timeout(CALL_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // The client's own check prints; old versions are detected in `searched`.
        .skip_compatibility_check()
        .build()
        .map_err(|error| VectorStoreError::Unfit(complaint(&error)))
}

/// The filter that separates personas.
fn of(persona: PersonaId) -> Condition {
    Condition::matches(PERSONA, persona.to_string())
}

fn point(point: &Point) -> PointStruct {
    let mut payload = Payload::new();
    payload.insert(PERSONA, point.persona.to_string());
    payload.insert(SOURCE, point.source.to_string());
    PointStruct::new(point.passage.to_string(), dense(&point.vector), payload)
}

/// In both fields: old versions of Qdrant read one of them, and new ones deprecate it.
#[expect(deprecated, reason = "Qdrant 1.10 reads no other")]
fn dense(vector: &[f32]) -> Vector {
    let newer = vector::Vector::Dense(DenseVector { data: vector.to_vec() });
    Vector { data: vector.to_vec(), vector: Some(newer), ..Vector::default() }
}

fn passage(id: PointId) -> Option<PassageId> {
    match id.point_id_options? {
        PointIdOptions::Uuid(id) => Uuid::parse_str(&id).ok().map(PassageId::from),
        PointIdOptions::Num(_) => None,
    }
}

/// A short message: the error's own has every header of the response.
fn complaint(error: &QdrantError) -> String {
    match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            format!("{:?}: {}", status.code(), status.message())
        }
        other => other.to_string(),
    }
}

/// Whether the error is a missing collection.
fn is_missing(error: &QdrantError) -> bool {
    matches!(error, QdrantError::ResponseError { status } if i32::from(status.code()) == GRPC_NOT_FOUND)
}

fn failed(what: &'static str) -> impl Fn(QdrantError) -> VectorStoreError {
    move |error| PortError { what, why: complaint(&error) }.into()
}
