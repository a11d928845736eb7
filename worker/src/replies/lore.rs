//! Lore: entries of the persona's lorebook that the conversation has come to, with a receipt.
//!
//! Only for personas with a lorebook; for others there is no statement. A failure to read it is logged: no reply fails
//! with it.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use sqlx::PgPool;
use troupe_characters::{
    Lorebook, Macros,
    lorebook::{Conversation, Scanned, Settings, State},
};
use troupe_core::{ids::PersonaId, model::Role, token_estimate::estimate_tokens, trace};
use troupe_db::{
    personas::characters,
    replies::{
        claim::Claimed,
        lore::{self, Path},
    },
    with_response_timeout,
};

/// Messages that are looked through where a lorebook does not say.
const SCAN_DEPTH: u32 = 4;
const MAX_RECURSION: u32 = 5;
/// The share of a prompt that lore may take.
const BUDGET_SHARE: usize = 4;
/// Compiled lorebooks that a process keeps.
const MAX_COMPILED: usize = 64;

/// Compiled lorebooks, each with the version of its persona.
#[derive(Default)]
pub(crate) struct Lorebooks(Mutex<HashMap<PersonaId, (i32, Arc<Lorebook>)>>);

impl Lorebooks {
    async fn find(&self, pool: &PgPool, claimed: &Claimed) -> anyhow::Result<Option<Arc<Lorebook>>> {
        let (id, version) = (claimed.persona.id, claimed.persona.version);
        if let Some((_, book)) = self.0.lock().get(&id).filter(|(compiled, _)| *compiled == version) {
            return Ok(Some(book.clone()));
        }
        let Some(text) = with_response_timeout(characters::lorebook(pool, id)).await? else { return Ok(None) };
        let book = tokio::task::spawn_blocking(move || Lorebook::parse(&text)).await??;
        let book = Arc::new(book);
        let mut compiled = self.0.lock();
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        compiled.insert(id, (version, book.clone()));
        Ok(Some(book))
    }
}

/// What macros stand for in this prompt. The user's name is read only where a text may ask for it.
pub(crate) async fn macros(pool: &PgPool, claimed: &Claimed) -> Macros {
    let persona = &claimed.persona;
    let texts = [
        Some(persona.system_prompt.as_str()),
        persona.greeting.as_deref(),
        Some(persona.example_dialogue.as_str()),
        Some(persona.post_history.as_str()),
    ];
    let asks = |text: &str| text.contains("{{") || (persona.from_card && text.contains('<'));
    let user = if persona.has_lorebook || texts.into_iter().flatten().any(asks) {
        let name = with_response_timeout(characters::user_name(pool, claimed.user_id)).await;
        name.inspect_err(|error| tracing::warn!(%error, "could not read the user's name")).ok().flatten()
    } else {
        None
    };
    Macros {
        char: persona.nickname.clone().unwrap_or_else(|| persona.name.clone()),
        user: user.unwrap_or_else(|| "User".to_owned()),
        seed: seed(claimed),
        angled: persona.from_card,
    }
}

/// The same for all attempts at a request.
fn seed(claimed: &Claimed) -> u64 {
    let (high, low) = claimed.request_id.as_uuid().as_u64_pair();
    high ^ low
}

/// The entries for the prompt.
pub(crate) async fn look_up(
    pool: &PgPool,
    books: &Lorebooks,
    claimed: &Claimed,
    macros: &Macros,
    limits: Limits,
    receipt: Receipt,
) -> Scanned {
    if !claimed.persona.has_lorebook {
        return Scanned::default();
    }
    let mut span = trace::span("lore");
    let looked_up = async {
        let scanned = scan(pool, books, claimed, macros, limits).await?;
        if receipt == Receipt::Stored {
            let (id, attempt) = (claimed.request_id, claimed.attempt);
            let stored = lore::store(pool, id, attempt, path(claimed), &scanned.receipt, &scanned.state);
            with_response_timeout(stored).await?;
        }
        anyhow::Ok(scanned)
    };
    let scanned = span.scope(looked_up).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not look for lore: replying without it");
        Scanned::default()
    });
    if span.is_recorded() {
        span.set("troupe.lore.entries", scanned.chosen.len());
    }
    tracing::debug!(entries = scanned.chosen.len(), tokens = scanned.tokens, "looked for lore");
    scanned
}

