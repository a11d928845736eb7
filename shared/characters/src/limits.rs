//! Bounds of what is read. Beyond them a file is refused, by [`CardError`](crate::CardError).

pub const MAX_FILE_BYTES: usize = 32 << 20;
/// The JSON of a card or a lorebook, unpacked.
pub const MAX_JSON_BYTES: usize = 4 << 20;
pub const MAX_JSON_DEPTH: usize = 64;
/// Of one JSON object.
pub const MAX_FIELDS: usize = 5_000;
/// The picture of a card.
pub const MAX_PICTURE_BYTES: usize = 8 << 20;
pub const MAX_PNG_CHUNKS: usize = 10_000;
pub const MAX_ARCHIVE_FILES: usize = 4_000;
pub const MAX_GREETINGS: usize = 100;
pub const MAX_TAGS: usize = 200;
/// Of any text of a card.
pub const MAX_TEXT_CHARS: usize = 100_000;
pub const MAX_ENTRIES: usize = 2_000;
/// Of an entry: primary, secondary, additional and excluded ones each.
pub const MAX_KEYS: usize = 200;
pub const MAX_KEY_CHARS: usize = 1_000;
/// Keys that are patterns, of a lorebook: each takes memory of its own.
pub const MAX_PATTERNS: usize = 500;
pub(crate) const MAX_PATTERN_BYTES: usize = 256 << 10;
/// Text that one scan looks through, all keys together.
pub(crate) const MAX_SCANNED_BYTES: usize = 256 << 20;
/// Fallbacks of one decorator.
pub(crate) const MAX_FALLBACKS: usize = 10;
