//! HTTP client for URLs that users give, with protection against SSRF: it reaches public addresses only.
//!
//! A name is resolved here, each of its addresses must be public, and the connection goes to those addresses, which
//! prevents DNS rebinding. Each redirect is a new call, with all checks. Forbidden, refused and unreachable addresses
//! give the same error, so that the internal network cannot be probed. Operators allow networks by
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
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url};

use super::{http_client, outgoing::addresses::is_public};
use crate::{config, ports::Resolver};

const MAX_REDIRECTS: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Per process: each holds up to the maximum body in memory.
const MAX_CONCURRENT: usize = 16;
const MAX_ADDRESS_CHARS: usize = 2_048;

/// Why a fetch failed; the text follows "the address".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// The URL is invalid, which needs no call to find out.
    #[error("{0}")]
    Address(&'static str),
    /// Not public, not resolved, refused or unreachable: deliberately not distinguished.
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

/// A fetched document.
#[derive(Debug)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// The declared media type.
    pub content_type: Option<String>,
}

/// The head of an answer to a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    pub status: u16,
    pub retry_after: Option<Duration>,
}

/// The rules of allowed addresses.
#[derive(Clone)]
struct Bounds {
    allowed: Arc<[IpNet]>,
    /// Empty: every port.
    ports: Arc<[u16]>,
}

/// Whether an address could be called at all, which needs no call to find out.
pub fn validate(settings: &config::Outgoing, address: &str) -> Result<(), OutgoingError> {
    Bounds::of(settings).validate(address).map(drop)
}

pub struct Outgoing {
    client: reqwest::Client,
    bounds: Bounds,
    timeout: Duration,
    permits: Semaphore,
}

impl Outgoing {
    pub fn new(settings: &config::Outgoing, resolver: Arc<dyn Resolver>) -> Result<Self, reqwest::Error> {
        let bounds = Bounds::of(settings);
        let client = http_client::builder()
            .dns_resolver(Arc::new(Guarded { resolver, bounds: bounds.clone() }))
            // A proxy from the environment would resolve names itself.
            .no_proxy()
            // No pooling: a connection must not outlive its checks.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent("troupe")
            .referer(false)
            .build()?;
        Ok(Self { client, bounds, timeout: settings.timeout, permits: Semaphore::new(MAX_CONCURRENT) })
    }

    /// Gets the URL, with a body of at most `limit` bytes.
    pub async fn get(&self, address: &str, limit: usize) -> Result<Fetched, OutgoingError> {
        let url = self.bounds.validate(address)?;
        let _permit = self.permits.try_acquire().map_err(|_| OutgoingError::Busy)?;
        let fetched = timeout(self.timeout, self.follow(url, limit)).await;
        fetched.unwrap_or(Err(OutgoingError::TooSlow(self.timeout)))
    }

    /// Posts a body, following no redirect; returns what the answer's head says.
    pub async fn post(&self, address: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Posted, OutgoingError> {
        let url = self.bounds.validate(address)?;
        let _permit = self.permits.try_acquire().map_err(|_| OutgoingError::Busy)?;
        let call = headers.iter().fold(self.client.post(url), |call, (name, value)| call.header(*name, *value));
        let answer = timeout(self.timeout, call.body(body).send()).await;
        let answer =
            answer.map_err(|_| OutgoingError::TooSlow(self.timeout))?.map_err(|_| OutgoingError::Unreachable)?;
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Posted { status: answer.status().as_u16(), retry_after: retry_after.map(Duration::from_secs) })
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
        // The target of a redirect is not the user's input: its fault is not detailed.
        let to = self.bounds.validate(to.as_str()).map_err(|_| OutgoingError::Unreachable)?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(OutgoingError::Downgrade);
        }
        Ok(to)
    }
}

impl Bounds {
    fn of(settings: &config::Outgoing) -> Self {
        Self { allowed: settings.allow_networks.clone().into(), ports: settings.ports.clone().into() }
    }

    /// Validates a URL before it is resolved.
    fn validate(&self, address: &str) -> Result<Url, OutgoingError> {
        let wrong = |what| Err(OutgoingError::Address(what));
        if address.len() > MAX_ADDRESS_CHARS {
            return wrong("must not have more than 2048 characters");
        }
        let Ok(url) = Url::parse(address) else { return wrong("must be a whole one, like https://example.com/page") };
        // Other scripts are longer as punycode.
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
        // The client resolves names only; IP addresses need no resolution.
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

/// Of an allowed URL: an IP address in it must be public.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(text: &str) {
    let bounds = Bounds { allowed: Arc::new([]), ports: Arc::new([80, 443]) };
    let Ok(url) = bounds.validate(text) else { return };
    assert!(["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none());
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']', '.']);
    assert!(!host.parse().is_ok_and(|address| !is_public(address)), "{host} is let through");
    assert!(bounds.validate(url.as_str()).is_ok(), "what was let through is not, once it is written down");
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

/// Resolves to allowed addresses only; a single forbidden one refuses the name.
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
            // Port 0: replaced by the URL's.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// The system resolver.
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}
