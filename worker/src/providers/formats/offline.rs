//! The built-in model: replies without a service, by quoting passages of the persona.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};

use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, FinishReason},
    failure::Failure,
    prompt::Prompt,
};

const MAX_QUOTED_PASSAGES: usize = 3;
const MAX_QUOTED_QUESTION_CHARS: usize = 160;

pub(crate) struct OfflineChatModel {
    word_interval: Duration,
}

impl OfflineChatModel {
    pub(crate) fn new(word_interval: Duration) -> Self {
        Self { word_interval }
    }
}

#[async_trait]
impl ChatModel for OfflineChatModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let words: Vec<String> = answer(call.prompt).split_inclusive(' ').map(str::to_owned).collect();
        let mut ticks = tokio::time::interval(self.word_interval.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let chunks = stream::unfold((words.into_iter(), ticks), |(mut words, mut ticks)| async move {
            let word = words.next()?;
            ticks.tick().await;
            Some((Ok(Chunk::Text(word)), (words, ticks)))
        });
        Ok(chunks.chain(stream::iter([Ok(Chunk::End(FinishReason::Stop))])).boxed())
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

fn answer(prompt: &Prompt) -> String {
    let question = prompt.question().trim();
    let quoted = if question.chars().count() > MAX_QUOTED_QUESTION_CHARS {
        format!("{}…", question.chars().take(MAX_QUOTED_QUESTION_CHARS).collect::<String>().trim_end())
    } else {
        question.to_owned()
    };
    let passages = &prompt.passages[..prompt.passages.len().min(MAX_QUOTED_PASSAGES)];
    if !passages.is_empty() {
        return format!(
            "You asked: “{quoted}”. No model service is set up here, so I cannot put it in words of my own; but this is what I have \
             said of it:\n\n{}",
            passages.join("\n\n")
        );
    }
    format!(
        "You wrote: “{quoted}”. I am {}, and I would like to answer that properly, but no model service is set up here: you \
         hear the built-in voice, which can only tell you that everything else works. Your message was stored, queued and \
         taken up by a worker, and this reply comes to you word by word, over the same way as a real one. Set OPENAI_API_KEY, \
         or OPENAI_BASE_URL for a model of your own, start again, and I will answer in earnest.",
        prompt.persona
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_with_what_the_persona_said() {
        let passages = ["On the cape.", "By the sea.", "In a storm.", "Long ago."].map(str::to_owned).to_vec();
        let answer = answer(&Prompt { passages, ..Prompt::asking("Where were you born?") });
        assert_eq!(
            answer,
            "You asked: “Where were you born?”. No model service is set up here, so I cannot put it in words of my own; but this is \
             what I have said of it:\n\nOn the cape.\n\nBy the sea.\n\nIn a storm."
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_quotes_the_question_and_says_what_it_is() {
        let prompt = Prompt::asking("What is the sea?");
        let call = Call { prompt: &prompt, model: "offline", max_tokens: 100, prefill: "" };
        let chunks: Vec<_> =
            OfflineChatModel::new(Duration::from_millis(40)).stream(call).await.unwrap().collect().await;
        assert!(matches!(chunks.last(), Some(Ok(Chunk::End(FinishReason::Stop)))));
        let text: String =
            chunks.iter().filter_map(|c| if let Ok(Chunk::Text(t)) = c { Some(t.as_str()) } else { None }).collect();
        insta::assert_snapshot!(
            text,
            @"You wrote: “What is the sea?”. I am Ada, and I would like to answer that properly, but no model service is set up here: you hear the built-in voice, which can only tell you that everything else works. Your message was stored, queued and taken up by a worker, and this reply comes to you word by word, over the same way as a real one. Set OPENAI_API_KEY, or OPENAI_BASE_URL for a model of your own, start again, and I will answer in earnest."
        );
    }
}
