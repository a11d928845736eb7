//! Model services: the port [`chat_model`], one wire format a file in [`formats`], and [`failover`] between them.
//!
//! `failover` calls `formats` through the port; all depend on [`prompt`] and [`failure`]. Services that speak are
//! behind the port [`speech_model`], and called by [`speech_failover`]; those that translate behind [`translator`].

mod chain_translator;
pub(crate) mod chat_model;
mod failover;
mod failure;
pub(crate) mod formats;
pub(crate) mod prompt;
mod small_model;
mod speech_failover;
mod speech_model;
pub(crate) mod tokens;
mod translator;

pub(crate) use chain_translator::ChainTranslator;
pub(crate) use failover::{
    ChainFailure, Completion, Failover, ReplyChunk,
    call::Trail,
    chain::Chain,
    health_board::{HealthBoard, sync as sync_health_board},
    health_checks::HealthChecks,
    roster::{Candidate, Endpoint, Roster},
};
pub(crate) use formats::{deepl::DeepL, http::client as http_client, libretranslate::LibreTranslate};
pub(crate) use speech_failover::{SpeechFailover, Unspoken};
pub(crate) use translator::{Assignment, TextKind, Translated, Translator, Untranslated};
