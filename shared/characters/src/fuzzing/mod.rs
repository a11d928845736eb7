//! Entry point of the target `card` in `fuzz/`, and the same property with cards that are made up. Only in tests and
//! with the feature `fuzzing`.
//!
//! Whatever is read can be exported as either version, in JSON and in a picture, and is the same when it is read again.

use serde_json::Value;

use crate::{Card, CardError, Container, Imported, Lorebook, Sheet, Version, is_png, read, with_cards};

/// Beyond this, what an export adds may be too much: fields, or bytes.
const MAX_CARD_BYTES: usize = 16 << 10;

/// A file that may be a card, and may be a lorebook.
pub fn card(bytes: &[u8]) {
    lorebook(bytes);
    match read(bytes) {
        Ok(imported) if imported.json.len() <= MAX_CARD_BYTES => {
            for version in [Version::V2, Version::V3] {
                round_trip(&imported, version);
            }
        }
        Ok(_) => {}
        Err(fault) => assert!(!fault.to_string().is_empty(), "refused without a reason"),
    }
}

fn lorebook(bytes: &[u8]) {
    let Ok(book) = Lorebook::read(bytes) else { return };
    if book.json().len() <= MAX_CARD_BYTES {
        let again = Lorebook::read(Lorebook::standalone(book.json()).as_bytes());
        assert_eq!(again.map(|book| book.len()), Ok(book.len()), "a lorebook is read as it was written");
    }
}

fn round_trip(imported: &Imported, version: Version) {
    let card = &imported.card;
    let json = card.json(version);
    let again = match read(json.as_bytes()) {
        // What is beside `data` in version 1 is in it afterwards.
        Err(CardError::JsonTooDeep) if card.version == Version::V1 => return,
        again => again.map(|again| again.card),
    };
    assert_eq!(again.as_ref().map(|again| again.version), Ok(version));
    if let Ok(again) = again {
        assert_same(card, &again);
        assert_eq!(value(&again.json(version)), value(&json), "an export that was not edited is exported as it came");
    }
    picture(imported, version, &json);
}

fn value(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

fn assert_same(card: &Card, again: &Card) {
    let without_lorebook = |card: &Card| Sheet { lorebook: None, ..card.sheet.clone() };
    assert_eq!(without_lorebook(again), without_lorebook(card), "what was read is written as it is read");
    let entries = |card: &Card| card.sheet.lorebook.as_deref().map(|book| Lorebook::parse(book).map(|book| book.len()));
    assert_eq!(entries(again), entries(card));
    if again.version == card.version {
        assert_eq!(again.sheet.lorebook, card.sheet.lorebook);
    }
}

fn picture(imported: &Imported, version: Version, json: &str) {
    let texts = imported.card.texts(version);
    let texts: Vec<_> = texts.iter().map(|(keyword, json)| (*keyword, json.as_str())).collect();
    // Cards go into PNGs only.
    let picture = imported.picture.as_ref().ok().and_then(Option::as_ref).filter(|picture| is_png(picture));
    let again = with_cards(picture.map(Vec::as_slice), &texts).and_then(|picture| read(&picture));
    assert_eq!(again.as_ref().map(|again| again.container), Ok(Container::Png));
    if let Ok(again) = again {
        assert_eq!(again.json, json, "a picture has the card that was put into it");
        assert_eq!(again.picture.as_ref().map(Option::as_ref), Ok(picture), "the picture is another");
    }
}

#[cfg(test)]
mod tests;
