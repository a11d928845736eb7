//! Why a file is no card.

use crate::limits::{
    MAX_ARCHIVE_FILES, MAX_FILE_BYTES, MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_PICTURE_BYTES, MAX_PNG_CHUNKS,
    MAX_TEXT_CHARS,
};

/// A fault of a file. The message goes on from "the file …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    #[error("has {0} bytes, of {MAX_FILE_BYTES} that are read")]
    FileTooLarge(usize),
    #[error("is neither JSON, PNG nor CHARX")]
    UnknownFormat,

    #[error("is no JSON: {0}")]
    MalformedJson(String),
    #[error("has more than {MAX_JSON_BYTES} bytes of JSON")]
    JsonTooLarge,
    #[error("has JSON nested deeper than {MAX_JSON_DEPTH} levels")]
    JsonTooDeep,
    #[error("has JSON, but no character: {0}")]
    NoCharacter(&'static str),
    #[error("is a lorebook and no character")]
    OnlyLorebook,
    #[error("is a character without a lorebook")]
    NoLorebook,
    #[error("has a field `{field}` that {fault}")]
    Field { field: String, fault: &'static str },
    #[error("has more than {most} {what}")]
    TooMany { what: &'static str, most: usize },
    #[error("has a text `{0}` of more than {MAX_TEXT_CHARS} characters")]
    TextTooLong(String),

    #[error("is a PNG that ends within a chunk")]
    PngTruncated,
    #[error("is a PNG whose chunk {kind} claims {claimed} bytes where {left} are left")]
    PngChunkTooLong { kind: String, claimed: usize, left: usize },
    #[error("is a PNG whose chunk {0} has a wrong checksum")]
    PngChecksum(String),
    #[error("is a PNG without {0}")]
    PngIncomplete(&'static str),
    #[error("is a PNG with more than {MAX_PNG_CHUNKS} chunks")]
    PngTooManyChunks,
    #[error("is a picture without a character in it")]
    PngWithoutCard,
    #[error("is a PNG whose text `{0}` is broken, or compressed otherwise than with zlib")]
    PngText(&'static str),
    #[error("is a PNG whose text `{0}` is no base64")]
    NotBase64(&'static str),
    #[error("has a picture of {0} bytes, of {MAX_PICTURE_BYTES} that are read")]
    PictureTooLarge(usize),
    #[error("has a character that is not UTF-8")]
    NotUtf8,

    #[error("is no archive that can be read: {0}")]
    Archive(String),
    #[error("is an archive of more than {MAX_ARCHIVE_FILES} files")]
    ArchiveTooManyFiles,
    #[error("is an archive without card.json")]
    ArchiveWithoutCard,
    #[error("is an archive without its picture {0}")]
    ArchiveWithoutPicture(String),
    #[error("is an encrypted archive")]
    ArchiveEncrypted,
    #[error("is an archive whose {name} claims {claimed} bytes and unpacks to others")]
    ArchiveSize { name: String, claimed: u64 },
    #[error("is an archive whose {name} unpacks to more than {most} bytes")]
    ArchiveTooLarge { name: String, most: usize },
}
