//! Replies that were given before, for personas that are set so: the same question in the same circumstances gets the same reply.
//!
//! The circumstances are all that a reply depends on: the persona's version, who is asked, the settings, and every word of the
//! prompt; and the user, unless the persona is public. Whoever keeps a reply vouches that it is whole: one that was cut, ran
//! into a limit, was withheld or declined is not worth giving again. A Redis that does not answer at once is a miss.

use std::{fmt::Write, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, future::ready, stream};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use troupe_core::{
    config,
    ids::{PersonaId, UserId},
    model::{
        Role, Usage,
        providers::{CACHE, Link, Outcome, Try},
    },
    ports::Cache,
};

use crate::providers::{ChainFailure, Completion, ReplyChunk, prompt::Prompt};

/// Changes with what a key is made of: older replies are not found any more.
const FORM: &str = "reply 1";

/// Of the pieces in which a reply is told, in characters.
const SHORTEST_PIECE: usize = 24;
const LONGEST_PIECE: usize = 60;
/// Between two of them.
const PACE: Duration = Duration::from_millis(5);

/// What was asked, and in which circumstances.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) user_id: UserId,
    pub(crate) persona_id: PersonaId,
    pub(crate) persona_version: i32,
    /// Whether users may get what others were told: the persona is public.
    pub(crate) public: bool,
    /// Whether the persona's replies are kept at all.
    pub(crate) cache: bool,
    /// The sender wants a new reply. It takes the place of the one before.
    pub(crate) fresh: bool,
    /// With the models that they stand for, where that is known.
    pub(crate) chain: &'a [Link],
    pub(crate) max_tokens: u32,
    pub(crate) prompt: &'a Prompt,
}

/// A whole reply as it was given first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CachedReply {
    pub(crate) text: String,
    /// Of then: to give it again takes nothing.
    pub(crate) usage: Usage,
    pub(crate) provider: String,
    pub(crate) model: String,
}

pub(crate) struct ReplyCache {
    cache: Arc<dyn Cache>,
    settings: config::Cache,
}

impl ReplyCache {
    pub(crate) fn new(cache: Arc<dyn Cache>, settings: &config::Cache) -> Self {
        Self { cache, settings: settings.clone() }
    }

    /// The reply that was given before, if one may be given again.
    pub(crate) async fn find(&self, asked: &Asked<'_>) -> Option<CachedReply> {
        if !self.keeps(asked) || asked.fresh {
            return None;
        }
        let found = match timeout(self.settings.timeout, self.cache.get(&key(asked))).await {
            Ok(Ok(found)) => found?,
            Ok(Err(error)) => {
                tracing::debug!(%error, "asking the model");
                return None;
            }
            Err(_) => {
                tracing::debug!("the cache does not answer: asking the model");
                return None;
            }
        };
        serde_json::from_slice(&found).ok()
    }

    /// Keeps a whole reply, unless that takes too long.
    pub(crate) async fn keep(&self, asked: &Asked<'_>, reply: &CachedReply) {
        if !self.keeps(asked) || reply.text.len() > self.settings.max_reply {
            return;
        }
        let Ok(bytes) = serde_json::to_vec(reply) else { return };
        let key = key(asked);
        let put = self.cache.put(&key, bytes.into(), self.settings.reply_ttl);
        match timeout(self.settings.timeout, put).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a reply was not kept"),
            Err(_) => tracing::debug!("a reply was not kept: the cache does not answer"),
        }
    }

    fn keeps(&self, asked: &Asked<'_>) -> bool {
        asked.cache && !self.settings.reply_ttl.is_zero()
    }
}

impl CachedReply {
    /// As its model said it, only faster.
    pub(crate) fn said_again(self) -> impl Stream<Item = Result<ReplyChunk, ChainFailure>> {
        let Self { text, provider, model, .. } = self;
        let pieces: Vec<_> = pieces(&text).map(|piece| ReplyChunk::Text(piece.to_owned())).collect();
        let ended = ReplyChunk::End(Completion { provider, model, usage: Usage::default(), incomplete: None });
        let paced = stream::iter(pieces).then(async |piece| {
            sleep(PACE).await;
            piece
        });
        paced.chain(stream::once(ready(ended))).map(Ok)
    }

    /// What stands in the request's trail: nobody was asked.
    pub(crate) fn as_try(&self, took: Duration) -> Try {
        let ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        Try {
            provider: CACHE.to_owned(),
            key: None,
            model: self.model.clone(),
            outcome: Outcome::Completed,
            first_word_ms: Some(ms),
            ms,
            usage: Some(Usage::default()),
            cost: 0.0,
            hedge: false,
        }
    }
}

/// The text in the pieces in which it is told.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(end_of_piece(rest));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// After the first word that ends within the bounds; where none does (a script without spaces), as far as they go.
fn end_of_piece(text: &str) -> usize {
    let end_of = |characters| text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let (soonest, latest) = (end_of(SHORTEST_PIECE), end_of(LONGEST_PIECE));
    let word = text[soonest..latest].char_indices().find(|(_, letter)| letter.is_whitespace());
    word.map_or(latest, |(at, space)| soonest + at + space.len_utf8())
}

/// All circumstances in one short name, from which nothing can be read.
fn key(asked: &Asked<'_>) -> String {
    let mut digest = Parts(Context::new(&SHA256));
    digest.add(FORM.as_bytes());
    digest.add(asked.persona_id.as_uuid().as_bytes());
    digest.add(&asked.persona_version.to_be_bytes());
    let user = asked.user_id.as_uuid();
    digest.add(if asked.public { b"anybody" } else { user.as_bytes() });
    let chain: Vec<_> = asked.chain.iter().map(Link::to_string).collect();
    digest.add(chain.join(",").as_bytes());
    digest.add(&asked.max_tokens.to_be_bytes());
    // What passages say is in the system prompt as well.
    let Prompt { persona, system, passages: _, messages, temperature } = asked.prompt;
    digest.add(&temperature.to_be_bytes());
    digest.add(persona.as_bytes());
    digest.add(system.as_bytes());
    for message in messages {
        digest.add(match message.role {
            Role::User => b"user",
            Role::Assistant => b"assistant",
        });
        digest.add(message.content.as_bytes());
    }
    digest.0.finish().as_ref().iter().fold(String::with_capacity(64), |mut name, byte| {
        _ = write!(name, "{byte:02x}");
        name
    })
}

/// Lengths before parts: no two lists of parts look the same.
struct Parts(Context);

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }
}

#[cfg(test)]
mod tests;
