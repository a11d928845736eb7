//! How long texts are for a model, without asking its tokenizer.

/// About how many tokens a text is: four letters of a Latin script each, one and a half of others, and a few for the frame.
pub fn estimate_tokens(text: &str) -> usize {
    // By bytes, which is quick: of a letter of several, all but the first begin with these bits.
    let letters = text.bytes().filter(|byte| byte & 0xC0 != 0x80).count();
    let ascii = text.bytes().filter(u8::is_ascii).count();
    4 + ascii / 4 + (letters - ascii) * 2 / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_by_their_script() {
        assert_eq!(estimate_tokens(""), 4);
        assert_eq!(estimate_tokens("lighthouses"), 4 + 11 / 4);
        assert_eq!(estimate_tokens("灯台守"), 4 + 2);
        assert_eq!(estimate_tokens("灯台 at sea 🌊"), 4 + 8 / 4 + 2);
    }
}
