//! Cuts a reply into the sentences that are spoken, while it is still being written.
//!
//! A sentence is only given out when no further text can change it: the sentences of a beginning are the first of those
//! of the whole. Markdown is read as far as somebody would read it aloud: code is left out, links are their text, an
//! address is its host.

use std::{mem, ops::Range};

/// A longer one is cut at a space, if there is one in its second half.
const MAX_SENTENCE_CHARS: usize = 400;
const LAST_DAY_OF_MONTH: u32 = 31;

const TERMINATORS: &[char] = &['.', '!', '?', '…', '؟', '۔', '।', '॥', '։', '።'];
/// Followed by no space.
const WIDE_TERMINATORS: &[char] = &['。', '！', '？', '．'];
const CLOSERS: &[char] =
    &['"', '\'', ')', ']', '}', '*', '_', '~', '`', '”', '’', '»', '›', '“', '」', '』', '）', '】'];

/// In lower case, without the last full stop; what is followed by a small letter needs no entry.
const ABBREVIATIONS: &[&str] = &[
    // English
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "gen", "col", "capt", "lt", "sgt", "rev", "hon", "no", "vs",
    "fig", "vol", "e.g", "i.e", "approx", "mt", "inc", "ltd", "co", // German
    "hr", "fr", "nr", "bzw", "z.b", "u.a", "d.h", "ca", "str", "abs", "bd", "evtl", "ggf", "inkl", "vgl", "s", "z",
    "b", "d", "h", "u", "a", "o", "sog", "geb", "gest", "jh", // French, Spanish
    "m", "mme", "mlle", "mm", "me", "sra", "srta", "ud", "uds", "av", "pág", "núm", "art", "cap",
];

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// Where it is in the reply, in bytes.
    pub(crate) range: Range<usize>,
    /// What is said.
    pub(crate) spoken: String,
}

/// The sentences of a text, or of its beginning so far. `language` is a tag such as `de-CH`.
pub(crate) fn sentences(text: &str, is_whole: bool, language: &str) -> Vec<Sentence> {
    let german = language.split('-').next() == Some("de");
    let paragraphs = paragraphs(text, is_whole);
    paragraphs.iter().flat_map(|paragraph| cut(text, paragraph, german)).collect()
}

/// A piece of text that sentences do not go beyond.
#[derive(Debug, PartialEq)]
struct Paragraph {
    range: Range<usize>,
    /// Whether no text can be added to it.
    is_closed: bool,
}

/// Without code and rules.
fn paragraphs(text: &str, is_whole: bool) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let mut fence: Option<&str> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        let ends = line.ends_with('\n');
        let content = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| content.starts_with(mark));
        if let Some(closing) = fence {
            if mark == Some(closing) {
                fence = None;
            }
            continue;
        }
        let (is_rule, marker) = (is_rule(content) && ends, marker(line));
        if mark.is_some() || is_rule || content.is_empty() || marker.is_some() {
            // An empty line at the very end may become one with text.
            if let Some(range) = open.take_if(|_| ends || !content.is_empty()) {
                paragraphs.push(Paragraph { range, is_closed: true });
            }
        }
        if mark.is_some() || is_rule || content.is_empty() {
            fence = mark;
            continue;
        }
        match (&mut open, marker) {
            (Some(open), None) => open.end = range.end,
            (_, marker) => open = Some(range.start + marker.unwrap_or(0)..range.end),
        }
        if content.starts_with('#')
            && ends
            && let Some(range) = open.take()
        {
            paragraphs.push(Paragraph { range, is_closed: true });
        }
    }
    paragraphs.extend(open.map(|range| Paragraph { range, is_closed: is_whole }));
    paragraphs
}

/// A line such as `---`, or the one below the head of a table.
fn is_rule(content: &str) -> bool {
    content.len() >= 3 && content.chars().all(|c| "-*_=|: ".contains(c)) && content.contains(['-', '*', '_', '='])
}

/// The length of what makes a line a heading, a quotation, an item of a list or the row of a table.
fn marker(line: &str) -> Option<usize> {
    let content = line.trim_start();
    let indentation = line.len() - content.len();
    let digits = content.bytes().take_while(u8::is_ascii_digit).count();
    let hashes = content.bytes().take_while(|&byte| byte == b'#').count();
    let length = if (1..=6).contains(&hashes) && content[hashes..].starts_with(' ') {
        hashes + 1
    } else if ["- ", "* ", "+ ", "> "].iter().any(|marker| content.starts_with(marker)) {
        2
    } else if (1..=3).contains(&digits) && [". ", ") "].iter().any(|end| content[digits..].starts_with(end)) {
        digits + 2
    } else if content.starts_with('|') {
        1
    } else {
        return None;
    };
    Some(indentation + length)
}

