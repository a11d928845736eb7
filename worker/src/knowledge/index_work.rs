//! Makes passages of what has changed: a few sources at a time in every worker.
//!
//! What is to be done is in PostgreSQL ([`index_work`]). Redis only says that there is something; a slow tick makes good what
//! went unheard. A source that fails is tried again after a pause; one that cannot be read, or fails too often, is done with,
//! and its owner is told why.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::redis::{RedisHandle, index_work_channel},
    config::Knowledge,
    lifecycle::Tasks,
    model::knowledge::{Mark, SourceKind},
};
use troupe_db::{
    interview::responses::{self, Said},
    knowledge::{
        documents,
        index_work::{self, IndexWork},
        passages,
    },
    personas,
};

use super::{
    child::{Failure, extract_apart},
    cut::cut,
    extract::Extracted,
};

/// An announcement that was lost costs at most this, and a pause ends so exactly.
const SLOW_TICK: Duration = Duration::from_secs(1);
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// Beside the time for reading it, a source is cut and stored.
const LEASE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

pub(crate) struct Indexer {
    pub(crate) pool: PgPool,
    pub(crate) settings: Knowledge,
}

/// What a source says now.
enum Source {
    /// It is gone, or does not count (any more).
    Nothing,
    Text {
        text: String,
        outline: Vec<Mark>,
    },
    /// What was taken out of a document just now.
    Extracted(Extracted),
    Unreadable(String),
}

#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Extraction(Failure),
    #[error("cut a source: {0}")]
    Cut(#[from] tokio::task::JoinError),
}

/// Indexes until the shutdown.
pub(crate) fn start(indexer: Indexer, redis: RedisHandle, tasks: &Tasks) {
    let (told, news) = watch::channel(());
    tasks.spawn(hear(redis, told, tasks.shutdown().clone()));
    let indexer = Arc::new(indexer);
    for _ in 0..indexer.settings.index_at_once {
        tasks.spawn(work(indexer.clone(), news.clone(), tasks.shutdown().clone()));
    }
}

async fn hear(redis: RedisHandle, told: watch::Sender<()>, shutdown: CancellationToken) {
    let listen = async {
        loop {
            match redis.announcements(&index_work_channel(redis.prefix())).await {
                Ok(mut announced) => {
                    while announced.next().await.is_some() {
                        told.send_replace(());
                    }
                }
                Err(error) => tracing::warn!(%error, "changes go unheard; looking for them in between"),
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    };
    shutdown.run_until_cancelled(listen).await;
}

async fn work(indexer: Arc<Indexer>, mut news: watch::Receiver<()>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let more = indexer.next(&shutdown).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not look for changed sources");
            false
        });
        if more {
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(SLOW_TICK) => {}
            heard = news.changed() => if heard.is_err() { return },
        }
    }
}

impl Indexer {
    /// Indexes what has waited longest; `false` where nothing waits.
    async fn next(&self, shutdown: &CancellationToken) -> sqlx::Result<bool> {
        let lease = self.settings.extract_timeout + LEASE;
        let Some(work) = index_work::take(&self.pool, lease).await? else { return Ok(false) };
        let (kind, id, attempt) = (work.source_kind, work.source_id, work.attempts);
        match shutdown.run_until_cancelled(self.index(&work)).await {
            None => index_work::put_back(&self.pool, &work, Duration::ZERO).await?,
            Some(Ok(Some(passages))) => tracing::info!(%kind, %id, attempt, passages, "indexed"),
            Some(Ok(None)) => tracing::debug!(%kind, %id, attempt, "has changed since"),
            Some(Err(error)) => {
                tracing::warn!(%kind, %id, attempt, %error, "could not index; trying again later");
                let pause = Duration::from_secs(1 << attempt.clamp(0, 6)).min(LONGEST_PAUSE);
                index_work::put_back(&self.pool, &work, pause).await?;
            }
        }
        Ok(true)
    }

