//! The sources of settings, and the report of all faults at once.
//!
//! Embedded defaults < the process' own < TOML file < directory of secrets < environment. No fault quotes text from a
//! file: a secret may have been put into the wrong one.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::Config;

const DEFAULTS: &str = include_str!("defaults.toml");

/// Conventional environment variables, and their settings.
const USUAL_NAMES: [(&str, &str); 15] = [
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("OPENAI_API_KEY", "providers.openai.keys.default"),
    ("OPENAI_BASE_URL", "providers.openai.base_url"),
    ("ANTHROPIC_API_KEY", "providers.anthropic.keys.default"),
    ("ANTHROPIC_BASE_URL", "providers.anthropic.base_url"),
    ("XAI_API_KEY", "providers.xai.keys.default"),
    ("XAI_BASE_URL", "providers.xai.base_url"),
    ("ELEVENLABS_API_KEY", "providers.elevenlabs.keys.default"),
    ("SPEECHIFY_API_KEY", "providers.speechify.keys.default"),
    ("QDRANT_URL", "qdrant.url"),
    ("QDRANT_API_KEY", "qdrant.api_key"),
    ("TROUPE_LOCAL_MODELS", "local.models"),
    ("RUST_LOG", "telemetry.filter"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "traces.endpoint"),
];

/// A setting that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub key: String,
    pub message: String,
}

/// Every fault of a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s)", self.0.len())?;
        for Fault { key, message } in &self.0 {
            write!(f, "\n  {key}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// All sources of settings. They hold secrets and are never shown.
#[derive(Clone, Default)]
pub struct Sources {
    /// What suits the process better than the embedded defaults, as TOML.
    pub defaults: String,
    pub file: Option<PathBuf>,
    /// One file per setting, as written by Kubernetes and Vault's agent.
    pub secrets: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
}

/// A valid configuration, and the values that it was parsed from.
pub(super) struct Reading {
    pub(super) config: Config,
    pub(super) values: Table,
}

impl Sources {
    /// Reads all sources.
    pub(super) fn read(&self) -> Result<Reading, ConfigError> {
        let text = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| unreadable(&error));
        self.read_with(self.file.as_ref().map(|path| (path.display().to_string(), text(path))))
    }

    /// Adds the text of the file, and its path.
    fn read_with(&self, file: Option<(String, Result<String, String>)>) -> Result<Reading, ConfigError> {
        let mut defaults = parse(DEFAULTS).map_err(|message| fault("defaults", message))?;
        let (mut faults, mut from_files) = (Vec::new(), Vec::new());
        merge_file(&mut defaults, &self.defaults, &mut faults).map_err(|message| fault("defaults", message))?;
        let mut merged = defaults.clone();
        if let Some((key, text)) = file
            && let Err(message) = text.and_then(|text| merge_file(&mut merged, &text, &mut faults))
        {
            faults.push(Fault { key, message });
        }
        if let Some(directory) = &self.secrets {
            from_files.extend(merge_directory(&mut merged, directory, &mut faults));
        }
        for (name, value) in &self.environment {
            from_files.extend(merge_variable(&mut merged, name, value, &mut faults));
        }
        let sound_so_far = faults.len();
        let config = deserialize(merged.clone(), &defaults, &mut faults);
        for fault in faults.iter_mut().skip(sound_so_far).filter(|fault| from_files.contains(&fault.key)) {
            "its file holds no such value".clone_into(&mut fault.message);
        }
        if let Some(config) = &config {
            config.check(&mut faults);
        }
        match config {
            Some(config) if faults.is_empty() => Ok(Reading { config, values: merged }),
            _ => Err(ConfigError(faults)),
        }
    }
}

/// A configuration whose file is this text.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_text(file: &str, environment: Vec<(String, String)>) -> Result<Config, ConfigError> {
    let sources = Sources { environment, ..Sources::default() };
    Ok(sources.read_with(Some(("the file".to_owned(), Ok(file.to_owned()))))?.config)
}

fn fault(key: &str, message: String) -> ConfigError {
    ConfigError(vec![Fault { key: key.to_owned(), message }])
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read: {error}")
}

/// The parser's own message would quote the line, which may hold a secret.
fn parse(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("line {}: {}", before.matches('\n').count() + 1, error.message())
    })
}

fn merge_file(merged: &mut Table, text: &str, faults: &mut Vec<Fault>) -> Result<(), String> {
    for (section, values) in &parse(text)? {
        match values {
            Value::Table(values) if merged.contains_key(section) => merge_table(merged, section, values, faults),
            _ => faults.push(unknown(section.clone())),
        }
    }
    Ok(())
}

/// The settings at this path and below.
fn merge_table(merged: &mut Table, path: &str, values: &Table, faults: &mut Vec<Fault>) {
    for (key, value) in values {
        let path = format!("{path}.{key}");
        match (value, slot(merged, &path)) {
            (Value::Table(values), Some(Value::Table(_))) => merge_table(merged, &path, values, faults),
            (Value::Table(_), _) | (_, None) => faults.push(unknown(path)),
            (value, Some(slot)) => *slot = value.clone(),
        }
    }
}

