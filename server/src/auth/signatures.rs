//! Signed calls: `Authorization: Signature key="…", time="…", nonce="…", hmac="…"`.
//!
//! The key itself is never sent. The HMAC covers the method, the path with its query, the time, the nonce and the
//! body's digest, a line each; its key is the SHA-256 of the API key. A signature is accepted once, within a time
//! window.

use axum::http::{HeaderMap, Method, header};
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use troupe_db::accounts::api_keys as stored;

use super::{
    Auth, api_keys,
    identity::{CredentialKind, Identity},
    secrets::hex,
};
use crate::http::error::ApiError;

const SCHEME: &str = "signature";
const MAX_NONCE_CHARS: usize = 64;

/// The parsed header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed<'a> {
    key: &'a str,
    time: i64,
    nonce: &'a str,
    hmac: Vec<u8>,
}

/// The signed parts of a call that are not in the header.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path_and_query: &'a str,
    pub(crate) body: &'a [u8],
}

pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    header_of(headers).is_some()
}

fn header_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

impl<'a> Signed<'a> {
    pub(crate) fn parse(header: &'a str) -> Option<Self> {
        let (mut key, mut time, mut nonce, mut hmac) = (None, None, None, None);
        for part in header.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            let slot = match name {
                "key" => &mut key,
                "time" => &mut time,
                "nonce" => &mut nonce,
                "hmac" => &mut hmac,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let nonce = nonce.filter(|nonce| (1..=MAX_NONCE_CHARS).contains(&nonce.len()))?;
        Some(Self { key: key?, time: time?.parse().ok()?, nonce, hmac: BASE64.decode(hmac?).ok()? })
    }

    fn verifies(&self, call: &Call<'_>, digest_of_key: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, digest_of_key);
        hmac::verify(&key, text(call, self.time, self.nonce).as_bytes(), &self.hmac).is_ok()
    }
}

fn text(call: &Call<'_>, time: i64, nonce: &str) -> String {
    let body = hex(digest(&SHA256, call.body).as_ref());
    format!("{}\n{}\n{time}\n{nonce}\n{body}", call.method, call.path_and_query)
}

/// The identity of the caller whose key signed the call.
pub(crate) async fn identify(auth: &Auth, headers: &HeaderMap, call: &Call<'_>) -> Result<Identity, ApiError> {
    let refused = ApiError::Unauthenticated;
    let signed = header_of(headers).and_then(Signed::parse).ok_or(refused("the signature is malformed"))?;
    let window = auth.config.auth.signature_window;
    if (auth.clock.now().timestamp() - signed.time).unsigned_abs() > window.as_secs() {
        return Err(refused("the signature's time is too far from this server's"));
    }
    let key = stored::find(&auth.pool, signed.key).await?;
    let key = key.filter(|key| signed.verifies(call, &key.digest));
    let key = key.ok_or(refused("the signature is not valid, or its key has ended"))?;
    // Used signatures are stored in PostgreSQL, not in Redis: one that were lost could be replayed.
    let signature_digest = digest(&SHA256, &[key.id.as_uuid().as_bytes(), &*signed.hmac].concat());
    if !stored::take_signed_call(&auth.pool, signature_digest.as_ref(), window * 2).await? {
        return Err(refused("this signed call was made before"));
    }
    Ok(api_keys::identity(key, CredentialKind::SignedKey))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "trp_0123456789ab_secret";

    fn call<'a>(method: &'a Method, path_and_query: &'a str, body: &'a [u8]) -> Call<'a> {
        Call { method, path_and_query, body }
    }

    fn header(call: &Call<'_>) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, digest(&SHA256, KEY.as_bytes()).as_ref());
        let mac = BASE64.encode(hmac::sign(&key, text(call, 1_763_765_000, "n-1").as_bytes()));
        format!(r#"key="trp_0123456789ab", time="1763765000", nonce="n-1", hmac="{mac}""#)
    }

    #[test]
    fn a_signature_holds_for_the_call_that_was_signed() {
        let of_key = digest(&SHA256, KEY.as_bytes());
        let post = Method::POST;
        let signed_call = call(&post, "/api/v1/x?y=1", b"{}");
        let header = header(&signed_call);
        let signed = Signed::parse(&header).unwrap();
        assert!(signed.verifies(&signed_call, of_key.as_ref()));
        assert!(!signed.verifies(&signed_call, digest(&SHA256, b"another").as_ref()));
        for other in [
            call(&Method::PUT, "/api/v1/x?y=1", b"{}"),
            call(&post, "/api/v1/x?y=2", b"{}"),
            call(&post, "/api/v1/x", b"{}"),
            call(&post, "/api/v1/x?y=1", b"{} "),
        ] {
            assert!(!signed.verifies(&other, of_key.as_ref()));
        }
        assert!(
            !Signed { time: signed.time + 1, ..Signed::parse(&header).unwrap() }
                .verifies(&signed_call, of_key.as_ref())
        );
        assert!(!Signed { nonce: "n-2", ..Signed::parse(&header).unwrap() }.verifies(&signed_call, of_key.as_ref()));
    }

    #[test]
    fn what_is_no_signature_is_none() {
        let whole = header(&call(&Method::GET, "/", b""));
        let long = "n".repeat(65);
        let others = [
            String::new(),
            "key".to_owned(),
            whole.replace("key=", "keys="),
            whole.replace("1763765000", "soon"),
            whole.replace("\"n-1\"", "n-1"),
            whole.replace("n-1", ""),
            whole.replace("n-1", &long),
            whole.replace("hmac=\"", "hmac=\"*"),
            format!("{whole}, nonce=\"n-1\""),
            whole.replace(", nonce=\"n-1\"", ""),
        ];
        for other in others {
            assert_eq!(Signed::parse(&other), None, "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_is_too_strange(header in "\\PC{0,200}") {
            _ = Signed::parse(&header);
        }
    }
}
