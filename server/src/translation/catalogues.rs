//! The catalogues of the pages, whose English texts are the sources of all other languages.

use serde_json::{Map, Value};

/// The languages whose catalogues persons have written; they are assets.
pub(super) const REVIEWED: [&str; 5] = ["ar", "de", "en", "es", "fr"];

const CATALOGUES: [(&str, &str); 8] = [
    ("account", include_str!("../pages/assets/catalogues/en/account.json")),
    ("chat", include_str!("../pages/assets/catalogues/en/chat.json")),
    ("common", include_str!("../pages/assets/catalogues/en/common.json")),
    ("control", include_str!("../pages/assets/catalogues/en/control.json")),
    ("lore", include_str!("../pages/assets/catalogues/en/lore.json")),
    ("problems", include_str!("../pages/assets/catalogues/en/problems.json")),
    ("side", include_str!("../pages/assets/catalogues/en/side.json")),
    ("studio", include_str!("../pages/assets/catalogues/en/studio.json")),
];

/// A catalogue in English.
pub(super) struct Catalogue {
    pub(super) name: &'static str,
    texts: Value,
}

impl Catalogue {
    pub(super) fn find(name: &str) -> Option<Self> {
        let (name, text) = CATALOGUES.iter().find(|(known, _)| *known == name)?;
        Some(Self { name, texts: serde_json::from_str(text).ok()? })
    }

    /// Its texts by key, such as `chat.composer.hint`.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        collect(self.name, &self.texts, &mut texts);
        texts
    }

    /// The same catalogue with what `translation` has for the keys, and without the rest.
    pub(super) fn translated<'a>(&self, translation: &impl Fn(&str) -> Option<&'a String>) -> Value {
        replaced(self.name, &self.texts, translation).unwrap_or_else(|| Value::Object(Map::new()))
    }
}

fn collect(key: &str, value: &Value, texts: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => texts.push((key.to_owned(), text.clone())),
        Value::Object(members) => {
            for (name, member) in members {
                collect(&format!("{key}.{name}"), member, texts);
            }
        }
        _ => {}
    }
}

fn replaced<'a>(key: &str, value: &Value, translation: &impl Fn(&str) -> Option<&'a String>) -> Option<Value> {
    match value {
        Value::String(_) => translation(key).cloned().map(Value::String),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| {
                Some((name.clone(), replaced(&format!("{key}.{name}"), member, translation)?))
            };
            let members: Map<_, _> = members.iter().filter_map(member).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_catalogue_has_its_texts_and_takes_translations_of_them() {
        for (name, _) in CATALOGUES {
            let catalogue = Catalogue::find(name).unwrap();
            let texts: HashMap<_, _> = catalogue.texts().into_iter().collect();
            assert!(texts.len() > 10, "{name}");
            assert_eq!(catalogue.translated(&|key| texts.get(key)), catalogue.texts, "{name}");
        }
        assert!(Catalogue::find("nothing").is_none());
    }

    #[test]
    fn what_is_not_translated_is_left_out() {
        let catalogue = Catalogue::find("common").unwrap();
        let cancel = "Annulla".to_owned();
        assert_eq!(
            catalogue.translated(&|key| (key == "common.cancel").then_some(&cancel)),
            json!({"cancel": "Annulla"})
        );
        assert_eq!(catalogue.translated(&|_| None), json!({}));
    }

    #[test]
    fn the_folder_has_no_others() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/pages/assets/catalogues");
        let names = |folder: &str| {
            let entries = std::fs::read_dir(folder).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(folder), REVIEWED);
        assert_eq!(names(&format!("{folder}/en")), CATALOGUES.map(|(name, _)| format!("{name}.json")));
    }
}
