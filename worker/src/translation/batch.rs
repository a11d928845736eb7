//! Several texts as one, for one call: between them stand tags, which are protected like all tags.

use std::collections::{BTreeMap, VecDeque};

use troupe_core::jobs::TranslateText;

#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a>(&'a [TranslateText]);

impl<'a> Batch<'a> {
    /// All texts in batches; each has one text at least.
    pub(super) fn all(texts: &'a [TranslateText], max_texts: usize, max_bytes: usize) -> VecDeque<Self> {
        let mut batches = VecDeque::new();
        let mut rest = texts;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take(max_texts).take_while(|text| {
                bytes += text.source.len();
                bytes <= max_bytes
            });
            let (batch, after) = rest.split_at(fits.count().max(1));
            batches.push_back(Self(batch));
            rest = after;
        }
        batches
    }

    pub(super) fn texts(&self) -> &'a [TranslateText] {
        self.0
    }

    /// Of a batch that is refused, to be tried again. A text that is refused alone stays in English.
    pub(super) fn halves(self) -> impl Iterator<Item = Self> {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        [first, second].into_iter().filter(|half| !first.is_empty() && !half.is_empty()).map(Batch)
    }

    /// What the translator gets.
    pub(super) fn text(&self) -> String {
        let before = |number| if number == 0 { String::new() } else { format!("\n{}\n", mark(number)) };
        self.0.iter().enumerate().map(|(number, wanted)| before(number) + &wanted.source).collect()
    }

    /// The texts of the translation; `None` where one is empty, or has not its own variables.
    pub(super) fn split(&self, translation: &str) -> Option<Vec<String>> {
        let mut texts = Vec::with_capacity(self.0.len());
        let mut rest = translation;
        for (number, wanted) in self.0.iter().enumerate() {
            let text;
            (text, rest) = if number + 1 < self.0.len() { rest.split_once(&mark(number + 1))? } else { (rest, "") };
            let text = text.trim();
            if text.is_empty()
                || text.contains('\n') && !wanted.source.contains('\n')
                || variables(text) != variables(&wanted.source)
            {
                return None;
            }
            texts.push(text.to_owned());
        }
        Some(texts)
    }
}

/// Between texts.
fn mark(number: usize) -> String {
    format!("<text {number}>")
}

/// How often each variable is there.
fn variables(text: &str) -> BTreeMap<&str, usize> {
    let mut variables = BTreeMap::new();
    for part in text.split('{').skip(1) {
        *variables.entry(part.split('}').next().unwrap_or_default()).or_default() += 1;
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sources: &[&str]) -> Vec<TranslateText> {
        let text = |(number, source): (usize, &&str)| TranslateText {
            key: number.to_string(),
            source: (*source).to_owned(),
            language: "it".to_owned(),
            names: Vec::new(),
        };
        sources.iter().enumerate().map(text).collect()
    }

    #[test]
    fn what_is_joined_is_split_again() {
        let texts = texts(&["Cancel", "In {count} minutes", "Close {name}"]);
        let batch = Batch(&texts);
        assert_eq!(batch.text(), "Cancel\n<text 1>\nIn {count} minutes\n<text 2>\nClose {name}");
        let split = batch.split("Annulla <text 1> Tra {count} minuti\n<text 2>\nChiudi {name}").unwrap();
        assert_eq!(split, ["Annulla", "Tra {count} minuti", "Chiudi {name}"]);
        for torn in [
            "Annulla <text 2> Tra {count} minuti <text 1> Chiudi {name}",
            "Annulla {name} <text 1> Tra {count} minuti <text 2> Chiudi",
            "Annulla <text 1> Tra {count}\nminuti <text 2> Chiudi {name}",
            "Annulla <text 1> Tra {count} minuti <text 2>",
        ] {
            assert_eq!(batch.split(torn), None, "{torn}");
        }
    }

    #[test]
    fn batches_are_bounded_and_halved() {
        let texts = texts(&["a", "b", "c", "a long one", "d", "e"]);
        let keys = |batch: &Batch<'_>| batch.texts().iter().map(|text| text.key.clone()).collect::<String>();
        let all = |bytes| Batch::all(&texts, 2, bytes).iter().map(keys).collect::<Vec<_>>();
        assert_eq!(all(100), ["01", "23", "45"]);
        assert_eq!(all(3), ["01", "2", "3", "45"]);
        assert_eq!(Batch(&texts[..3]).halves().map(|half| keys(&half)).collect::<Vec<_>>(), ["0", "12"]);
        assert_eq!(Batch(&texts[..1]).halves().count(), 0);
    }
}
