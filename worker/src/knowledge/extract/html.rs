//! HTML: what a browser would show, and the page's title. Scripts, styles and what is hidden are left out.
//!
//! Nothing here goes down into itself: pages nest as deep as their makers like.

use scraper::{Html, Node, node::Element};

use super::{Refused, Writing};

/// Their content is not text of the page.
const UNSEEN: [&str; 17] = [
    "audio", "button", "canvas", "datalist", "head", "iframe", "math", "noscript", "object", "script", "select",
    "style", "svg", "template", "textarea", "title", "video",
];
/// They go on in the same line.
const INLINE: [&str; 33] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt",
    "u", "var",
];

pub(super) fn read(html: &str, writing: &mut Writing) -> Result<(), Refused> {
    let page = Html::parse_document(html);
    if let Some(title) = title(&page) {
        writing.title(&title);
    }
    let mut reading = Reading::default();
    let mut next = page.tree.root().first_child();
    // From each node to its first child, else to its next sibling, else to that of what is around it.
    while let Some(here) = next {
        let shown = reading.begin(here.value(), writing)?;
        next = here.first_child().filter(|_| shown);
        let mut node = Some(here);
        while let (None, Some(done)) = (next, node) {
            reading.end(done.value(), writing)?;
            next = done.next_sibling();
            node = done.parent();
        }
        if reading.words.len() > writing.left() {
            return Err(writing.too_long());
        }
    }
    reading.flush(writing)
}

fn title(page: &Html) -> Option<String> {
    let title = page.tree.nodes().find(|node| node.value().as_element().is_some_and(|e| e.name() == "title"))?;
    Some(title.children().filter_map(|child| child.value().as_text().map(|text| &**text)).collect())
}

#[derive(Default)]
struct Reading {
    words: String,
    /// Open elements whose lines stay lines.
    preformatted: usize,
}

impl Reading {
    /// Says whether what is in it is to be read.
    fn begin(&mut self, node: &Node, writing: &mut Writing) -> Result<bool, Refused> {
        match node {
            Node::Text(text) => self.words.push_str(text),
            Node::Element(element) if UNSEEN.contains(&element.name()) || is_hidden(element) => return Ok(false),
            Node::Element(element) => match element.name() {
                "br" => self.words.push('\n'),
                "td" | "th" => self.words.push_str("  "),
                name if INLINE.contains(&name) => {}
                name => {
                    self.flush(writing)?;
                    self.preformatted += usize::from(name == "pre");
                }
            },
            _ => {}
        }
        Ok(true)
    }

    fn end(&mut self, node: &Node, writing: &mut Writing) -> Result<(), Refused> {
        let Node::Element(element) = node else { return Ok(()) };
        match element.name() {
            _ if UNSEEN.contains(&element.name()) || is_hidden(element) => {}
            "br" | "td" | "th" => {}
            heading @ ("h1" | "h2" | "h3" | "h4" | "h5" | "h6") => {
                let words = std::mem::take(&mut self.words);
                writing.heading(heading.as_bytes()[1] - b'0', &words)?;
            }
            name if INLINE.contains(&name) => {}
            name => {
                self.flush(writing)?;
                self.preformatted -= usize::from(name == "pre");
            }
        }
        Ok(())
    }

    fn flush(&mut self, writing: &mut Writing) -> Result<(), Refused> {
        let words = std::mem::take(&mut self.words);
        if self.preformatted > 0 { writing.lines(&words) } else { writing.paragraph(&words) }
    }
}

fn is_hidden(element: &Element) -> bool {
    let style = || {
        let style: String = element.attr("style").unwrap_or_default().split_whitespace().collect();
        let style = style.to_ascii_lowercase();
        style.contains("display:none") || style.contains("visibility:hidden")
    };
    element.attr("hidden").is_some() || element.attr("aria-hidden") == Some("true") || style()
}
