//! The built-in embedder, without a service: texts are similar when they share words, or parts of words.
//!
//! Feature hashing: each word, and each of its runs of three or four letters, is hashed to one of 512 dimensions with a
//! sign, with a sublinear weight of its count. So inflected and misspelt words match, in any script: where words are
//! not separated by spaces, single characters and pairs are used. It has no semantics: "car" and "automobile" are
//! unrelated.

use std::collections::HashMap;

use async_trait::async_trait;

use super::unit::normalise;
use crate::ports::{EmbedError, Embedder};

/// Must change with the features.
const MODEL: &str = "lexical-1@512";
const DIMENSION: usize = 512;
/// The weight of a part of a word, relative to the whole word.
const PART: f32 = 0.35;
/// The weight of a word of up to three letters: most are function words.
const SHORT_WORD: f32 = 0.25;

#[derive(Debug, Clone, Copy)]
pub struct LexicalEmbedder {
    batch: usize,
}

impl LexicalEmbedder {
    pub const fn new(batch: usize) -> Self {
        Self { batch }
    }
}

#[async_trait]
impl Embedder for LexicalEmbedder {
    async fn embed(&self, passages: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(passages.iter().map(|text| embed(text)).collect())
    }

    async fn embed_queries(&self, queries: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed(queries).await
    }

    fn model(&self) -> &'static str {
        MODEL
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn batch(&self) -> usize {
        self.batch
    }
}

fn embed(text: &str) -> Vec<f32> {
    let mut features: HashMap<u64, (f32, u32)> = HashMap::new();
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let letters: Vec<char> = word.chars().collect();
        features_of(&letters, &mut |hash, weight| features.entry(hash).or_insert((weight, 0)).1 += 1);
    }
    // Sorted, because sums of floating-point numbers depend on the order.
    let mut features: Vec<_> = features.into_iter().collect();
    features.sort_unstable_by_key(|(hash, _)| *hash);
    let mut vector = vec![0.0; DIMENSION];
    for (hash, (weight, times)) in features {
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        vector[hash as usize % DIMENSION] += sign * weight * (1.0 + (times as f32).ln());
    }
    normalise(&mut vector);
    vector
}

/// The features of one word, each with its weight.
fn features_of(letters: &[char], feature: &mut impl FnMut(u64, f32)) {
    if letters.iter().any(|c| stands_alone(*c)) {
        for (length, weight) in [(1, PART), (2, 1.0)] {
            letters.windows(length).for_each(|run| feature(hash('c', run), weight));
        }
        return;
    }
    feature(hash('w', letters), if letters.len() > 3 { 1.0 } else { SHORT_WORD });
    if letters.len() > 3 {
        // With word boundaries, since the start of a word is more specific than its middle.
        let bordered: Vec<char> = std::iter::once(' ').chain(letters.iter().copied()).chain([' ']).collect();
        for length in [3, 4] {
            bordered.windows(length).for_each(|part| feature(hash('p', part), PART));
        }
    }
}

/// Whether it is of a script without spaces between words.
const fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' // Burmese
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' // Han
    )
}

/// FNV-1a with a final mix of the high bits: the same on every machine, and for ever.
fn hash(kind: char, letters: &[char]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for letter in std::iter::once(&kind).chain(letters) {
        for byte in u32::from(*letter).to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(one: &str, other: &str) -> f32 {
        embed(one).iter().zip(embed(other)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn what_shares_words_is_nearer_than_what_does_not() {
        let asked = "What did your grandmother cook on Sundays?";
        let told = "My grandmother used to cook lentil soup every Sunday.";
        let other = "The printer in our office is out of order again.";
        assert!(likeness(asked, told) > 0.25, "{}", likeness(asked, told));
        assert!(likeness(asked, other).abs() < 0.15, "{}", likeness(asked, other));
    }

    #[test]
    fn any_script_will_do() {
        for (asked, told, other) in [
            ("我小时候住在哪里", "小时候我们住在海边", "今天的会议取消了"),
            ("Где ты родился?", "Я родился в маленьком городе.", "Погода сегодня плохая."),
            ("どこで育ちましたか", "京都で育ちました", "映画が好きです"),
            ("أين ولدت؟", "ولدت في القاهرة", "أحب القهوة"),
            ("คุณเกิดที่ไหน", "ฉันเกิดที่เชียงใหม่", "วันนี้ฝนตก"),
        ] {
            assert!(likeness(asked, told) > likeness(asked, other) + 0.05, "{asked}");
        }
    }

    #[test]
    fn the_numbers_are_the_same_for_ever() {
        let vector = embed("The lamp at the top of the stairs, the lamp.");
        let (at, largest) =
            vector.iter().enumerate().max_by(|one, other| one.1.abs().total_cmp(&other.1.abs())).unwrap();
        insta::assert_snapshot!(format!("{at}: {largest:.6}"), @"228: -0.590701");
        let length: f32 = vector.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }

    #[test]
    fn what_says_nothing_is_like_nothing() {
        for nothing in ["", "  ", "!?—…", "\u{0}"] {
            assert!(embed(nothing).iter().all(|number| *number == 0.0), "{nothing:?}");
        }
    }
}
