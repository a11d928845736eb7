//! Decorators: lines at the head of an entry's content, `@@name value`, each with fallbacks, `@@@name value`, for
//! readers that do not know it.
//!
//! What a position is in a text that is no chat (`instruct_…`), and icons of users, are unknown here.

use super::receipt::LoreRole;
use crate::limits::{MAX_FALLBACKS, MAX_KEYS};

/// What the decorators of an entry ask for. The first of a name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "decorators that have nothing to do with each other")]
pub(crate) struct Decorators {
    pub(crate) activate: bool,
    pub(crate) dont_activate: bool,
    pub(crate) keep_activate_after_match: bool,
    pub(crate) dont_activate_after_match: bool,
    /// Replies that the conversation must have.
    pub(crate) activate_only_after: Option<u32>,
    pub(crate) activate_only_every: Option<u32>,
    pub(crate) depth: Option<u32>,
    /// Counted from the first message.
    pub(crate) reverse_depth: Option<u32>,
    pub(crate) role: Option<LoreRole>,
    pub(crate) scan_depth: Option<u32>,
    /// 0 is the first greeting.
    pub(crate) is_greeting: Option<u32>,
    /// Before the persona, or after.
    pub(crate) before_description: Option<bool>,
    pub(crate) ignore_on_max_context: bool,
    /// Of each list one must be there.
    pub(crate) additional_keys: Vec<Vec<String>>,
    pub(crate) exclude_keys: Vec<String>,
    pub(crate) unknown: Vec<String>,
}

impl Decorators {
    /// The decorators of a content, and the text after them.
    pub(crate) fn parse(content: &str) -> (Self, &str) {
        let mut decorators = Self::default();
        let (lines, text) = split(content);
        // Whether the decorator that fallbacks belong to was understood, and how many there were.
        let mut understood = true;
        let mut fallbacks = 0;
        for line in lines {
            let (decorator, is_fallback) = match line.strip_prefix("@@@") {
                Some(fallback) => (fallback, true),
                None => (&line[2..], false),
            };
            fallbacks = if is_fallback { fallbacks + 1 } else { 0 };
            if is_fallback && (understood || fallbacks > MAX_FALLBACKS) {
                continue;
            }
            let (name, value) = decorator.split_once(char::is_whitespace).unwrap_or((decorator, ""));
            understood = decorators.apply(name.trim(), value.trim());
            if !understood {
                decorators.unknown.push(name.trim().to_owned());
            }
        }
        (decorators, text)
    }

    /// Takes a decorator in; `false` where the name or the value is unknown.
    fn apply(&mut self, name: &str, value: &str) -> bool {
        let number = || value.parse::<i64>().ok().map(|number| u32::try_from(number.max(0)).unwrap_or(u32::MAX));
        match name {
            "activate" => set_flag(&mut self.activate),
            "dont_activate" => set_flag(&mut self.dont_activate),
            "keep_activate_after_match" => set_flag(&mut self.keep_activate_after_match),
            "dont_activate_after_match" => set_flag(&mut self.dont_activate_after_match),
            "ignore_on_max_context" => set_flag(&mut self.ignore_on_max_context),
            "activate_only_after" => set_first(&mut self.activate_only_after, number()),
            "activate_only_every" => set_first(&mut self.activate_only_every, number().filter(|every| *every > 0)),
            "depth" => set_first(&mut self.depth, number()),
            "reverse_depth" => set_first(&mut self.reverse_depth, number()),
            "scan_depth" => set_first(&mut self.scan_depth, number()),
            "is_greeting" => set_first(&mut self.is_greeting, number()),
            "role" => set_first(&mut self.role, LoreRole::named(value)),
            "position" => {
                let before = match value {
                    "before_desc" => Some(true),
                    "after_desc" => Some(false),
                    // A prompt has no sections for personality and scenario.
                    _ => None,
                };
                set_first(&mut self.before_description, before)
            }
            "additional_keys" => {
                let keys = listed(value);
                let understood = !keys.is_empty() && self.additional_keys.len() < MAX_KEYS;
                self.additional_keys.extend(understood.then_some(keys));
                understood
            }
            "exclude_keys" => {
                let keys = listed(value);
                let understood = !keys.is_empty();
                if self.exclude_keys.is_empty() {
                    self.exclude_keys = keys;
                }
                understood
            }
            _ => false,
        }
    }
}

fn set_flag(flag: &mut bool) -> bool {
    *flag = true;
    true
}

fn set_first<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let understood = value.is_some();
    if field.is_none() {
        *field = value;
    }
    understood
}

fn listed(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|key| !key.is_empty()).take(MAX_KEYS).map(str::to_owned).collect()
}

/// The lines of decorators, and the text after them. Without any the content is as it is.
fn split(content: &str) -> (Vec<&str>, &str) {
    let mut lines = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim();
        let name = line.trim_start_matches('@');
        let is_decorator = line.starts_with("@@") && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if is_decorator {
            lines.push(line);
        } else if !line.is_empty() {
            break;
        }
        rest = after;
    }
    if lines.is_empty() { (lines, content) } else { (lines, rest) }
}

/// The content without decorators, for versions that have none.
pub(crate) fn without_decorators(content: &str) -> String {
    split(content).1.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(content: &str) -> Decorators {
        Decorators::parse(content).0
    }

    #[test]
    fn they_are_read_from_the_head_and_cut_off() {
        let content = "@@depth 4\n@@role user\n\n@@additional_keys a, b\n@@additional_keys c\n\nThe castle.\n@@depth 9";
        let (decorators, text) = Decorators::parse(content);
        assert_eq!(text, "The castle.\n@@depth 9");
        assert_eq!((decorators.depth, decorators.role), (Some(4), Some(LoreRole::User)));
        assert_eq!(decorators.additional_keys, [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]]);
        assert_eq!(Decorators::parse("\n plain @@depth 1").1, "\n plain @@depth 1");
        assert_eq!(Decorators::parse("@@activate").1, "");
        assert_eq!(without_decorators("@@@depth 3\r\n@@x\r\nText"), "Text");
    }

    #[test]
    fn the_first_of_a_name_counts_and_a_wrong_value_is_as_none() {
        assert_eq!(parsed("@@depth 1\n@@depth 2\nx").depth, Some(1));
        let wrong = parsed("@@depth many\n@@role king\n@@activate_only_every 0\nx");
        assert_eq!((wrong.depth, wrong.role, wrong.activate_only_every), (None, None, None));
        assert_eq!(wrong.unknown, ["depth", "role", "activate_only_every"]);
    }

    #[test]
    fn fallbacks_are_asked_in_their_order_and_only_after_what_is_unknown() {
        assert_eq!(parsed("@@risu_only 4\n@@@agn_only 4\n@@@activate_only_every 4\nx").activate_only_every, Some(4));
        let known = parsed("@@depth 5\n@@@reverse_depth 5\nx");
        assert_eq!((known.depth, known.reverse_depth), (Some(5), None));
        let after = parsed("@@instruct_depth 5\n@@@depth 5\n@@@reverse_depth 1\nx");
        assert_eq!((after.depth, after.reverse_depth), (Some(5), None));
        assert_eq!(after.unknown, ["instruct_depth"]);
    }
}
