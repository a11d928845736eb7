use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use troupe_core::ports::{Lookups, PortError};

use super::*;
use crate::providers::prompt::{PromptMessage, Speaker};

/// A cache in memory that can be away.
#[derive(Default)]
struct MemoryCache {
    kept: Mutex<HashMap<String, (Bytes, Duration)>>,
    away: bool,
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        if self.away {
            std::future::pending::<()>().await;
        }
        Ok(self.kept.lock().get(key).map(|(value, _)| value.clone()))
    }

    async fn put(&self, key: &str, value: Bytes, time_to_live: Duration) -> Result<(), PortError> {
        if self.away {
            std::future::pending::<()>().await;
        }
        self.kept.lock().insert(key.to_owned(), (value, time_to_live));
        Ok(())
    }

    async fn lookups(&self) -> Result<Lookups, PortError> {
        Ok(Lookups::default())
    }
}

fn settings() -> config::Cache {
    config::Cache { reply_ttl: Duration::from_hours(1), max_reply: 100, timeout: Duration::from_millis(50) }
}

fn over(cache: &Arc<MemoryCache>, settings: &config::Cache) -> ReplyCache {
    ReplyCache::new(cache.clone(), settings)
}

fn query<'a>(prompt: &'a Prompt, chain: &'a [Link]) -> CacheQuery<'a> {
    CacheQuery {
        user_id: uuid::Uuid::nil().into(),
        persona_id: uuid::Uuid::nil().into(),
        persona_version: 1,
        public: false,
        cache: true,
        fresh: false,
        chain,
        max_tokens: 100,
        prompt,
    }
}

fn reply(text: &str) -> CachedReply {
    let usage = Usage { prompt_tokens: 3, completion_tokens: 4, estimated: false };
    CachedReply { text: text.to_owned(), usage, provider: "openai".to_owned(), model: "m".to_owned() }
}

fn links(text: &[&str]) -> Vec<Link> {
    text.iter().map(|link| link.parse().unwrap()).collect()
}

#[tokio::test]
async fn what_was_kept_is_found_where_everything_is_the_same() {
    let memory = Arc::default();
    let cache = over(&memory, &settings());
    let (prompt, chain) = (Prompt::asking("Why?"), links(&["openai"]));
    let query = query(&prompt, &chain);
    assert_eq!(cache.find(&query).await, None);
    cache.store(&query, &reply("Because.")).await;
    assert_eq!(cache.find(&query).await, Some(reply("Because.")));
    let kept = memory.kept.lock();
    assert!(kept.values().all(|(_, time_to_live)| *time_to_live == settings().reply_ttl));
    assert!(kept.keys().all(|key| key.len() == 64), "{:?}", kept.keys());
}

#[test]
fn everything_that_a_reply_depends_on_is_in_the_key() {
    let (prompt, chain) = (Prompt::asking("Why?"), links(&["openai"]));
    let usual = query(&prompt, &chain);
    let message = |role, content: &str| PromptMessage { role, content: content.to_owned() };
    let with = |messages: Vec<PromptMessage>| Prompt { messages, ..prompt.clone() };
    let prompts = [
        Prompt { system: "You are Bob.".to_owned(), ..prompt.clone() },
        Prompt { temperature: 0.8, ..prompt.clone() },
        Prompt::asking("Why? "),
        with(vec![message(Speaker::Assistant, "Hm."), message(Speaker::User, "Why?")]),
        with(vec![message(Speaker::User, "Hm."), message(Speaker::User, "Why?")]),
        with(vec![message(Speaker::User, "Hm.userWhy?")]),
    ];
    let (other, longer) = (links(&["openai/gpt"]), links(&["openai", "xai"]));
    let mut keys: Vec<_> = prompts.iter().map(|prompt| key(&CacheQuery { prompt, ..usual })).collect();
    keys.extend([
        key(&usual),
        key(&CacheQuery { user_id: uuid::Uuid::max().into(), ..usual }),
        key(&CacheQuery { persona_id: uuid::Uuid::max().into(), ..usual }),
        key(&CacheQuery { persona_version: 2, ..usual }),
        key(&CacheQuery { max_tokens: 101, ..usual }),
        key(&CacheQuery { chain: &other, ..usual }),
        key(&CacheQuery { chain: &longer, ..usual }),
        key(&CacheQuery { public: true, ..usual }),
    ]);
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "two of them are the same");
}

