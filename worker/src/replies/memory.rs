//! Memories: facts about the user, extracted after a reply, and in the prompt of the next.
//!
//! Only for personas with `remembers`; for others there is no statement. A failure to read or store memories is logged:
//! no reply fails with it.

mod facts;

use sqlx::PgPool;
use troupe_core::model::{Role, memory::Memory};
use troupe_db::{knowledge::memories, replies::claim::Claimed, with_response_timeout};

/// Memories in a prompt at most, the newest first.
const MAX_RECALLED: i64 = 40;

/// The persona's memories of the user.
pub(crate) async fn recall(pool: &PgPool, claimed: &Claimed) -> Vec<Memory> {
    if !claimed.persona.remembers {
        return Vec::new();
    }
    let newest = memories::newest(pool, claimed.user_id, claimed.persona.id, MAX_RECALLED);
    let memories = with_response_timeout(newest).await;
    memories.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not read memories: replying without them");
        Vec::new()
    })
}

/// Stores the facts that the question states about the user.
pub(crate) async fn remember(pool: &PgPool, claimed: &Claimed) {
    if !claimed.persona.remembers || claimed.temporary {
        return;
    }
    let Some(question) = claimed.history.first().filter(|turn| turn.role == Role::User) else { return };
    let facts = facts::extract(&question.content);
    if facts.is_empty() {
        return;
    }
    let kept = memories::keep(pool, claimed.user_id, claimed.persona.id, claimed.request_id, &facts);
    let stored = with_response_timeout(kept).await;
    match stored {
        Ok(()) => tracing::debug!(facts = facts.len(), "remembered"),
        Err(error) => tracing::warn!(%error, "what the user told was not remembered"),
    }
}
