//! What one call is answered with, step by step, in no dialect yet.

use std::time::Duration;

use super::{Gate, perform::Act};

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A chunk of the reply's text.
    Text(String),
    /// A chunk that is no JSON.
    Malformed,
    /// An error inside the stream, as some services send it.
    Error,
    Act(Act),
}

/// What one call is answered with.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own that services have or lack")]
pub struct Script {
    pub(super) answer: Status,
    pub(super) steps: Vec<Step>,
    /// A first chunk with the role, an empty content and no text, as `OpenAI` sends it.
    pub(super) role: bool,
    /// The reason for the end: without it a stream is cut short.
    pub(super) finish: Option<Finish>,
    pub(super) usage: bool,
    pub(super) done: bool,
    pub(super) unknown_fields: bool,
    pub(super) torn: bool,
}

/// Why a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    Stop,
    /// It came to the most tokens that it may say.
    Length,
    /// The rest was withheld.
    Filtered,
    /// The model declines; the text says so.
    Declined,
}

/// What services find fault with, each in the words of its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    BadKey,
    /// There is no money behind the key, under a status that says so.
    NoCredit,
    /// There is no money behind the key, under the status of a rate limit or of a bad call.
    OutOfQuota,
    NoSuchModel,
    TooLong,
    /// The prompt offends.
    Filtered,
    Overloaded,
}

#[derive(Debug, Clone)]
pub(super) enum Status {
    Stream,
    /// The call is never answered.
    Silence,
    /// The connection is closed without an answer.
    HangUp,
    Error {
        status: u16,
        retry_after: Option<u64>,
        body: String,
    },
    Fault(Fault),
}

impl Script {
    /// A whole reply, in these chunks.
    pub fn chunks<T: Into<String>>(chunks: impl IntoIterator<Item = T>) -> Self {
        Self {
            answer: Status::Stream,
            steps: chunks.into_iter().map(|chunk| Step::Text(chunk.into())).collect(),
            role: true,
            finish: Some(Finish::Stop),
            usage: true,
            done: true,
            unknown_fields: false,
            torn: false,
        }
    }

    /// A whole reply, a chunk per word.
    pub fn text(text: &str) -> Self {
        Self::chunks(text.split_inclusive(' '))
    }

    /// A whole reply of so many words, of letters of one to four bytes and of several code points.
    pub fn words(words: usize) -> Self {
        Self::text(&words_of(words))
    }

    /// The gate before every chunk and before the end.
    pub fn gated<T: Into<String>>(chunks: impl IntoIterator<Item = T>, gate: &Gate) -> Self {
        let mut script = Self::chunks(Vec::<String>::new());
        for chunk in chunks {
            script.steps.extend([Step::Act(Act::Wait(gate.clone())), Step::Text(chunk.into())]);
        }
        script.then_wait(gate)
    }

    /// A whole reply, a chunk per word, at this pace.
    pub fn paced(text: &str, pace: Duration) -> Self {
        let mut script = Self::chunks(Vec::<String>::new());
        for word in text.split_inclusive(' ') {
            script.steps.extend([Step::Act(Act::Pause(pace)), Step::Text(word.to_owned())]);
        }
        script
    }

    /// An error instead of a stream.
    pub fn error(status: u16) -> Self {
        Self::error_with(status, r#"{"error":{"message":"as scripted","type":"scripted","param":null,"code":null}}"#)
    }

    /// An error with what the service says of it.
    pub fn error_with(status: u16, body: &str) -> Self {
        Self::answering(Status::Error { status, retry_after: None, body: body.to_owned() })
    }

    /// 429, with the seconds after which to come again.
    pub fn too_many(retry_after: u64) -> Self {
        Self::answering(Status::Error { status: 429, retry_after: Some(retry_after), body: "{}".to_owned() })
    }

    /// A fault as services of the dialect that is spoken tell it.
    pub fn fault(fault: Fault) -> Self {
        Self::answering(Status::Fault(fault))
    }

    /// The call is taken and never answered.
    pub fn silence() -> Self {
        Self::answering(Status::Silence)
    }

    /// The call is taken, and the connection closed.
    pub fn hang_up() -> Self {
        Self::answering(Status::HangUp)
    }

    fn answering(answer: Status) -> Self {
        Self { answer, ..Self::chunks(Vec::<String>::new()) }
    }

    /// The connection breaks where the reply would end.
    #[must_use]
    pub fn then_cut(self) -> Self {
        self.then(Step::Act(Act::Cut))
    }

    /// Nothing more comes where the reply would end, and the connection stays.
    #[must_use]
    pub fn then_stall(self) -> Self {
        self.then(Step::Act(Act::Stall))
    }

    #[must_use]
    pub fn then_wait(self, gate: &Gate) -> Self {
        self.then(Step::Act(Act::Wait(gate.clone())))
    }

    #[must_use]
    pub fn then_text(self, text: &str) -> Self {
        self.then(Step::Text(text.to_owned()))
    }

    #[must_use]
    pub fn then_malformed(self) -> Self {
        self.then(Step::Malformed)
    }

    #[must_use]
    pub fn then_error_chunk(self) -> Self {
        self.then(Step::Error)
    }

    /// Ends without a reason, without usage and without a last event, and closes the connection in good order.
    #[must_use]
    pub fn then_just_ends(self) -> Self {
        Self { finish: None, usage: false, done: false, ..self }
    }

    #[must_use]
    pub fn ending(self, finish: Finish) -> Self {
        Self { finish: Some(finish), ..self }
    }

    #[must_use]
    pub fn without_done(self) -> Self {
        Self { done: false, ..self }
    }

    #[must_use]
    pub fn without_usage(self) -> Self {
        Self { usage: false, ..self }
    }

    /// Fields that no documentation knows, in every chunk, and comment lines between them.
    #[must_use]
    pub fn with_unknown_fields(self) -> Self {
        Self { unknown_fields: true, ..self }
    }

    /// Every few bytes in a write of their own, so that lines and letters are torn.
    #[must_use]
    pub fn torn(self) -> Self {
        Self { torn: true, ..self }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// What every script says that it used.
pub const PROMPT_TOKENS: u64 = 12;
pub const COMPLETION_TOKENS: u64 = 7;

/// The same words for the same number, in several scripts, some of several code points.
pub fn words_of(words: usize) -> String {
    const WORDS: [&str; 9] = ["sea", "Grüße", "🌊", "灯台", "cafe\u{301}", "👩‍👩‍👧", "«quoted»\n", "\"\\\u{7}\"", "маяк"];
    (0..words).map(|n| format!("{}{n}", WORDS[n % WORDS.len()])).collect::<Vec<_>>().join(" ")
}

/// What a question is answered with that has no script.
pub fn default_reply(question: &str) -> String {
    format!("You asked “{question}” and I say: {}", words_of(12))
}
