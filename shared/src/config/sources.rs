//! Where settings come from, and how all their faults are found at once.

use std::{fmt, path::Path};

use toml::{Table, Value};

use super::Config;

const DEFAULTS: &str = include_str!("defaults.toml");

/// Environment names that people expect, and the settings that they are.
const USUAL_NAMES: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("OPENAI_API_KEY", "provider.openai_api_key"),
    ("OPENAI_BASE_URL", "provider.openai_base_url"),
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
        match (merged.get_mut(section), values) {
            (Some(Value::Table(known)), Value::Table(values)) => {
                for (key, value) in values {
                    match known.get_mut(key) {
                        Some(slot) => *slot = value.clone(),
                        None => faults.push(unknown(format!("{section}.{key}"))),
                    }
                }
            }
            _ => faults.push(unknown(section.clone())),
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
            .map(|rest| rest.to_lowercase().replacen("__", ".", 1))
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

fn slot<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    let (section, key) = key.split_once('.')?;
    table.get_mut(section)?.as_table_mut()?.get_mut(key)
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
