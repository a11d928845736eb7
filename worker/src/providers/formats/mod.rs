//! Wire formats of model services, one a file behind [`super::chat_model::ChatModel`] or
//! [`super::speech_model::SpeechModel`] or [`super::translator::Translator`], and what they share: HTTP,
//! server-sent events, timeouts, lenient JSON, and the classification of errors.

pub(super) mod anthropic;
pub(super) mod deepl;
pub(super) mod elevenlabs;
pub(super) mod error_body;
pub(super) mod http;
pub(super) mod json;
pub(super) mod lenient_json;
pub(super) mod libretranslate;
pub(super) mod offline;
pub(super) mod openai;
pub(super) mod openai_speech;
pub(super) mod speechify;
pub(super) mod sse;
pub(super) mod stream;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod test_support;
pub(super) mod time_limits;
