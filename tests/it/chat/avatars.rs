//! Pictures of personas: what strangers send becomes a small square without anything beside pixels, or is refused.

use std::io::{Cursor, Write};

use flate2::Crc;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use troupe_characters::{read, with_cards};
use troupe_tests::{Answer, Client};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::characters::card;
use crate::{cluster, small_cluster};

const RED: [u8; 3] = [200, 20, 20];
const BLUE: [u8; 3] = [20, 20, 200];

/// Red on the left, blue on the right, with enough noise that it is no few bytes.
pub(crate) fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut noise = fastrand::Rng::with_seed(7);
    let mut pixel = |x| (if x < width / 2 { RED } else { BLUE }).map(|value| value + noise.u8(..4));
    let picture: DynamicImage = RgbImage::from_fn(width, height, |x, _| Rgb(pixel(x))).into();
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The same PNG, whose header claims another size and depth.
fn claiming(mut png: Vec<u8>, width: u32, height: u32, depth: u8) -> Vec<u8> {
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    png[24] = depth;
    let mut crc = Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    png
}

/// A JPEG as a phone on its side takes it: it says which side is up, and where it was.
fn from_a_phone() -> Vec<u8> {
    let jpeg = picture(400, 300, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(b"48.2082 N 16.3738 E");
    let length = exif.len() as u16 + 2;
    [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), &exif, &jpeg[2..]].concat()
}

pub(crate) async fn put(user: &Client, slug: &str, file: impl Into<Vec<u8>>) -> Answer {
    let call = user.call(Method::PUT, &format!("/api/v1/personas/{slug}/avatar"));
    user.answer(call.header("content-type", "application/octet-stream").body(file.into())).await
}

struct Shown {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

async fn shown(user: &Client, path: &str) -> Shown {
    let answer = user.call(Method::GET, path).send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    Shown { status, headers, bytes: answer.bytes().await.expect("a body").to_vec() }
}

impl Shown {
    fn decoded(&self) -> RgbImage {
        assert_eq!(self.status, 200);
        image::load_from_memory(&self.bytes).expect("a picture").to_rgb8()
    }
}

async fn persona(owner: &Client, slug: &str, visibility: &str) {
    let body = json!({"slug": slug, "name": "Nan", "system_prompt": "You are kind.", "visibility": visibility});
    let made = owner.post("/api/v1/personas", &body).await.expect(201);
    assert_eq!(made["avatar_url"], Value::Null);
}

fn is_near(pixel: Rgb<u8>, colour: [u8; 3]) -> bool {
    pixel.0.iter().zip(colour).all(|(one, other)| one.abs_diff(other) < 16)
}

#[tokio::test]
async fn an_avatar_comes_back_upright_small_and_without_what_it_said_of_its_maker() {
    let cluster = cluster().await;
    let (owner, user) = (cluster.client(0).await, cluster.client(1).await);
    persona(&owner, "nan", "public").await;
    let conversation = user.conversation("nan").await;
    let changed = put(&owner, "nan", from_a_phone()).await.expect(200);
    let url = changed["avatar_url"].as_str().expect("an address").to_owned();
    assert!(url.starts_with("/api/v1/personas/nan/avatar?v="), "{url}");

    // Wherever a persona is shown, to whoever sees it.
    assert_eq!(user.get("/api/v1/personas/nan").await.expect(200)["avatar_url"], json!(url));
    let listed = user.get("/api/v1/personas").await.expect(200);
    assert_eq!(listed["items"][0]["avatar_url"], json!(url), "{listed}");
    let opened = user.get(&format!("/api/v1/conversations/{conversation}")).await.expect(200);
    assert_eq!(opened["persona"]["avatar_url"], json!(url));
    let listed = user.get("/api/v1/conversations").await.expect(200);
    assert_eq!(listed["items"][0]["persona"]["avatar_url"], json!(url));

    let avatar = shown(&user, &url).await;
    assert_eq!(
        (&avatar.headers["content-type"], &avatar.headers["x-content-type-options"]),
        (&"image/jpeg".parse().unwrap(), &"nosniff".parse().unwrap())
    );
    assert_eq!(avatar.headers["cache-control"], "private, max-age=31536000, immutable");
    let pixels = avatar.decoded();
    assert_eq!(pixels.dimensions(), (300, 300));
    assert!(
        is_near(*pixels.get_pixel(150, 20), RED) && is_near(*pixels.get_pixel(150, 280), BLUE),
        "it lies on its side"
    );
    let contains = |text: &[u8]| avatar.bytes.windows(text.len()).any(|window| window == text);
    assert!(!contains(b"Exif") && !contains(b"48.2082"));

    let tag = avatar.headers["etag"].to_str().unwrap().to_owned();
    let again = user.call(Method::GET, &url).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!((again.status(), &again.headers()["etag"]), (StatusCode::NOT_MODIFIED, &tag.parse().unwrap()));
    let current = shown(&user, "/api/v1/personas/nan/avatar").await;
    assert_eq!(
        (current.status, &current.headers["cache-control"]),
        (StatusCode::OK, &"private, no-cache".parse().unwrap())
    );

    // Another has another address, and is no other version of the persona.
    let next = put(&owner, "nan", picture(900, 700, ImageFormat::WebP)).await.expect(200);
    assert_ne!(next["avatar_url"], json!(url));
    user.get(&url).await.problem(404);
    user.get("/api/v1/personas/nan/avatar?v=").await.problem(404);
    assert_eq!(shown(&user, next["avatar_url"].as_str().unwrap()).await.decoded().dimensions(), (512, 512));
    let versions = owner.get("/api/v1/personas/nan/versions").await.expect(200);
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(1), "{versions}");
    assert_eq!(versions["items"][0]["settings"].get("avatar"), None);

