//! Lenient deserialization of what services send: `null` for a list, text in parts, unknown fields. None of that may
//! cost a reply.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// `null` as the default.
pub(super) fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Text: a string, or a list of strings and of parts with a `text`. Any other value is empty text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LenientText(pub(super) String);

impl<'de> Deserialize<'de> for LenientText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = LenientText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E>(self, text: &str) -> Result<LenientText, E> {
        Ok(LenientText(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<LenientText, E> {
        Ok(LenientText(text))
    }

    fn visit_unit<E>(self) -> Result<LenientText, E> {
        Ok(LenientText::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<LenientText, E> {
        Ok(LenientText::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<LenientText, E> {
        Ok(LenientText::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<LenientText, E> {
        Ok(LenientText::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<LenientText, E> {
        Ok(LenientText::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<LenientText, A::Error> {
        let mut whole = String::new();
        while let Some(LenientText(part)) = parts.next_element()? {
            whole.push_str(&part);
        }
        Ok(LenientText(whole))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<LenientText, A::Error> {
        let mut text = LenientText::default();
        while let Some(field) = part.next_key::<String>()? {
            if field == "text" {
                text = part.next_value()?;
            } else {
                part.next_value::<IgnoredAny>()?;
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_wherever_services_put_it() {
        let cases = [
            (r#""the sea""#, "the sea"),
            (r#"[{"type":"text","text":"the "},"sea",{"type":"image","url":"x"},null]"#, "the sea"),
            (r#"[{"type":"thinking","thinking":[{"text":"hm"}]},{"text":{"text":"the sea"}}]"#, "the sea"),
            ("null", ""),
            ("false", ""),
            ("-1.5e3", ""),
            ("{}", ""),
        ];
        for (json, text) in cases {
            assert_eq!(serde_json::from_str::<LenientText>(json).unwrap().0, text, "{json}");
        }
    }
}
