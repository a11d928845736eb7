//! HTML: the visible text, and the page's title. Scripts, styles and hidden elements are skipped.
//!
//! Streamed tag by tag, without a tree: tree builders scan all open elements at each tag, so that some megabytes of
//! unclosed tags take hours. Here every tag has a constant cost.

mod open;

use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};

use self::open::Open;
use super::{Refused, Writing};

/// Elements whose content is not text of the page.
const UNSEEN: [&str; 16] = [
    "audio", "button", "canvas", "datalist", "iframe", "math", "noscript", "object", "script", "select", "style",
    "svg", "template", "textarea", "title", "video",
];
/// Inline elements.
const INLINE: [&str; 33] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt",
    "u", "var",
];

pub(super) fn read(html: &str, writing: &mut Writing) -> Result<(), Refused> {
    let mut emitter = DefaultEmitter::default();
    // The content of scripts and the like is not markup.
    emitter.naively_switch_states(true);
    let mut reading =
        Reading { writing, words: String::new(), preformatted: false, heading: None, open: Open::default() };
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Token::StartTag(tag) => reading.begin(&tag)?,
            Token::EndTag(tag) => reading.end(&text_of(&tag.name))?,
            Token::String(words) => reading.read(&text_of(&words))?,
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    reading.flush()
}

fn text_of(bytes: &HtmlString) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

struct Reading<'a> {
    writing: &'a mut Writing,
    /// The text of the current paragraph.
    words: String,
    /// Whether line breaks are preserved.
    preformatted: bool,
    /// The level, if it is a heading.
    heading: Option<u8>,
    open: Open,
}

impl Reading<'_> {
    fn begin(&mut self, tag: &StartTag<()>) -> Result<(), Refused> {
        let name = &*text_of(&tag.name);
        let shown = !UNSEEN.contains(&name) && !is_hidden(tag);
        // Tags without an effect are ignored.
        if !(shown && self.open.is_shown() && INLINE.contains(&name)) {
            self.open.begin(name, shown, tag.self_closing);
        }
        if !self.open.is_shown() {
            return Ok(());
        }
        if parts(name) {
            self.flush()?;
        }
        self.heading = level(name).or(self.heading);
        match name {
            "br" => self.read("\n"),
            "td" | "th" => self.read("  "),
            _ => Ok(()),
        }
    }

    fn end(&mut self, name: &str) -> Result<(), Refused> {
        self.open.end(name);
        if self.open.is_shown() && parts(name) {
            self.flush()?;
            self.heading = self.heading.filter(|_| level(name).is_none());
        }
        Ok(())
    }

    fn read(&mut self, words: &str) -> Result<(), Refused> {
        if self.open.is_shown() {
            self.words.push_str(words);
            self.preformatted = self.open.has("pre");
        } else if self.open.innermost() == Some("title") && !self.open.has("svg") {
            self.writing.title(words);
        }
        if self.words.len() > self.writing.remaining() {
            return Err(self.writing.too_long());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Refused> {
        let words = std::mem::take(&mut self.words);
        if words.trim().is_empty() {
            return Ok(());
        }
        match self.heading.take() {
            Some(level) => self.writing.heading(level, &words),
            None if self.preformatted => self.writing.lines(&words),
            None => self.writing.paragraph(&words),
        }
    }
}

/// Whether an element separates paragraphs.
fn parts(name: &str) -> bool {
    !INLINE.contains(&name) && !UNSEEN.contains(&name) && !matches!(name, "br" | "td" | "th")
}

fn level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

fn is_hidden(tag: &StartTag<()>) -> bool {
    let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| text_of(value));
    let style = || {
        let style: String = attribute("style").unwrap_or_default().split_whitespace().collect();
        let style = style.to_ascii_lowercase();
        style.contains("display:none") || style.contains("visibility:hidden")
    };
    attribute("hidden").is_some() || attribute("aria-hidden").as_deref() == Some("true") || style()
}
