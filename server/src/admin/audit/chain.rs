//! The hash chain of the audit log: each hash covers the one before and the entry's own bytes.
//!
//! The database computes the same hashes when it appends (`audit_append`). Recomputing them here means that tampering
//! with the log undetected would take a change of this program, too.

use ring::digest::{Context, SHA256};
use troupe_db::operations::audit::Link;

use crate::auth::secrets::hex as hex_of;

/// The hash before the first entry.
pub(super) fn genesis() -> Vec<u8> {
    sha256(&[b"troupe audit log"])
}

/// The fault of an entry that should follow a hash at a position; `None` if it is valid.
pub(super) fn fault(link: &Link, position: i64, before: &[u8]) -> Option<&'static str> {
    if link.position != position {
        return Some("the entry is missing");
    }
    if sha256(&[before, canonical(link).as_bytes()]) != link.hash {
        return Some("the entry is not what it was, or is not in its place");
    }
    let origin = (&link.origin_digest, &link.origin_salt, &link.origin, link.actor_gone);
    let change = (&link.change_digest, &link.change_salt, &link.change, link.target_gone);
    if !is_kept(origin) {
        return Some("where it came from is not what it was");
    }
    if !is_kept(change) {
        return Some("what was before or after is not what it was");
    }
    None
}

type Details<'a> = (&'a Option<Vec<u8>>, &'a Option<Vec<u8>>, &'a Option<String>, bool);

/// Whether details match their digest, or were removed with the account that they belong to.
fn is_kept((digest, salt, text, gone): Details<'_>) -> bool {
    match (digest, salt, text) {
        (Some(digest), Some(salt), Some(text)) => *digest == sha256(&[salt, text.as_bytes()]),
        (Some(_), None, None) => gone,
        (None, None, None) => true,
        _ => false,
    }
}

/// The same bytes as `audit_canonical` in the migrations.
fn canonical(link: &Link) -> String {
    let hex = |digest: &Option<Vec<u8>>| digest.as_deref().map(hex_of);
    let fields = [
        Some(link.position.to_string()),
        Some(link.at.to_string()),
        Some(link.actor_kind.clone()),
        link.actor_subject.map(|subject| subject.to_string()),
        link.actor_id.clone(),
        Some(link.verb.clone()),
        link.target_kind.clone(),
        link.target_subject.map(|subject| subject.to_string()),
        link.target_id.clone(),
        link.correlation_id.clone(),
        hex(&link.origin_digest),
        hex(&link.change_digest),
    ];
    fields.map(|field| field.map_or_else(|| "-".to_owned(), |field| format!("{}:{field}", field.len()))).concat()
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
