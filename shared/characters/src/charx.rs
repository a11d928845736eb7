//! CHARX: a zip with `card.json`, and assets beside it.

use std::io::{Cursor, Read};

use zip::{ZipArchive, result::ZipError};

use crate::{
    error::CardError,
    limits::{MAX_ARCHIVE_FILES, MAX_JSON_BYTES},
};

/// What begins the record of a file in the directory of a zip.
const DIRECTORY_RECORD: &[u8] = b"PK\x01\x02";
const CARD: &str = "card.json";

pub(crate) struct Charx<'a>(ZipArchive<Cursor<&'a [u8]>>);

/// Also a picture that an archive is appended to.
pub(crate) fn is_charx(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") || bytes.starts_with(b"\xff\xd8\xff")
}

impl<'a> Charx<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, CardError> {
        // Before the directory is read into memory.
        let records = bytes.windows(DIRECTORY_RECORD.len()).filter(|window| *window == DIRECTORY_RECORD);
        if records.take(MAX_ARCHIVE_FILES + 1).count() > MAX_ARCHIVE_FILES {
            return Err(CardError::ArchiveTooManyFiles);
        }
        ZipArchive::new(Cursor::new(bytes)).map(Self).map_err(|error| CardError::Archive(error.to_string()))
    }

    /// The JSON of the card.
    pub(crate) fn card(&mut self) -> Result<String, CardError> {
        let json = self.file(CARD, MAX_JSON_BYTES)?.ok_or(CardError::ArchiveWithoutCard)?;
        String::from_utf8(json).map_err(|_| CardError::NotUtf8)
    }

    /// A file, unpacked; `None` where there is none of this name. What it claims to unpack to is held against what
    /// comes.
    pub(crate) fn file(&mut self, name: &str, most: usize) -> Result<Option<Vec<u8>>, CardError> {
        let file = match self.0.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => return Err(CardError::ArchiveEncrypted),
            Err(error) => return Err(CardError::Archive(error.to_string())),
        };
        if file.encrypted() {
            return Err(CardError::ArchiveEncrypted);
        }
        let claimed = file.size();
        let too_large = || CardError::ArchiveTooLarge { name: name.to_owned(), most };
        if claimed > most as u64 {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let unpacked = file.take(most as u64 + 1).read_to_end(&mut bytes);
        if bytes.len() > most {
            return Err(too_large());
        }
        if bytes.len() as u64 != claimed {
            return Err(CardError::ArchiveSize { name: name.to_owned(), claimed });
        }
        unpacked.map_err(|error| CardError::Archive(error.to_string()))?;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn card(bytes: &[u8]) -> Result<String, CardError> {
        Charx::open(bytes)?.card()
    }

    /// Writes a size over those that a file claims, in its own header and in the directory.
    fn claiming(mut bytes: Vec<u8>, size: u32) -> Vec<u8> {
        for (signature, offset) in [(&b"PK\x03\x04"[..], 22), (DIRECTORY_RECORD, 24)] {
            let at = bytes.windows(4).position(|window| window == signature).unwrap() + offset;
            bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_card_is_read() {
        assert_eq!(card(&archive(&[("assets/a.txt", b"x"), ("card.json", b"{}")])).unwrap(), "{}");
    }

    #[test]
    fn bombs_and_lies_are_refused_by_name() {
        let bomb = archive(&[("card.json", &vec![b' '; MAX_JSON_BYTES + 1])]);
        assert!(bomb.len() < 64 << 10);
        let too_large = CardError::ArchiveTooLarge { name: CARD.to_owned(), most: MAX_JSON_BYTES };
        assert_eq!(card(&bomb), Err(too_large.clone()));
        let modest = claiming(bomb, 100);
        assert!(matches!(card(&modest), Err(CardError::ArchiveTooLarge { .. } | CardError::ArchiveSize { .. })));
        let lie = claiming(archive(&[("card.json", b"{\"name\":\"a\"}")]), 3);
        assert!(card(&lie).is_err());
        assert_eq!(card(&archive(&[("Card.json", b"{}")])), Err(CardError::ArchiveWithoutCard));
        let many: Vec<_> = (0..=MAX_ARCHIVE_FILES).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(card(&archive(&many)), Err(CardError::ArchiveTooManyFiles));
        let whole = archive(&[("card.json", b"{}")]);
        assert!(matches!(card(&whole[..whole.len() - 10]), Err(CardError::Archive(_))));
        assert!(matches!(card(b"PK\x03\x04"), Err(CardError::Archive(_))));
    }
}
