//! Macros in the texts of characters: `{{char}}`, `{{user}}` and those that the specification of version 3 names.
//!
//! Replaced when a prompt is made, in one pass: what a macro is replaced with is not looked at again.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use fastrand::Rng;

/// What macros stand for, in one prompt.
#[derive(Debug, Clone, Default)]
pub struct Macros {
    pub char: String,
    pub user: String,
    /// For `{{random:…}}` and `{{roll:…}}`: the same prompt has the same.
    pub seed: u64,
    /// Whether `<BOT>` and `<USER>`, which cards of version 1 have, are macros too.
    pub angled: bool,
}

/// Whether a text may have macros.
pub(crate) fn may_have(text: &str) -> bool {
    text.contains("{{") || text.contains('<')
}

impl Macros {
    /// The text with its macros replaced. Unknown ones stay.
    pub fn expand<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !may_have(text) {
            return Cow::Borrowed(text);
        }
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '<']) {
            expanded.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some((value, length)) = self.replaced(rest) {
                expanded.push_str(&value);
                rest = &rest[length..];
            } else {
                expanded.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        expanded.push_str(rest);
        Cow::Owned(expanded)
    }

    /// The value of the macro that a text begins with, and the macro's length.
    fn replaced(&self, text: &str) -> Option<(String, usize)> {
        if self.angled && text.starts_with('<') {
            let macros = [("<user>", &self.user), ("<bot>", &self.char), ("<char>", &self.char)];
            let found = macros
                .into_iter()
                .find(|(name, _)| text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)));
            return found.map(|(name, value)| (value.clone(), name.len()));
        }
        let inner = text.strip_prefix("{{")?;
        // None is longer: a text of opening braces is not looked through again and again.
        let window = &inner[..inner.floor_char_boundary(4_096.min(inner.len()))];
        let end = window.find("}}")?;
        let value = self.value(&inner[..end])?;
        Some((value, end + 4))
    }

    fn value(&self, inner: &str) -> Option<String> {
        if inner.starts_with("//") {
            return Some(String::new());
        }
        let (name, argument) = inner.split_once(':').unwrap_or((inner, ""));
        let argument = argument.strip_prefix(':').unwrap_or(argument);
        match name.trim().to_ascii_lowercase().as_str() {
            "char" => Some(self.char.clone()),
            "user" => Some(self.user.clone()),
            // The application's own prompt and instructions, of which there are none, and comments.
            "original" | "comment" | "hidden_key" | "noop" => Some(String::new()),
            "newline" => Some("\n".to_owned()),
            "reverse" => Some(argument.chars().rev().collect()),
            "random" => Some(Self::choice(argument, self.seed)),
            "pick" => Some(Self::choice(argument, 0)),
            "roll" => {
                let sides: u32 = argument.trim().trim_start_matches(['d', 'D']).parse().ok()?;
                let mut dice = Rng::with_seed(seeded(argument, self.seed));
                (sides > 0).then(|| dice.u32(1..=sides).to_string())
            }
            _ => None,
        }
    }

    fn choice(argument: &str, seed: u64) -> String {
        // Some writers separate by two colons.
        let separator = if argument.contains("::") { "::" } else { "," };
        let hidden = argument.replace("\\,", "\u{1}");
        let choices: Vec<_> = hidden.split(separator).collect();
        let chosen = Rng::with_seed(seeded(argument, seed)).usize(..choices.len());
        choices[chosen].trim().replace('\u{1}', ",")
    }
}

/// A seed of its own for each macro of a prompt.
pub(crate) fn seeded(text: &str, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (text, seed).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> String {
        let macros = Macros { char: "Ada".to_owned(), user: "Grace".to_owned(), seed: 7, angled: true };
        macros.expand(text).into_owned()
    }

    #[test]
    fn names_are_replaced_in_any_case() {
        assert_eq!(
            expand("{{char}}, {{CHAR}} and <BOT> greet {{User}} and <user>."),
            "Ada, Ada and Ada greet Grace and Grace."
        );
        let modern = Macros { char: "Ada".to_owned(), ..Macros::default() };
        assert_eq!(modern.expand("<user>{{char}}</user>"), "<user>Ada</user>");
        assert!(matches!(modern.expand("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn other_macros_are_those_of_the_specification() {
        assert_eq!(expand("{{reverse:Hello}} {{// a note}}{{comment: b}}{{hidden_key:c}}!"), "olleH !");
        assert_eq!(expand("{{original}}x"), "x");
        let one = expand("{{random:a,b\\,c}}");
        assert!(["a", "b,c"].contains(&one.as_str()), "{one}");
        assert_eq!(one, expand("{{random:a,b\\,c}}"), "the same prompt has the same");
        let roll: u32 = expand("{{roll:d6}}").parse().unwrap();
        assert!((1..=6).contains(&roll));
    }

    #[test]
    fn what_is_no_macro_stays() {
        for text in ["{{unknown}} { {char} {{char", "{{{{{{", "<b>bold</b> <usér>", "{{roll:0}}", "é{{é}}"] {
            assert_eq!(expand(text), text);
        }
        assert_eq!(expand("{{{char}}}"), "{Ada}");
        let braces = "{{".repeat(20_000);
        assert_eq!(expand(&braces), braces);
    }
}
