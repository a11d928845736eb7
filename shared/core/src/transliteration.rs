//! Names in other scripts: Latin letters become Cyrillic, Greek, Arabic, Hebrew, Devanagari or Katakana, by rules.
//!
//! The rules know no language: a name is read roughly as in English or Italian, so `José` becomes what is read aloud as
//! “Jose”. Whatever is not in Latin letters stays, and so does everything in scripts without rules. Among them is Han:
//! which characters write a name there is chosen, and not derived.

/// Rules of an alphabet, as `latin=letters`; the longest that fits is applied.
struct Alphabet {
    /// At the beginning of a word.
    first: &'static str,
    /// At its end.
    last: &'static str,
    anywhere: &'static str,
    /// Whether it has capitals.
    has_case: bool,
    /// Whether two equal consonants are written as two.
    keeps_double: bool,
}

const CYRILLIC: Alphabet = Alphabet {
    first: "",
    last: "",
    anywhere: "shch=щ sch=ш sh=ш ch=ч zh=ж kh=х ph=ф th=т ts=ц tz=ц ck=к qu=кв ya=я yu=ю yo=йо ye=е ee=и oo=у \
        ay=ай ey=ей oy=ой ai=ай ce=се ci=си cy=си a=а b=б c=к d=д e=е f=ф g=г h=х i=и j=дж k=к l=л m=м \
        n=н o=о p=п q=к r=р s=с t=т u=у v=в w=в x=кс y=и z=з",
    has_case: true,
    keeps_double: true,
};

/// Without accents: which syllable bears it, the letters do not say.
const GREEK: Alphabet = Alphabet {
    first: "",
    last: "s=ς",
    anywhere: "ch=τσ sh=σ th=θ ph=φ ps=ψ ks=ξ kh=χ ck=κ qu=κου ee=ι oo=ου ou=ου nt=ντ nd=ντ mb=μπ ce=σε ci=σι \
        cy=σι a=α b=μπ c=κ d=ντ e=ε f=φ g=γκ h=χ i=ι j=τζ k=κ l=λ m=μ n=ν o=ο p=π q=κ r=ρ s=σ t=τ u=ου \
        v=β w=γου x=ξ y=ι z=ζ",
    has_case: true,
    keeps_double: true,
};

/// In the letters of Arabic, which other languages of the script read as well.
const ARABIC: Alphabet = Alphabet {
    first: "a=أ e=إ i=إي o=أو u=أو oo=أو ee=إي ai=أي",
    last: "",
    anywhere: "sh=ش ch=تش th=ث kh=خ gh=غ ph=ف ck=ك qu=كو ee=ي oo=و ou=و ai=اي ce=سي ci=سي cy=سي a=ا b=ب c=ك d=د \
        e=ي f=ف g=ج h=ه i=ي j=ج k=ك l=ل m=م n=ن o=و p=ب q=ق r=ر s=س t=ت u=و v=ف w=و x=كس y=ي z=ز",
    has_case: false,
    keeps_double: false,
};

const HEBREW: Alphabet = Alphabet {
    first: "a=א e=א i=אי o=או u=או ee=אי oo=או ai=איי",
    last: "a=ה ah=ה e=ה m=ם n=ן f=ף ph=ף ts=ץ",
    anywhere: "sh=ש ch=צ׳ kh=ח th=ת ts=צ tz=צ ph=פ ck=ק qu=קו ee=י oo=ו ou=ו eo=או ea=אה ce=ס ci=סי cy=סי a=א \
        b=ב c=ק d=ד e= f=פ g=ג h=ה i=י j=ג׳ k=ק l=ל m=מ n=נ o=ו p=פ q=ק r=ר s=ס t=ט u=ו v=ו w=ו x=קס y=י \
        z=ז",
    has_case: false,
    keeps_double: false,
};

/// With the vowel that every consonant has unless another follows.
const DEVANAGARI_CONSONANTS: &str = "chh=छ sh=श ch=च kh=ख gh=घ th=थ dh=ध ph=फ bh=भ jh=झ ck=क qu=क्व b=ब c=क d=ड f=फ़ g=ग h=ह j=ज k=क \
    l=ल m=म n=न p=प q=क r=र s=स t=ट v=व w=व x=क्स y=य z=ज़ sch=श";
