//! A link in an e-mail, by which its addressee does something once: sets a new password, verifies the address. It is a
//! key: it is sent, or shown, and never stored.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest::{SHA256, digest};

use crate::config::Config;

pub struct OneTimeLink {
    /// Where a browser opens it. The token comes behind a `#`, which browsers send to no server.
    pub address: String,
    /// What is stored of the token.
    pub digest: Vec<u8>,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    ResetPassword,
    VerifyEmail,
}

impl OneTimeLink {
    /// A new one: of 256 random bits, which nobody guesses, so a plain digest is enough to store.
    pub fn new(config: &Config, purpose: LinkPurpose) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let token = BASE64.encode(bytes);
        let base = config.server.public_url.as_ref().map(ToString::to_string);
        let base = base.unwrap_or_else(|| format!("http://{}", config.server.listen));
        let page = match purpose {
            LinkPurpose::ResetPassword => "reset",
            LinkPurpose::VerifyEmail => "verify",
        };
        let address = format!("{}/#/{page}/{token}", base.trim_end_matches('/'));
        Ok(Self { address, digest: digest(&SHA256, token.as_bytes()).as_ref().to_vec() })
    }
}
