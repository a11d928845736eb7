//! Web Push: messages that only one browser can read (RFC 8291), and what says to its push service who sends them
//! (VAPID, RFC 8292).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Duration, Utc};
use ring::{
    aead, agreement,
    error::{KeyRejected, Unspecified},
    hkdf, rand,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;

/// An uncompressed point on the curve.
pub const PUBLIC_KEY_BYTES: usize = 65;
pub const SECRET_BYTES: usize = 16;
/// One record holds all: push services take no more than 4 KiB.
const RECORD_BYTES: u32 = 4_096;
/// What is left of it for the text, after header, padding and tag.
pub const MAX_TEXT_BYTES: usize = 3_900;
const SALT_BYTES: usize = 16;
/// Push services take no longer than a day.
const SIGNED_FOR: Duration = Duration::hours(12);

/// The keys of a subscription, from the browser.
#[derive(Debug, Clone, Copy)]
pub struct BrowserKeys<'a> {
    pub p256dh: &'a [u8],
    pub auth: &'a [u8],
}

/// The key that an installation signs with.
pub struct VapidKey {
    pair: EcdsaKeyPair,
    random: rand::SystemRandom,
}

impl VapidKey {
    /// A new one, for [`VapidKey::read`].
    pub fn make() -> Result<Vec<u8>, Unspecified> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rand::SystemRandom::new())?;
        Ok(made.as_ref().to_vec())
    }

    pub fn read(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        let random = rand::SystemRandom::new();
        Ok(Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)?, random })
    }

    /// As browsers take it.
    pub fn public(&self) -> String {
        BASE64.encode(self.pair.public_key().as_ref())
    }

    /// The header `Authorization` of a call of a push service. `contact` is where its operators can write to.
    pub fn authorization(&self, origin: &str, contact: &str, now: DateTime<Utc>) -> Result<String, Unspecified> {
        let part = |value: serde_json::Value| BASE64.encode(value.to_string());
        let header = part(json!({"typ": "JWT", "alg": "ES256"}));
        let claims = part(json!({"aud": origin, "exp": (now + SIGNED_FOR).timestamp(), "sub": contact}));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&self.random, signed.as_bytes())?;
        Ok(format!("vapid t={signed}.{}, k={}", BASE64.encode(signature.as_ref()), self.public()))
    }
}

/// Encrypts a text for one browser: the body of the call, in the coding `aes128gcm`.
pub fn encrypt(text: &[u8], browser: BrowserKeys<'_>) -> Result<Vec<u8>, Unspecified> {
    let random = rand::SystemRandom::new();
    let ours = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random)?;
    let salt: [u8; SALT_BYTES] = rand::generate(&random)?.expose();
    let public = ours.compute_public_key()?;
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, browser.p256dh);
    let shared = agreement::agree_ephemeral(ours, &theirs, <[u8]>::to_vec)?;
    seal(text, browser, &salt, public.as_ref(), &shared)
}

fn seal(
    text: &[u8],
    browser: BrowserKeys<'_>,
    salt: &[u8; SALT_BYTES],
    public: &[u8],
    shared: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Unspecified);
    }
    let info = [b"WebPush: info\0", browser.p256dh, public].concat();
    let input: [u8; 32] = expand(browser.auth, shared, &info)?;
    let key: [u8; 16] = expand(salt, &input, b"Content-Encoding: aes128gcm\0")?;
    let nonce: [u8; aead::NONCE_LEN] = expand(salt, &input, b"Content-Encoding: nonce\0")?;
    let mut record = [text, &[2]].concat();
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key)?);
    key.seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::empty(), &mut record)?;
    let length = u8::try_from(public.len()).map_err(|_| Unspecified)?;
    Ok([salt.as_slice(), &RECORD_BYTES.to_be_bytes(), &[length], public, &record].concat())
}

fn expand<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<[u8; N], Unspecified> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    let info = [info];
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    key.expand(&info, Length(N))?.fill(&mut output)?;
    Ok(output)
}

/// Decodes what browsers give, padded or not.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_standard_is_sealed_as_it_says() {
        let bytes = |text: &str| decode(text).expect("base64url");
        let p256dh = bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        let public = bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().expect("16 bytes");
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = seal(text, BrowserKeys { p256dh: &p256dh, auth: &auth }, &salt, &public, &shared).expect("sealed");
        assert_eq!(
            BASE64.encode(sealed),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn what_signs_can_be_verified_by_the_public_key() {
        let key = VapidKey::read(&VapidKey::make().expect("a key")).expect("it is read");
        let now = DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        let header = key.authorization("https://push.example", "mailto:a@example.org", now).expect("signed");
        let (token, public) = header.strip_prefix("vapid t=").and_then(|rest| rest.split_once(", k=")).expect("both");
        assert_eq!(public, key.public());
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let public = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_FIXED,
            decode(public).expect("a key"),
        );
        public.verify(signed.as_bytes(), &decode(signature).expect("a signature")).expect("it is ours");
        let claims = decode(signed.split_once('.').expect("two parts").1).expect("claims");
        let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(claims, json!({"aud": "https://push.example", "exp": 1_796_043_200, "sub": "mailto:a@example.org"}));
    }

    #[test]
    fn what_no_push_service_would_take_is_not_sealed() {
        let key =
            agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &rand::SystemRandom::new()).expect("a key");
        let p256dh = key.compute_public_key().expect("its other half");
        let browser = BrowserKeys { p256dh: p256dh.as_ref(), auth: &[7; SECRET_BYTES] };
        let body = encrypt(&[b'x'; MAX_TEXT_BYTES], browser).expect("as much as goes");
        assert!(body.len() <= RECORD_BYTES as usize);
        assert!(encrypt(&[b'x'; MAX_TEXT_BYTES + 1], browser).is_err());
        assert!(encrypt(b"x", BrowserKeys { p256dh: &[4; PUBLIC_KEY_BYTES], ..browser }).is_err(), "not on the curve");
    }
}