/// By themselves, and after a consonant.
const DEVANAGARI_VOWELS: [(&str, &str, &str); 10] = [
    ("ee", "ई", "ी"),
    ("oo", "ऊ", "ू"),
    ("ai", "ऐ", "ै"),
    ("au", "औ", "ौ"),
    ("ou", "ऊ", "ू"),
    ("a", "आ", "ा"),
    ("e", "ए", "े"),
    ("i", "इ", "ि"),
    ("o", "ओ", "ो"),
    ("u", "उ", "ु"),
];
const VIRAMA: &str = "्";

/// A consonant with a, i, u, e, o, and without a vowel.
const KATAKANA: [(&str, [&str; 6]); 27] = [
    ("", ["ア", "イ", "ウ", "エ", "オ", ""]),
    ("sh", ["シャ", "シ", "シュ", "シェ", "ショ", "シュ"]),
    ("ch", ["チャ", "チ", "チュ", "チェ", "チョ", "チ"]),
    ("th", ["サ", "シ", "ス", "セ", "ソ", "ス"]),
    ("ts", ["ツァ", "ツィ", "ツ", "ツェ", "ツォ", "ツ"]),
    ("ph", ["ファ", "フィ", "フ", "フェ", "フォ", "フ"]),
    ("ck", ["カ", "キ", "ク", "ケ", "コ", "ック"]),
    ("qu", ["クァ", "クィ", "ク", "クェ", "クォ", "ク"]),
    ("b", ["バ", "ビ", "ブ", "ベ", "ボ", "ブ"]),
    ("c", ["カ", "シ", "ク", "セ", "コ", "ク"]),
    ("d", ["ダ", "ディ", "ドゥ", "デ", "ド", "ド"]),
    ("f", ["ファ", "フィ", "フ", "フェ", "フォ", "フ"]),
    ("g", ["ガ", "ギ", "グ", "ゲ", "ゴ", "グ"]),
    ("h", ["ハ", "ヒ", "フ", "ヘ", "ホ", ""]),
    ("j", ["ジャ", "ジ", "ジュ", "ジェ", "ジョ", "ジ"]),
    ("k", ["カ", "キ", "ク", "ケ", "コ", "ク"]),
    ("l", ["ラ", "リ", "ル", "レ", "ロ", "ル"]),
    ("m", ["マ", "ミ", "ム", "メ", "モ", "ム"]),
    ("n", ["ナ", "ニ", "ヌ", "ネ", "ノ", "ン"]),
    ("p", ["パ", "ピ", "プ", "ペ", "ポ", "プ"]),
    ("r", ["ラ", "リ", "ル", "レ", "ロ", "ル"]),
    ("s", ["サ", "シ", "ス", "セ", "ソ", "ス"]),
    ("t", ["タ", "ティ", "トゥ", "テ", "ト", "ト"]),
    ("v", ["ヴァ", "ヴィ", "ヴ", "ヴェ", "ヴォ", "ヴ"]),
    ("w", ["ワ", "ウィ", "ウ", "ウェ", "ウォ", "ウ"]),
    ("y", ["ヤ", "イ", "ユ", "イェ", "ヨ", "イ"]),
    ("z", ["ザ", "ジ", "ズ", "ゼ", "ゾ", "ズ"]),
];
const VOWELS: [char; 5] = ['a', 'i', 'u', 'e', 'o'];

/// A name as it is written in a script of ISO 15924.
pub fn transliterate(name: &str, script: &str) -> String {
    let rewrite: fn(&str) -> String = match script {
        "Cyrl" => |word| with_alphabet(&CYRILLIC, word),
        "Grek" => |word| with_alphabet(&GREEK, word),
        "Arab" => |word| with_alphabet(&ARABIC, word),
        "Hebr" => |word| with_alphabet(&HEBREW, word),
        "Deva" => devanagari,
        "Jpan" | "Kana" => katakana,
        _ => return name.to_owned(),
    };
    let mut text = String::new();
    let mut word = String::new();
    for c in name.chars() {
        if fold(c).is_some() {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            text.push_str(&rewrite(&std::mem::take(&mut word)));
        }
        // Katakana has no spaces between the parts of a name.
        text.push(if c == ' ' && rewrites_spaces(script) { '・' } else { c });
    }
    if !word.is_empty() {
        text.push_str(&rewrite(&word));
    }
    text
}

