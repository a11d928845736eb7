//! What no translator may touch: names, variables, tags, numbers, code and addresses are numbered placeholders in the
//! text that it gets, and are put back into its answer, which must have each of them once and nothing that the source
//! has not.

use troupe_core::transliteration::transliterate;

const OPEN: char = '⟦';
const CLOSE: char = '⟧';
/// A translation is longer than its source by a few times at most; more is a comment.
const MAX_GROWTH: usize = 4;
const MAX_EXTRA_CHARS: usize = 40;
const ADDRESSES: [&str; 2] = ["http://", "https://"];
/// The zeros of scripts whose digits translators write instead of ours; nine more follow each.
const ZEROS: [char; 8] = ['0', '٠', '۰', '०', '০', '๐', '၀', '０'];

/// Why an answer is no translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the source has the characters of placeholders")]
    Source,
    #[error("the answer is empty")]
    Empty,
    #[error("the answer is too long for a translation")]
    TooLong,
    #[error("the answer lacks a name, a variable, a tag or a number of the source, or has it twice")]
    Missing,
    #[error("the answer has a placeholder that is none")]
    Unknown,
    #[error("the answer has markup, variables or lines that the source has not")]
    Foreign,
}

/// A text with placeholders.
#[derive(Debug)]
pub(super) struct Protected {
    text: String,
    /// What they stand for in the translation.
    kept: Vec<String>,
    has_lines: bool,
    has_entities: bool,
}

impl Protected {
    pub(super) fn new(source: &str, names: &[String], script: &str) -> Result<Self, Refused> {
        if source.contains([OPEN, CLOSE]) {
            return Err(Refused::Source);
        }
        let mut text = String::new();
        let mut kept = Vec::new();
        let mut rest = source;
        while let Some(next) = rest.chars().next() {
            let found = name_at(rest, text.chars().last(), names).map(|name| (name.len(), transliterate(name, script)));
            let found = found.or_else(|| symbol_at(rest).map(|symbol| (symbol.len(), symbol.to_owned())));
            let length = if let Some((length, replacement)) = found {
                text.push(OPEN);
                text.push_str(&kept.len().to_string());
                text.push(CLOSE);
                kept.push(replacement);
                length
            } else {
                text.push(next);
                next.len_utf8()
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(Self { text, kept, has_lines: source.contains('\n'), has_entities: has_entity(source) })
    }

    /// What the translator gets.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The translation, with everything back in its place.
    pub(super) fn restore(&self, answer: &str) -> Result<String, Refused> {
        let answer = answer.trim();
        if answer.is_empty() {
            return Err(Refused::Empty);
        }
        if answer.chars().count() > self.text.chars().count() * MAX_GROWTH + MAX_EXTRA_CHARS {
            return Err(Refused::TooLong);
        }
        let mut text = String::new();
        let mut seen = vec![false; self.kept.len()];
        let mut rest = answer;
        while let Some((before, after)) = rest.split_once(OPEN) {
            self.check_words(before)?;
            text.push_str(before);
            let (number, after) = after.split_once(CLOSE).ok_or(Refused::Unknown)?;
            let index = number_of(number.trim()).ok_or(Refused::Unknown)?;
            let kept = self.kept.get(index).ok_or(Refused::Unknown)?;
            if std::mem::replace(&mut seen[index], true) {
                return Err(Refused::Missing);
            }
            text.push_str(kept);
            rest = after;
        }
        self.check_words(rest)?;
        text.push_str(rest);
        if seen.contains(&false) { Err(Refused::Missing) } else { Ok(text) }
    }

    /// All markup and variables of the source are behind placeholders, so its words have none.
    fn check_words(&self, words: &str) -> Result<(), Refused> {
        if words.contains(CLOSE) {
            return Err(Refused::Unknown);
        }
        let is_foreign = words.contains(['<', '>', '{', '}'])
            || words.contains(|c: char| c.is_control() && !(self.has_lines && c == '\n'))
            || has_entity(words) && !self.has_entities;
        if is_foreign { Err(Refused::Foreign) } else { Ok(()) }
    }
}

/// The longest name that the text begins with, as a whole word.
fn name_at<'a>(text: &str, before: Option<char>, names: &'a [String]) -> Option<&'a str> {
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let is_whole = |name: &&String| {
        let after = text.strip_prefix(name.as_str());
        !name.is_empty() && after.is_some_and(|after| !after.starts_with(char::is_alphanumeric))
    };
    names.iter().filter(is_whole).max_by_key(|name| name.len()).map(String::as_str)
}

