//! The link that sets a new password. Its token is a credential: it is sent, or shown, and never stored.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest::{SHA256, digest};

use crate::config::Config;

pub struct PasswordLink {
    /// The page that sets the password. The token is in the fragment, which browsers send to no server.
    pub address: String,
    /// The digest of the token, which is stored.
    pub digest: Vec<u8>,
}

impl PasswordLink {
    /// A new token of 256 random bits, so a plain digest is enough to store.
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
