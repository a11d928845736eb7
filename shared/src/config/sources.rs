//! Where settings come from, and how all their faults are found at once.

use std::{fmt, path::Path};

use toml::{Table, Value};

use super::Config;

const DEFAULTS: &str = include_str!("defaults.toml");

/// Environment names that people expect, and the settings that they are.
const USUAL_NAMES: [(&str, &str); 11] = [
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("OPENAI_API_KEY", "providers.openai.keys.default"),
    ("OPENAI_BASE_URL", "providers.openai.base_url"),
    ("ANTHROPIC_API_KEY", "providers.anthropic.keys.default"),
    ("ANTHROPIC_BASE_URL", "providers.anthropic.base_url"),
    ("XAI_API_KEY", "providers.xai.keys.default"),
    ("XAI_BASE_URL", "providers.xai.base_url"),
    ("QDRANT_URL", "qdrant.url"),
    ("QDRANT_API_KEY", "qdrant.api_key"),
    ("RUST_LOG", "telemetry.filter"),
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

pub(super) fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let defaults = parse(DEFAULTS).map_err(|fault| ConfigError(vec![fault]))?;
    let mut merged = defaults.clone();
    let mut faults = Vec::new();
    if let Some(path) = file {
        match std::fs::read_to_string(path).map_err(|e| whole_file(path, &e)).and_then(|text| {
            parse(&text).map_err(|fault| Fault { key: path.display().to_string(), message: fault.message })
        }) {
            Ok(table) => merge_file(&mut merged, &table, &mut faults),
            Err(fault) => faults.push(fault),
        }
    }
    for (name, value) in environment {
        merge_variable(&mut merged, &name, value, &mut faults);
    }
    let config = deserialize(merged, &defaults, &mut faults);
    if let Some(config) = &config {
        config.check(&mut faults);
    }
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(ConfigError(faults)),
    }
}

fn whole_file(path: &Path, error: &std::io::Error) -> Fault {
    Fault { key: path.display().to_string(), message: format!("cannot be read: {error}") }
}

fn parse(text: &str) -> Result<Table, Fault> {
    text.parse().map_err(|e: toml::de::Error| Fault { key: "defaults".to_owned(), message: e.to_string() })
}

fn merge_file(merged: &mut Table, file: &Table, faults: &mut Vec<Fault>) {
    for (section, values) in file {
        match values {
            Value::Table(values) if merged.contains_key(section) => merge_table(merged, section, values, faults),
            _ => faults.push(unknown(section.clone())),
        }
    }
}

/// The settings at this path, and under it.
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

fn merge_variable(merged: &mut Table, name: &str, value: String, faults: &mut Vec<Fault>) {
    let (plain, from_file) = match name.strip_suffix("_FILE") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let usual = USUAL_NAMES.iter().find(|(usual, _)| *usual == plain).map(|(_, key)| (*key).to_owned());
    let Some(key) = usual.or_else(|| {
        plain
            .strip_prefix("TROUPE_")
            .filter(|rest| rest.contains("__"))
            .map(|rest| rest.to_lowercase().replace("__", "."))
    }) else {
        return;
    };
    let Some(slot) = slot(merged, &key) else {
        return faults.push(unknown(format!("{key} ({name})")));
    };
    let text = if from_file {
        match std::fs::read_to_string(&value) {
            Ok(text) => text.trim_end().to_owned(),
            Err(e) => return faults.push(Fault { key, message: format!("{name}: cannot read '{value}': {e}") }),
        }
    } else {
        value
    };
    match typed(&text, slot) {
        Ok(value) => *slot = value,
        Err(message) => faults.push(Fault { key, message: format!("{name}: {message}") }),
    }
}

/// Where a setting is. Providers and their keys may have names that the defaults do not know: they come into being here.
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

/// What a provider has to say of itself: nothing is said yet.
fn nameless_provider() -> Table {
    ["format", "base_url", "model", "continues"]
        .map(|key| (key.to_owned(), Value::String(String::new())))
        .into_iter()
        .collect()
}

/// An environment's text, as a value of the type that the default has.
fn typed(text: &str, default: &Value) -> Result<Value, String> {
    match default {
        Value::Integer(_) => text.parse().map(Value::Integer).map_err(|_| format!("'{text}' is not a whole number")),
        Value::Float(_) => text.parse().map(Value::Float).map_err(|_| format!("'{text}' is not a number")),
        Value::Boolean(_) => {
            text.parse().map(Value::Boolean).map_err(|_| format!("'{text}' is neither true nor false"))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Deserializes; each setting at fault is noted and set back to its default, until what is left is sound.
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
