//! Knowledge: turns documents and answers into searchable passages.
//!
//! [`index_work`] handles changed sources, [`extract`] gets the text of documents, in a child process ([`child`]),
//! [`cut`] splits it into passages, and the passages of a source are replaced in one transaction.

pub(crate) mod child;
mod cut;
mod extract;
pub(crate) mod index_work;

/// The reason for a document whose extracted text is invalid.
#[cfg(feature = "fuzzing")]
pub(crate) const PROMISE: &str = "a promise is broken";

/// Extracts the text of a document, and validates that it is bounded, ordered and can be stored.
#[cfg(feature = "fuzzing")]
pub(crate) fn extracted(media_type: troupe_core::media_type::MediaType, document: &[u8], max_bytes: usize) {
    use troupe_core::model::knowledge::Mark;

    let Ok(found) = extract::extract(media_type, document, max_bytes) else { return };
    let places = found.outline.iter().map(|mark| match *mark {
        Mark::Heading { at, end, .. } => (at, end),
        Mark::Page { at, .. } => (at, at),
    });
    let ordered = places.clone().is_sorted_by_key(|(at, _)| at)
        && places.clone().all(|(at, end)| at <= end && found.text.get(at..end).is_some());
    let storable = !found.text.contains('\0') && !found.title.is_some_and(|title| title.contains('\0'));
    assert!(found.text.len() <= max_bytes && ordered && storable, "a promise is broken");
}
