//! Texts that persons have translated: no model is asked for them.

/// The languages of the pages' catalogues, each with its `composer.hint`.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("ar", "رسالة إلى {name}"),
    ("de", "Nachricht an {name}"),
    ("en", "Message {name}"),
    ("es", "Mensaje para {name}"),
    ("fr", "Message à {name}"),
];

/// The placeholder of the message field.
pub(super) fn placeholder(language: &str) -> Option<&'static str> {
    PLACEHOLDERS.iter().find(|(code, _)| *code == language).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_pages_say_the_same() {
        let catalogues = [
            ("ar", include_str!("../pages/assets/catalogues/ar/chat.json")),
            ("de", include_str!("../pages/assets/catalogues/de/chat.json")),
            ("en", include_str!("../pages/assets/catalogues/en/chat.json")),
            ("es", include_str!("../pages/assets/catalogues/es/chat.json")),
            ("fr", include_str!("../pages/assets/catalogues/fr/chat.json")),
        ];
        for (language, catalogue) in catalogues {
            let catalogue: Value = serde_json::from_str(catalogue).unwrap();
            assert_eq!(catalogue["composer"]["hint"].as_str(), placeholder(language), "{language}");
        }
        assert_eq!(placeholder("it"), None);
    }
}
