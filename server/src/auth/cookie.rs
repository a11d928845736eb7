//! The session cookie, and protection against cross-site request forgery.
//!
//! A browser sends the cookie with requests of any page, so a call by cookie is accepted only from our own pages, by
//! Fetch metadata or, in browsers without it, by the `Origin` header.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use troupe_core::ids::{CredentialId, UserId};
use url::Url;
use uuid::Uuid;

use crate::http::error::ApiError;

/// Browsers accept a cookie with this prefix over https only, for this host and all of its paths.
const SECURE_NAME: &str = "__Host-troupe_session";
/// For loopback addresses, without https.
const PLAIN_NAME: &str = "troupe_session";

/// The parsed cookie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SessionCookie<'a> {
    pub(crate) user: UserId,
    pub(crate) id: CredentialId,
    pub(crate) secret: &'a str,
}

impl<'a> SessionCookie<'a> {
    pub(crate) fn read(headers: &'a HeaderMap, public_url: Option<&Url>) -> Option<Self> {
        let name = if is_secure(headers, public_url) { SECURE_NAME } else { PLAIN_NAME };
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        Self::parse(pairs.find(|(known, _)| *known == name)?.1)
    }

    fn parse(value: &'a str) -> Option<Self> {
        let (ids, secret) = value.split_once('.')?;
        let ids: [u8; 32] = BASE64.decode(ids).ok()?.try_into().ok()?;
        let (user, id) = (Uuid::from_slice(&ids[..16]).ok()?, Uuid::from_slice(&ids[16..]).ok()?);
        Some(Self { user: user.into(), id: id.into(), secret })
    }

    fn value(&self) -> String {
        let ids = [*self.user.as_uuid().as_bytes(), *self.id.as_uuid().as_bytes()].concat();
        format!("{}.{}", BASE64.encode(ids), self.secret)
    }

    /// The `Set-Cookie` header: unreadable by scripts, not sent by other sites.
    pub(crate) fn set(
        &self,
        headers: &HeaderMap,
        public_url: Option<&Url>,
        seconds: u64,
    ) -> Result<HeaderValue, ApiError> {
        set_cookie(headers, public_url, &self.value(), seconds)
    }
}

/// The `Set-Cookie` header that removes the cookie.
pub(crate) fn removed(headers: &HeaderMap, public_url: Option<&Url>) -> Result<HeaderValue, ApiError> {
    set_cookie(headers, public_url, "", 0)
}

fn set_cookie(
    headers: &HeaderMap,
    public_url: Option<&Url>,
    value: &str,
    seconds: u64,
) -> Result<HeaderValue, ApiError> {
    let (name, secure) = if is_secure(headers, public_url) { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).map_err(|error| ApiError::Internal(format!("write a cookie: {error}")))
}

/// By the configured public URL; without one, everywhere but on loopback addresses.
fn is_secure(headers: &HeaderMap, public_url: Option<&Url>) -> bool {
    public_url.map_or_else(|| !is_loopback(host(headers)), |url| url.scheme() == "https")
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Rejects a call by cookie that a page of another site made.
pub(crate) fn check_origin(method: &Method, headers: &HeaderMap, public_url: Option<&Url>) -> Result<(), ApiError> {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let upgrade = headers.contains_key(header::UPGRADE);
    let only_reads = matches!(*method, Method::GET | Method::HEAD) && !upgrade;
    let ours = match (header("sec-fetch-site"), header("origin")) {
        (Some("same-origin"), _) => true,
        // Navigation by the user; or an old browser, or no browser at all.
        (Some("none"), _) | (None, None) => only_reads,
        (Some(_), _) => false,
        (None, Some(origin)) => is_own(origin, headers, public_url),
    };
    if ours { Ok(()) } else { Err(ApiError::cross_site()) }
}

fn is_own(origin: &str, headers: &HeaderMap, public_url: Option<&Url>) -> bool {
    match public_url {
        Some(url) => url.origin().ascii_serialization() == origin,
        None => Url::parse(origin).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url[url::Position::BeforeHost..url::Position::AfterPort] == *host(headers)
        }),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_cookie_is_read_as_it_was_set() {
        let cookie = SessionCookie { user: UserId::new(), id: CredentialId::new(), secret: "s-_s" };
        assert_eq!(SessionCookie::parse(&cookie.value()), Some(cookie));
        for garbage in ["", ".", "a.b", "AAAA.secret", "é.é", &"A".repeat(43)] {
            assert_eq!(SessionCookie::parse(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn only_this_machine_does_without_https() {
        let cookie = SessionCookie { user: UserId::new(), id: CredentialId::new(), secret: "s" };
        let set = |host, url: Option<&str>| {
            let url = url.map(|url| url.parse::<Url>().unwrap());
            let set = cookie.set(&headers(&[("host", host)]), url.as_ref(), 60).unwrap();
            let set = set.to_str().unwrap().to_owned();
            assert!(set.contains("; HttpOnly; SameSite=Strict") && set.contains("; Path=/; Max-Age=60;"), "{set}");
            assert_eq!(set.contains("__Host-"), set.contains("; Secure"), "{set}");
            set.contains("; Secure")
        };
        assert!(!set("localhost:8080", None) && !set("127.0.0.1", None) && !set("[::1]:8080", None));
        assert!(set("troupe.example", None) && set("10.0.0.1:80", None) && set("localhost.example", None));
        assert!(set("localhost", Some("https://troupe.example")) && !set("10.0.0.1", Some("http://10.0.0.1")));
        // One that came without https does not count where https is meant.
        let name = SECURE_NAME.replace("__Host-", "");
        let planted = headers(&[("host", "troupe.example"), ("cookie", "troupe_session=AAAA.x")]);
        assert_eq!((name.as_str(), SessionCookie::read(&planted, None)), (PLAIN_NAME, None));
    }

    #[test]
    fn other_sites_cannot_use_it() {
        let may = |method: Method, all: &[(&'static str, &'static str)]| {
            let all = [all, &[("host", "troupe.example")]].concat();
            check_origin(&method, &headers(&all), None).is_ok()
        };
        let (get, post) = (Method::GET, Method::POST);
        assert!(may(post.clone(), &[("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            let fetch = ("sec-fetch-site", site);
            assert!(!may(post.clone(), &[fetch]) && !may(post.clone(), &[fetch, ("origin", "https://troupe.example")]));
            assert_eq!(may(get.clone(), &[fetch]), site == "none");
            assert!(!may(get.clone(), &[fetch, ("upgrade", "websocket")]));
        }
        // Browsers without Fetch metadata.
        assert!(may(post.clone(), &[("origin", "https://troupe.example")]));
        for other in ["https://evil.example", "https://troupe.example.evil", "null", "", "https://troupe.example:444"] {
            let origin = ("origin", other);
            assert!(!may(post.clone(), &[origin]) && !may(get.clone(), &[origin, ("upgrade", "websocket")]), "{other}");
        }
        assert!(may(get.clone(), &[]) && !may(post, &[]) && !may(get, &[("upgrade", "websocket")]));
    }
}