    assert_eq!(owner.delete("/api/v1/personas/nan/avatar").await.status, 204);
    assert_eq!(owner.get("/api/v1/personas/nan").await.expect(200)["avatar_url"], Value::Null);
    owner.get("/api/v1/personas/nan/avatar").await.problem(404);
    put(&owner, "nan", picture(20, 20, ImageFormat::Png)).await.expect(200);
    assert_eq!(owner.delete("/api/v1/personas/nan").await.status, 204);
    assert_eq!(cluster.count("persona_avatars").await, 0);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_becomes_no_avatar_is_refused_by_name_and_the_one_before_stays() {
    let cluster = small_cluster().await;
    let owner = cluster.client(0).await;
    persona(&owner, "nan", "private").await;
    let good = put(&owner, "nan", picture(64, 64, ImageFormat::Png)).await.expect(200);
    let png = picture(256, 256, ImageFormat::Png);
    let gif = b"GIF89a\x01\0\x01\0\0\0\0;".to_vec();
    for (file, status, fault) in [
        (b"hello".to_vec(), 415, "neither PNG, JPEG nor WebP"),
        (Vec::new(), 415, "neither PNG, JPEG nor WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), 415, "neither PNG, JPEG nor WebP"),
        (gif, 415, "neither PNG, JPEG nor WebP"),
        (png[..png.len() / 2].to_vec(), 422, "cannot be read"),
        (png[..20].to_vec(), 422, "cannot be read"),
        (picture(256, 256, ImageFormat::WebP)[..200].to_vec(), 422, "cannot be read"),
        (picture(256, 256, ImageFormat::Jpeg)[..100].to_vec(), 422, "cannot be read"),
        (claiming(png.clone(), 2_000, 2_000, 8), 422, "cannot be read"),
        (claiming(png.clone(), 0, 256, 8), 422, "cannot be read"),
        (claiming(png.clone(), 30_000, 30_000, 8), 422, "30000 × 30000 pixels"),
        (claiming(png.clone(), 6_000, 6_000, 16), 422, "unpacks to 216000000 bytes"),
        (vec![0; (5 << 20) + 1], 413, "5242880 bytes"),
    ] {
        let answer = put(&owner, "nan", file).await;
        let problem = answer.problem(status);
        assert!(problem.to_string().contains(fault), "{fault}: {problem}");
    }
    assert_eq!(owner.get("/api/v1/personas/nan").await.expect(200)["avatar_url"], good["avatar_url"]);
    assert_eq!(cluster.count("persona_avatars").await, 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_avatar_is_shown_to_those_who_see_the_persona() {
    let cluster = small_cluster().await;
    let (owner, other) = (cluster.client(0).await, cluster.client(0).await);
    persona(&owner, "nan", "private").await;
    let changed = put(&owner, "nan", picture(64, 64, ImageFormat::Png)).await.expect(200);
    let url = changed["avatar_url"].as_str().unwrap();
    assert_eq!(shown(&owner, url).await.status, 200);
    other.get(url).await.problem(404);
    put(&other, "nan", picture(64, 64, ImageFormat::Png)).await.problem(404);
    other.delete("/api/v1/personas/nan/avatar").await.problem(404);
    assert_eq!(shown(&Client::anonymous(cluster.server(0)), url).await.status, 401);
    owner.patch("/api/v1/personas/nan", &json!({"visibility": "link"})).await.expect(200);
    assert_eq!(shown(&other, url).await.status, 200);
    cluster.assert_quiet().await;
}

async fn import(user: &Client, slug: &str, file: Vec<u8>) -> Value {
    let call = user.call(Method::POST, &format!("/api/v1/personas/import?slug={slug}"));
    user.answer(call.header("content-type", "application/octet-stream").body(file)).await.expect(201)
}

#[tokio::test]
async fn a_card_brings_its_picture_and_goes_with_the_one_that_there_is() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let texts = card().to_string();
    let texts = [("ccv3", texts.as_str())];
    let original = picture(300, 400, ImageFormat::Png);
    let made = import(&user, "ada", with_cards(Some(&original), &texts).unwrap()).await;
    assert_eq!(made["report"]["picture_fault"], Value::Null);
    let fields = made["report"]["used"].as_array().unwrap();
    assert!(fields.contains(&json!({"from": "the picture", "to": "avatar"})), "{made}");
    let url = made["persona"]["avatar_url"].as_str().expect("an address");
    assert_eq!(shown(&user, url).await.decoded().dimensions(), (300, 300));

    let exported = async || shown(&user, "/api/v1/personas/ada/card?as=png").await;
    assert_eq!(read(&exported().await.bytes).unwrap().picture, Ok(Some(original)), "as it came");
    put(&user, "ada", picture(640, 640, ImageFormat::Jpeg)).await.expect(200);
    let exported_anew = exported().await;
    assert_eq!(exported_anew.decoded().dimensions(), (512, 512));
    assert_eq!(read(&exported_anew.bytes).unwrap().card.sheet.name, "Ada Lovelace");
    assert_eq!(user.delete("/api/v1/personas/ada/avatar").await.status, 204);
    assert_eq!(exported().await.decoded().dimensions(), (320, 480), "a plain one");

    // One that is a card's, and cannot be read.
    let broken = claiming(picture(64, 64, ImageFormat::Png), 2_000, 2_000, 8);
    let made = import(&user, "broken", with_cards(Some(&broken), &texts).unwrap()).await;
    assert_eq!(made["persona"]["avatar_url"], Value::Null);
    let fault = made["report"]["picture_fault"].as_str().expect("a fault");
    assert!(fault.starts_with("the picture cannot be read"), "{fault}");

    // Beside a card, of any kind; and one that should be there.
    let mut with_icon = card();
    with_icon["data"]["assets"] =
        json!([{"type": "icon", "name": "main", "uri": "embeded://assets/main.jpg", "ext": "jpg"}]);
    for (slug, icon) in [("beside", Some(picture(80, 60, ImageFormat::Jpeg))), ("without", None)] {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let icon = icon.map(|icon| ("assets/main.jpg", icon));
        for (name, bytes) in [("card.json", with_icon.to_string().into_bytes())].into_iter().chain(icon) {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        let made = import(&user, slug, zip.finish().unwrap().into_inner()).await;
        if slug == "beside" {
            assert_eq!(
                shown(&user, made["persona"]["avatar_url"].as_str().unwrap()).await.decoded().dimensions(),
                (60, 60)
            );
            let exported = shown(&user, "/api/v1/personas/beside/card?as=png").await;
            assert_eq!(exported.decoded().dimensions(), (60, 60));
        } else {
            assert_eq!(made["report"]["picture_fault"], "the file is an archive without its picture assets/main.jpg");
        }
    }
    cluster.assert_quiet().await;
}
