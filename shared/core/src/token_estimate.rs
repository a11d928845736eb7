//! Estimates of token counts, without a tokenizer.

/// Four ASCII characters to a token, one and a half others, and a few tokens for the role and delimiters of a message.
pub fn estimate_tokens(text: &str) -> usize {
    // By bytes, which is fast: of a multi-byte character all but the first begin with these bits.
    let characters = text.bytes().filter(|byte| byte & 0xC0 != 0x80).count();
    let ascii = text.bytes().filter(u8::is_ascii).count();
    4 + ascii / 4 + (characters - ascii) * 2 / 3
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
