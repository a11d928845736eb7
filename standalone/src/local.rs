//! Who speaks, and who embeds, where no service is configured: what runs on this machine.
//!
//! An Ollama comes first, then a very small model of our own, then the built-in offline model. What is found is put
//! into the configuration as providers like any other; it is decided once, at start.

use std::{fmt, path::Path, time::Duration};

use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use troupe_core::config::{Config, ConfigError, Format, LOCAL_VOICE, Live, Local, LocalModels, OFFLINE, Provider};
use troupe_engines::{
    EngineError,
    local::{
        EMBEDDING_DIMENSION, EMBEDDING_MIN_SIMILARITY, EMBEDDING_VECTOR_WEIGHT, LocalEngine, LocalKind, LocalSettings,
        Packages,
    },
};
use url::Url;

/// A service on this machine answers at once, or is not there.
const OLLAMA_TIMEOUT: Duration = Duration::from_secs(1);

/// Who answers people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// What the configuration names, in its order.
    Configured(String),
    Ollama(String),
    Local(String),
    Offline,
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(chain) => write!(f, "{chain}"),
            Self::Ollama(model) => write!(f, "{model}, by the Ollama on this machine"),
            Self::Local(model) => write!(f, "a very small model on this machine ({model})"),
            Self::Offline => write!(f, "the built-in voice, which only quotes: no model is there"),
        }
    }
}

/// The engines that we have started for it. Dropping it ends them.
pub(crate) struct LocalEngines {
    pub(crate) speaker: Speaker,
    supervised: JoinSet<()>,
    stop: CancellationToken,
}

impl LocalEngines {
    /// Decides, starts what is to run, and names it in the configuration. What does not start is passed over.
    pub(crate) async fn start(dir: &Path, live: &Live) -> Self {
        let config = live.now();
        let mut engines =
            Self { speaker: configured(&config), supervised: JoinSet::new(), stop: CancellationToken::new() };
        if config.local.models == LocalModels::Off {
            return engines;
        }
        let start = async |kind, wanted| if wanted { start(kind, &config.local, dir).await } else { None };
        let (ollama, chat_model, embedder, voice) = {
            let speaks = engines.speaker == Speaker::Offline;
            let ollama = if speaks { find_ollama(&config.local).await } else { None };
            let (chat_model, embedder, voice) = tokio::join!(
                start(LocalKind::ChatModel, speaks && ollama.is_none()),
                start(LocalKind::Embedder, config.embeddings.is_built_in()),
                start(LocalKind::Voice, config.speech.chain(&config.providers).is_empty()),
            );
            (ollama, chat_model, embedder, voice)
        };
        let suited = embedder.as_ref().and_then(|_| {
            let unsuited = |error: &ConfigError| tracing::warn!(%error, "the embedder runs without what suits it");
            live.with_defaults(embedder_defaults()).inspect_err(unsuited).ok()
        });
        live.amend(|config| {
            if let Some(Ollama { base_url, model }) = &ollama {
                engines.speaker = Speaker::Ollama(model.clone());
                add_speaker(config, "ollama", provider(base_url.clone(), "ollama", model));
            }
            if let Some((engine, base_url)) = &chat_model {
                engines.speaker = Speaker::Local(engine.model().to_owned());
                let small = config.local.model.is_none();
                let provider = Provider { small, ..provider(base_url.clone(), engine.key(), engine.model()) };
                add_speaker(config, "local", provider);
            }
            // Spelled out: the embedder is a provider too, and no speaker.
            config.models.chain = config.models.default_chain(&config.providers);
            if let Some(suited) = suited {
                (config.embeddings, config.retrieval) = (suited.embeddings, suited.retrieval);
            }
            if let Some((engine, base_url)) = &embedder {
                let provider = provider(base_url.clone(), engine.key(), engine.model());
                config.providers.insert("local_embedder".to_owned(), provider);
                "local_embedder".clone_into(&mut config.embeddings.provider);
                engine.model().clone_into(&mut config.embeddings.model);
                config.embeddings.dimension = EMBEDDING_DIMENSION;
            }
            if let Some((engine, base_url)) = &voice {
                let name = engine.model().to_owned();
                let provider = Provider {
                    speech_model: name.clone(),
                    voices: vec![name],
                    ..provider(base_url.clone(), engine.key(), "")
                };
                config.providers.insert(LOCAL_VOICE.to_owned(), provider);
            }
        });
        for (engine, _) in [chat_model, embedder, voice].into_iter().flatten() {
            engines.supervised.spawn(engine.supervise(engines.stop.clone()));
        }
        engines
    }

