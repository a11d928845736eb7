//! The elements of a page that are open, by the rules of HTML so far as what is hidden depends on them.
//!
//! Tags may be missing, too many, or in the wrong order. Where the open elements of a name are is known, so no tag
//! looks through those of other names.

use std::{collections::HashMap, rc::Rc};

/// They have neither content nor an end.
const EMPTY: [&str; 14] =
    ["area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// They end a paragraph.
const BLOCKS: [&str; 39] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "table",
    "ul",
    "xmp",
];
/// An end tag within these does not end what is around them.
const WALLS: [&str; 6] = ["caption", "object", "table", "td", "template", "th"];
const TABLE: [&str; 1] = ["table"];

/// What begins, what is ended by that, and within what it is not.
const ENDINGS: [(&[&str], &[&str], &[&str]); 6] = [
    (&BLOCKS, &["p"], &["button", "caption", "object", "table", "td", "template", "th"]),
    (&["li"], &["li"], &["caption", "menu", "object", "ol", "table", "td", "template", "th", "ul"]),
    (&["dd", "dt"], &["dd", "dt"], &["caption", "dl", "object", "table", "td", "template", "th"]),
    (&["td", "th"], &["td", "th"], &TABLE),
    (&["tr"], &["tr"], &TABLE),
    (&["tbody", "tfoot", "thead"], &["tbody", "tfoot", "thead"], &TABLE),
];

#[derive(Default)]
pub(super) struct Open {
    elements: Vec<Element>,
    /// Where those of a name are.
    places: HashMap<Rc<str>, Vec<usize>>,
    /// How many of them are hidden.
    hidden: usize,
}

struct Element {
    name: Rc<str>,
    shown: bool,
}

impl Open {
    /// Whether what stands here is shown.
    pub(super) fn is_shown(&self) -> bool {
        self.hidden == 0
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.last(&[name]).is_some()
    }

    pub(super) fn innermost(&self) -> Option<&str> {
        self.elements.last().map(|element| &*element.name)
    }

    pub(super) fn begin(&mut self, name: &str, shown: bool, self_closing: bool) {
        for (beginning, ended, walls) in ENDINGS {
            if beginning.contains(&name) {
                self.end_within(ended, walls);
            }
        }
        let drawn = || ["svg", "math"].into_iter().any(|outer| name == outer || self.has(outer));
        if EMPTY.contains(&name) || self_closing && drawn() {
            return;
        }
        let name = self.places.get_key_value(name).map_or_else(|| Rc::from(name), |(known, _)| known.clone());
        self.places.entry(name.clone()).or_default().push(self.elements.len());
        self.hidden += usize::from(!shown);
        self.elements.push(Element { name, shown });
    }

    pub(super) fn end(&mut self, name: &str) {
        match name {
            // What comes after them still belongs to the page.
            "body" | "html" => {}
            "table" => self.end_within(&TABLE, &[]),
            "caption" | "tbody" | "td" | "tfoot" | "th" | "thead" | "tr" => self.end_within(&[name], &TABLE),
            _ => self.end_within(&[name], &WALLS),
        }
    }

    /// Ends the innermost element of these names, and all in it, unless there is a wall around the place.
    fn end_within(&mut self, names: &[&str], walls: &[&str]) {
        let Some(place) = self.last(names).filter(|place| self.last(walls).is_none_or(|wall| wall <= *place)) else {
            return;
        };
        for element in self.elements.drain(place..) {
            self.hidden -= usize::from(!element.shown);
            if let Some(places) = self.places.get_mut(&element.name) {
                places.pop();
            }
        }
    }

    fn last(&self, names: &[&str]) -> Option<usize> {
        names.iter().filter_map(|name| self.places.get(*name)?.last().copied()).max()
    }
}
