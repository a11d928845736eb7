//! PNG and APNG: the texts in them, and pictures with cards in them. Pixels are never decoded.
//!
//! A chunk is its length, its kind, its data and a checksum of the two. All of it is checked against what is there.

use std::{
    borrow::Cow,
    io::{Read, Write},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use flate2::{Compression, Crc, read::ZlibDecoder, write::ZlibEncoder};

use crate::{
    error::CardError,
    limits::{MAX_JSON_BYTES, MAX_PNG_CHUNKS},
};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The keywords of cards, the newest version first.
const KEYWORDS: [&str; 2] = ["ccv3", "chara"];
/// Four characters for three bytes, and line ends.
const MAX_TEXT_BYTES: usize = MAX_JSON_BYTES * 3 / 2;
const PLAIN_SIZE: (u32, u32) = (320, 480);
/// Writers differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) struct Png<'a> {
    chunks: Vec<Chunk<'a>>,
}

struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
    /// With its length, kind and checksum.
    whole: &'a [u8],
}

impl Chunk<'_> {
    fn name(&self) -> String {
        self.kind.escape_ascii().to_string()
    }

    /// The keyword of a text, in lower case, and what follows it.
    fn keyword(&self) -> Option<(String, &[u8])> {
        if ![b"tEXt", b"zTXt", b"iTXt"].contains(&&self.kind) {
            return None;
        }
        let (keyword, rest) = split_at_zero(self.data)?;
        Some((keyword.to_ascii_lowercase().escape_ascii().to_string(), rest))
    }

    /// The text of a card's chunk, unpacked: programs that save a picture anew may write it as zTXt or iTXt.
    fn text(&self, keyword: &'static str) -> Result<Cow<'_, [u8]>, CardError> {
        let broken = || CardError::PngText(keyword);
        let (_, rest) = self.keyword().ok_or_else(broken)?;
        let (is_compressed, text) = match &self.kind {
            b"zTXt" => (true, rest.get(1..).ok_or_else(broken)?),
            b"iTXt" => {
                let ([flag, _method], rest) = rest.split_first_chunk::<2>().ok_or_else(broken)?;
                let (_language, rest) = split_at_zero(rest).ok_or_else(broken)?;
                let (_translated_keyword, text) = split_at_zero(rest).ok_or_else(broken)?;
                (*flag == 1, text)
            }
            _ => (false, rest),
        };
        let text = if is_compressed {
            let mut unpacked = Vec::new();
            let most = MAX_TEXT_BYTES as u64 + 1;
            ZlibDecoder::new(text).take(most).read_to_end(&mut unpacked).map_err(|_| broken())?;
            Cow::Owned(unpacked)
        } else {
            Cow::Borrowed(text)
        };
        if text.len() > MAX_TEXT_BYTES { Err(CardError::JsonTooLarge) } else { Ok(text) }
    }

    fn is_card(&self) -> bool {
        self.keyword().is_some_and(|(keyword, _)| KEYWORDS.contains(&keyword.as_str()))
    }
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Whether it begins as a PNG does.
pub fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

impl<'a> Png<'a> {
    /// The chunks until the last. What follows it is no part of the picture.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, CardError> {
        let mut rest = bytes.strip_prefix(SIGNATURE).ok_or(CardError::UnknownFormat)?;
        let mut chunks: Vec<Chunk<'a>> = Vec::new();
        loop {
            if chunks.len() >= MAX_PNG_CHUNKS {
                return Err(CardError::PngTooManyChunks);
            }
            let (chunk, after) = next_chunk(rest)?;
            rest = after;
            let is_end = &chunk.kind == b"IEND";
            chunks.push(chunk);
            if is_end {
                break;
            }
        }
        if chunks[0].kind != *b"IHDR" || chunks[0].data.len() != 13 {
            return Err(CardError::PngIncomplete("a header"));
        }
        if !chunks.iter().any(|chunk| &chunk.kind == b"IDAT") {
            return Err(CardError::PngIncomplete("pixels"));
        }
        Ok(Self { chunks })
    }

    /// The JSON of the card: that of version 3 before any other.
    pub(crate) fn card(&self) -> Result<String, CardError> {
        for keyword in KEYWORDS {
            let is_it = |chunk: &&Chunk<'_>| chunk.keyword().is_some_and(|(name, _)| name == keyword);
            let Some(chunk) = self.chunks.iter().find(is_it) else { continue };
            let text: Vec<u8> =
                chunk.text(keyword)?.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let json = BASE64.decode(text).map_err(|_| CardError::NotBase64(keyword))?;
            return String::from_utf8(json).map_err(|_| CardError::NotUtf8);
        }
        Err(CardError::PngWithoutCard)
    }

    /// The picture without the cards in it.
    pub(crate) fn without_cards(&self) -> Vec<u8> {
        self.with(&[])
    }

    fn with(&self, cards: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        for chunk in self.chunks.iter().filter(|chunk| !chunk.is_card()) {
            if &chunk.kind == b"IEND" {
                for (keyword, json) in cards {
                    let mut data = keyword.as_bytes().to_vec();
                    data.push(0);
                    data.extend_from_slice(BASE64.encode(json).as_bytes());
                    write_chunk(&mut bytes, *b"tEXt", &data);
                }
            }
            bytes.extend_from_slice(chunk.whole);
        }
        bytes
    }
}

