//! How many tokens a text is, counted where a provider did not say.
//!
//! Counted with the tokenizer of OpenAI's newer models; others cut a little differently, so what is counted here is called
//! estimated. It is too slow to fit every prompt into its budget with: that is done by letters (docs/adr/0010-tokens.md).

use std::sync::LazyLock;

use tiktoken::CoreBpe;
use troupe_core::model::Usage;

use super::prompt::Prompt;

/// Longer texts are taken to go on as they begin: so even the oddest takes some milliseconds at most.
const LONGEST: usize = 64 * 1_024;

/// Of the words around each message that tell who says it.
const FRAME: usize = 4;

static TOKENIZER: LazyLock<CoreBpe> = LazyLock::new(tiktoken::encoding::o200k_base);

/// Loads the tokenizer, which takes about a tenth of a second: call it where nobody waits.
pub(crate) fn warm_up() {
    LazyLock::force(&TOKENIZER);
}

pub(crate) fn count(text: &str) -> usize {
    if text.len() <= LONGEST {
        return TOKENIZER.count(text);
    }
    let beginning = &text[..text.floor_char_boundary(LONGEST)];
    let tokens = TOKENIZER.count(beginning) as f64;
    (tokens * text.len() as f64 / beginning.len() as f64).ceil() as usize
}

/// What a reply took of its model.
pub(crate) fn usage(prompt: &Prompt, reply: &str) -> Usage {
    let said = prompt.messages.iter().map(|message| FRAME + count(&message.content));
    let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Usage {
        prompt_tokens: tokens(FRAME + count(&prompt.system) + said.sum::<usize>()),
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
        let asked = usage(&Prompt::asking("Who keeps the lamp?"), "");
        assert_eq!(asked.completion_tokens, 0);
        let prompt_tokens = 2 * FRAME + count("You are Ada.") + count("Who keeps the lamp?");
        assert_eq!(usize::try_from(asked.prompt_tokens).unwrap(), prompt_tokens);
        let said = usage(&Prompt::asking("Who keeps the lamp?"), "My father does.");
        assert_eq!(said.prompt_tokens, asked.prompt_tokens);
        assert_eq!(said.completion_tokens, 4);
        assert!(said.estimated);
    }
}
