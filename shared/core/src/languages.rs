//! The languages that the service knows: their names, scripts and directions, found by tags of BCP 47.
//!
//! A tag is looked up as RFC 4647 says: without its last subtags, until there is a language. So `pt-BR` is Portuguese,
//! and `zh-Hant-TW` is Chinese in traditional characters.

use std::collections::HashSet;

use serde::Serialize;

/// The direction in which a script is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Ltr,
    Rtl,
}

impl Direction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// As BCP 47 has it.
    pub code: &'static str,
    /// In English.
    pub name: &'static str,
    /// In the language itself.
    pub own_name: &'static str,
    /// ISO 15924.
    pub script: &'static str,
}

const fn language(code: &'static str, name: &'static str, own_name: &'static str, script: &'static str) -> Language {
    Language { code, name, own_name, script }
}

/// By code.
pub const ALL: [Language; 79] = [
    language("af", "Afrikaans", "Afrikaans", "Latn"),
    language("am", "Amharic", "አማርኛ", "Ethi"),
    language("ar", "Arabic", "العربية", "Arab"),
    language("az", "Azerbaijani", "Azərbaycanca", "Latn"),
    language("be", "Belarusian", "Беларуская", "Cyrl"),
    language("bg", "Bulgarian", "Български", "Cyrl"),
    language("bn", "Bengali", "বাংলা", "Beng"),
    language("bs", "Bosnian", "Bosanski", "Latn"),
    language("ca", "Catalan", "Català", "Latn"),
    language("cs", "Czech", "Čeština", "Latn"),
    language("cy", "Welsh", "Cymraeg", "Latn"),
    language("da", "Danish", "Dansk", "Latn"),
    language("de", "German", "Deutsch", "Latn"),
    language("el", "Greek", "Ελληνικά", "Grek"),
    language("en", "English", "English", "Latn"),
    language("eo", "Esperanto", "Esperanto", "Latn"),
    language("es", "Spanish", "Español", "Latn"),
    language("et", "Estonian", "Eesti", "Latn"),
    language("eu", "Basque", "Euskara", "Latn"),
    language("fa", "Persian", "فارسی", "Arab"),
    language("fi", "Finnish", "Suomi", "Latn"),
    language("fil", "Filipino", "Filipino", "Latn"),
    language("fr", "French", "Français", "Latn"),
    language("ga", "Irish", "Gaeilge", "Latn"),
    language("gl", "Galician", "Galego", "Latn"),
    language("gu", "Gujarati", "ગુજરાતી", "Gujr"),
    language("he", "Hebrew", "עברית", "Hebr"),
    language("hi", "Hindi", "हिन्दी", "Deva"),
    language("hr", "Croatian", "Hrvatski", "Latn"),
    language("hu", "Hungarian", "Magyar", "Latn"),
    language("hy", "Armenian", "Հայերեն", "Armn"),
    language("id", "Indonesian", "Bahasa Indonesia", "Latn"),
    language("is", "Icelandic", "Íslenska", "Latn"),
    language("it", "Italian", "Italiano", "Latn"),
    language("ja", "Japanese", "日本語", "Jpan"),
    language("ka", "Georgian", "ქართული", "Geor"),
    language("kk", "Kazakh", "Қазақ тілі", "Cyrl"),
    language("km", "Khmer", "ខ្មែរ", "Khmr"),
    language("kn", "Kannada", "ಕನ್ನಡ", "Knda"),
    language("ko", "Korean", "한국어", "Kore"),
    language("ky", "Kyrgyz", "Кыргызча", "Cyrl"),
    language("lo", "Lao", "ລາວ", "Laoo"),
    language("lt", "Lithuanian", "Lietuvių", "Latn"),
    language("lv", "Latvian", "Latviešu", "Latn"),
    language("mk", "Macedonian", "Македонски", "Cyrl"),
    language("ml", "Malayalam", "മലയാളം", "Mlym"),
    language("mn", "Mongolian", "Монгол", "Cyrl"),
    language("mr", "Marathi", "मराठी", "Deva"),
    language("ms", "Malay", "Bahasa Melayu", "Latn"),
    language("mt", "Maltese", "Malti", "Latn"),
    language("my", "Burmese", "မြန်မာ", "Mymr"),
    language("nb", "Norwegian Bokmål", "Norsk bokmål", "Latn"),
    language("ne", "Nepali", "नेपाली", "Deva"),
    language("nl", "Dutch", "Nederlands", "Latn"),
    language("pa", "Punjabi", "ਪੰਜਾਬੀ", "Guru"),
    language("pl", "Polish", "Polski", "Latn"),
    language("ps", "Pashto", "پښتو", "Arab"),
    language("pt", "Portuguese", "Português", "Latn"),
    language("ro", "Romanian", "Română", "Latn"),
    language("ru", "Russian", "Русский", "Cyrl"),
    language("si", "Sinhala", "සිංහල", "Sinh"),
    language("sk", "Slovak", "Slovenčina", "Latn"),
    language("sl", "Slovenian", "Slovenščina", "Latn"),
    language("sq", "Albanian", "Shqip", "Latn"),
    language("sr", "Serbian", "Српски", "Cyrl"),
    language("sr-Latn", "Serbian in Latin letters", "Srpski", "Latn"),
    language("sv", "Swedish", "Svenska", "Latn"),
    language("sw", "Swahili", "Kiswahili", "Latn"),
    language("ta", "Tamil", "தமிழ்", "Taml"),
    language("te", "Telugu", "తెలుగు", "Telu"),
    language("th", "Thai", "ไทย", "Thai"),
    language("tr", "Turkish", "Türkçe", "Latn"),
    language("uk", "Ukrainian", "Українська", "Cyrl"),
    language("ur", "Urdu", "اردو", "Arab"),
    language("uz", "Uzbek", "O‘zbekcha", "Latn"),
    language("vi", "Vietnamese", "Tiếng Việt", "Latn"),
    language("yi", "Yiddish", "ייִדיש", "Hebr"),
    language("zh", "Chinese in simplified characters", "简体中文", "Hans"),
    language("zh-Hant", "Chinese in traditional characters", "繁體中文", "Hant"),
];