    /// Makes the passages of a source; says how many, or `None` where that is another's by now.
    async fn index(&self, work: &IndexWork) -> Result<Option<usize>, IndexError> {
        let source = self.source(work).await?;
        let name = format!("{} {}", work.source_kind, work.source_id);
        let cutting = tokio::task::spawn_blocking(move || {
            let passages = match &source {
                Source::Text { text, outline } | Source::Extracted(Extracted { text, outline, .. }) => {
                    cut(&name, text, outline)
                }
                Source::Nothing | Source::Unreadable(_) => Vec::new(),
            };
            (source, passages)
        });
        let (source, passages) = cutting.await?;
        let mut transaction = self.pool.begin().await?;
        hold(&mut transaction, work).await?;
        if !index_work::settle(&mut *transaction, work).await? {
            return Ok(None);
        }
        keep(&mut transaction, work, &source).await?;
        passages::replace(&mut transaction, work.persona_id, work.source_kind, work.source_id, &passages).await?;
        transaction.commit().await?;
        Ok(Some(passages.len()))
    }

    async fn source(&self, work: &IndexWork) -> Result<Source, IndexError> {
        let most = self.settings.index_attempts;
        match work.source_kind {
            _ if work.attempts > most => Ok(Source::Unreadable(format!("could not be indexed, {most} times"))),
            SourceKind::Document => self.document(work).await,
            SourceKind::Response => Ok(responses::load_said(&self.pool, work.source_id.into()).await?.into()),
        }
    }

    async fn document(&self, work: &IndexWork) -> Result<Source, IndexError> {
        let Some(stored) = documents::load(&self.pool, work.source_id.into()).await? else {
            return Ok(Source::Nothing);
        };
        if let Some(original) = stored.original {
            return match extract_apart(&self.settings, stored.media_type, &original).await {
                Ok(extracted) => Ok(Source::Extracted(extracted)),
                Err(Failure::Refused(refused)) => Ok(Source::Unreadable(refused.0)),
                Err(failure) => Err(IndexError::Extraction(failure)),
            };
        }
        Ok(match (stored.content, stored.outline) {
            (Some(text), Some(outline)) => Source::Text { text, outline: outline.0 },
            _ => Source::Nothing,
        })
    }
}

impl From<Option<Said>> for Source {
    /// The question stands above its answer as a heading: people ask for things in other words than they answer in.
    fn from(said: Option<Said>) -> Self {
        let Some(Said { question, content }) = said else { return Self::Nothing };
        let outline = vec![Mark::Heading { at: 0, end: question.len(), level: 1 }];
        Self::Text { text: format!("{question}\n\n{content}"), outline }
    }
}

/// Has everybody wait who would change or delete the persona or the source. They lock in this order as well, so that nobody
/// waits for each other.
async fn hold(db: &mut PgConnection, work: &IndexWork) -> sqlx::Result<()> {
    personas::hold(&mut *db, work.persona_id).await?;
    match work.source_kind {
        SourceKind::Document => documents::hold(db, work.source_id.into()).await,
        SourceKind::Response => responses::hold(db, work.source_id.into()).await,
    }
}

/// Stores what else became of a source.
async fn keep(db: &mut PgConnection, work: &IndexWork, source: &Source) -> sqlx::Result<()> {
    let id = work.source_id.into();
    match (source, work.source_kind) {
        (Source::Extracted(Extracted { title, text, outline }), _) => {
            documents::keep_text(db, id, title.as_deref(), text, outline).await
        }
        (Source::Unreadable(reason), SourceKind::Document) => documents::fail(db, id, reason).await,
        (Source::Unreadable(reason), SourceKind::Response) => {
            tracing::error!(id = %work.source_id, reason, "giving up an answer: its passages are removed");
            Ok(())
        }
        (Source::Text { .. } | Source::Nothing, _) => Ok(()),
    }
}
