//! What one call is answered with, step by step.

use std::{collections::VecDeque, convert::Infallible, io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::Gate;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A chunk of the reply's text.
    Text(String),
    /// A `data:` line with exactly this.
    Raw(String),
    /// These bytes, as they are.
    Bytes(Vec<u8>),
    Wait(Gate),
    /// Time passes, as it does between the words of a real model.
    Pause(Duration),
    /// Nothing more, ever, on an open connection.
    Stall,
    /// The connection breaks.
    Cut,
}

/// What one call is answered with.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own that services have or lack")]
pub struct Script {
    pub(super) answer: Status,
    steps: Vec<Step>,
    /// A first chunk with the role, an empty content and no text, as `OpenAI` sends it.
    role: bool,
    /// The reason for the end: without it a stream is cut short.
    finish: bool,
    usage: bool,
    done: bool,
    unknown_fields: bool,
    /// Every few bytes in a write of their own, so that lines and letters are torn.
    pub(super) torn: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Status {
    Stream,
    /// The call is never answered.
    Silence,
    Error {
        status: u16,
        retry_after: Option<u64>,
        body: String,
    },
}

impl Script {
    /// A whole reply, in these chunks.
    pub fn chunks<T: Into<String>>(chunks: impl IntoIterator<Item = T>) -> Self {
        Self {
            answer: Status::Stream,
            steps: chunks.into_iter().map(|chunk| Step::Text(chunk.into())).collect(),
            role: true,
            finish: true,
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
            script.steps.extend([Step::Wait(gate.clone()), Step::Text(chunk.into())]);
        }
        script.then_wait(gate)
    }

    /// A whole reply, a chunk per word, at this pace.
    pub fn paced(text: &str, pace: Duration) -> Self {
        let mut script = Self::chunks(Vec::<String>::new());
        for word in text.split_inclusive(' ') {
            script.steps.extend([Step::Pause(pace), Step::Text(word.to_owned())]);
        }
        script
    }

    /// An error instead of a stream.
    pub fn error(status: u16) -> Self {
        Self::error_with(status, r#"{"error":{"message":"as scripted","type":"scripted","param":null,"code":null}}"#)
    }

    /// An error with what the service says of it.
    pub fn error_with(status: u16, body: &str) -> Self {
        let answer = Status::Error { status, retry_after: None, body: body.to_owned() };
        Self { answer, ..Self::chunks(Vec::<String>::new()) }
    }

    /// 429, with the seconds after which to come again.
    pub fn too_many(retry_after: u64) -> Self {
        let answer = Status::Error { status: 429, retry_after: Some(retry_after), body: "{}".to_owned() };
        Self { answer, ..Self::error(429) }
    }

    /// The call is taken and never answered.
    pub fn silence() -> Self {
        Self { answer: Status::Silence, ..Self::chunks(Vec::<String>::new()) }
    }

    /// The connection breaks where the reply would end.
    #[must_use]
    pub fn then_cut(self) -> Self {
        self.then(Step::Cut)
    }

    /// Nothing more comes where the reply would end, and the connection stays.
    #[must_use]
    pub fn then_stall(self) -> Self {
        self.then(Step::Stall)
    }

    #[must_use]
    pub fn then_wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    #[must_use]
    pub fn then_text(self, text: &str) -> Self {
        self.then(Step::Text(text.to_owned()))
    }

    /// A chunk that is no JSON.
    #[must_use]
    pub fn then_malformed(self) -> Self {
        self.then(Step::Raw(r#"{"choices":[{"delta":{"content":"#.to_owned()))
    }

    /// An error inside the stream, as some services send it.
    #[must_use]
    pub fn then_error_chunk(self) -> Self {
        self.then(Step::Raw(r#"{"error":{"message":"overloaded","type":"server_error"}}"#.to_owned()))
    }

    /// Ends without a reason, without usage and without `[DONE]`, and closes the connection in good order.
    #[must_use]
    pub fn then_just_ends(self) -> Self {
        Self { finish: false, usage: false, done: false, ..self }
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

    #[must_use]
    pub fn torn(self) -> Self {
        Self { torn: true, ..self }
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// All that is written, the end included.
    pub(super) fn steps(&self, usage_wanted: bool) -> VecDeque<Step> {
        let mut steps = VecDeque::new();
        if self.unknown_fields {
            steps.push_back(Step::Bytes(b": a comment\n\n".to_vec()));
        }
        if self.role {
            steps.push_back(self.chunk(&json!({"role": "assistant", "content": ""}), &Value::Null));
        }
        for step in &self.steps {
            steps.push_back(match step {
                Step::Text(text) => self.chunk(&json!({ "content": text }), &Value::Null),
                other => other.clone(),
            });
        }
        if self.finish {
            steps.push_back(self.chunk(&json!({}), &json!("stop")));
        }
        if self.usage && usage_wanted {
            let usage =
                json!({"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": 19});
            steps.push_back(Step::Raw(json!({"id": "chatcmpl-1", "choices": [], "usage": usage}).to_string()));
        }
        if self.done {
            steps.push_back(Step::Raw("[DONE]".to_owned()));
        }
        steps
    }

    fn chunk(&self, delta: &Value, finish_reason: &Value) -> Step {
        let mut chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        });
        if self.unknown_fields {
            chunk["x_surprise"] = json!({"deeply": ["nested", null, 1e300]});
            chunk["choices"][0]["delta"]["reasoning_details"] = json!([{"kind": "hidden"}]);
        }
        Step::Raw(chunk.to_string())
    }
}

/// The bytes of a script as it is performed.
pub(super) fn perform(
    steps: VecDeque<Step>,
    torn: bool,
) -> impl futures::Stream<Item = Result<Bytes, io::Error>> + Send {
    let written = stream::unfold(steps, |mut steps| async move {
        loop {
            let bytes = match steps.pop_front()? {
                Step::Text(_) => continue,
                Step::Raw(line) => Ok(Bytes::from(format!("data: {line}\n\n"))),
                Step::Bytes(bytes) => Ok(Bytes::from(bytes)),
                Step::Wait(gate) => {
                    gate.pass().await;
                    continue;
                }
                Step::Pause(pace) => {
                    tokio::time::sleep(pace).await;
                    continue;
                }
                Step::Stall => match std::future::pending::<Infallible>().await {},
                Step::Cut => Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut, as scripted")),
            };
            return Some((bytes, steps));
        }
    });
    written.flat_map(move |bytes| {
        let parts: Vec<_> = match bytes {
            Ok(bytes) if torn => bytes.chunks(3).map(|part| Ok(Bytes::copy_from_slice(part))).collect(),
            whole => vec![whole],
        };
        // Each part in a turn of its own, so that each is a write of its own.
        stream::iter(parts).then(|part| async {
            tokio::task::yield_now().await;
            part
        })
    })
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
