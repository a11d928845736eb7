//! Calls to addresses that users give: the one client for them, which reaches the public part of the world and nothing
//! else.
//!
//! A name is resolved here, each of its addresses must be public, and the connection goes to those very addresses:
//! nobody can give another one in between. Each redirect is a new call, with all checks. What is not allowed, refused
//! or dead is told in the same words, so that nobody learns by us what is inside. Operators open networks of theirs by
//! `outgoing.allow_networks`.

mod addresses;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::{
    Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION},
    redirect,
};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

use super::outgoing::addresses::is_public;
use crate::{config, ports::Resolver};

const MAX_REDIRECTS: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one process: each may hold as much as it may fetch.
const AT_ONCE: usize = 16;
const MAX_ADDRESS_CHARS: usize = 2_048;

/// Why there is nothing; to be told after "the address".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// It can be seen without a call.
    #[error("{0}")]
    Address(&'static str),
    /// Not public, not resolved, refused, dead: which, is nobody's business.
    #[error("could not be reached")]
    Unreachable,
    #[error("answered {0}")]
    Status(u16),
    #[error("redirects more than {MAX_REDIRECTS} times")]
    Redirects,
    #[error("redirects to one that is not encrypted")]
    Downgrade,
    #[error("holds more than {0} bytes")]
    TooLarge(usize),
    #[error("took longer than {}", humantime::format_duration(*.0))]
    TooSlow(Duration),
    #[error("answers in an encoding that was not asked for")]
    Encoded,
    #[error("cannot be asked now: too much is being fetched")]
    Busy,
}

/// What an address holds.
#[derive(Debug)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// What it is said to be.
    pub content_type: Option<String>,
}

/// What may be reached.
#[derive(Clone)]
struct Bounds {
    allowed: Arc<[IpNet]>,
    /// None: every port.
    ports: Arc<[u16]>,
}

pub struct Outgoing {
    client: reqwest::Client,
    bounds: Bounds,
    timeout: Duration,
    places: Semaphore,
}

impl Outgoing {
    pub fn new(settings: &config::Outgoing, resolver: Arc<dyn Resolver>) -> Result<Self, reqwest::Error> {
        let bounds = Bounds { allowed: settings.allow_networks.clone().into(), ports: settings.ports.clone().into() };
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guarded { resolver, bounds: bounds.clone() }))
            .redirect(redirect::Policy::none())
            // One from the environment would resolve names itself.
            .no_proxy()
            // No connection outlives the checks that were made for it.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent("troupe")
            .referer(false)
            .build()?;
        Ok(Self { client, bounds, timeout: settings.timeout, places: Semaphore::new(AT_ONCE) })
    }

    /// Gets what is at the address, if that is not more than so many bytes.
    pub async fn get(&self, address: &str, limit: usize) -> Result<Fetched, OutgoingError> {
        let url = self.bounds.checked(address)?;
        let _place = self.places.try_acquire().map_err(|_| OutgoingError::Busy)?;
        let fetched = timeout(self.timeout, self.follow(url, limit)).await;
        fetched.unwrap_or(Err(OutgoingError::TooSlow(self.timeout)))
    }

    async fn follow(&self, mut url: Url, limit: usize) -> Result<Fetched, OutgoingError> {
        for _ in 0..=MAX_REDIRECTS {
            let call = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            let response = call.send().await.map_err(|_| OutgoingError::Unreachable)?;
            if !response.status().is_redirection() {
                return read(response, limit).await;
            }
            url = self.redirected(&url, &response)?;
        }
        Err(OutgoingError::Redirects)
    }

    fn redirected(&self, from: &Url, response: &Response) -> Result<Url, OutgoingError> {
        let status = OutgoingError::Status(response.status().as_u16());
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok()).ok_or(status)?;
        // Where it leads is nothing that the user has given: it is not told what is wrong with it.
        let to = self.bounds.checked(to.as_str()).map_err(|_| OutgoingError::Unreachable)?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(OutgoingError::Downgrade);
        }
        Ok(to)
    }
}

impl Bounds {
    /// What can be said of an address before it is resolved.
    fn checked(&self, address: &str) -> Result<Url, OutgoingError> {
        let wrong = |what| Err(OutgoingError::Address(what));
        if address.len() > MAX_ADDRESS_CHARS {
            return wrong("must not have more than 2048 characters");
        }
        let Ok(url) = Url::parse(address) else { return wrong("must be a whole one, like https://example.com/page") };
        // Letters of other scripts take more room as they are sent.
        if url.as_str().len() > MAX_ADDRESS_CHARS {
            return wrong("must not have more than 2048 characters as it is sent");
        }
        if !["http", "https"].contains(&url.scheme()) {
            return wrong("must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("must not hold a user or a password");
        }
        if !self.ports.is_empty() && !url.port_or_known_default().is_some_and(|port| self.ports.contains(&port)) {
            return wrong("has a port that is not allowed");
        }
        // The client resolves names only: an address goes by its resolver.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
            Some(Host::Domain(_)) => None,
            None => return wrong("must name a host"),
        };
        if literal.is_some_and(|address| !self.allow(address)) {
            return Err(OutgoingError::Unreachable);
        }
        Ok(url)
    }

    fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }
}

/// Of an address that is let through: what of it is a number is public.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(text: &str) {
    let bounds = Bounds { allowed: Arc::new([]), ports: Arc::new([80, 443]) };
    let Ok(url) = bounds.checked(text) else { return };
    assert!(["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none());
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']', '.']);
    assert!(!host.parse().is_ok_and(|address| !is_public(address)), "{host} is let through");
    assert!(bounds.checked(url.as_str()).is_ok(), "what was let through is not, once it is written down");
}

async fn read(mut response: Response, limit: usize) -> Result<Fetched, OutgoingError> {
    let status = response.status();
    if !status.is_success() {
        return Err(OutgoingError::Status(status.as_u16()));
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if header(CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(OutgoingError::Encoded);
    }
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(OutgoingError::TooLarge(limit));
    }
    let content_type = header(CONTENT_TYPE).map(str::to_owned);
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| OutgoingError::Unreachable)? {
        if bytes.len() + part.len() > limit {
            return Err(OutgoingError::TooLarge(limit));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Fetched { bytes, content_type })
}

/// Resolves names to what may be reached; one address that may not is enough to refuse all of them.
struct Guarded {
    resolver: Arc<dyn Resolver>,
    bounds: Bounds,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, bounds) = (self.resolver.clone(), self.bounds.clone());
        Box::pin(async move {
            let addresses = resolver.resolve(name.as_str()).await?;
            if addresses.is_empty() || !addresses.iter().all(|address| bounds.allow(*address)) {
                return Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into());
            }
            // Port 0: the address's own.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// As the machine resolves names.
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}
