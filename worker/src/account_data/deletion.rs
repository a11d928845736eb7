//! The end of all that is somebody's: batch by batch, each in a transaction that nobody can have taken over meanwhile.
//!
//! What is deleted of a persona is deleted for everybody, as when its owner deletes it: also what others have said to it. Triggers
//! see to what follows from it: passages, and through `vector_work` vectors.

use futures::future::BoxFuture;
use sqlx::{PgConnection, Postgres, Transaction};
use troupe_core::{
    ids::UserId,
    model::{
        account_data::AccountJobStatus,
        audit::{By, On},
    },
};
use troupe_db::{
    accounts::{account_jobs, deletions},
    operations::audit,
};

use super::{AccountData, Failure, Steps, Taken};

/// Documents are large.
const DOCUMENTS: i64 = 10;

/// Deletes at most so many of something of this user's.
type Batch = for<'c> fn(&'c mut PgConnection, UserId, i64) -> BoxFuture<'c, sqlx::Result<u64>>;

/// What is deleted, in this order: what others hang on goes last.
const STEPS: [(&str, Batch); 9] = [
    ("conversations", |db, user, most| Box::pin(conversations(db, user, most))),
    ("memories", |db, user, most| Box::pin(deletions::delete_memories(db, user, most))),
    ("documents", |db, user, most| Box::pin(deletions::delete_documents(db, user, most.min(DOCUMENTS)))),
    ("answers", |db, user, most| Box::pin(deletions::delete_answers(db, user, most))),
    ("personas", |db, user, _| Box::pin(deletions::delete_persona(db, user))),
    ("questions", |db, user, most| Box::pin(deletions::delete_questions(db, user, most))),
    ("exports", |db, user, most| Box::pin(exports(db, user, most))),
    ("keys", |db, user, most| Box::pin(deletions::delete_idempotency_keys(db, user, most))),
    ("money", |db, user, _| Box::pin(deletions::delete_money(db, user))),
];

/// Deletes what there is; returns how much that was.
pub(super) async fn delete(account_data: &AccountData, taken: &Taken) -> Result<i64, Failure> {
    // The account itself is the last step.
    let mut steps = Steps::of(STEPS.len() as i32 + 1);
    let most = i64::from(account_data.pace.batch);
    for (name, batch) in STEPS {
        steps.next(name);
        loop {
            let mut transaction = begin(account_data, taken, &steps).await?;
            let deleted = batch(&mut transaction, taken.user, most).await?;
            transaction.commit().await?;
            if deleted == 0 {
                break;
            }
            steps.at.items += deleted as i64;
            if deleted >= most as u64 {
                tokio::time::sleep(account_data.pace.pause).await;
            }
        }
    }
    steps.next("account");
    let mut transaction = begin(account_data, taken, &steps).await?;
    let gone = By::SYSTEM.does("account.deleted").on(On::user(taken.user));
    audit::append(&mut *transaction, &gone).await?;
    deletions::delete_account(&mut *transaction, taken.user).await?;
    account_jobs::finish(&mut *transaction, taken, AccountJobStatus::Done, account_data.kept).await?;
    transaction.commit().await?;
    Ok(steps.at.items)
}

/// A transaction during which the deletion stays this worker's.
async fn begin(
    account_data: &AccountData,
    taken: &Taken,
    steps: &Steps,
) -> Result<Transaction<'static, Postgres>, Failure> {
    let mut transaction = account_data.pool.begin().await?;
    if account_jobs::renew(&mut *transaction, taken, steps.at, account_data.lease).await? {
        Ok(transaction)
    } else {
        Err(Failure::Lost)
    }
}

/// What is in a conversation goes before it.
async fn conversations(db: &mut PgConnection, user: UserId, most: i64) -> sqlx::Result<u64> {
    let Some(conversation) = deletions::next_conversation(&mut *db, user).await? else { return Ok(0) };
    match deletions::delete_requests(&mut *db, conversation, most).await? {
        0 => deletions::delete_conversation(&mut *db, conversation).await,
        deleted => Ok(deleted),
    }
}

async fn exports(db: &mut PgConnection, user: UserId, most: i64) -> sqlx::Result<u64> {
    match deletions::delete_export_parts(&mut *db, user, most).await? {
        0 => deletions::delete_exports(&mut *db, user).await,
        deleted => Ok(deleted),
    }
}