fn cut(text: &str, paragraph: &Paragraph, german: bool) -> Vec<Sentence> {
    let Range { start, end } = paragraph.range;
    let content = &text[..end];
    let mut sentences = Vec::new();
    let mut begin = start;
    let mut length = 0;
    let mut last_space = None;
    let mut chars = content[start..].char_indices().map(|(at, c)| (start + at, c)).peekable();
    let mut push = |range: Range<usize>| {
        let spoken = spoken(&text[range.clone()]);
        if spoken.contains(char::is_alphanumeric) {
            sentences.push(Sentence { range: trimmed(text, range), spoken });
        }
    };
    while let Some((at, c)) = chars.next() {
        length += 1;
        let after = at + c.len_utf8();
        if c.is_whitespace() && length > MAX_SENTENCE_CHARS / 2 {
            last_space = Some(after);
        }
        let boundary = if TERMINATORS.contains(&c) || WIDE_TERMINATORS.contains(&c) {
            boundary(content, at, begin, paragraph.is_closed, german)
        } else {
            None
        };
        let cut_at = boundary.or_else(|| (length >= MAX_SENTENCE_CHARS).then(|| last_space.unwrap_or(after)));
        let Some(cut_at) = cut_at else { continue };
        push(begin..cut_at);
        begin = cut_at;
        while chars.next_if(|(at, _)| *at < cut_at).is_some() {}
        length = content[cut_at..after.max(cut_at)].chars().count();
        last_space = None;
    }
    if paragraph.is_closed && begin < end {
        push(begin..end);
    }
    mem::take(&mut sentences)
}

/// Where the sentence ends that the terminator at `at` may end.
fn boundary(content: &str, at: usize, begin: usize, is_closed: bool, german: bool) -> Option<usize> {
    let rest = &content[at..];
    let is_terminator = |c: char| TERMINATORS.contains(&c) || WIDE_TERMINATORS.contains(&c);
    let run = rest.find(|c| !is_terminator(c)).unwrap_or(rest.len());
    let closers = rest[run..].find(|c| !CLOSERS.contains(&c)).unwrap_or(rest.len() - run);
    let end = at + run + closers;
    let after = &content[end..];
    let Some(next) = after.chars().next() else { return is_closed.then_some(end) };
    if rest[..run].ends_with(WIDE_TERMINATORS) {
        return Some(end);
    }
    if !next.is_whitespace() {
        return None;
    }
    let Some(next) = after.chars().find(|c| c.is_alphanumeric()) else { return is_closed.then_some(end) };
    let is_stop = &rest[..run] == ".";
    let before = &content[begin..at];
    let goes_on = next.is_lowercase() || (is_stop && is_abbreviation(before, german));
    (!goes_on).then_some(end)
}

/// Whether a text ends with a word that is followed by a full stop within a sentence.
fn is_abbreviation(before: &str, german: bool) -> bool {
    let word = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '.')).next().unwrap_or_default();
    let mut letters = word.chars();
    let is_initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none() && word != "I";
    let is_ordinal = german && word.parse().is_ok_and(|number: u32| (1..=LAST_DAY_OF_MONTH).contains(&number));
    is_initial || is_ordinal || ABBREVIATIONS.contains(&&*word.to_lowercase())
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

