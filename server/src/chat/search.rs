//! Searching one's own messages.

use serde::Serialize;
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{PersonaName, Role},
};
use troupe_db::{
    Page,
    replies::search::{self, Found, HIT},
};
use utoipa::ToSchema;

use super::Chat;
use crate::http::{error::ApiError, extract::validation::Checks};

/// A message that was found, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundMessage {
    conversation: FoundIn,
    pub(crate) message_id: MessageId,
    request_id: RequestId,
    role: Role,
    branch: i32,
    created_at: chrono::DateTime<chrono::Utc>,
    /// Pieces of the text around what was found.
    excerpt: Vec<Piece>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FoundIn {
    id: ConversationId,
    title: Option<String>,
    persona: PersonaName,
}

#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Piece {
    text: String,
    hit: bool,
}

pub(crate) async fn search_messages(
    chat: &Chat,
    user: UserId,
    words: &str,
    page: Page<MessageId>,
) -> Result<Vec<FoundMessage>, ApiError> {
    Checks::default().text("q", words, 1..=200).done()?;
    let Some(query) = query_of(words) else { return Ok(Vec::new()) };
    let found = chat.reads.run(|db| search::search(db, user, &query, page.after, page.limit)).await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// All words, the last of which may be a beginning, in the language of PostgreSQL's queries. `None` without a word.
fn query_of(words: &str) -> Option<String> {
    let words: Vec<_> = words
        .split(|c: char| c.is_whitespace() || c == '\'' || c == '\\')
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| format!("'{word}'"))
        .collect();
    (!words.is_empty()).then(|| format!("{}:*", words.join(" & ")))
}

impl From<Found> for FoundMessage {
    fn from(found: Found) -> Self {
        Self {
            conversation: FoundIn {
                id: found.conversation_id,
                title: found.title,
                persona: PersonaName {
                    slug: found.persona_slug,
                    name: found.persona_name,
                    avatar_url: found.persona_avatar_url,
                },
            },
            message_id: found.message_id,
            request_id: found.request_id,
            role: found.role,
            branch: found.branch,
            created_at: found.created_at,
            excerpt: pieces(&found.excerpt),
        }
    }
}

fn pieces(marked: &str) -> Vec<Piece> {
    let piece = |text: &str, hit| (!text.is_empty()).then(|| Piece { text: text.to_owned(), hit });
    let mut parts = marked.split(HIT.0);
    let mut pieces: Vec<_> = parts.next().and_then(|before| piece(before, false)).into_iter().collect();
    for part in parts {
        let (hit, after) = part.split_once(HIT.1).unwrap_or((part, ""));
        pieces.extend(piece(hit, true).into_iter().chain(piece(after, false)));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_nothing_but_words() {
        assert_eq!(query_of("  the Sea "), Some("'the' & 'Sea':*".to_owned()));
        assert_eq!(query_of("l'eau \\ & | ! :*"), Some("'l' & 'eau':*".to_owned()));
        assert_eq!(query_of("… ?!"), None);
    }

    #[test]
    fn an_excerpt_is_cut_at_its_hits() {
        let piece = |text: &str, hit| Piece { text: text.to_owned(), hit };
        assert_eq!(
            pieces("a \u{e000}sea\u{e001} of \u{e000}seas\u{e001}"),
            [piece("a ", false), piece("sea", true), piece(" of ", false), piece("seas", true)]
        );
        assert_eq!(pieces("none"), [piece("none", false)]);
    }
}
