//! JSON objects whose fields stay the text that they came as, and lenient reading of those that are known.
//!
//! A number with more digits than a float has, or an order of keys, survives a round trip only as text.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use crate::{
    error::CardError,
    limits::{MAX_FIELDS, MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_TEXT_CHARS},
};

/// The fields of an object in their order; of those with one name the last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, Box<RawValue>)>);

/// Parses a document: bounded in size and depth, a byte order mark allowed.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, CardError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.len() > MAX_JSON_BYTES {
        return Err(CardError::JsonTooLarge);
    }
    if depth(text) > MAX_JSON_DEPTH {
        return Err(CardError::JsonTooDeep);
    }
    serde_json::from_str(text).map_err(|error| CardError::MalformedJson(error.to_string()))
}

/// The depth of nesting, by brackets outside of strings. Values are kept unparsed, so the parser does not bound it.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A value as JSON text.
pub(crate) fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A value that is a text. Writers that cut text at a number of UTF-16 units leave halves of characters: these become
/// U+FFFD, rather than that the text is missing.
fn string(value: &RawValue) -> Option<String> {
    let text = value.get();
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&without_half_characters(text)).ok())
}

fn without_half_characters(json: &str) -> String {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let following = escape.get(6..).and_then(unit);
        let (length, is_half) = match unit(escape) {
            Some(0xd800..=0xdbff) if matches!(following, Some(0xdc00..=0xdfff)) => (12, false),
            Some(0xd800..=0xdfff) => (6, true),
            Some(_) => (6, false),
            // A backslash is never last, and what it escapes is ASCII.
            None => (2, false),
        };
        let (escape, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        mended.push_str(if is_half { "\u{fffd}" } else { escape });
        rest = after;
    }
    mended.push_str(rest);
    mended
}

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Replaces a field at its place, or appends it.
    pub(crate) fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn set_default(&mut self, name: &str, value: &impl Serialize) {
        if !self.contains(name) {
            self.set(name, raw(value));
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.remove(at).1)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &RawValue> {
        self.0.iter().map(|(_, value)| &**value)
    }

    /// Whether a field is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.get() != "null")
    }

    /// The value, where it is there and of this type.
    pub(crate) fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A text. What PostgreSQL cannot store, the character zero, is left out.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, CardError> {
        let Some(text) = self.get(name).and_then(string) else { return Ok(None) };
        let text = if text.contains('\0') { text.replace('\0', "") } else { text };
        if text.len() > MAX_TEXT_CHARS && text.chars().count() > MAX_TEXT_CHARS {
            return Err(CardError::TextTooLong(name.to_owned()));
        }
        Ok(Some(text))
    }

    /// The texts of a list; of a text alone, that one, and other values are left out.
    pub(crate) fn texts(&self, name: &str, what: &'static str, most: usize) -> Result<Vec<String>, CardError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let values: Vec<&RawValue> = match serde_json::from_str(value.get()) {
            Ok(values) => values,
            Err(_) if value.get().starts_with('"') => vec![value],
            Err(_) => return Ok(Vec::new()),
        };
        if values.len() > most {
            return Err(CardError::TooMany { what, most });
        }
        let texts = values.into_iter().filter_map(string);
        let texts: Vec<_> = texts.map(|text| text.replace('\0', "")).collect();
        if texts.iter().any(|text| text.chars().count() > MAX_TEXT_CHARS) {
            return Err(CardError::TextTooLong(name.to_owned()));
        }
        Ok(texts)
    }

    /// A number, also as a text; what is none is not there.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let number = self.value::<f64>(name).or_else(|| self.value::<String>(name)?.trim().parse().ok())?;
        number.is_finite().then_some(number)
    }

    /// A number from zero on, without its fraction.
    pub(crate) fn count(&self, name: &str) -> Option<u32> {
        self.number(name).filter(|number| *number >= 0.0).map(|number| number as u32)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.value::<bool>(name)
    }

    /// The object in a field; an empty one where there is none.
    pub(crate) fn object(&self, name: &str) -> Self {
        self.value(name).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if fields.0.len() >= MAX_FIELDS {
                        return Err(A::Error::custom(format!("an object has more than {MAX_FIELDS} fields")));
                    }
                    fields.set(&name, value);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_the_text_that_they_came_as() {
        let text = r#"{"b":1.10,"a":123456789012345678901234567890,"c":{"z":1e2,"a":"\u00e9"}}"#;
        let fields: Fields = parse(text).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), text);
    }

    #[test]
    fn nesting_is_counted_outside_of_strings() {
        assert_eq!(depth(r#"{"a":[{"b":"[[[[\"[["}]}"#), 3);
        let deep = format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65));
        assert_eq!(parse::<Fields>(&deep).unwrap_err(), CardError::JsonTooDeep);
    }

    #[test]
    fn known_fields_are_read_leniently() {
        let fields: Fields =
            parse(r#"{"n":"12","f":3.7,"t":["a",1,"b"],"one":"x","null":null,"zero":"a\u0000b"}"#).unwrap();
        assert_eq!((fields.count("n"), fields.count("f"), fields.count("t")), (Some(12), Some(3), None));
        assert_eq!(fields.texts("t", "texts", 9).unwrap(), ["a", "b"]);
        assert_eq!(fields.texts("one", "texts", 9).unwrap(), ["x"]);
        assert_eq!(fields.text("null").unwrap(), None);
        assert_eq!(fields.text("zero").unwrap().as_deref(), Some("ab"));
        let cut = r#"{"t":"a\\ \ud83c\udfee\ud83c","l":["\udfee\n","b"],"whole":"\\ud83c"}"#;
        let fields: Fields = parse(cut).unwrap();
        assert_eq!(fields.text("t").unwrap().as_deref(), Some("a\\ \u{1f3ee}\u{fffd}"), "half a character at the end");
        assert_eq!(fields.texts("l", "texts", 2).unwrap(), ["\u{fffd}\n", "b"]);
        assert_eq!(fields.text("whole").unwrap().as_deref(), Some("\\ud83c"));
        assert_eq!(serde_json::to_string(&fields).unwrap(), cut, "an export has it as it came");
    }

    #[test]
    fn lists_are_bounded() {
        let fields: Fields = parse(r#"{"t":["a","b","c"]}"#).unwrap();
        assert_eq!(fields.texts("t", "texts", 2), Err(CardError::TooMany { what: "texts", most: 2 }));
    }
}
