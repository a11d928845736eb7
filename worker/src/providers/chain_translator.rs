//! Translation by the model services that write replies: the default chain, with its failover, breakers and prices.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use futures::StreamExt;
use troupe_core::{
    config::{self, Format, Live},
    languages::Language,
    model::providers::WhenCut,
};

use super::{
    failover::{ChainFailure, Completion, Failover, ReplyChunk, call::Trail, chain::Chain, roster::Candidate},
    prompt::{Prompt, PromptMessage, Speaker},
    translator::{Translated, Translator, Untranslated},
};
use crate::money::{Money, NotReserved, Spender};

/// A translation is no matter of taste.
const TEMPERATURE: f32 = 0.0;

#[derive(Clone)]
pub(crate) struct ChainTranslator {
    pub(crate) chain: Arc<Chain>,
    pub(crate) money: Arc<Money>,
    pub(crate) live: Live,
}

impl ChainTranslator {
    /// The built-in model only quotes, and very small ones follow no instructions.
    fn candidates(&self) -> Vec<Candidate> {
        let config = self.live.now();
        let translates = |provider: &config::Provider| provider.format != Format::Offline && !provider.small;
        let is_able = |name: &str| config.providers.get(name).is_some_and(translates);
        let candidates = self.chain.default_candidates().into_iter();
        candidates.filter(|candidate| is_able(&candidate.endpoint.provider)).collect()
    }

    async fn ask(
        &self,
        prompt: &Arc<Prompt>,
        candidates: Vec<Candidate>,
        trail: Trail,
    ) -> Result<Translated, Untranslated> {
        let failover = Failover::new(self.chain.clone(), prompt.clone(), candidates, WhenCut::Restart, trail);
        let mut chunks = pin!(failover.into_stream());
        let mut text = String::new();
        while let Some(chunk) = chunks.next().await {
            match chunk? {
                ReplyChunk::Text(more) => text.push_str(&more),
                ReplyChunk::Retracted => text.clear(),
                ReplyChunk::End(Completion { provider, model, incomplete: None, .. }) => {
                    return Ok(Translated { text, provider: format!("{provider}/{model}") });
                }
                ReplyChunk::End(_) => break,
            }
        }
        Err(Untranslated { message: "the translation has no end".to_owned(), retryable: true })
    }
}

#[async_trait]
impl Translator for ChainTranslator {
    async fn translate(&self, text: &str, language: &Language) -> Result<Translated, Untranslated> {
        let candidates = self.candidates();
        if candidates.is_empty() {
            return Err(Untranslated { message: "no provider of the chain translates".to_owned(), retryable: false });
        }
        let prompt = Arc::new(prompt(text, language));
        let reservation = self.money.reserve(Spender::SERVICE, || self.chain.max_cost(&prompt, &candidates)).await?;
        let trail = Trail::default();
        let translated = self.ask(&prompt, candidates, trail.clone()).await;
        let spent = trail.take().iter().map(|tried| tried.cost).sum();
        self.money.record_spending(reservation, spent).await;
        translated
    }
}

fn prompt(text: &str, language: &Language) -> Prompt {
    let system = format!(
        "Translate the text of the user interface that the user sends from English into {} ({}). Reply with the \
         translation only: no comments, no quotation marks, no markup. Keep placeholders such as ⟦0⟧ exactly as they \
         are, each once, where they belong in the translated sentence.",
        language.name, language.code
    );
    Prompt {
        persona: "Translator".to_owned(),
        description: system.clone(),
        system,
        passages: Vec::new(),
        messages: vec![PromptMessage { role: Speaker::User, content: text.to_owned() }],
        tail: Vec::new(),
        temperature: TEMPERATURE,
    }
}

impl From<ChainFailure> for Untranslated {
    fn from(ChainFailure { message, retryable, .. }: ChainFailure) -> Self {
        Self { message, retryable }
    }
}

impl From<NotReserved> for Untranslated {
    fn from(not_reserved: NotReserved) -> Self {
        Self { message: not_reserved.to_string(), retryable: false }
    }
}
