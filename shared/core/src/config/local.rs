//! Small models on this machine, where no service is configured.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::{HOLDS_A_SECRET, holds_no_secret, optional_path, optional_url};

const MIN_CONTEXT_TOKENS: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalModels {
    Auto,
    Off,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Local {
    pub models: LocalModels,
    #[serde(deserialize_with = "optional_path")]
    pub directory: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub model: Option<PathBuf>,
    #[serde(deserialize_with = "optional_url")]
    pub ollama_url: Option<Url>,
    pub ollama_model: String,
    pub threads: usize,
    pub context_tokens: usize,
    pub parallel: usize,
    pub memory: u64,
}

impl Local {
    /// What is wrong, by setting.
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule(self.ollama_url.as_ref().is_none_or(holds_no_secret), "local.ollama_url", HOLDS_A_SECRET);
        let enough = self.context_tokens >= MIN_CONTEXT_TOKENS;
        rule(enough, "local.context_tokens", "must be at least 512");
        rule((1..=64).contains(&self.parallel), "local.parallel", "must be 1 to 64");
        rule(self.threads <= 1024, "local.threads", "must be at most 1024");
    }
}