/// What becomes of the receipt of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// Stored before any provider is asked; without it there is no lore.
    Stored,
    /// Of a question that nobody has sent.
    NotStored,
}

fn path(claimed: &Claimed) -> Path {
    Path { conversation: claimed.conversation_id, branch: claimed.branch, turn: claimed.turn }
}

/// Of a prompt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) history_messages: u32,
    pub(crate) prompt_tokens: usize,
}

impl Limits {
    /// Whether the claim has brought the whole conversation.
    pub(crate) fn is_whole(self, claimed: &Claimed) -> bool {
        claimed.history.len() < self.history_messages as usize
    }
}

async fn scan(
    pool: &PgPool,
    books: &Lorebooks,
    claimed: &Claimed,
    macros: &Macros,
    limits: Limits,
) -> anyhow::Result<Scanned> {
    let Some(book) = books.find(pool, claimed).await? else { return Ok(Scanned::default()) };
    let path = path(claimed);
    let before =
        if book.has_memory() { with_response_timeout(lore::state_before(pool, path)).await? } else { State::default() };
    let (count, replies) = if limits.is_whole(claimed) || !book.counts_messages() {
        let replies = claimed.history.iter().filter(|turn| turn.role == Role::Assistant).count();
        (claimed.history.len() as i64, replies as i64)
    } else {
        let (messages, replies) = with_response_timeout(lore::count_messages(pool, path)).await?;
        // With the question.
        (messages + 1, replies)
    };
    let scan = Scan::of(claimed, macros, limits, (count, replies), before);
    Ok(tokio::task::spawn_blocking(move || scan.run(&book)).await?)
}

/// What a scan takes with it to another thread.
struct Scan {
    messages: Vec<String>,
    macros: Macros,
    count: u32,
    replies: u32,
    greeted: bool,
    is_cut: bool,
    settings: Settings,
    before: State,
}

impl Scan {
    fn of(claimed: &Claimed, macros: &Macros, limits: Limits, (count, replies): (i64, i64), before: State) -> Self {
        let persona = &claimed.persona;
        let mut messages: Vec<_> = claimed.history.iter().map(|turn| turn.content.clone()).collect();
        let greeting = persona.greeting.as_deref().map(|greeting| macros.expand(greeting).into_owned());
        let greeted = greeting.is_some();
        messages.extend(greeting.filter(|_| limits.is_whole(claimed)));
        let tokens: usize = messages.iter().map(|message| estimate_tokens(message)).sum();
        let tokens = tokens + estimate_tokens(&persona.system_prompt) + estimate_tokens(&persona.post_history);
        let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(greeted.into());
        Self {
            is_cut: !limits.is_whole(claimed) || tokens > limits.prompt_tokens,
            messages,
            macros: macros.clone(),
            count: number(count),
            replies: number(replies),
            greeted,
            settings: Settings {
                scan_depth: SCAN_DEPTH,
                budget: limits.prompt_tokens / BUDGET_SHARE,
                max_recursion: MAX_RECURSION,
                seed: macros.seed,
            },
            before,
        }
    }

    fn run(self, book: &Lorebook) -> Scanned {
        let messages: Vec<_> = self.messages.iter().map(String::as_str).collect();
        let conversation = Conversation {
            messages: &messages,
            count: self.count,
            replies: self.replies,
            greeting: self.greeted.then_some(0),
            is_cut: self.is_cut,
        };
        book.scan(conversation, self.settings, &self.before, &self.macros, &estimate_tokens)
    }
}
