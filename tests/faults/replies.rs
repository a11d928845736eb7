//! What users say in the load, and what the model answers.
//!
//! Everything follows from the question: whether its first call fails, and how, and every word of the reply. So the
//! checker needs no notes of what was asked, and a reply that got into the wrong place cannot look right.

use std::time::Duration;

use troupe_tests::{Script, provider::words_of};

/// Between two words of a reply. A reply takes less than the time between two messages of its conversation, on the
/// average: what an outage leaves behind must be worked off in the end.
const PACE: Duration = Duration::from_millis(25);

const WORDS_A_SENTENCE: usize = 6;

/// How the model service treats a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    /// The first call is answered with 500.
    FailsOnce,
    /// The first call breaks off in the middle of the reply.
    BreaksOnce,
    /// Every call is answered with 400: the request fails for good.
    Refused,
}

impl Manner {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Plain, "plain"), (Self::FailsOnce, "500"), (Self::BreaksOnce, "broken"), (Self::Refused, "refused")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(manner, _)| *manner == self).map_or("", |(_, name)| name)
    }

    /// Most are plain.
    fn any(random: &mut fastrand::Rng) -> Self {
        match random.u8(0..20) {
            0 | 1 => Self::FailsOnce,
            2 | 3 => Self::BreaksOnce,
            4 => Self::Refused,
            _ => Self::Plain,
        }
    }
}

/// The next message of a conversation: no two of a run are the same.
pub(crate) fn any_question(conversation: &str, number: usize, random: &mut fastrand::Rng) -> String {
    format!("{conversation} message {number} of {} words, {}", random.u8(6..24), Manner::any(random).name())
}

pub(crate) fn manner_of(question: &str) -> Manner {
    let name = question.rsplit(", ").next().unwrap_or_default();
    Manner::ALL.iter().find(|(_, known)| *known == name).map_or(Manner::Plain, |(manner, _)| *manner)
}

/// The whole reply, unless it is refused.
pub(crate) fn reply_to(question: &str) -> String {
    let words = question.split_once(" of ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let said = words_of(words.unwrap_or(10));
    let words: Vec<_> = said.split_whitespace().collect();
    let sentences: Vec<_> = words.chunks(WORDS_A_SENTENCE).map(|words| format!("I say {}.", words.join(" "))).collect();
    format!("To “{question}”. {}", sentences.join(" "))
}

/// What a call with this question is answered with that was asked so many times before.
pub(crate) fn script_of(question: &str, asked_before: usize) -> Script {
    let reply = reply_to(question);
    match (manner_of(question), asked_before) {
        (Manner::Refused, _) => Script::error(400),
        (Manner::FailsOnce, 0) => Script::error(500),
        (Manner::BreaksOnce, 0) => {
            let words: Vec<_> = reply.split_inclusive(' ').collect();
            Script::paced(&words[..words.len() / 2].concat(), PACE).then_cut()
        }
        _ => Script::paced(&reply, PACE),
    }
}
