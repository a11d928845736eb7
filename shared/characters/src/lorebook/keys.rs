//! Keys: texts to be found, or patterns. Patterns are matched in linear time, so some that other readers know (with
//! look-around, or back references) do not compile: these match nothing, and are reported.

use regex::{Regex, RegexBuilder};

use super::sources::Source;
use crate::{
    limits::MAX_PATTERN_BYTES,
    macros::{Macros, may_have},
};

/// The flags that a pattern may have; `g`, `u`, `v`, `y` and `d` change nothing here.
const FLAGS: &str = "gimsuyvd";

#[derive(Debug)]
pub(crate) enum Key {
    Text { text: String, lower: String },
    Pattern { source: String, regex: Box<Regex> },
    Broken { source: String, fault: String },
}

/// How the keys of an entry are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRules {
    pub(crate) case_sensitive: bool,
    pub(crate) whole_words: bool,
    /// Every key is a pattern, not only those between slashes.
    pub(crate) all_patterns: bool,
}

impl Key {
    pub(crate) fn compile(key: &str, rules: KeyRules) -> Self {
        let key = key.trim();
        if let Some((pattern, flags)) = between_slashes(key) {
            return Self::pattern(key, pattern, |flag| flags.contains(flag));
        }
        if rules.all_patterns && !key.is_empty() {
            return Self::pattern(key, key, |flag| flag == 'i' && !rules.case_sensitive);
        }
        Self::Text { text: key.to_owned(), lower: key.to_lowercase() }
    }

    fn pattern(source: &str, pattern: &str, has: impl Fn(char) -> bool) -> Self {
        let source = source.to_owned();
        let built = RegexBuilder::new(pattern)
            .case_insensitive(has('i'))
            .multi_line(has('m'))
            .dot_matches_new_line(has('s'))
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES)
            .build();
        match built {
            Ok(regex) => Self::Pattern { source, regex: Box::new(regex) },
            Err(error) => Self::Broken { source, fault: last_line(&error.to_string()) },
        }
    }

    pub(crate) fn source(&self) -> &str {
        match self {
            Self::Text { text, .. } => text,
            Self::Pattern { source, .. } | Self::Broken { source, .. } => source,
        }
    }

    pub(crate) fn is_pattern(&self) -> bool {
        matches!(self, Self::Pattern { .. })
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }

    pub(crate) fn fault(&self) -> Option<(&str, &str)> {
        if let Self::Broken { source, fault } = self { Some((source, fault)) } else { None }
    }

    pub(crate) fn is_in(&self, source: &Source<'_>, rules: KeyRules, macros: &Macros) -> bool {
        match self {
            Self::Pattern { regex, .. } => regex.is_match(source.text()),
            Self::Broken { .. } => false,
            Self::Text { text, .. } if text.is_empty() => false,
            Self::Text { text, .. } if may_have(text) => {
                let text = macros.expand(text);
                let found = |text: &str, within: &str| is_within(text, within, rules.whole_words);
                if rules.case_sensitive {
                    found(&text, source.text())
                } else {
                    found(&text.to_lowercase(), source.lower())
                }
            }
            Self::Text { text, .. } if rules.case_sensitive => is_within(text, source.text(), rules.whole_words),
            Self::Text { lower, .. } => is_within(lower, source.lower(), rules.whole_words),
        }
    }
}

/// Whether a text is within another; as a word by itself, if it is one word and must be.
fn is_within(key: &str, text: &str, whole_words: bool) -> bool {
    if !whole_words || key.contains(char::is_whitespace) {
        return text.contains(key);
    }
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(key)
        .any(|(at, _)| !is_word(text[..at].chars().next_back()) && !is_word(text[at + key.len()..].chars().next()))
}

/// The pattern and the flags of `/pattern/flags`.
fn between_slashes(key: &str) -> Option<(&str, &str)> {
    let (pattern, flags) = key.strip_prefix('/')?.rsplit_once('/')?;
    (!pattern.is_empty() && flags.chars().all(|flag| FLAGS.contains(flag))).then_some((pattern, flags))
}

/// What the compiler of patterns says after it has shown where.
fn last_line(message: &str) -> String {
    let line = message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(message).trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: KeyRules = KeyRules { case_sensitive: false, whole_words: false, all_patterns: false };

    fn matches(key: &str, rules: KeyRules, text: &str) -> bool {
        let macros = Macros { char: "Ada".to_owned(), ..Macros::default() };
        Key::compile(key, rules).is_in(&Source::message(0, text), rules, &macros)
    }

    #[test]
    fn texts_are_found_by_case_and_word() {
        let cased = KeyRules { case_sensitive: true, ..PLAIN };
        let words = KeyRules { whole_words: true, ..PLAIN };
        assert!(matches("King", PLAIN, "the kingdom"));
        assert!(!matches("King", cased, "the king") && matches("King", cased, "the King"));
        assert!(!matches("king", words, "the kingdom") && matches("king", words, "\"King\", he said"));
        assert!(!matches("könig", words, "Königin") && matches("könig", words, "der König."));
        assert!(matches("the king", words, "the kingdom"), "several words are found anywhere");
        assert!(!matches("", PLAIN, "anything") && !matches("  ", PLAIN, "any thing"));
        assert!(matches("{{char}}", PLAIN, "Who is ada?"));
    }

    #[test]
    fn patterns_have_their_own_flags() {
        assert!(matches("/k(in|on)g/i", PLAIN, "The KING") && !matches("/king/", PLAIN, "The KING"));
        assert!(matches(r"/a\/b/", PLAIN, "a/b"));
        assert!(matches("/^king$/m", PLAIN, "the\nking\nis"));
        let all = KeyRules { all_patterns: true, ..PLAIN };
        assert!(matches("k.ng", all, "KONG") && !matches("k.ng", PLAIN, "kong"));
        assert!(matches("/usr/bin", PLAIN, "in /usr/bin"), "no flags, so no pattern");
    }

    #[test]
    fn what_is_not_linear_is_a_fault_with_a_reason() {
        for key in ["/(?<=the )king/", r"/(a)\1/", "/(unclosed/", "/(a{500}){500}{500}/"] {
            let compiled = Key::compile(key, PLAIN);
            let (source, fault) = compiled.fault().unwrap_or_else(|| panic!("{key} compiles"));
            assert!(source == key && !fault.is_empty() && !fault.contains('\n'), "{fault}");
        }
        // Linear, whatever it looks like.
        assert!(!matches("/(a+)+$/", PLAIN, &format!("{}b", "a".repeat(50_000))));
    }
}