#[test]
fn users_share_only_what_is_public() {
    let (prompt, chain) = (Prompt::asking("Why?"), links(&["openai"]));
    let mine = query(&prompt, &chain);
    let theirs = CacheQuery { user_id: uuid::Uuid::max().into(), ..mine };
    assert_ne!(key(&mine), key(&theirs));
    assert_eq!(key(&CacheQuery { public: true, ..mine }), key(&CacheQuery { public: true, ..theirs }));
}

#[tokio::test]
async fn nothing_is_found_or_kept_that_should_not_be() {
    let memory = Arc::default();
    let cache = over(&memory, &settings());
    let (prompt, chain) = (Prompt::asking("Why?"), links(&["openai"]));
    let usual = query(&prompt, &chain);
    cache.store(&CacheQuery { cache: false, ..usual }, &reply("a")).await;
    cache.store(&usual, &reply(&"long".repeat(26))).await;
    over(&memory, &config::Cache { reply_ttl: Duration::ZERO, ..settings() }).store(&usual, &reply("a")).await;
    assert!(memory.kept.lock().is_empty());

    cache.store(&usual, &reply("old")).await;
    assert_eq!(cache.find(&CacheQuery { cache: false, ..usual }).await, None);
    let fresh = CacheQuery { fresh: true, ..usual };
    assert_eq!(cache.find(&fresh).await, None);
    cache.store(&fresh, &reply("new")).await;
    assert_eq!(cache.find(&usual).await, Some(reply("new")), "the new reply takes the place of the old one");
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_away_holds_nobody_up() {
    let cache = over(&Arc::new(MemoryCache { away: true, ..MemoryCache::default() }), &settings());
    let (prompt, chain) = (Prompt::asking("Why?"), links(&["openai"]));
    let query = query(&prompt, &chain);
    assert_eq!(cache.find(&query).await, None);
    cache.store(&query, &reply("a")).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_miss() {
    let memory = Arc::<MemoryCache>::default();
    let (prompt, chain) = (Prompt::asking("Why?"), links(&["openai"]));
    let query = query(&prompt, &chain);
    memory.kept.lock().insert(key(&query), (Bytes::from_static(b"{\"text\":"), Duration::ZERO));
    assert_eq!(over(&memory, &settings()).find(&query).await, None);
}

#[tokio::test(start_paused = true)]
async fn it_is_said_again_in_pieces() {
    let text = "The lamp is lit at dusk, and I go up the stairs. ".repeat(9);
    let mut chunks: Vec<_> = reply(&text).replay().map(Result::unwrap).collect().await;
    let usage = Usage::default();
    let completion = Completion { provider: "openai".to_owned(), model: "m".to_owned(), usage, incomplete: None };
    assert_eq!(chunks.pop(), Some(ReplyChunk::End(completion)));
    assert!(chunks.len() > 7, "{}", chunks.len());
    let whole: String =
        chunks.iter().map(|chunk| if let ReplyChunk::Text(piece) = chunk { piece } else { "" }).collect();
    assert_eq!(whole, text);
}

#[test]
fn pieces_are_the_text_cut_between_words() {
    let words = "The lamp is lit at dusk, and I go up the stairs with my father, who counts them aloud. ".repeat(9);
    let pieces: Vec<_> = super::pieces(&words).collect();
    assert_eq!(pieces.concat(), words);
    assert!(pieces.len() > 20, "{}", pieces.len());
    for piece in &pieces[..pieces.len() - 1] {
        let length = piece.chars().count();
        assert!(piece.ends_with(' ') && length > MIN_PIECE_CHARS && length <= MAX_PIECE_CHARS, "{piece:?}");
    }
    for text in ["", "a", " ", "灯台守の娘", &"灯台".repeat(200), &"👩‍👩‍👧\n".repeat(50), &"x".repeat(61), &"x".repeat(60)]
    {
        let pieces: Vec<_> = super::pieces(text).collect();
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.chars().count() <= MAX_PIECE_CHARS), "{pieces:?}");
    }
}
