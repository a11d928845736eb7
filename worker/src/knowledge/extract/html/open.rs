//! The stack of open elements, by the rules of HTML as far as visibility depends on them.
//!
//! Tags may be missing, superfluous, or misnested. The open elements are indexed by name, so the cost of a tag does not
//! depend on other elements.

use std::{collections::HashMap, rc::Rc};

/// Void elements.
const EMPTY: [&str; 14] =
    ["area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Start tags that close a paragraph.
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
/// Scope: an end tag within these does not close an element outside.
const SCOPE: [&str; 6] = ["caption", "object", "table", "td", "template", "th"];
const TABLE: [&str; 1] = ["table"];

/// Start tags, the elements that they close implicitly, and the scope of that.
const IMPLIED_ENDS: [(&[&str], &[&str], &[&str]); 6] = [
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
    /// The indices of open elements, by name.
    indices: HashMap<Rc<str>, Vec<usize>>,
    /// The number of hidden open elements.
    hidden: usize,
}

struct Element {
    name: Rc<str>,
    shown: bool,
}

impl Open {
    /// Whether content here is visible.
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
        for (beginning, ended, scope) in IMPLIED_ENDS {
            if beginning.contains(&name) {
                self.end_within(ended, scope);
            }
        }
        let drawn = || ["svg", "math"].into_iter().any(|outer| name == outer || self.has(outer));
        if EMPTY.contains(&name) || self_closing && drawn() {
            return;
        }
        let name = self.indices.get_key_value(name).map_or_else(|| Rc::from(name), |(name, _)| name.clone());
        self.indices.entry(name.clone()).or_default().push(self.elements.len());
        self.hidden += usize::from(!shown);
        self.elements.push(Element { name, shown });
    }

    pub(super) fn end(&mut self, name: &str) {
        match name {
            // Content after these still belongs to the page.
            "body" | "html" => {}
            "table" => self.end_within(&TABLE, &[]),
            "caption" | "tbody" | "td" | "tfoot" | "th" | "thead" | "tr" => self.end_within(&[name], &TABLE),
            _ => self.end_within(&[name], &SCOPE),
        }
    }

    /// Closes the innermost element of these names, with all elements in it, if it is in scope.
    fn end_within(&mut self, names: &[&str], scope: &[&str]) {
        let Some(index) = self.last(names).filter(|index| self.last(scope).is_none_or(|wall| wall <= *index)) else {
            return;
        };
        for element in self.elements.drain(index..) {
            self.hidden -= usize::from(!element.shown);
            if let Some(indices) = self.indices.get_mut(&element.name) {
                indices.pop();
            }
        }
    }

    fn last(&self, names: &[&str]) -> Option<usize> {
        names.iter().filter_map(|name| self.indices.get(*name)?.last().copied()).max()
    }
}
