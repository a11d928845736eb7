//! Reads files: finds out what they are, and takes the card out.

use crate::{
    card::Card,
    charx::{Charx, is_charx},
    error::CardError,
    limits::{MAX_FILE_BYTES, MAX_PICTURE_BYTES},
    png::{Png, is_png},
};

/// What the card was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Json,
    Png,
    Charx,
}

impl Container {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Png => "png",
            Self::Charx => "charx",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Imported {
    pub container: Container,
    /// The document as it came.
    pub json: String,
    pub card: Card,
    /// A PNG without cards in it.
    pub picture: Option<Vec<u8>>,
}

/// Reads a card of any version out of a file of any kind.
pub fn read(bytes: &[u8]) -> Result<Imported, CardError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(CardError::FileTooLarge(bytes.len()));
    }
    if is_png(bytes) {
        let png = Png::parse(bytes)?;
        let json = png.card()?;
        let picture = Some(png.without_cards()).filter(|picture| picture.len() <= MAX_PICTURE_BYTES);
        return Ok(Imported { container: Container::Png, card: Card::parse(&json)?, json, picture });
    }
    if is_charx(bytes) {
        let mut archive = Charx::open(bytes)?;
        let json = archive.card()?;
        let card = Card::parse(&json)?;
        let picture = card.picture().and_then(|path| archive.file(&path, MAX_PICTURE_BYTES).ok().flatten());
        let picture = picture.and_then(|picture| Some(Png::parse(&picture).ok()?.without_cards()));
        return Ok(Imported { container: Container::Charx, card, json, picture });
    }
    let json = json(bytes)?.to_owned();
    Ok(Imported { container: Container::Json, card: Card::parse(&json)?, json, picture: None })
}

/// The text of a file that can be JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<&str, CardError> {
    let begin = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    if !begin.starts_with(b"{") && !begin.starts_with(b"[") {
        return Err(CardError::UnknownFormat);
    }
    std::str::from_utf8(bytes).map_err(|_| CardError::NotUtf8)
}
