//! The link by which a new password is set. It is a key: it is sent, or shown, and never stored.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest::{SHA256, digest};

use crate::config::Config;

pub struct PasswordLink {
    /// Where a browser sets the password. The token comes behind a `#`, which browsers send to no server.
    pub address: String,
    /// What is stored of the token.
    pub digest: Vec<u8>,
}

impl PasswordLink {
    /// A new one: of 256 random bits, which nobody guesses, so a plain digest is enough to store.
    pub fn new(config: &Config) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let token = BASE64.encode(bytes);
        let base = config.server.public_url.as_ref().map(ToString::to_string);
        let base = base.unwrap_or_else(|| format!("http://{}", config.server.listen));
        let address = format!("{}/#/reset/{token}", base.trim_end_matches('/'));
        Ok(Self { address, digest: digest(&SHA256, token.as_bytes()).as_ref().to_vec() })
    }
}
