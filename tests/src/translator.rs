//! A service that translates, over real HTTP, in the formats of `LibreTranslate` and `DeepL` and with ways to fail. Its
//! translation is the text behind the code of the language, so that a test can tell what it reads.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{ClusterOptions, Gate, within};

const KEY: &str = "sk-of-the-translator";

/// The format that it is called in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranslatorFormat {
    LibreTranslate,
    DeepL,
}

impl TranslatorFormat {
    pub const ALL: [Self; 2] = [Self::LibreTranslate, Self::DeepL];

    pub const fn name(self) -> &'static str {
        match self {
            Self::LibreTranslate => "libretranslate",
            Self::DeepL => "deepl",
        }
    }
}

/// How it answers.
#[derive(Debug, Clone)]
pub enum TranslatorMood {
    Well,
    /// With this status.
    Refuses(u16),
    /// Never.
    Silent,
    /// With something that is no translation.
    Babbles(&'static str),
    /// With this text instead.
    Says(&'static str),
    /// Well, once the gate lets it.
    Waits(Gate),
}

/// A text that was to be translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub text: String,
    /// As the service calls it.
    pub language: String,
}

struct Shared {
    format: TranslatorFormat,
    /// One for each call; the last is for every call after that.
    moods: Mutex<VecDeque<TranslatorMood>>,
    asked: watch::Sender<Vec<Asked>>,
}

/// Dropping it ends it.
pub struct ScriptedTranslator {
    shared: Arc<Shared>,
    base_url: String,
    _serving: JoinSet<()>,
}

impl ScriptedTranslator {
    pub async fn start(format: TranslatorFormat) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the translator");
        let base_url = format!("http://{}", listener.local_addr().expect("the translator's address"));
        let moods = Mutex::new(VecDeque::from([TranslatorMood::Well]));
        let shared = Arc::new(Shared { format, moods, asked: watch::Sender::default() });
        let router = Router::new().fallback(translate).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("serve the translator") });
        Self { shared, base_url, _serving: serving }
    }

    /// The settings by which a cluster translates with it, and tries again at once.
    #[must_use]
    pub fn configure(&self, options: ClusterOptions) -> ClusterOptions {
        options
            .set("TROUPE_TRANSLATION__PROVIDER", self.shared.format.name())
            .set("TROUPE_TRANSLATION__URL", &self.base_url)
            .set("TROUPE_TRANSLATION__KEY", KEY)
            .set("TROUPE_TRANSLATION__TIMEOUT", "1s")
            .set("TROUPE_TRANSLATION__RETRY_PAUSE", "0s")
    }

    /// The moods of the next calls; the last is for every call after that.
    pub fn set_moods(&self, moods: impl IntoIterator<Item = TranslatorMood>) {
        *self.shared.moods.lock() = moods.into_iter().collect();
    }

    /// All that was asked for, in the order of the calls.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.borrow().clone()
    }

    /// Waits until so many calls have come; they may not have been answered yet.
    pub async fn called(&self, times: usize) {
        let mut asked = self.shared.asked.subscribe();
        _ = within(&format!("call {times} of the translator"), asked.wait_for(|asked| asked.len() >= times)).await;
    }
}

async fn translate(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (text, language, is_call) = match shared.format {
        TranslatorFormat::LibreTranslate => {
            let settings = json!({"source": body["source"], "format": body["format"], "api_key": body["api_key"]});
            let as_documented = settings == json!({"source": "auto", "format": "text", "api_key": KEY});
            (string(&body["q"]), string(&body["target"]), uri.path() == "/translate" && as_documented)
        }
        TranslatorFormat::DeepL => {
            let key = format!("DeepL-Auth-Key {KEY}");
            let has_key = headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == key.as_bytes());
            (string(&body["text"][0]), string(&body["target_lang"]), uri.path() == "/v2/translate" && has_key)
        }
    };
    if !is_call || text.is_empty() || language.is_empty() {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": format!("{uri} {body}") }))).into_response();
    }
    let mood = {
        let mut moods = shared.moods.lock();
        let next = moods.front().cloned().expect("a mood");
        if moods.len() > 1 {
            moods.pop_front();
        }
        next
    };
    shared.asked.send_modify(|asked| asked.push(Asked { text: text.clone(), language: language.clone() }));
    let well = || answer(shared.format, &format!("{language}: {text}"));
    match mood {
        TranslatorMood::Well => well(),
        TranslatorMood::Waits(gate) => {
            gate.pass().await;
            well()
        }
        TranslatorMood::Silent => std::future::pending().await,
        TranslatorMood::Babbles(text) => text.into_response(),
        TranslatorMood::Says(text) => answer(shared.format, text),
        TranslatorMood::Refuses(status) => {
            let body = json!({ "error": "as scripted", "message": "as scripted" });
            (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
        }
    }
}

fn answer(format: TranslatorFormat, text: &str) -> Response {
    let body = match format {
        TranslatorFormat::LibreTranslate => json!({ "translatedText": text }),
        TranslatorFormat::DeepL => json!({ "translations": [{ "detected_source_language": "EN", "text": text }] }),
    };
    Json(body).into_response()
}
