//! The caller's user agent and address, shown to users in the list of their sign-ins.

use std::{convert::Infallible, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use troupe_db::accounts::sign_ins::Client;

use super::client_address::ClientAddress;

const MAX_AGENT_CHARS: usize = 300;

#[derive(Debug, Clone, Default)]
pub(crate) struct Device {
    pub(crate) agent: Option<String>,
    pub(crate) address: Option<IpAddr>,
}

impl Device {
    pub(crate) fn as_client(&self) -> Client<'_> {
        Client { agent: self.agent.as_deref(), address: self.address }
    }
}

impl<S: Sync> FromRequestParts<S> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.map(|agent| agent.chars().take(MAX_AGENT_CHARS).collect());
        let address = parts.extensions.get().map(|ClientAddress(address)| *address);
        Ok(Self { agent, address })
    }
}
