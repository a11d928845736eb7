//! Job that rebuilds the passages of a changed source.
//!
//! A failure is retried after a pause; a source that cannot be read, or fails too often, is marked as failed, with the
//! reason for its owner.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use troupe_core::{
    config::Knowledge,
    jobs::{IndexSource, Payload},
    model::knowledge::{Mark, SourceKind},
};
use troupe_db::{
    interview::responses::{self, AnsweredQuestion},
    knowledge::{documents, passages},
    personas,
};

use super::{
    child::{Failure, extract_apart},
    cut::cut,
    extract::Extracted,
};
use crate::work::{Context, Job, JobError, Outcome, RetryPolicy, Settings};

/// Time for splitting and storing a source, besides extraction.
const TIME_LIMIT: Duration = Duration::from_mins(1);
const RETRY_BASE: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_mins(1);

/// The kind of job.
pub(crate) struct Indexer {
    pub(crate) settings: Knowledge,
}

/// The current content of a source.
enum Source {
    /// It is deleted, or not part of the knowledge.
    Nothing,
    Text {
        text: String,
        outline: Vec<Mark>,
    },
    /// The newly extracted text of a document.
    Extracted(Extracted),
    Unreadable(String),
}

impl Job for Indexer {
    const KIND: &'static str = IndexSource::KIND;
    type Payload = IndexSource;

    fn settings(&self) -> Settings {
        Settings {
            weight: 4,
            concurrency: self.settings.index_at_once,
            retry: RetryPolicy::doubling(Some(self.settings.index_attempts.unsigned_abs()), RETRY_BASE, RETRY_CAP),
            time_limit: self.settings.extract_timeout + TIME_LIMIT,
            kept: Duration::ZERO,
            dead_letter_kept: None,
        }
    }

    async fn run(&self, work: IndexSource, context: &Context) -> Result<Outcome, JobError> {
        let source = self.source(&context.pool, &work).await?;
        index(&work, source, context).await
    }

    async fn give_up(&self, work: IndexSource, context: &Context, _: &str) -> Result<Outcome, JobError> {
        let reason = format!("could not be indexed, {} times", self.settings.index_attempts);
        index(&work, Source::Unreadable(reason), context).await
    }
}

/// Replaces the passages of a source, and completes the job in the same transaction.
async fn index(work: &IndexSource, source: Source, context: &Context) -> Result<Outcome, JobError> {
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
    let (source, passages) = cutting.await.map_err(|error| JobError::failed(format!("cut a source: {error}")))?;
    let mut transaction = context.pool.begin().await?;
    hold(&mut transaction, work).await?;
    let done = context.finish(&mut *transaction, None).await?;
    keep(&mut transaction, work, &source).await?;
    passages::replace(&mut transaction, work.persona_id, work.source_kind, work.source_id, &passages).await?;
    transaction.commit().await?;
    tracing::debug!(kind = %work.source_kind, id = %work.source_id, passages = passages.len(), "indexed");
    Ok(done)
}

impl Indexer {
    async fn source(&self, pool: &PgPool, work: &IndexSource) -> Result<Source, JobError> {
        match work.source_kind {
            SourceKind::Document => self.document(pool, work).await,
            SourceKind::Response => Ok(responses::load_answered(pool, work.source_id.into()).await?.into()),
        }
    }

    async fn document(&self, pool: &PgPool, work: &IndexSource) -> Result<Source, JobError> {
        let Some(stored) = documents::load(pool, work.source_id.into()).await? else {
            return Ok(Source::Nothing);
        };
        if let Some(original) = stored.original {
            return match extract_apart(&self.settings, stored.media_type, &original).await {
                Ok(extracted) => Ok(Source::Extracted(extracted)),
                Err(Failure::Refused(refused)) => Ok(Source::Unreadable(refused.0)),
                Err(failure) => Err(JobError::failed(failure)),
            };
        }
        Ok(match (stored.content, stored.outline) {
            (Some(text), Some(outline)) => Source::Text { text, outline: outline.0 },
            _ => Source::Nothing,
        })
    }
}

impl From<Option<AnsweredQuestion>> for Source {
    /// With the question as a heading above the answer: searches use the words of questions.
    fn from(answered: Option<AnsweredQuestion>) -> Self {
        let Some(AnsweredQuestion { question, content }) = answered else { return Self::Nothing };
        let outline = vec![Mark::Heading { at: 0, end: question.len(), level: 1 }];
        Self::Text { text: format!("{question}\n\n{content}"), outline }
    }
}

/// Locks the persona and the source against changes. Writers lock in the same order, so there is no deadlock.
async fn hold(db: &mut PgConnection, work: &IndexSource) -> sqlx::Result<()> {
    personas::hold(&mut *db, work.persona_id).await?;
    match work.source_kind {
        SourceKind::Document => documents::hold(db, work.source_id.into()).await,
        SourceKind::Response => responses::hold(db, work.source_id.into()).await,
    }
}

/// Stores the other results for a source.
async fn keep(db: &mut PgConnection, work: &IndexSource, source: &Source) -> sqlx::Result<()> {
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
