//! What this crate reads from outside, as the targets in `fuzz/` need it. Only with the feature `fuzzing`.
//!
//! Whatever is refused must be refused as the caller's fault, in words: anything else would be a fault of ours.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use troupe_core::events::Cursor;
use uuid::Uuid;

use crate::{
    auth::signatures::Signed,
    http::{
        error::ApiError,
        extract::{
            body,
            client_address::{self, FORWARDED_FOR},
            idempotency,
            paging::{Paging, Pair},
        },
    },
    interview::import_export,
    personas::avatars,
    sockets::protocol::FromClient,
};

/// An import; the first byte says how its rows are written down.
pub fn import(bytes: &[u8]) {
    let formats = [import_export::Format::Csv, import_export::Format::Json, import_export::Format::Jsonl];
    let format = formats[usize::from(bytes.first().copied().unwrap_or_default()) % formats.len()];
    refused_well(import_export::rows_of(format, bytes.get(1..).unwrap_or_default()));
}

/// A picture of a persona.
pub fn picture(file: &[u8]) {
    refused_well(avatars::read(file).map(drop));
}

/// A JSON body with a bit of everything, nested.
pub fn body(json: &[u8]) {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is refused matters here")]
    struct Sent {
        content: String,
        count: Option<u8>,
        id: Option<Uuid>,
        #[serde(default)]
        tags: Vec<String>,
        inner: Option<Box<Sent>>,
    }
    refused_well(body::parse::<Sent>(json).map(drop));
}

/// What a client says over a socket.
pub fn socket(text: &str) {
    refused_well(FromClient::read(text).map(drop));
}

/// Where a page begins, where events go on, and the name that a caller gives a call.
pub fn cursor(text: &str) {
    let paging = || Paging { after: Some(text.to_owned()), limit: Some(7) };
    refused_well(paging().page::<Uuid>().map(drop));
    refused_well(paging().page::<Pair>().map(drop));
    refused_well(idempotency::check(text, "Idempotency-Key"));
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse::<Cursor>().ok(), Some(cursor), "what was read is written as it is read");
    }
}

/// What stands behind `Authorization: Signature`.
pub fn signature(header: &str) {
    _ = Signed::parse(header);
}

/// `X-Forwarded-For` as a caller may make it up: it does not change where the call comes from.
pub fn forwarded(made_up: &[u8]) {
    let Ok(made_up) = HeaderValue::from_bytes(made_up) else { return };
    let [proxy, other, caller] = [[10, 0, 0, 1], [10, 0, 0, 2], [192, 0, 2, 7]].map(IpAddr::from);
    let trusted = [proxy, other].map(Into::into);
    let mut headers = HeaderMap::new();
    headers.append(FORWARDED_FOR, made_up);
    headers.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.7, 10.0.0.2"));
    assert_eq!(client_address::client(proxy, &headers, &trusted), caller);
}

fn refused_well(outcome: Result<(), ApiError>) {
    let Err(error) = outcome else { return };
    let problem = error.problem();
    assert!((400..500).contains(&problem.status()), "{problem:?}");
    assert!(problem.errors.iter().all(|fault| !fault.field.is_empty() && !fault.message.is_empty()), "{problem:?}");
}
