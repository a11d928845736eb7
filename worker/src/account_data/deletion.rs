//! Deletes a user's data in batches, each in a transaction that is fenced by the lease.
//!
//! A persona is deleted with all its conversations, including those of other users, as when its owner deletes it.
//! Triggers handle passages, and through `vector_work` vectors.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;
use sqlx::PgConnection;
use tokio::time::sleep;
use troupe_core::{
    config::Housekeeping,
    ids::UserId,
    jobs::{DeleteAccount, Payload},
    model::audit::{By, On},
};
use troupe_db::{accounts::deletions, operations::audit};

use super::{RETRY_BASE, RETRY_CAP, Steps, TIME_LIMIT};
use crate::work::{Context, Job, JobError, Outcome, RetryPolicy, Settings};

pub(crate) struct Deletion {
    pub(crate) pace: Housekeeping,
    /// The retention of completed deletions.
    pub(crate) kept: Duration,
}

/// Small, since documents are large.
const DOCUMENTS: i64 = 10;

/// Deletes at most so many rows of one kind of the user's data.
type Batch = for<'c> fn(&'c mut PgConnection, UserId, i64) -> BoxFuture<'c, sqlx::Result<u64>>;

/// The steps, in this order: referenced rows last.
const STEPS: [(&str, Batch); 9] = [
    ("conversations", |db, user, max_rows| Box::pin(conversations(db, user, max_rows))),
    ("memories", |db, user, max_rows| Box::pin(deletions::delete_memories(db, user, max_rows))),
    ("documents", |db, user, max_rows| Box::pin(deletions::delete_documents(db, user, max_rows.min(DOCUMENTS)))),
    ("answers", |db, user, max_rows| Box::pin(deletions::delete_answers(db, user, max_rows))),
    ("personas", |db, user, _| Box::pin(deletions::delete_persona(db, user))),
    ("questions", |db, user, max_rows| Box::pin(deletions::delete_questions(db, user, max_rows))),
    ("exports", |db, user, max_rows| Box::pin(exports(db, user, max_rows))),
    ("keys", |db, user, max_rows| Box::pin(deletions::delete_idempotency_keys(db, user, max_rows))),
    ("money", |db, user, _| Box::pin(deletions::delete_money(db, user))),
];

impl Job for Deletion {
    const KIND: &'static str = DeleteAccount::KIND;
    type Payload = DeleteAccount;

    fn settings(&self) -> Settings {
        Settings {
            weight: 1,
            concurrency: 1,
            retry: RetryPolicy::doubling(None, RETRY_BASE, RETRY_CAP),
            time_limit: TIME_LIMIT,
            kept: self.kept,
            dead_letter_kept: None,
        }
    }

    /// Deletes what there is; a retry deletes the rest.
    async fn run(&self, DeleteAccount {}: DeleteAccount, context: &Context) -> Result<Outcome, JobError> {
        let Some(user) = context.user else { return Ok(Outcome::DONE) };
        // The account itself is the last step.
        let mut steps = Steps::of(STEPS.len() as i32 + 1);
        let before = context.progress.as_ref().and_then(|progress| progress["items"].as_i64());
        steps.at.items = before.unwrap_or_default();
        let max_rows = i64::from(self.pace.batch);
        for (name, batch) in STEPS {
            steps.next(name);
            loop {
                let mut transaction = context.begin(&steps.at).await?;
                let deleted = batch(&mut transaction, user, max_rows).await?;
                transaction.commit().await?;
                if deleted == 0 {
                    break;
                }
                steps.at.items += deleted as i64;
                if deleted >= max_rows as u64 {
                    sleep(self.pace.pause).await;
                }
            }
        }
        steps.next("account");
        let mut transaction = context.begin(&steps.at).await?;
        let gone = By::SYSTEM.does("account.deleted").on(On::user(user));
        audit::append(&mut *transaction, &gone).await?;
        deletions::delete_account(&mut *transaction, user).await?;
        let done = context.finish(&mut *transaction, Some(&json!({"items": steps.at.items}))).await?;
        transaction.commit().await?;
        Ok(done)
    }
}

/// The contents of a conversation are deleted before it.
async fn conversations(db: &mut PgConnection, user: UserId, max_rows: i64) -> sqlx::Result<u64> {
    let Some(conversation) = deletions::next_conversation(&mut *db, user).await? else { return Ok(0) };
    match deletions::delete_requests(&mut *db, conversation, max_rows).await? {
        0 => deletions::delete_conversation(&mut *db, conversation).await,
        deleted => Ok(deleted),
    }
}

async fn exports(db: &mut PgConnection, user: UserId, max_rows: i64) -> sqlx::Result<u64> {
    match deletions::delete_export_parts(&mut *db, user, max_rows).await? {
        0 => deletions::delete_jobs(&mut *db, user).await,
        deleted => Ok(deleted),
    }
}
