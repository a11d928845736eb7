//! The parts of a message: texts of a length that services take, and what is the same in every language. Together they
//! are the message.

/// Paragraphs share a part until it is so long.
const PART_BYTES: usize = 1_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    /// Code between fences, and what is no words.
    Kept(&'a str),
}

impl<'a> Part<'a> {
    /// What is to be translated of it.
    pub(super) fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

pub(super) fn parts(message: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let mut fence: Option<&str> = None;
    for line in message.split_inclusive('\n') {
        let end = at + line.len();
        let content = line.trim();
        if let Some(opening) = fence {
            if content.starts_with(opening) && content.trim_start_matches(opening).is_empty() {
                push_kept(&mut parts, &message[begin..end]);
                (begin, fence) = (end, None);
            }
        } else if let Some(opening) = opening_of(content) {
            push_text(&mut parts, &message[begin..at]);
            (begin, fence) = (at, Some(opening));
        } else if content.is_empty() && end - begin >= PART_BYTES {
            push_text(&mut parts, &message[begin..end]);
            begin = end;
        }
        at = end;
    }
    let push_rest = if fence.is_some() { push_kept } else { push_text };
    push_rest(&mut parts, &message[begin..]);
    parts
}

/// The fence that a line opens.
fn opening_of(line: &str) -> Option<&'static str> {
    ["```", "~~~"].into_iter().find(|fence| line.starts_with(fence))
}

fn push_kept<'a>(parts: &mut Vec<Part<'a>>, kept: &'a str) {
    if !kept.is_empty() {
        parts.push(Part::Kept(kept));
    }
}

/// Without the space around it, which no translator keeps.
fn push_text<'a>(parts: &mut Vec<Part<'a>>, text: &'a str) {
    if !text.contains(char::is_alphabetic) {
        return push_kept(parts, text);
    }
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len();
    push_kept(parts, &text[..start]);
    parts.push(Part::Text(&text[start..end]));
    push_kept(parts, &text[end..]);
}

#[cfg(test)]
mod tests {
    use super::{
        Part::{Kept, Text},
        *,
    };

    #[test]
    fn code_and_what_is_no_words_is_kept() {
        let message = "Look:\n\n```rust\nlet sea = 1;\n\n```\n\nDo you *see*?\n";
        let code = "```rust\nlet sea = 1;\n\n```\n";
        assert_eq!(
            parts(message),
            [Text("Look:"), Kept("\n\n"), Kept(code), Kept("\n"), Text("Do you *see*?"), Kept("\n")]
        );
        assert_eq!(parts("~~~\nopen ```\n"), [Kept("~~~\nopen ```\n")], "until the end, where nothing closes it");
        assert_eq!(parts("1815 …"), [Kept("1815 …")]);
        assert_eq!(parts(""), []);
    }

    #[test]
    fn a_long_message_is_parted_between_paragraphs() {
        let paragraph = "The sea is grey in winter. ".repeat(30);
        let message = [paragraph.as_str(); 5].join("\n\n");
        let texts: Vec<_> = parts(&message).into_iter().filter(|part| matches!(part, Text(_))).collect();
        assert_eq!(texts.len(), 3);
        assert_eq!(texts[0], Text(message[..paragraph.len() * 2 + 2].trim()));
    }

    proptest::proptest! {
        #[test]
        fn together_they_are_the_message(message in "(?s)[a\u{e9}\u{6d77} \n`~]{0,300}") {
            let whole: String = parts(&message).into_iter().map(|part| match part { Text(text) | Kept(text) => text }).collect();
            proptest::prop_assert_eq!(whole, message);
        }
    }
}
