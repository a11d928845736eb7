//! Makes avatars of pictures that strangers made: decoded within bounds, upright, a square cut from the middle, scaled,
//! and encoded anew. Nothing of the file survives but pixels: no position, no camera, no thumbnail.
//!
//! Opaque pictures become JPEG, since photographs and paintings are a tenth of their size in anything lossless, and
//! those with transparency PNG, which the `image` crate packs better than WebP, and exports take as it is.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits, codecs::jpeg::JpegEncoder,
    imageops::FilterType,
};
use ring::digest::{SHA256, digest};
use troupe_db::personas::avatars::Avatar;

use crate::auth::secrets::hex;

pub(crate) const MAX_PICTURE_BYTES: usize = 5 << 20;
const MAX_SIDE: u32 = 512;
/// Of what is decoded: a large photograph.
const MAX_PIXELS: u64 = 40_000_000;
/// Four bytes for each pixel.
const MAX_DECODED_BYTES: u64 = 4 * MAX_PIXELS;
const JPEG_QUALITY: u8 = 88;

/// A fault of a picture. The message goes on from "the file …" or "the picture …".
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error("is neither PNG, JPEG nor WebP")]
    UnknownFormat,
    #[error("has {width} × {height} pixels, of {MAX_PIXELS} that are read")]
    TooManyPixels { width: u32, height: u32 },
    #[error("unpacks to {0} bytes, of {MAX_DECODED_BYTES} that are read")]
    TooLarge(u64),
    #[error("cannot be read: {0}")]
    Broken(#[from] image::ImageError),
}

/// What the file is, its first bytes say.
pub(super) fn avatar_of(file: &[u8]) -> Result<Avatar, PictureError> {
    let picture = scaled(cropped(decoded(file)?));
    let (content_type, bytes) = encoded(&picture)?;
    Ok(Avatar {
        digest: hex(digest(&SHA256, &bytes).as_ref()),
        content_type: content_type.to_owned(),
        bytes,
        width: picture.width() as i32,
        height: picture.height() as i32,
    })
}

/// An avatar as a PNG.
pub(super) fn as_png(avatar: Avatar) -> Result<Vec<u8>, PictureError> {
    if avatar.content_type == ImageFormat::Png.to_mime_type() {
        return Ok(avatar.bytes);
    }
    Ok(png(&decoded(&avatar.bytes)?)?)
}

fn decoded(file: &[u8]) -> Result<DynamicImage, PictureError> {
    let format = image::guess_format(file).map_err(|_| PictureError::UnknownFormat)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(PictureError::UnknownFormat);
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooManyPixels { width, height });
    }
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(PictureError::TooLarge(decoder.total_bytes()));
    }
    // A picture whose orientation cannot be read is one as it is.
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

/// The square in the middle.
fn cropped(picture: DynamicImage) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    if width == height {
        return picture;
    }
    picture.crop_imm((width - side) / 2, (height - side) / 2, side, side)
}

/// A large square is averaged first: a good filter takes a second for all of its pixels.
fn scaled(square: DynamicImage) -> DynamicImage {
    let square =
        if square.width() > 4 * MAX_SIDE { square.thumbnail_exact(2 * MAX_SIDE, 2 * MAX_SIDE) } else { square };
    if square.width() > MAX_SIDE { square.resize_exact(MAX_SIDE, MAX_SIDE, FilterType::CatmullRom) } else { square }
}

fn encoded(picture: &DynamicImage) -> ImageResult<(&'static str, Vec<u8>)> {
    let is_opaque = !picture.color().has_alpha() || picture.to_rgba8().pixels().all(|pixel| pixel.0[3] == u8::MAX);
    if !is_opaque {
        return Ok((ImageFormat::Png.to_mime_type(), png(&picture.to_rgba8().into())?));
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(&picture.to_rgb8())?;
    Ok((ImageFormat::Jpeg.to_mime_type(), bytes))
}

fn png(picture: &DynamicImage) -> ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    const RED: [u8; 3] = [200, 20, 20];
    const BLUE: [u8; 3] = [20, 20, 200];

    /// Blue in the middle square, red beside it.
    fn wide(width: u32, height: u32) -> DynamicImage {
        let beside = (width - height) / 2;
        let colour = |x| if (beside..width - beside).contains(&x) { BLUE } else { RED };
        RgbImage::from_fn(width, height, |x, _| Rgb(colour(x))).into()
    }

    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn is_near(pixel: [u8; 3], colour: [u8; 3]) -> bool {
        pixel.iter().zip(colour).all(|(one, other)| one.abs_diff(other) < 12)
    }

    #[test]
    fn the_middle_of_each_kind_becomes_a_small_square() {
        for (format, width, height, side) in [
            (ImageFormat::Png, 3_000, 2_100, 512),
            (ImageFormat::Jpeg, 1_000, 600, 512),
            (ImageFormat::WebP, 300, 200, 200),
        ] {
            let avatar = avatar_of(&file(&wide(width, height), format)).unwrap();
            assert_eq!((avatar.width, avatar.height, avatar.content_type.as_str()), (side, side, "image/jpeg"));
            let shown = image::load_from_memory_with_format(&avatar.bytes, ImageFormat::Jpeg).unwrap().to_rgb8();
            for (x, y) in [(6, 6), (side as u32 / 2, 6), (side as u32 - 7, side as u32 - 7)] {
                assert!(is_near(shown.get_pixel(x, y).0, BLUE), "{format:?} {x} {y}: {:?}", shown.get_pixel(x, y));
            }
            assert_eq!(avatar.digest.len(), 64);
        }
    }

    #[test]
    fn what_is_transparent_stays_so() {
        let clear = RgbaImage::from_fn(600, 600, |x, _| Rgba([20, 20, 200, if x < 300 { 0 } else { 255 }]));
        let avatar = avatar_of(&file(&clear.into(), ImageFormat::Png)).unwrap();
        assert_eq!(avatar.content_type, "image/png");
        let shown = image::load_from_memory_with_format(&avatar.bytes, ImageFormat::Png).unwrap().to_rgba8();
        assert_eq!((shown.get_pixel(10, 10).0[3], shown.get_pixel(500, 10).0[3]), (0, 255));
        assert_eq!(as_png(avatar.clone()).unwrap(), avatar.bytes);
        let opaque = RgbaImage::from_pixel(60, 60, Rgba([20, 20, 200, 255]));
        let avatar = avatar_of(&file(&opaque.into(), ImageFormat::WebP)).unwrap();
        assert_eq!(avatar.content_type, "image/jpeg");
        assert!(as_png(avatar).unwrap().starts_with(b"\x89PNG"));
    }

    proptest! {
        #[test]
        fn broken_pictures_are_refused_or_read(format in 0..3_usize, at: prop::sample::Index, byte: u8, end: prop::sample::Index) {
            let format = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP][format];
            let mut bytes = file(&wide(24, 16), format);
            let changed = at.index(bytes.len());
            bytes[changed] = byte;
            bytes.truncate(changed + 1 + end.index(bytes.len()));
            _ = avatar_of(&bytes);
        }
    }
}