fn unknown(key: String) -> Fault {
    Fault { key, message: "there is no such setting".to_owned() }
}

/// The settings in the directory. Names that begin with a dot are internal to its writer, such as Kubernetes' `..data`.
fn merge_directory(merged: &mut Table, directory: &Path, faults: &mut Vec<Fault>) -> Vec<String> {
    let names = std::fs::read_dir(directory).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<std::io::Result<Vec<_>>>()
    });
    let mut names = match names {
        Ok(names) => names,
        Err(error) => {
            faults.push(Fault { key: directory.display().to_string(), message: unreadable(&error) });
            return Vec::new();
        }
    };
    names.sort();
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let path = directory.join(name);
        let setting = setting_of(name).unwrap_or_else(|| name.clone());
        let Some(slot) = slot(merged, &setting).filter(|slot| !slot.is_table()) else {
            faults.push(unknown(path.display().to_string()));
            continue;
        };
        match take_file(slot, &path) {
            Ok(()) => found.push(setting),
            Err(message) => faults.push(Fault { key: setting, message: format!("{}: {message}", path.display()) }),
        }
    }
    found
}

/// The setting, if its value was found in a file.
fn merge_variable(merged: &mut Table, name: &str, value: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let (plain, from_file) = match name.strip_suffix("_FILE") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let key = setting_of(plain)?;
    let Some(slot) = slot(merged, &key) else {
        faults.push(unknown(format!("{key} ({name})")));
        return None;
    };
    let taken = if from_file {
        take_file(slot, Path::new(value)).map_err(|message| format!("'{value}' {message}"))
    } else {
        typed(value, slot).map(|value| *slot = value).map_err(|what| format!("'{value}' is {what}"))
    };
    if let Err(message) = taken {
        faults.push(Fault { key, message: format!("{name}: {message}") });
        return None;
    }
    from_file.then_some(key)
}

/// The setting of an environment variable, if it has one.
fn setting_of(variable: &str) -> Option<String> {
    if let Some((_, key)) = USUAL_NAMES.iter().find(|(usual, _)| *usual == variable) {
        return Some((*key).to_owned());
    }
    let rest = variable.strip_prefix("TROUPE_").filter(|rest| rest.contains("__"))?;
    Some(rest.to_lowercase().replace("__", "."))
}

/// The text of a file as the value of a setting.
fn take_file(slot: &mut Value, path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    *slot = typed(text.trim_end(), slot).map_err(|what| format!("holds {what}"))?;
    Ok(())
}

/// The path of a setting. Providers and keys that the defaults do not have are created.
fn slot<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    let (section, key) = path.split_once('.')?;
    let mut table = table.get_mut(section)?.as_table_mut()?;
    let mut path = key;
    if section == "providers" {
        let (name, setting) = key.split_once('.').map_or((key, None), |(name, setting)| (name, Some(setting)));
        let provider = table.entry(name).or_insert_with(|| Value::Table(nameless_provider()));
        let Some(setting) = setting else { return Some(provider) };
        (table, path) = (provider.as_table_mut()?, setting);
        if setting == "keys" || setting.starts_with("keys.") {
            let keys = table.entry("keys").or_insert_with(|| Value::Table(Table::new()));
            let Some(alias) = setting.strip_prefix("keys.") else { return Some(keys) };
            return Some(keys.as_table_mut()?.entry(alias).or_insert_with(|| Value::String(String::new())));
        }
    }
    table.get_mut(path)
}

/// The defaults of a provider: empty.
fn nameless_provider() -> Table {
    let texts = ["format", "base_url", "model", "continues", "speech_model", "voices"];
    let texts = texts.map(|key| (key, Value::String(String::new())));
    texts.into_iter().chain([("small", Value::Boolean(false))]).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Parses a text as the type of the default; the error is what it is instead.
fn typed(text: &str, default: &Value) -> Result<Value, &'static str> {
    match default {
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| "not a whole number"),
        Value::Float(_) => text.parse().map(Value::Float).map_err(|_| "not a number"),
        Value::Boolean(_) => text.parse().map(Value::Boolean).map_err(|_| "neither true nor false"),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Deserializes. Each invalid setting is reported and reset to its default, until the rest is valid.
fn deserialize(mut merged: Table, defaults: &Table, faults: &mut Vec<Fault>) -> Option<Config> {
    loop {
        let error = match serde_path_to_error::deserialize(merged.clone()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let key = error.path().to_string();
        faults.push(Fault { key: key.clone(), message: error.inner().to_string().trim_end().to_owned() });
        let default = slot(&mut defaults.clone(), &key).cloned()?;
        let slot = slot(&mut merged, &key)?;
        if *slot == default {
            return None;
        }
        *slot = default;
    }
}
