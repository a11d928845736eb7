//! Markdown: the rendered text, without markup, link targets, and raw HTML.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{Refused, Writing};

/// The context of the current text.
#[derive(Default)]
struct Reading {
    words: String,
    /// In a code block, whose line breaks are preserved.
    code: bool,
    /// In a hidden element.
    unseen: usize,
}

pub(super) fn read(markdown: &str, writing: &mut Writing) -> Result<(), Refused> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reading = Reading::default();
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(tag) => reading.begin(&tag, writing)?,
            Event::End(tag) => reading.end(tag, writing)?,
            Event::Text(words) | Event::Code(words) if reading.unseen == 0 => reading.words.push_str(&words),
            Event::SoftBreak | Event::HardBreak => reading.words.push('\n'),
            Event::Rule => reading.flush(writing)?,
            _ => {}
        }
        if reading.words.len() > writing.remaining() {
            return Err(writing.too_long());
        }
    }
    reading.flush(writing)
}

impl Reading {
    fn begin(&mut self, tag: &Tag<'_>, writing: &mut Writing) -> Result<(), Refused> {
        match tag {
            Tag::MetadataBlock(_) | Tag::HtmlBlock => self.unseen += 1,
            // Inline elements.
            Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::TableCell => {}
            _ => self.flush(writing)?,
        }
        self.code = matches!(tag, Tag::CodeBlock(_)) || self.code;
        Ok(())
    }

    fn end(&mut self, tag: TagEnd, writing: &mut Writing) -> Result<(), Refused> {
        match tag {
            TagEnd::MetadataBlock(_) | TagEnd::HtmlBlock => self.unseen -= 1,
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image => {}
            TagEnd::TableCell => self.words.push_str("  "),
            TagEnd::Heading(level) => writing.heading(level as u8, &std::mem::take(&mut self.words))?,
            _ => self.flush(writing)?,
        }
        self.code = self.code && tag != TagEnd::CodeBlock;
        Ok(())
    }

    fn flush(&mut self, writing: &mut Writing) -> Result<(), Refused> {
        let words = std::mem::take(&mut self.words);
        if self.code { writing.lines(&words) } else { writing.paragraph(&words) }
    }
}
