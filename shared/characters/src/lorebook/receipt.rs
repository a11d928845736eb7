//! Receipts: of each entry whether the prompt has it, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose words an entry among the messages is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoreRole {
    #[default]
    System,
    User,
    Assistant,
}

impl LoreRole {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "system" => Some(Self::System),
            "user" => Some(Self::User),
            "assistant" => Some(Self::Assistant),
            _ => None,
        }
    }
}

/// Where in the prompt an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "at")]
#[schema(as = LorePlace)]
pub enum Place {
    BeforePersona,
    AfterPersona,
    BeforeExamples,
    AfterExamples,
    /// Before that many of the newest messages; 0 is after them all.
    Depth {
        depth: u32,
        role: LoreRole,
    },
}

/// Why an entry is in the prompt, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LoreReason)]
pub enum Reason {
    /// Used: a key is in a message.
    Key,
    /// Used: a key is in another entry that is used.
    KeyInEntry,
    Constant,
    /// Used: it was a while ago, and stays.
    Sticky,
    /// Used: `@@keep_activate_after_match`.
    KeptActive,
    /// Used: `@@activate`.
    Activated,

    Disabled,
    NoContent,
    /// Its place is one that prompts here do not have.
    NoPlace,
    NoKey,
    /// A key was found, but with `secondary_keys` it says no.
    SecondaryKeys,
    /// `@@additional_keys` are missing.
    AdditionalKeys,
    /// One of `@@exclude_keys` is there.
    ExcludeKeys,
    /// It has no key that compiles, or is one whose keys must all compile.
    KeyDoesNotCompile,
    /// Its probability was against it.
    Probability,
    Cooldown,
    /// The conversation has fewer messages than its `delay`.
    Delay,
    Budget,
    /// A key is in another entry, which may not bring it.
    ExcludedFromRecursion,
    /// It comes only with other entries, and none did.
    WaitsForRecursion,
    /// A key is in another entry, which came too late.
    MaxRecursion,
    /// `@@dont_activate`.
    DontActivate,
    /// `@@dont_activate_after_match`: it was used before.
    AlreadyActivated,
    /// `@@activate_only_after`: the conversation has fewer replies.
    NotYet,
    /// `@@activate_only_every`.
    NotThisTurn,
    /// `@@is_greeting` names another greeting.
    OtherGreeting,
    /// `@@ignore_on_max_context`, and messages were left out.
    ContextFull,
    /// The keys of the lorebook together are more work than a reply may cost.
    TooMuchToScan,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryReceipt {
    /// Its own, or its place in the list, such as `#3`.
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub used: bool,
    pub reason: Reason,
    /// The key that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The message that it was found in, counted from the newest, which is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<u32>,
    /// The entry that it was found in, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u32>,
}
