//! Token counts, for usage that a provider did not report.
//!
//! Counted with the tokenizer of OpenAI's newer models; others differ a little, so these counts are marked as
//! estimated. It is too slow to fit every prompt into its budget: that is done by characters (docs/adr/0010-tokens.md).

use std::sync::LazyLock;

use tiktoken::CoreBpe;
use troupe_core::model::Usage;

use super::prompt::Prompt;

/// Longer texts are extrapolated from their beginning, so that even the oddest takes some milliseconds at most.
const MAX_COUNTED_BYTES: usize = 64 * 1_024;

/// Overhead of each message: its role and delimiters.
const TOKENS_PER_MESSAGE: usize = 4;

static TOKENIZER: LazyLock<CoreBpe> = LazyLock::new(tiktoken::encoding::o200k_base);

/// Loads the tokenizer, which takes about a tenth of a second: off the path of replies.
pub(crate) fn warm_up() {
    LazyLock::force(&TOKENIZER);
}

pub(crate) fn count(text: &str) -> usize {
    if text.len() <= MAX_COUNTED_BYTES {
        return TOKENIZER.count(text);
    }
    let beginning = &text[..text.floor_char_boundary(MAX_COUNTED_BYTES)];
    let tokens = TOKENIZER.count(beginning) as f64;
    (tokens * text.len() as f64 / beginning.len() as f64).ceil() as usize
}

/// The usage of a reply.
pub(crate) fn usage(prompt: &Prompt, reply: &str) -> Usage {
    let messages = prompt.messages.iter().chain(&prompt.tail);
    let messages = messages.map(|message| TOKENS_PER_MESSAGE + count(&message.content));
    let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Usage {
        prompt_tokens: tokens(TOKENS_PER_MESSAGE + count(&prompt.system) + messages.sum::<usize>()),
        completion_tokens: tokens(count(reply)),
        estimated: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_models_cut_them() {
        assert_eq!(count(""), 0);
        assert_eq!(count("hello world"), 2);
        assert_eq!(count("The lamp had to be wound every four hours."), 10);
        assert_eq!(count("<|endoftext|>"), count("<|endoftext|> ") - 1, "what looks like a command is only text");
    }

    #[test]
    fn a_long_text_is_counted_by_its_beginning() {
        let word = "a".repeat(100_000);
        assert_eq!(count(&word), 12_500);
        // Three bytes each: the beginning must not end within one.
        let signs = "灯".repeat(50_000);
        assert!((25_000..=100_000).contains(&count(&signs)), "{}", count(&signs));
    }

    #[test]
    fn usage_counts_what_was_asked_and_what_was_said() {
        let empty = usage(&Prompt::asking("Who keeps the lamp?"), "");
        assert_eq!(empty.completion_tokens, 0);
        let prompt_tokens = 2 * TOKENS_PER_MESSAGE + count("You are Ada.") + count("Who keeps the lamp?");
        assert_eq!(usize::try_from(empty.prompt_tokens).unwrap(), prompt_tokens);
        let counted = usage(&Prompt::asking("Who keeps the lamp?"), "My father does.");
        assert_eq!(counted.prompt_tokens, empty.prompt_tokens);
        assert_eq!(counted.completion_tokens, 4);
        assert!(counted.estimated);
    }
}
