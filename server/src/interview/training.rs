//! Training data: final answers of the interview, then replies that were rated up; as chats in JSON Lines.
//!
//! Streamed in pages. The item's id alone decides between training and validation: an item keeps its part whatever is
//! added or removed, and a greater share of validation only moves items there.

use bytes::Bytes;
use futures::{Stream, stream};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use troupe_core::{
    ids::{PersonaId, RequestId, ResponseId, UserId},
    mask::masked,
};
use troupe_db::{interview::responses, replies::feedback};
use utoipa::ToSchema;
use uuid::Uuid;

/// Small, since items of either kind may be long.
const PAGE: i64 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Train,
    Validation,
}

impl Part {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }

    /// The part of an item; `validation` is the share of that part.
    fn of(item: Uuid, validation: f64) -> Self {
        let digest = digest(&SHA256, item.as_bytes());
        let leading = digest.as_ref().iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        if f64::from(leading) / 2_f64.powi(32) < validation { Self::Validation } else { Self::Train }
    }
}

/// The selected chats.
#[derive(Debug, Clone)]
pub(crate) struct Training {
    pub(crate) persona: PersonaId,
    pub(crate) owner: UserId,
    pub(crate) system_prompt: String,
    /// Both by default.
    pub(crate) part: Option<Part>,
    /// From 0 to 1.
    pub(crate) validation: f64,
}

/// One exchange in the usual format for fine-tuning.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chat<'a> {
    messages: [ChatMessage<'a>; 3],
}

#[derive(Debug, Serialize, ToSchema)]
struct ChatMessage<'a> {
    #[schema(example = "user")]
    role: &'static str,
    content: &'a str,
}

/// The position of the export.
enum Next {
    Responses(Option<ResponseId>),
    Replies(Option<RequestId>),
    Nothing,
}

pub(crate) fn chats(pool: PgPool, mut training: Training) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
    training.system_prompt = masked(&training.system_prompt).into_owned();
    stream::try_unfold((Next::Responses(None), training), move |(next, training)| {
        let pool = pool.clone();
        async move {
            let (text, next) = match next {
                Next::Responses(after) => training.responses(&pool, after).await?,
                Next::Replies(after) => training.replies(&pool, after).await?,
                Next::Nothing => return Ok(None),
            };
            Ok(Some((Bytes::from(text), (next, training))))
        }
    })
}

impl Training {
    async fn responses(&self, pool: &PgPool, after: Option<ResponseId>) -> Result<(String, Next), sqlx::Error> {
        let page = responses::in_order(pool, self.persona, after, PAGE).await?;
        let last = page.last().map(|response| response.id).filter(|_| page.len() as i64 == PAGE);
        let finals = page.iter().filter(|response| response.counts());
        let lines =
            finals.filter_map(|response| self.line(response.id.into(), &response.question.text, &response.content));
        Ok((lines.collect(), last.map_or(Next::Replies(None), |last| Next::Responses(Some(last)))))
    }

    async fn replies(&self, pool: &PgPool, after: Option<RequestId>) -> Result<(String, Next), sqlx::Error> {
        let page = feedback::good_replies(pool, self.persona, self.owner, after, PAGE).await?;
        let last = page.last().map(|good| good.request_id).filter(|_| page.len() as i64 == PAGE);
        let lines = page.iter().filter_map(|good| self.line(good.request_id.into(), &good.question, &good.reply));
        Ok((lines.collect(), last.map_or(Next::Nothing, |last| Next::Replies(Some(last)))))
    }

    /// The chat of an item, if it is in the selected part.
    fn line(&self, item: Uuid, question: &str, answer: &str) -> Option<String> {
        if self.part.is_some_and(|part| part != Part::of(item, self.validation)) {
            return None;
        }
        let (question, answer) = (masked(question), masked(answer));
        let messages = [("system", self.system_prompt.as_str()), ("user", &question), ("assistant", &answer)];
        let chat = Chat { messages: messages.map(|(role, content)| ChatMessage { role, content }) };
        Some(serde_json::to_string(&chat).unwrap_or_default() + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_about_the_size_that_was_asked_for_and_only_grow_with_it() {
        let items: Vec<_> = (0..4_000_u128).map(Uuid::from_u128).collect();
        let held_back = |share: f64| {
            items.iter().copied().filter(|&item| Part::of(item, share) == Part::Validation).collect::<Vec<_>>()
        };
        let (none, tenth, half) = (held_back(0.0), held_back(0.1), held_back(0.5));
        assert!(none.is_empty());
        assert!((300..500).contains(&tenth.len()), "{}", tenth.len());
        assert!((1_800..2_200).contains(&half.len()), "{}", half.len());
        assert!(tenth.iter().all(|item| half.contains(item)));
    }

    #[test]
    fn where_an_item_belongs_never_changes() {
        let held_back: Vec<_> =
            (0..40).filter(|&item| Part::of(Uuid::from_u128(item), 0.25) == Part::Validation).collect();
        assert_eq!(held_back, [0, 16, 17, 33, 34, 35, 37]);
    }
}