/// A variable, a tag, a number, code or an address at the beginning of the text. A lone brace or angle counts as well:
/// nothing of that kind is left to the translator, so nothing of that kind may come back.
fn symbol_at(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let length = match first {
        '{' => {
            let end = if text.starts_with("{{") { "}}" } else { "}" };
            text.find(end).map_or(1, |at| at + end.len())
        }
        '<' => text.find('>').map_or(1, |at| at + 1),
        '}' | '>' => 1,
        '`' => {
            let (fence, code) = text.split_at(text.len() - text.trim_start_matches('`').len());
            code.find(fence).map_or(fence.len(), |at| fence.len() + at + fence.len())
        }
        'h' if ADDRESSES.iter().any(|scheme| text.starts_with(scheme)) => {
            let ends = |c: char| c.is_whitespace() || matches!(c, ')' | ']' | '<' | '>' | '"' | '`');
            let address = text.get(..text.find(ends).unwrap_or(text.len()))?;
            address.trim_end_matches(['.', ',', ':', ';', '!', '?']).len()
        }
        '0'..='9' => {
            let digits =
                text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ':'))).unwrap_or(text.len());
            // A point or comma behind the last digit belongs to the sentence.
            text.get(..digits)?.trim_end_matches(['.', ',', ':']).len()
        }
        _ => return None,
    };
    text.get(..length)
}

fn number_of(digits: &str) -> Option<usize> {
    let value =
        |c: char| ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(u32::from(*zero)).filter(|value| *value < 10));
    if digits.is_empty() || digits.chars().count() > 4 {
        return None;
    }
    digits.chars().try_fold(0_usize, |number, c| Some(number * 10 + value(c)? as usize))
}

/// Whether it has something like `&lt;` or `&#60;`, which pages would show as a character.
fn has_entity(text: &str) -> bool {
    text.split('&').skip(1).any(|rest| {
        rest.split_once(';').is_some_and(|(name, _)| {
            (2..=8).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected(source: &str, names: &[&str], script: &str) -> Protected {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Protected::new(source, &names, script).unwrap()
    }

    #[test]
    fn what_must_stay_is_taken_out_and_put_back() {
        let text = protected("Ada has <b>3</b> of {count}, and 1,000.5 more. Adam?", &["Ada"], "Cyrl");
        assert_eq!(text.text(), "⟦0⟧ has ⟦1⟧⟦2⟧⟦3⟧ of ⟦4⟧, and ⟦5⟧ more. Adam?");
        let answer = text.restore(" У ⟦0⟧ ⟦1⟧⟦ 2 ⟧⟦3⟧ из ⟦4⟧ и ещё ⟦٥⟧. Адам? ").unwrap();
        assert_eq!(answer, "У Ада <b>3</b> из {count} и ещё 1,000.5. Адам?");
    }

    #[test]
    fn code_and_addresses_stay() {
        let text =
            protected("Run `cargo run`, and see [this](https://a.example/b?c=1). Or ``a`b`` and `?", &[], "Latn");
        assert_eq!(text.kept, ["`cargo run`", "https://a.example/b?c=1", "``a`b``", "`"]);
        assert_eq!(text.text(), "Run ⟦0⟧, and see [this](⟦1⟧). Or ⟦2⟧ and ⟦3⟧?");
    }

    #[test]
    fn the_longest_name_is_kept() {
        assert_eq!(protected("Ada Byron and Ada", &["Ada", "Ada Byron"], "Latn").text(), "⟦0⟧ and ⟦1⟧");
        assert_eq!(protected("{{char}} <3", &[], "Latn").kept, ["{{char}}", "<", "3"]);
    }

    #[test]
    fn an_answer_that_is_no_translation_is_refused() {
        let text = protected("Write a message to {name}", &[], "Latn");
        for (answer, refused) in [
            ("", Refused::Empty),
            ("  ", Refused::Empty),
            ("Scrivi un messaggio", Refused::Missing),
            ("Scrivi a ⟦0⟧ o ⟦0⟧", Refused::Missing),
            ("Scrivi a ⟦1⟧", Refused::Unknown),
            ("Scrivi a ⟦x⟧", Refused::Unknown),
            ("Scrivi a ⟦0", Refused::Unknown),
            ("Scrivi a 0⟧", Refused::Unknown),
            ("Scrivi a <b>⟦0⟧</b>", Refused::Foreign),
            ("Scrivi a ⟦0⟧ &lt;b&gt;", Refused::Foreign),
            ("Scrivi a ⟦0⟧ {altro}", Refused::Foreign),
            ("Ecco:\nScrivi a ⟦0⟧", Refused::Foreign),
            (&"Scrivi a ⟦0⟧".repeat(30), Refused::TooLong),
        ] {
            assert_eq!(text.restore(answer), Err(refused), "{answer}");
        }
        assert_eq!(text.restore("Scrivi a ⟦0⟧").unwrap(), "Scrivi a {name}");
        assert_eq!(Protected::new("⟦0⟧", &[], "Latn").unwrap_err(), Refused::Source);
    }
}