fn next_chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), CardError> {
    let (head, body) = bytes.split_first_chunk::<8>().ok_or(CardError::PngTruncated)?;
    let [a, b, c, d, kind @ ..] = *head;
    let claimed = u32::from_be_bytes([a, b, c, d]) as usize;
    let too_long = || CardError::PngChunkTooLong {
        kind: kind.escape_ascii().to_string(),
        claimed,
        left: body.len().saturating_sub(4),
    };
    let (data, rest) = body.split_at_checked(claimed).ok_or_else(too_long)?;
    let (checksum, rest) = rest.split_first_chunk::<4>().ok_or_else(too_long)?;
    let chunk = Chunk { kind, data, whole: &bytes[..12 + claimed] };
    if crc(kind, data) != u32::from_be_bytes(*checksum) {
        return Err(CardError::PngChecksum(chunk.name()));
    }
    Ok((chunk, rest))
}

fn crc(kind: [u8; 4], data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    crc.sum()
}

fn write_chunk(bytes: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&kind);
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(&crc(kind, data).to_be_bytes());
}

/// A picture with cards in it, by their keywords: the given PNG, or a plain one where there is none.
pub fn with_cards(picture: Option<&[u8]>, cards: &[(&str, &str)]) -> Result<Vec<u8>, CardError> {
    let picture = picture.map_or_else(|| Cow::Owned(plain_picture()), Cow::Borrowed);
    Ok(Png::parse(&picture)?.with(cards))
}

