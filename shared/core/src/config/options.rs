//! The command line options of all binaries.

use std::path::PathBuf;

use super::{ConfigError, Live, Sources};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// A TOML file with settings; the environment overrides it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A directory with a file for each secret, named like its variable or its setting; the environment overrides it.
    #[arg(long, value_name = "DIRECTORY", env = "TROUPE_SECRETS_DIR")]
    secrets_dir: Option<PathBuf>,
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
}

impl Options {
    /// Loads the configuration; `None` with `--check-config`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn load(&self) -> Result<Option<Live>, ConfigError> {
        let environment = std::env::vars().collect();
        let (file, secrets) = (self.config.clone(), self.secrets_dir.clone());
        let live = Live::new(Sources { file, secrets, environment, ..Sources::default() })?;
        Ok((!self.check_config).then_some(live))
    }
}
