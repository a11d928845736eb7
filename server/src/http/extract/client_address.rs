//! The client's address: the connection's peer, or the address that trusted proxies forward.
//!
//! Each proxy appends its peer's address to `X-Forwarded-For`. So the list is read from its end, and only across
//! trusted proxies: anything before that may be forged by the client. (`Forwarded` is not read: proxies that do not
//! know the header would pass on a forged one.)

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;

use crate::http::serve::Peer;

pub(crate) const FORWARDED_FOR: &str = "x-forwarded-for";
/// No deployment has a longer chain of proxies.
const MAX_HOPS: usize = 32;

/// The address that a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    pub(crate) const UNKNOWN: Self = Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

    pub(crate) fn of(request: &Request, trusted: &[IpNet]) -> Self {
        let peer = request.extensions().get::<Peer>().map_or(Self::UNKNOWN.0, |peer| peer.address.ip());
        Self(client(peer, request.headers(), trusted))
    }

    /// The unit that rate limits count by: of IPv6 the /64 network, which belongs to one subscriber.
    pub(crate) fn subscriber(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::UNKNOWN))
    }
}

pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut known = peer.to_canonical();
    if trusted.is_empty() {
        return known;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).take(MAX_HOPS);
    // A malformed entry ends the walk: the proxy that wrote it is the client.
    while trusted.iter().any(|network| network.contains(&known)) {
        let Some(before) = hops.next().and_then(address) else { break };
        known = before;
    }
    known
}

/// An address, perhaps with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec()
    }

    fn of(peer: &str, lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted()).to_string()
    }

    #[test]
    fn the_last_that_a_trusted_proxy_says_of_somebody_else_counts() {
        let cases: [(&str, &[&[u8]], &str); 12] = [
            ("9.9.9.9", &[], "9.9.9.9"),
            ("9.9.9.9", &[b"1.1.1.1"], "9.9.9.9"),
            ("10.0.0.1", &[b"1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", &[b"6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", &[b"6.6.6.6", b"1.1.1.1", b"10.0.0.2, 10.0.0.3"], "1.1.1.1"),
            ("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[b"6.6.6.6, garbage"], "10.0.0.1"),
            ("10.0.0.1", &[b"6.6.6.6, \xff\xfe, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b""], "10.0.0.1"),
            ("::ffff:10.0.0.1", &[b"::ffff:1.1.1.1"], "1.1.1.1"),
            ("fd00::1", &[b"[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &[b"1.1.1.1:5555"], "1.1.1.1"),
        ];
        for (peer, lines, expected) in cases {
            assert_eq!(of(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_subscriber() {
        let subscriber = |text: &str| ClientAddress(text.parse().unwrap()).subscriber().to_string();
        assert_eq!(subscriber("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(subscriber("1.2.3.4"), "1.2.3.4");
    }

    proptest! {
        /// Whatever an outsider writes: what counts is the address that the outermost trusted proxy saw.
        #[test]
        fn nobody_can_say_that_they_are_somebody_else(
            made_up in prop::collection::vec(prop::collection::vec(32u8..=255, 0..60), 0..5),
            proxies in prop::collection::vec(any::<[u8; 3]>(), 0..4),
            client in any::<u32>(),
        ) {
            let client = IpAddr::V4(client.into());
            prop_assume!(trusted().iter().all(|network| !network.contains(&client)));
            let mut lines: Vec<_> = made_up.into_iter().map(|line| line.into_iter().filter(|byte| *byte != 127).collect()).collect();
            lines.push(client.to_string().into_bytes());
            lines.extend(proxies.iter().map(|[a, b, c]| format!("10.{a}.{b}.{c}").into_bytes()));
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(of("10.255.255.255", &lines), client.to_string());
            // Somebody who comes by no proxy is who they are.
            prop_assert_eq!(of(&client.to_string(), &lines), client.to_string());
        }
    }
}
