//! What a persona remembers of its user: kept after a reply, told to the model before the next.
//!
//! Only for personas that remember; of others nothing is looked up and nothing kept. A memory that cannot be read or kept is
//! missed, and said so in the log: no reply waits for it, or fails with it.

mod facts;

use sqlx::PgPool;
use troupe_core::model::{Role, memory::Memory};
use troupe_db::{knowledge::memories, replies::claim::Claimed};

/// Memories in a prompt at most, the newest first.
const MAX_RECALLED: i64 = 40;

/// What the persona knows of the user that asks.
pub(crate) async fn recall(pool: &PgPool, claimed: &Claimed) -> Vec<Memory> {
    if !claimed.persona.remembers {
        return Vec::new();
    }
    let known = memories::newest(pool, claimed.user_id, claimed.persona.id, MAX_RECALLED).await;
    known.unwrap_or_else(|error| {
        tracing::warn!(%error, "replying without what is remembered");
        Vec::new()
    })
}

/// Keeps what the question told of the user.
pub(crate) async fn keep(pool: &PgPool, claimed: &Claimed) {
    if !claimed.persona.remembers {
        return;
    }
    let Some(question) = claimed.history.first().filter(|turn| turn.role == Role::User) else { return };
    let facts = facts::of(&question.content);
    if facts.is_empty() {
        return;
    }
    let kept = memories::keep(pool, claimed.user_id, claimed.persona.id, claimed.request_id, &facts).await;
    match kept {
        Ok(()) => tracing::debug!(facts = facts.len(), "remembered"),
        Err(error) => tracing::warn!(%error, "what the user told was not remembered"),
    }
}
