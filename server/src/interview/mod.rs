//! The interview from which a persona is made: questions, answers, progress, import and export, training data.

pub(crate) mod answers;
pub(crate) mod daily_question;
pub(crate) mod import_export;
pub(crate) mod routes;
pub(crate) mod streak;
pub(crate) mod training;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::clock::Clock;

pub(crate) struct Interview {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<dyn Clock>,
}
