//! The prompt: what a model is told. [`assembly`] makes it of a persona and a conversation.

mod assembly;
mod sections;

use troupe_characters::lorebook::LoreRole;
use troupe_core::{
    model::{Role, caller_options::Sampling},
    token_estimate::estimate_tokens,
};
use troupe_db::personas::inspection::PromptRole;

pub(crate) use assembly::{Assembly, Material, Section};

/// Asks for the rest of a reply. Few services take the beginning of a reply as such, but all understand this.
const GO_ON: &str = "Your reply was cut off. Go on exactly where it stops, in the same language and style, and repeat \
                     nothing of it.";

/// The input of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prompt {
    /// The persona's name, for the built-in model.
    pub(crate) persona: String,
    /// What the persona is, which the system prompt begins with.
    pub(crate) description: String,
    /// The system prompt.
    pub(crate) system: String,
    /// The retrieved passages, which are in the system prompt too, for the built-in model to quote.
    pub(crate) passages: Vec<String>,
    /// Oldest first; the last is the question.
    pub(crate) messages: Vec<PromptMessage>,
    /// Instructions after the question.
    pub(crate) tail: Vec<PromptMessage>,
    pub(crate) temperature: f32,
    /// What the caller wants otherwise.
    pub(crate) sampling: Sampling,
}

/// Whose words a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Instructions in the midst of the conversation.
    System,
    User,
    Assistant,
}

impl Speaker {
    /// As most formats name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl From<Speaker> for PromptRole {
    fn from(speaker: Speaker) -> Self {
        match speaker {
            Speaker::System => Self::System,
            Speaker::User => Self::User,
            Speaker::Assistant => Self::Assistant,
        }
    }
}

impl From<Role> for Speaker {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
        }
    }
}

impl From<LoreRole> for Speaker {
    fn from(role: LoreRole) -> Self {
        match role {
            LoreRole::System => Self::System,
            LoreRole::User => Self::User,
            LoreRole::Assistant => Self::Assistant,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PromptMessage {
    pub(crate) role: Speaker,
    pub(crate) content: String,
}

impl Prompt {
    /// A question without a conversation, to Ada.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn asking(question: &str) -> Self {
        let messages = vec![PromptMessage { role: Speaker::User, content: question.to_owned() }];
        Self {
            persona: "Ada".to_owned(),
            description: "You are Ada.".to_owned(),
            system: "You are Ada.".to_owned(),
            passages: Vec::new(),
            messages,
            tail: Vec::new(),
            temperature: 0.7,
            sampling: Sampling::default(),
        }
    }

    /// The same without the older half of the turns before the question; `None` where there are none.
    pub(crate) fn shorter(&self) -> Option<Self> {
        let before = self.messages.len().saturating_sub(1);
        let mut messages = self.messages[before.div_ceil(2)..].to_vec();
        while messages.len() > 1 && messages[0].role == Speaker::Assistant {
            messages.remove(0);
        }
        (before > 0).then(|| Self { messages, ..self.clone() })
    }

    /// The same after the beginning of its reply, which is to be continued.
    pub(crate) fn going_on_from(&self, text: &str) -> Self {
        let mut messages = self.messages.clone();
        messages.extend(
            [(Speaker::Assistant, text), (Speaker::User, GO_ON)]
                .map(|(role, content)| PromptMessage { role, content: content.to_owned() }),
        );
        Self { messages, ..self.clone() }
    }

    pub(crate) fn question(&self) -> &str {
        self.messages.last().map_or("", |message| &message.content)
    }

    pub(crate) fn tokens(&self) -> usize {
        let messages = self.messages.iter().chain(&self.tail);
        estimate_tokens(&self.system) + messages.map(|m| estimate_tokens(&m.content)).sum::<usize>()
    }
}