    /// Ends them.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.supervised.join_next().await.is_some() {}
    }
}

/// What suits the embedder where nothing else is configured: a passage takes it half a second of a core, which the chat
/// model wants too; so a call must end in time, and let queries in between.
fn embedder_defaults() -> String {
    format!(
        "[embeddings]
         batch = 4
         timeout = '60s'
         query_prefix = 'query: '
         passage_prefix = 'passage: '
         [retrieval]
         timeout = '3s'
         min_similarity = {EMBEDDING_MIN_SIMILARITY:?}
         vector_weight = {EMBEDDING_VECTOR_WEIGHT:?}"
    )
}

/// Who speaks as far as the configuration says.
fn configured(config: &Config) -> Speaker {
    let chain = config.models.default_chain(&config.providers);
    if config.models.chain.is_empty() && chain.iter().all(|link| link.provider == OFFLINE) {
        return Speaker::Offline;
    }
    Speaker::Configured(chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// Starts an engine of ours; where it cannot be, says why in a line.
async fn start(kind: LocalKind, local: &Local, dir: &Path) -> Option<(LocalEngine, Url)> {
    let packages = local.directory.clone().unwrap_or_else(|| dir.join("local"));
    let settings = LocalSettings {
        threads: local.threads,
        memory_bytes: local.memory,
        context_tokens: local.context_tokens,
        parallel: local.parallel,
    };
    let started = async {
        let mut found = Packages::find(kind, &packages)?;
        if let (LocalKind::ChatModel, Some(model)) = (kind, &local.model) {
            found = found.with_model(model)?;
        }
        LocalEngine::start(kind, found, settings, dir).await
    };
    match started.await {
        Ok(engine) => {
            let base_url = engine.base_url().parse().ok()?;
            Some((engine, base_url))
        }
        Err(error @ EngineError::Missing { .. }) => {
            tracing::info!(%error, "going on without it");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "going on without a local engine");
            None
        }
    }
}

fn provider(base_url: Url, key: &str, model: &str) -> Provider {
    Provider {
        format: Format::Openai,
        base_url: Some(base_url),
        model: model.to_owned(),
        continues: None,
        small: false,
        keys: [("default".to_owned(), key.into())].into(),
        speech_model: String::new(),
        voices: Vec::new(),
    }
}

/// Puts a provider at the head of the default chain, and the built-in voice behind it.
fn add_speaker(config: &mut Config, name: &str, provider: Provider) {
    config.providers.insert(name.to_owned(), provider);
    config.models.offline_last = true;
}

struct Ollama {
    base_url: Url,
    model: String,
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    details: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    family: String,
}

impl Tag {
    /// Models that embed cannot speak.
    fn speaks(&self) -> bool {
        !self.details.family.contains("bert") && !self.name.contains("embed")
    }
}

/// The Ollama that runs here, with the model that is named, or its smallest chat model.
async fn find_ollama(local: &Local) -> Option<Ollama> {
    let base_url = local.ollama_url.as_ref()?.join("v1").ok()?;
    let tags = local.ollama_url.as_ref()?.join("api/tags").ok()?;
    let ask = async { reqwest::get(tags).await?.error_for_status()?.json::<Tags>().await };
    let Tags { models } = match tokio::time::timeout(OLLAMA_TIMEOUT, ask).await {
        Ok(Ok(tags)) => tags,
        Ok(Err(error)) if error.is_connect() => return None,
        Ok(Err(error)) => {
            tracing::warn!(%error, "an Ollama is there, and is not understood");
            return None;
        }
        Err(_) => {
            tracing::warn!("an Ollama is there, and does not answer");
            return None;
        }
    };
    let chosen = if local.ollama_model.is_empty() {
        models.into_iter().filter(Tag::speaks).min_by_key(|model| model.size)
    } else {
        let wanted = &local.ollama_model;
        models.into_iter().find(|model| model.name == *wanted || model.name == format!("{wanted}:latest"))
    };
    if chosen.is_none() {
        tracing::warn!(model = local.ollama_model, "an Ollama is there, without such a model: ollama pull it");
    }
    chosen.map(|model| Ollama { base_url, model: model.name })
}