/// Tags for what has another code above: deprecated ones, macrolanguages, and regions that imply a script.
const ALIASES: [(&str, &str); 10] = [
    ("in", "id"),
    ("iw", "he"),
    ("ji", "yi"),
    ("nn", "nb"),
    ("no", "nb"),
    ("sh", "sr-Latn"),
    ("tl", "fil"),
    ("zh-HK", "zh-Hant"),
    ("zh-MO", "zh-Hant"),
    ("zh-TW", "zh-Hant"),
];

impl Language {
    pub fn direction(&self) -> Direction {
        if matches!(self.script, "Arab" | "Hebr") { Direction::Rtl } else { Direction::Ltr }
    }
}

/// The language of a tag; `None` for a tag that is not well-formed, or of a language that is not in the table.
pub fn find(tag: &str) -> Option<&'static Language> {
    if !is_well_formed(tag) {
        return None;
    }
    let mut range = tag;
    loop {
        let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(range)).map(|(_, code)| *code);
        let code = alias.unwrap_or(range);
        let found = ALL.iter().find(|language| language.code.eq_ignore_ascii_case(code));
        if found.is_some() {
            return found;
        }
        range = range.rsplit_once('-')?.0;
    }
}

/// Whether a tag is well-formed by RFC 5646; of the grandfathered tags only those that are so by the general rule.
pub fn is_well_formed(tag: &str) -> bool {
    let mut subtags = tag.split('-').peekable();
    let letters = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let sound =
        |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !tag.split('-').all(sound) {
        return false;
    }
    let Some(primary) = subtags.next().filter(|primary| letters(primary)) else { return false };
    if primary.eq_ignore_ascii_case("x") {
        return subtags.next().is_some();
    }
    match primary.len() {
        2 | 3 => {
            for _ in 0..3 {
                _ = subtags.next_if(|subtag| subtag.len() == 3 && letters(subtag));
            }
        }
        4..=8 => {}
        _ => return false,
    }
    _ = subtags.next_if(|script| script.len() == 4 && letters(script));
    let is_region = |region: &str| match region.len() {
        2 => letters(region),
        3 => region.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    _ = subtags.next_if(|region| is_region(region));
    let is_variant = |variant: &str| {
        variant.len() >= 5 || variant.len() == 4 && variant.as_bytes().first().is_some_and(u8::is_ascii_digit)
    };
    let mut seen = HashSet::new();
    while let Some(variant) = subtags.next_if(|variant| is_variant(variant)) {
        if !seen.insert(variant.to_ascii_lowercase()) {
            return false;
        }
    }
    while let Some(singleton) = subtags.next() {
        if singleton.len() != 1 || !seen.insert(singleton.to_ascii_lowercase()) {
            return false;
        }
        if singleton.eq_ignore_ascii_case("x") {
            return subtags.next().is_some();
        }
        if subtags.next_if(|subtag| subtag.len() > 1).is_none() {
            return false;
        }
        while subtags.next_if(|subtag| subtag.len() > 1).is_some() {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_each_language_is_found_by_its_code() {
        assert!(ALL.is_sorted_by(|a, b| a.code < b.code));
        for language in &ALL {
            assert_eq!(find(language.code), Some(language));
            assert!(language.script.len() == 4 && !language.own_name.is_empty(), "{language:?}");
        }
        assert!(ALIASES.iter().all(|(alias, code)| is_well_formed(alias) && find(code).is_some()));
    }

    #[test]
    fn a_tag_is_looked_up_without_its_last_subtags() {
        for (tag, code) in [
            ("pt-BR", "pt"),
            ("PT-br", "pt"),
            ("de-CH-1996", "de"),
            ("sr-Latn-RS", "sr-Latn"),
            ("sr-Cyrl", "sr"),
            ("zh-TW", "zh-Hant"),
            ("zh-Hant-HK", "zh-Hant"),
            ("zh-CN", "zh"),
            ("iw", "he"),
            ("no", "nb"),
            ("en-x-pirate", "en"),
        ] {
            assert_eq!(find(tag).map(|language| language.code), Some(code), "{tag}");
        }
        for unknown in ["tlh", "qaa-Qaaa", "x-pirate", "", "p", "pt_BR"] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn well_formed_is_what_the_rfc_says() {
        for tag in [
            "de",
            "zh-cmn-Hans-CN",
            "sl-rozaj-biske",
            "de-CH-1901",
            "hy-Latn-IT-arevela",
            "es-419",
            "x-whatever",
            "en-a-myext-b-another",
            "de-CH-x-phonebk",
            "en-u-co-phonebk",
        ] {
            assert!(is_well_formed(tag), "{tag}");
        }
        for tag in [
            "",
            "-",
            "d",
            "de-",
            "-de",
            "de--CH",
            "de-419-DE",
            "a-DE",
            "ar-a-aaa-b-bbb-a-ccc",
            "de-DE-1901-1901",
            "en-u",
            "en-x",
            "de_CH",
            "дe",
            "abcdefghi",
            "en-abcdefghi",
            "1a",
        ] {
            assert!(!is_well_formed(tag), "{tag}");
        }
    }

    #[test]
    fn arabic_and_hebrew_letters_are_written_from_right_to_left() {
        let rtl = ALL.iter().filter(|language| language.direction() == Direction::Rtl);
        assert_eq!(rtl.map(|language| language.code).collect::<Vec<_>>(), ["ar", "fa", "he", "ps", "ur", "yi"]);
    }
}