fn rewrites_spaces(script: &str) -> bool {
    matches!(script, "Jpan" | "Kana")
}

/// A Latin letter without its marks, in lower case; `None` for everything else.
fn fold(c: char) -> Option<&'static str> {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    let lower = c.to_lowercase().next().unwrap_or(c);
    if lower.is_ascii_lowercase() {
        let at = usize::from(lower as u8 - b'a');
        return LETTERS.get(at..=at);
    }
    Some(match lower {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' => "s",
        'ć' | 'č' => "ch",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ł' | 'ľ' => "l",
        'ñ' => "ny",
        'ń' | 'ň' | 'ņ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ß' => "ss",
        'ś' | 'š' | 'ş' | 'ș' => "sh",
        'ť' | 'ț' | 'ţ' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

fn folded(word: &str) -> String {
    word.chars().filter_map(fold).collect()
}

const fn is_vowel(byte: u8) -> bool {
    matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u')
}

/// Of two equal consonants one stays.
fn without_doubles(word: &str) -> String {
    let mut last = None;
    word.chars().filter(|c| last.replace(*c) != Some(*c) || VOWELS.contains(c)).collect()
}

/// The rules that the text begins with.
fn fitting(rules: &'static str, text: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let pairs = rules.split_whitespace().filter_map(|rule| rule.split_once('='));
    pairs.filter(move |(latin, _)| text.starts_with(latin))
}

fn with_alphabet(alphabet: &Alphabet, word: &str) -> String {
    let mut latin = folded(word);
    if !alphabet.keeps_double {
        latin = without_doubles(&latin);
    }
    let mut text = String::new();
    let mut rest = latin.as_str();
    while let Some(letter) = rest.get(..1) {
        let is_first = rest.len() == latin.len();
        let first = fitting(if is_first { alphabet.first } else { "" }, rest);
        let last = fitting(if is_first { "" } else { alphabet.last }, rest).filter(|(latin, _)| *latin == rest);
        // Of rules of the same length the last is taken: the special one.
        let rules = fitting(alphabet.anywhere, rest).chain(first).chain(last);
        let rule = rules.max_by_key(|(latin, _)| latin.len()).unwrap_or((letter, ""));
        text.push_str(rule.1);
        rest = rest.get(rule.0.len()..).unwrap_or_default();
    }
    if alphabet.has_case { with_case_of(word, &text) } else { text }
}

/// Capitals as the original has them: none, the first letter, or all.
fn with_case_of(original: &str, text: &str) -> String {
    if original.chars().nth(1).is_some() && original.chars().all(char::is_uppercase) {
        return text.to_uppercase();
    }
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if original.starts_with(char::is_uppercase) => first.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn devanagari(word: &str) -> String {
    let latin = folded(word);
    let mut text = String::new();
    let mut rest = latin.as_str();
    let mut after_consonant = false;
    while let Some(letter) = rest.get(..1) {
        // At the end of a name it is a vowel.
        let vowel_letters = if rest == "y" && after_consonant { "ee" } else { rest };
        let vowels = DEVANAGARI_VOWELS.iter().filter(|(latin, ..)| vowel_letters.starts_with(latin));
        let length = if let Some((latin, alone, joined)) = vowels.max_by_key(|(latin, ..)| latin.len()) {
            text.push_str(if after_consonant { joined } else { alone });
            after_consonant = false;
            latin.len()
        } else {
            let rule = fitting(DEVANAGARI_CONSONANTS, rest).max_by_key(|(latin, _)| latin.len());
            let (latin, consonant) = rule.unwrap_or((letter, ""));
            if after_consonant {
                text.push_str(VIRAMA);
            }
            text.push_str(consonant);
            after_consonant = true;
            latin.len()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    text
}

fn katakana(word: &str) -> String {
    let latin = folded(word).replace('x', "ks").replace("mm", "m").replace("ll", "l").replace("rr", "r");
    let mut text = String::new();
    let mut rest = latin.as_str();
    while let Some(letter) = rest.bytes().next() {
        let at = |index: usize| rest.as_bytes().get(index).copied();
        let doubled = !is_vowel(letter) && letter != b'n' && at(1) == Some(letter);
        if doubled {
            text.push('ッ');
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        if letter == b'm' && matches!(at(1), Some(b'b' | b'p')) {
            text.push('ン');
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        if rest == "y" && !text.is_empty() {
            text.push_str("イー");
            break;
        }
        let rows = KATAKANA.iter().filter(|(consonant, _)| rest.starts_with(consonant));
        let Some((consonant, syllables)) = rows.max_by_key(|(consonant, _)| consonant.len()) else { break };
        let after = rest.get(consonant.len()..).unwrap_or_default();
        let vowel = after.chars().next().and_then(|c| VOWELS.iter().position(|vowel| *vowel == c));
        let after = after.get(usize::from(vowel.is_some())..).unwrap_or_default();
        let follows = |index: usize| after.as_bytes().get(index).copied();
        // “ar”, “er” and “or” at the end of a syllable are long vowels.
        let is_long = follows(0) == Some(b'r') && follows(1).is_none_or(|byte| !is_vowel(byte) && byte != b'y');
        let (vowel, long) = match vowel {
            Some(0 | 3) if is_long => (Some(0), "ー"),
            Some(4) if is_long => (Some(4), "ー"),
            vowel => (vowel, ""),
        };
        text.push_str(syllables[vowel.unwrap_or(5)]);
        text.push_str(long);
        rest = if long.is_empty() { after } else { after.get(1..).unwrap_or_default() };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_everybody_knows() {
        for (script, names) in [
            ("Cyrl", [("Ada", "Ада"), ("Leo Tolstoy", "Лео Толстой"), ("Sasha", "Саша"), ("MIRA", "МИРА")]),
            ("Grek", [("Nikos", "Νικος"), ("Sophia", "Σοφια"), ("Theo", "Θεο"), ("Ada", "Αντα")]),
            ("Arab", [("Ada", "أدا"), ("Emma", "إما"), ("Leo", "ليو"), ("Khalid", "خاليد")]),
            ("Hebr", [("Ada", "אדה"), ("Emma", "אמה"), ("Leo", "לאו"), ("Miriam", "מיריאם")]),
            ("Deva", [("Ada", "आडा"), ("Emma", "एम्मा"), ("Nina", "निना"), ("Leo", "लेओ")]),
            ("Jpan", [("Ada", "アダ"), ("Emma", "エマ"), ("Anna Martin", "アンナ・マーティン"), ("Peter", "ペター")]),
        ] {
            for (name, written) in names {
                assert_eq!(transliterate(name, script), written, "{name} in {script}");
            }
        }
    }

    #[test]
    fn what_is_in_other_letters_or_for_other_scripts_stays() {
        for (name, script) in [("Ada", "Latn"), ("José", "Latn"), ("Ada", "Hans"), ("小明", "Cyrl"), ("Ада", "Arab")]
        {
            assert_eq!(transliterate(name, script), name, "{script}");
        }
        assert_eq!(transliterate("小明 Ada-2", "Cyrl"), "小明 Ада-2");
    }

    #[test]
    fn marks_are_no_obstacle() {
        assert_eq!(transliterate("Zoë Müller", "Cyrl"), "Зое Муллер");
        assert_eq!(transliterate("Håkon", "Grek"), "Χακον");
    }

    /// No letter is lost, whatever the name.
    #[test]
    fn nothing_in_latin_letters_is_left() {
        for script in ["Cyrl", "Grek", "Arab", "Hebr", "Deva", "Jpan"] {
            for name in ["The quick brown fox jumps", "over a lazy dog", "Xylophone Czar Sphinx", "ffjord", "Mc", "y"] {
                let written = transliterate(name, script);
                assert!(!written.is_empty() && !written.chars().any(|c| c.is_ascii_alphabetic()), "{written}");
            }
        }
    }
}
