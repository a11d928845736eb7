//! The reply cache, for personas with `cache_replies`: the same question under the same conditions gets the same reply.
//!
//! The key is a digest of all that a reply depends on: the persona's version, the chain, the settings, and the whole
//! prompt; and the user, unless the persona is public. Only complete replies are stored: none that was cut off,
//! truncated, filtered or declined. A timeout of Redis is a miss.

use std::{fmt::Write, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, future::ready, stream};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use troupe_core::{
    config,
    ids::{PersonaId, UserId},
    model::{
        Usage,
        caller_options::Sampling,
        providers::{CACHE, Link, Outcome, Try},
    },
    ports::Cache,
};

use crate::providers::{ChainFailure, Completion, ReplyChunk, prompt::Prompt};

/// Part of every key: a change makes all older entries misses.
const KEY_VERSION: &str = "reply 1";

/// A replayed reply is streamed in pieces.
const MIN_PIECE_CHARS: usize = 24;
const MAX_PIECE_CHARS: usize = 60;
const PIECE_INTERVAL: Duration = Duration::from_millis(5);

/// All that a reply depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheQuery<'a> {
    pub(crate) user_id: UserId,
    pub(crate) persona_id: PersonaId,
    pub(crate) persona_version: i32,
    /// Whether users share entries: the persona is public.
    pub(crate) public: bool,
    /// Whether the persona's replies are cached at all.
    pub(crate) cache: bool,
    /// The sender wants a new reply, which replaces the entry.
    pub(crate) fresh: bool,
    /// With the models that they resolve to.
    pub(crate) chain: &'a [Link],
    pub(crate) max_tokens: u32,
    pub(crate) prompt: &'a Prompt,
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CachedReply {
    pub(crate) text: String,
    /// Of the original: a replay uses no tokens.
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

    /// The entry, if there is one and it may be used.
    pub(crate) async fn find(&self, query: &CacheQuery<'_>) -> Option<CachedReply> {
        if !self.applies(query) || query.fresh {
            return None;
        }
        let found = match timeout(self.settings.timeout, self.cache.get(&key(query))).await {
            Ok(Ok(found)) => found?,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cache error: asking the model");
                return None;
            }
            Err(_) => {
                tracing::debug!("the cache does not answer: asking the model");
                return None;
            }
        };
        serde_json::from_slice(&found).ok()
    }

    /// Stores a complete reply, unless that takes too long.
    pub(crate) async fn store(&self, query: &CacheQuery<'_>, reply: &CachedReply) {
        if !self.applies(query) || reply.text.len() > self.settings.max_reply {
            return;
        }
        let Ok(bytes) = serde_json::to_vec(reply) else { return };
        let key = key(query);
        let put = self.cache.put(&key, bytes.into(), self.settings.reply_ttl);
        match timeout(self.settings.timeout, put).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a reply was not cached"),
            Err(_) => tracing::debug!("a reply was not cached: the cache does not answer"),
        }
    }

    fn applies(&self, query: &CacheQuery<'_>) -> bool {
        query.cache && !self.settings.reply_ttl.is_zero()
    }
}

impl CachedReply {
    /// The reply as a stream, like that of a model but faster.
    pub(crate) fn replay(self) -> impl Stream<Item = Result<ReplyChunk, ChainFailure>> {
        let Self { text, provider, model, .. } = self;
        let pieces: Vec<_> = pieces(&text).map(|piece| ReplyChunk::Text(piece.to_owned())).collect();
        let end = ReplyChunk::End(Completion { provider, model, usage: Usage::default(), incomplete: None });
        let paced = stream::iter(pieces).then(async |piece| {
            sleep(PIECE_INTERVAL).await;
            piece
        });
        paced.chain(stream::once(ready(end))).map(Ok)
    }

    /// The entry in the request's trail, where no provider was called.
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

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(end_of_piece(rest));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// After the first word that ends within the bounds; where none does (a script without spaces), at the maximum.
fn end_of_piece(text: &str) -> usize {
    let end_of = |characters| text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let min = end_of(MIN_PIECE_CHARS);
    let max = end_of(MAX_PIECE_CHARS);
    let word = text[min..max].char_indices().find(|(_, character)| character.is_whitespace());
    word.map_or(max, |(at, space)| min + at + space.len_utf8())
}

/// A digest, which does not reveal its input.
fn key(query: &CacheQuery<'_>) -> String {
    let mut digest = Parts(Context::new(&SHA256));
    digest.add(KEY_VERSION.as_bytes());
    digest.add(query.persona_id.as_uuid().as_bytes());
    digest.add(&query.persona_version.to_be_bytes());
    let user = query.user_id.as_uuid();
    digest.add(if query.public { b"anybody" } else { user.as_bytes() });
    let chain: Vec<_> = query.chain.iter().map(Link::to_string).collect();
    digest.add(chain.join(",").as_bytes());
    digest.add(&query.max_tokens.to_be_bytes());
    // The passages are in the system prompt as well.
    let Prompt { persona, description: _, system, passages: _, messages, tail, temperature, sampling } = query.prompt;
    digest.add(&temperature.to_be_bytes());
    // Entries are older than these.
    if *sampling != Sampling::default() {
        digest.add(&serde_json::to_vec(sampling).unwrap_or_default());
    }
    digest.add(persona.as_bytes());
    digest.add(system.as_bytes());
    for message in messages.iter().chain(tail) {
        digest.add(message.role.name().as_bytes());
        digest.add(message.content.as_bytes());
    }
    digest.0.finish().as_ref().iter().fold(String::with_capacity(64), |mut name, byte| {
        _ = write!(name, "{byte:02x}");
        name
    })
}

/// Length-prefixed, so that no two lists of parts have the same bytes.
struct Parts(Context);

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }
}

#[cfg(test)]
mod tests;
