//! Bodies and events for snapshots: what differs from run to run gets a name.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

static ID: LazyLock<Regex> = LazyLock::new(|| compiled("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"));
static TIME: LazyLock<Regex> = LazyLock::new(|| compiled(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// Ids are numbered as they come, so that the same one has the same number; times are only known to be there.
#[derive(Debug, Default)]
pub struct Stable {
    ids: HashMap<String, usize>,
}

impl Stable {
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), self.value(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    pub fn text(&mut self, text: &str) -> String {
        let named = ID.replace_all(text, |id: &regex::Captures<'_>| {
            let next = self.ids.len() + 1;
            format!("[id {}]", self.ids.entry(id[0].to_owned()).or_insert(next))
        });
        TIME.replace_all(&named, "[time]").into_owned()
    }
}