/// A picture of one colour.
pub(crate) fn plain_picture() -> Vec<u8> {
    let (width, height) = PLAIN_SIZE;
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    // One bit a pixel, an index into the palette.
    header.extend_from_slice(&[1, 3, 0, 0, 0]);
    let rows = vec![0; height as usize * (1 + width as usize / 8)];
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::best());
    let pixels = pixels.write_all(&rows).and_then(|()| pixels.finish()).unwrap_or_default();
    let mut bytes = SIGNATURE.to_vec();
    write_chunk(&mut bytes, *b"IHDR", &header);
    write_chunk(&mut bytes, *b"PLTE", &[0x5b, 0x6b, 0x8c]);
    write_chunk(&mut bytes, *b"IDAT", &pixels);
    write_chunk(&mut bytes, *b"IEND", &[]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_chunks(chunks: &[([u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        for (kind, data) in chunks {
            write_chunk(&mut bytes, *kind, data);
        }
        bytes
    }

    fn fault(bytes: &[u8]) -> CardError {
        Png::parse(bytes).and_then(|png| png.card()).unwrap_err()
    }

    #[test]
    fn a_card_goes_in_and_comes_out_and_leaves_the_picture_as_it_was() {
        let plain = plain_picture();
        let with = with_cards(None, &[("chara", "{\"old\":1}"), ("ccv3", "{\"ü\":1}")]).unwrap();
        let png = Png::parse(&with).unwrap();
        assert_eq!(png.card().unwrap(), "{\"ü\":1}", "version 3 comes first");
        assert_eq!(png.without_cards(), plain);
        let again = with_cards(Some(&with), &[("chara", "{}")]).unwrap();
        assert_eq!(Png::parse(&again).unwrap().card().unwrap(), "{}", "older cards are replaced");
    }

    #[test]
    fn broken_pictures_are_refused_by_name() {
        let header: &[u8] = &[0; 13];
        let whole = plain_picture();
        let mut wrong = whole.clone();
        wrong[20] ^= 1;
        assert_eq!(fault(&wrong), CardError::PngChecksum("IHDR".to_owned()));
        let mut long = whole.clone();
        long[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(fault(&long), CardError::PngChunkTooLong { claimed, .. } if claimed == u32::MAX as usize));
        for end in 8..whole.len() {
            let fault = fault(&whole[..end]);
            assert!(matches!(fault, CardError::PngTruncated | CardError::PngChunkTooLong { .. }), "{end}: {fault}");
        }
        assert_eq!(fault(&whole), CardError::PngWithoutCard);
        assert_eq!(fault(&with_chunks(&[(*b"IEND", b"")])), CardError::PngIncomplete("a header"));
        let empty = with_chunks(&[(*b"IHDR", header), (*b"IEND", b"")]);
        assert_eq!(fault(&empty), CardError::PngIncomplete("pixels"));
        let mut many = vec![(*b"IHDR", header)];
        many.resize(MAX_PNG_CHUNKS + 1, (*b"IDAT", &b""[..]));
        assert_eq!(fault(&with_chunks(&many)), CardError::PngTooManyChunks);
        let text = |data| with_chunks(&[(*b"IHDR", header), (*b"IDAT", b""), (*b"tEXt", data), (*b"IEND", b"")]);
        assert_eq!(fault(&text(b"chara\0***")), CardError::NotBase64("chara"));
        assert_eq!(fault(&text(b"chara\0/w==")), CardError::NotUtf8);
        assert_eq!(fault(&text(b"comment\0hello")), CardError::PngWithoutCard);
    }

    #[test]
    fn compressed_and_international_texts_are_read_within_bounds() {
        let packed = |text: &[u8]| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let picture = |kind: [u8; 4], head: &[u8], text: &[u8]| {
            let data = [head, text].concat();
            with_chunks(&[(*b"IHDR", &[0; 13]), (*b"IDAT", b""), (kind, &data), (*b"IEND", b"")])
        };
        let encoded = BASE64.encode("{\"ü\":1}");
        let texts = [
            (*b"zTXt", &b"ccv3\0\0"[..], packed(encoded.as_bytes())),
            (*b"iTXt", &b"Chara\0\0\0en\0figure\0"[..], encoded.as_bytes().to_vec()),
            (*b"iTXt", &b"chara\0\x01\0\0\0"[..], packed(encoded.as_bytes())),
        ];
        for (kind, head, text) in texts {
            let bytes = picture(kind, head, &text);
            let png = Png::parse(&bytes).unwrap();
            assert_eq!(png.card().unwrap(), "{\"ü\":1}");
            assert_eq!(fault(&png.without_cards()), CardError::PngWithoutCard, "it is taken out as well");
        }
        assert_eq!(fault(&picture(*b"zTXt", b"chara\0\0", b"no zlib")), CardError::PngText("chara"));
        assert_eq!(fault(&picture(*b"zTXt", b"chara\0", b"")), CardError::PngText("chara"));
        assert_eq!(fault(&picture(*b"iTXt", b"ccv3\0\0", b"")), CardError::PngText("ccv3"));
        let bomb = packed(&vec![b'A'; MAX_TEXT_BYTES + 1]);
        assert!(bomb.len() < 64 << 10);
        assert_eq!(fault(&picture(*b"zTXt", b"chara\0\0", &bomb)), CardError::JsonTooLarge);
    }
}