/// What is said of a piece of Markdown.
fn spoken(piece: &str) -> String {
    let mut said = String::with_capacity(piece.len());
    let mut rest = piece;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let (taken, says) = if let Some((taken, label)) = link(rest) {
            (taken, label)
        } else if let Some((taken, host)) = address(rest).filter(|_| !before.is_alphanumeric()) {
            (taken, host)
        } else if let Some(taken) = tag(rest) {
            (taken, "")
        } else {
            let after = rest[c.len_utf8()..].chars().next().unwrap_or(' ');
            let within_word = before.is_alphanumeric() && after.is_alphanumeric();
            match c {
                '*' | '`' | '~' | '#' | '[' | ']' | '\\' => (c.len_utf8(), ""),
                '_' if !within_word => (1, ""),
                '|' => (1, " "),
                c if is_pictograph(c) => (c.len_utf8(), ""),
                c => (c.len_utf8(), &rest[..c.len_utf8()]),
            }
        };
        said.push_str(says);
        before = c;
        rest = &rest[taken..];
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `[label](address)`, also of a picture: its length, and the label.
fn link(text: &str) -> Option<(usize, &str)> {
    let inner = text.strip_prefix("![").or_else(|| text.strip_prefix('['))?;
    let (label, after) = inner.split_once(']')?;
    let (address, _) = after.strip_prefix('(')?.split_once(')')?;
    let plain = !label.contains(['[', '\n']) && !address.contains('\n');
    plain.then(|| (text.len() - after.len() + address.len() + 2, label))
}

/// An address on the web, and its host.
fn address(text: &str) -> Option<(usize, &str)> {
    let inner = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let end = inner.find(|c: char| c.is_whitespace() || "<>()\"".contains(c)).unwrap_or(inner.len());
    let address = inner[..end].trim_end_matches(['.', ',', ';', ':', '!', '?']);
    let host = address.split(['/', '?', '#']).next().unwrap_or_default();
    (!host.is_empty()).then(|| (text.len() - inner.len() + address.len(), host.trim_start_matches("www.")))
}

/// The length of an HTML tag.
fn tag(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('<')?;
    let is_tag = inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    inner.find(['>', '<', '\n']).filter(|end| is_tag && inner[*end..].starts_with('>')).map(|end| end + 2)
}

/// Emoji and what joins them: engines say their names, or stumble.
fn is_pictograph(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27BF | 0x2B00..=0x2BFF | 0xFE0F | 0x200D | 0x1F000..=0x1FAFF | 0xE0020..=0xE007F)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[(&str, &str)] = &[
        ("en", "It is I. Dr. Smith met J. R. Tolkien at 3.30 p.m. today! “Really?” she asked. Yes… Well, e.g. this."),
        (
            "en",
            "# The storm\n\nIn November, when I was nine.\n- First item\n- Second: see [the log](https://a.example/b.c)\n\n```rust\nlet x = 1. ;\n```\nAfter it.",
        ),
        ("de", "Am 3. März kam z. B. Herr Dr. Maier. Er sagte: „Na!“ Das war 1990. Dann ging er."),
        ("ja", "嵐の夜でした。「怖い！」と言いました。終わり"),
        ("ar", "هل أنت بخير؟ نعم. شكرًا"),
        ("hi", "मैं ठीक हूँ। आप कैसे हैं? धन्यवाद।"),
        (
            "en",
            "| a | b |\n|---|---|\n| one. Two | three |\n\n1. First. Then\n2. Second\n---\nThe end *of it*. 😀 Bye 👋",
        ),
        ("en", "Wait... what? No!!! *She smiles.* “Come in.” (He does.) ok"),
    ];

    fn said(text: &str, language: &str) -> Vec<String> {
        sentences(text, true, language).into_iter().map(|sentence| sentence.spoken).collect()
    }

    #[test]
    fn a_beginning_has_the_first_sentences_of_the_whole() {
        let long = "word ".repeat(100) + "end. " + &"x".repeat(450);
        for (language, text) in TEXTS.iter().copied().chain([("en", &*long)]) {
            let whole = sentences(text, true, language);
            for (end, _) in text.char_indices() {
                let so_far = sentences(&text[..end], false, language);
                assert_eq!(so_far, whole[..so_far.len().min(whole.len())], "{:?}", &text[..end]);
            }
        }
    }

    #[test]
    fn sentences_are_those_that_a_reader_sees() {
        let shown = TEXTS.iter().map(|(language, text)| said(text, language).join(" / "));
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @"
        It is I. / Dr. Smith met J. R. Tolkien at 3.30 p.m. today! / “Really?” she asked. / Yes… / Well, e.g. this.
        The storm / In November, when I was nine. / First item / Second: see the log / After it.
        Am 3. März kam z. B. Herr Dr. Maier. / Er sagte: „Na!“ / Das war 1990. / Dann ging er.
        嵐の夜でした。 / 「怖い！」 / と言いました。 / 終わり
        هل أنت بخير؟ / نعم. / شكرًا
        मैं ठीक हूँ। / आप कैसे हैं? / धन्यवाद।
        a b / one. / Two three / First. / Then / Second / The end of it. / Bye
        Wait... what? / No!!! / She smiles. / “Come in.” / (He does.) ok
        ");
    }

    #[test]
    fn a_sentence_is_where_it_says() {
        let text = "  One.  Two **three**!\n\nfour";
        let ranges = sentences(text, true, "en").into_iter().map(|sentence| &text[sentence.range]);
        assert_eq!(ranges.collect::<Vec<_>>(), ["One.", "Two **three**!", "four"]);
    }

    #[test]
    fn what_nobody_would_read_aloud_is_left_out() {
        for (markdown, spoken) in [
            ("See https://www.example.org/a/b?c=1, now.", "See example.org, now."),
            ("![A lamp](lamp.png) and `snake_case` x", "A lamp and snake_case x"),
            ("a <b>bold</b> word, 1 < 2 and 3 > 2", "a bold word, 1 < 2 and 3 > 2"),
            ("**Very** _fine_ ~~not~~ \\*", "Very fine not"),
        ] {
            assert_eq!(said(markdown, "en"), [spoken], "{markdown}");
        }
        for silent in ["", "\n\n", "---\n", "😀", "```\ncode. Code.\n```", "```\nunended"] {
            assert_eq!(said(silent, "en"), [] as [&str; 0], "{silent}");
        }
    }

    #[test]
    fn a_sentence_has_an_end() {
        let long = "word ".repeat(300);
        let cut = sentences(&long, false, "en");
        assert!(cut.len() >= 3 && cut.iter().all(|sentence| sentence.spoken.len() <= MAX_SENTENCE_CHARS), "{cut:?}");
        let endless = sentences(&"嵐".repeat(1_000), true, "ja");
        assert_eq!(endless.iter().map(|sentence| sentence.spoken.chars().count()).sum::<usize>(), 1_000);
    }
}
