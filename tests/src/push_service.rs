//! A push service and the browsers behind it, over real HTTP: it reads what it is sent, as only the browser can.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use parking_lot::Mutex;
use ring::{aead, agreement, hkdf, rand};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::within;

const SECRET: [u8; 16] = [7; 16];
const PUBLIC_BYTES: usize = 65;

/// A notification that has come to a browser.
#[derive(Debug, Clone)]
pub struct Notification {
    pub browser: String,
    pub authorization: String,
    pub text: Value,
}

#[derive(Default)]
struct Shared {
    /// The keys of browsers; each reads one notification.
    keys: Mutex<HashMap<String, (agreement::EphemeralPrivateKey, Vec<u8>)>>,
    told: watch::Sender<Vec<Notification>>,
    refusals: Mutex<VecDeque<u16>>,
    calls: watch::Sender<usize>,
}

/// Dropping it ends it.
pub struct PushService {
    shared: Arc<Shared>,
    base: String,
    _serving: JoinSet<()>,
}

impl PushService {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the push service");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/send/{browser}", post(take)).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("serve the push service") });
        Self { shared, base, _serving: serving }
    }

    /// A browser subscribes; what it gives to the server.
    pub fn subscribe(&self, browser: &str) -> Value {
        let random = rand::SystemRandom::new();
        let key = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).expect("a key");
        let public = key.compute_public_key().expect("its other half").as_ref().to_vec();
        let given = json!({
            "endpoint": format!("{}/send/{browser}", self.base),
            "keys": {"p256dh": BASE64.encode(&public), "auth": BASE64.encode(SECRET)},
        });
        self.shared.keys.lock().insert(browser.to_owned(), (key, public));
        given
    }

    /// Refuses the next calls, with a status each.
    pub fn refuse(&self, statuses: impl IntoIterator<Item = u16>) {
        self.shared.refusals.lock().extend(statuses);
    }

    /// Waits for so many notifications.
    pub async fn told(&self, number: usize) -> Vec<Notification> {
        let mut told = self.shared.told.subscribe();
        let what = format!("{number} notifications");
        within(&what, async { told.wait_for(|told| told.len() >= number).await.expect("the service").clone() }).await
    }

    /// Waits for so many calls, refused ones included.
    pub async fn called(&self, times: usize) {
        let mut calls = self.shared.calls.subscribe();
        within("calls of the push service", async {
            calls.wait_for(|calls| *calls >= times).await.expect("the service");
        })
        .await;
    }

    pub fn calls(&self) -> usize {
        *self.shared.calls.borrow()
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    Path(browser): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let refused = shared.refusals.lock().pop_front();
    let status = match refused {
        Some(status) => StatusCode::from_u16(status).expect("a status"),
        None => receive(&shared, browser, &headers, &body),
    };
    shared.calls.send_modify(|calls| *calls += 1);
    status
}

fn receive(shared: &Shared, browser: String, headers: &HeaderMap, body: &[u8]) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("content-encoding") != "aes128gcm" || header("ttl").parse::<u32>().is_err() {
        return StatusCode::BAD_REQUEST;
    }
    let Some((key, public)) = shared.keys.lock().remove(&browser) else { return StatusCode::GONE };
    let Some(text) = open(key, &public, body) else { return StatusCode::BAD_REQUEST };
    let notification = Notification { browser, authorization: header("authorization").to_owned(), text };
    shared.told.send_modify(|told| told.push(notification));
    StatusCode::CREATED
}

/// RFC 8291, from the browser's side.
fn open(key: agreement::EphemeralPrivateKey, public: &[u8], body: &[u8]) -> Option<Value> {
    let (salt, rest) = body.split_at_checked(16)?;
    let (_record_size, rest) = rest.split_at_checked(4)?;
    let (length, rest) = rest.split_first()?;
    let (sender, sealed) = rest.split_at_checked(usize::from(*length))?;
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, sender);
    let shared = agreement::agree_ephemeral(key, &peer, <[u8]>::to_vec).ok()?;
    let info = [b"WebPush: info\0", public, sender].concat();
    let input: [u8; 32] = expand(&SECRET, &shared, &info)?;
    let content: [u8; 16] = expand(salt, &input, b"Content-Encoding: aes128gcm\0")?;
    let nonce: [u8; 12] = expand(salt, &input, b"Content-Encoding: nonce\0")?;
    let content = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &content).ok()?);
    let mut sealed = sealed.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let text = content.open_in_place(nonce, aead::Aad::empty(), &mut sealed).ok()?;
    serde_json::from_slice(text.strip_suffix(&[2])?).ok()
}

fn expand<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> Option<[u8; N]> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    key.expand(&[info], Length(N)).ok()?.fill(&mut output).ok()?;
    Some(output)
}

/// The public key in what a browser has given.
pub fn is_public_key(text: &str) -> bool {
    BASE64.decode(text).is_ok_and(|key| key.len() == PUBLIC_BYTES && key[0] == 4)
}
