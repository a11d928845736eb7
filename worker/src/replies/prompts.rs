//! Prompts: what is looked up for a question, and put together.

use sqlx::PgPool;
use troupe_characters::lorebook::Scanned;
use troupe_db::{
    replies::claim::Claimed,
    retrieval::{Retrieved, Retriever},
};

use super::{
    knowledge,
    lore::{self, Limits, Lorebooks, Receipt},
    memory,
};
use crate::providers::prompt::{Assembly, Material};

pub(crate) struct Prompts {
    pub(crate) pool: PgPool,
    pub(crate) retriever: Retriever,
    pub(crate) lorebooks: Lorebooks,
    pub(crate) limits: Limits,
}

/// A prompt, and where its parts come from.
pub(super) struct Sourced {
    pub(super) assembly: Assembly,
    /// Where the persona has passages.
    pub(super) retrieved: Option<Retrieved>,
    pub(super) lore: Scanned,
}

impl Prompts {
    /// The prompt, with memories of the user, passages for the question, and lore.
    pub(super) async fn assemble(&self, claimed: &Claimed, receipt: Receipt) -> Sourced {
        let Self { pool, retriever, lorebooks, limits } = self;
        let macros = lore::macros(pool, claimed).await;
        let (memories, retrieved, lore) = tokio::join!(
            memory::recall(pool, claimed),
            knowledge::look_up(retriever, claimed),
            lore::look_up(pool, lorebooks, claimed, &macros, *limits, receipt),
        );
        let passages = retrieved.as_ref().map(knowledge::quotations).unwrap_or_default();
        let whole = limits.is_whole(claimed) && !claimed.brings_history();
        let material = Material { memories, passages, lore: &lore.chosen, macros, whole };
        let assembly = Assembly::new(claimed, material, limits.prompt_tokens);
        Sourced { assembly, retrieved, lore }
    }
}
