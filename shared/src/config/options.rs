//! What every binary takes on its command line.

use std::path::PathBuf;

use super::{Config, ConfigError};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// A TOML file with settings; the environment overrides it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
}

impl Options {
    /// The configuration; `None` where checking it was all.
    pub fn load(&self) -> Result<Option<Config>, ConfigError> {
        let config = Config::load(self.config.as_deref())?;
        Ok((!self.check_config).then_some(config))
    }
}
