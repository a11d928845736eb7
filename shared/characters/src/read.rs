//! Reads files: finds out what they are, and takes the card out.

use crate::{
    card::Card,
    charx::{Charx, is_charx},
    error::CardError,
    limits::{MAX_FILE_BYTES, MAX_PICTURE_BYTES},
    png::{Png, is_png, plain_picture},
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
    /// The picture of any kind, a PNG without cards in it; or why a card that should have one comes without.
    pub picture: Result<Option<Vec<u8>>, CardError>,
}

/// Reads a card of any version out of a file of any kind.
pub fn read(bytes: &[u8]) -> Result<Imported, CardError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(CardError::FileTooLarge(bytes.len()));
    }
    if is_png(bytes) {
        let png = Png::parse(bytes)?;
        let json = png.card()?;
        let card = Card::parse(&json)?;
        return Ok(Imported { container: Container::Png, card, json, picture: picture_of(&png) });
    }
    if is_charx(bytes) {
        let mut archive = Charx::open(bytes)?;
        let json = archive.card()?;
        let card = Card::parse(&json)?;
        let picture = card.picture().map_or(Ok(None), |path| picture_in(&mut archive, &path));
        return Ok(Imported { container: Container::Charx, card, json, picture });
    }
    let json = json(bytes)?.to_owned();
    Ok(Imported { container: Container::Json, card: Card::parse(&json)?, json, picture: Ok(None) })
}

/// The picture around a card. One of ours that says nothing is none.
fn picture_of(png: &Png<'_>) -> Result<Option<Vec<u8>>, CardError> {
    let picture = png.without_cards();
    if picture.len() > MAX_PICTURE_BYTES {
        return Err(CardError::PictureTooLarge(picture.len()));
    }
    Ok(Some(picture).filter(|picture| *picture != plain_picture()))
}

/// The picture beside a card.
fn picture_in(archive: &mut Charx<'_>, path: &str) -> Result<Option<Vec<u8>>, CardError> {
    let missing = || CardError::ArchiveWithoutPicture(path.to_owned());
    let picture = archive.file(path, MAX_PICTURE_BYTES)?.ok_or_else(missing)?;
    if is_png(&picture) { picture_of(&Png::parse(&picture)?) } else { Ok(Some(picture)) }
}

/// The text of a file that can be JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<&str, CardError> {
    let begin = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
    if !begin.starts_with(b"{") && !begin.starts_with(b"[") {
        return Err(CardError::UnknownFormat);
    }
    std::str::from_utf8(bytes).map_err(|_| CardError::NotUtf8)
}
