//! Jobs from servers to workers: replies, through the queue in Redis, and leased work, in PostgreSQL.
//!
//! The queue holds only references: PostgreSQL is the source of truth.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    ids::{ConversationId, MessageId, PersonaId, RequestId, UserId},
    model::knowledge::SourceKind,
};

/// The payload of a kind of leased work: the part of its contract that both tiers share. The worker's part is in
/// `worker/src/work/job.rs`. No payload holds a secret.
pub trait Payload: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the kind in the database, in the admin views and in metrics.
    const KIND: &'static str;

    /// The uniqueness key: at most one open job of the kind has it.
    fn key(&self) -> Option<String> {
        None
    }
}

/// Exports the data of the job's user. The row has the user and the key, and loses both with the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportAccount {}

impl Payload for ExportAccount {
    const KIND: &'static str = "export";
}

/// Deletes the data of the job's user, and the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAccount {}

impl Payload for DeleteAccount {
    const KIND: &'static str = "deletion";
}

/// Rebuilds the passages of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexSource {
    pub source_kind: SourceKind,
    pub source_id: Uuid,
    pub persona_id: PersonaId,
}

impl Payload for IndexSource {
    const KIND: &'static str = "index";

    fn key(&self) -> Option<String> {
        Some(format!("{}:{}", self.source_kind, self.source_id))
    }
}

/// Brings the vector store up to date with changed passages (`vector_work`), until nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateVectors {
    /// The lane: a few run concurrently.
    pub lane: i32,
}

impl Payload for UpdateVectors {
    const KIND: &'static str = "vectors";

    fn key(&self) -> Option<String> {
        Some(self.lane.to_string())
    }
}

/// Sends a link, if the account exists. The link is created when the e-mail is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRequest {
    /// The requested address; removed once the user is known, who is in the job's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The digest of an earlier attempt's link, in hexadecimal: the next one replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl LinkRequest {
    pub fn to(email: &str) -> Self {
        Self { email: Some(email.to_owned()), link: None }
    }
}

/// Sends a link by which a new password is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendPasswordReset(pub LinkRequest);

impl Payload for SendPasswordReset {
    const KIND: &'static str = "password_reset";
}

/// Sends a link by which the address of a new account is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendEmailVerification(pub LinkRequest);

impl Payload for SendEmailVerification {
    const KIND: &'static str = "email_verification";
}

/// Tells a user's browsers that a request has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellBrowsers {
    pub user_id: UserId,
    pub request_id: RequestId,
    /// The type of the terminal event.
    pub kind: String,
}

impl Payload for TellBrowsers {
    const KIND: &'static str = "tell_browsers";

    fn key(&self) -> Option<String> {
        Some(self.request_id.to_string())
    }
}

/// Makes the prompt for a question that the job's user has not sent, and asks no model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectPrompt {
    pub persona_id: PersonaId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    pub question: String,
}

impl Payload for InspectPrompt {
    const KIND: &'static str = "prompt_inspection";
}

/// Speaks a sentence of a reply to the job's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakSentence {
    pub persona_id: PersonaId,
    pub conversation_id: ConversationId,
    /// Of the user.
    pub tier: String,
    /// As `provider/name`.
    pub voice: String,
    pub text: String,
    /// The job's user: what was spoken is kept for each.
    pub user_id: UserId,
}

impl SpeakSentence {
    /// SHA-256 of the voice and the text.
    pub fn digest(&self) -> [u8; 32] {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        context.update(self.voice.as_bytes());
        context.update(b"\0");
        context.update(self.text.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }
}

impl Payload for SpeakSentence {
    const KIND: &'static str = "speech";

    fn key(&self) -> Option<String> {
        Some(format!("{}:{}", self.user_id, hexadecimal(&self.digest())))
    }
}

/// Translates a text of the interface, for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslateText {
    /// Where the text is shown.
    pub key: String,
    /// In English. What is in braces stays as it is.
    pub source: String,
    /// As in [`crate::languages`].
    pub language: String,
    /// Those in the source: they are transliterated, not translated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl TranslateText {
    /// SHA-256 of the source: a changed text is another.
    pub fn source_digest(&self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, self.source.as_bytes()).as_ref());
        digest
    }
}

impl Payload for TranslateText {
    const KIND: &'static str = "translation";

    fn key(&self) -> Option<String> {
        Some(format!("{}:{}:{}", self.key, self.language, hexadecimal(&self.source_digest())))
    }
}

/// Translates the texts of a catalogue that are not translated yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslateCatalogue {
    /// Its name.
    pub catalogue: String,
    /// As in [`crate::languages`].
    pub language: String,
    /// In English, by the keys under which their translations are kept.
    pub texts: Vec<(String, String)>,
}

impl TranslateCatalogue {
    /// Each of them by itself.
    pub fn texts(&self) -> impl Iterator<Item = TranslateText> {
        self.texts.iter().map(|(key, source)| TranslateText {
            key: key.clone(),
            source: source.clone(),
            language: self.language.clone(),
            names: Vec::new(),
        })
    }
}

impl Payload for TranslateCatalogue {
    const KIND: &'static str = "catalogue_translation";

    fn key(&self) -> Option<String> {
        Some(format!("{}:{}", self.catalogue, self.language))
    }
}

/// Translates a question or a reply for the job's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslateMessage {
    pub message_id: MessageId,
    pub persona_id: PersonaId,
    /// Who reads it, and pays.
    pub user_id: UserId,
    /// Of the user.
    pub tier: String,
    /// As in [`crate::languages`].
    pub language: String,
}

impl Payload for TranslateMessage {
    const KIND: &'static str = "message_translation";

    fn key(&self) -> Option<String> {
        Some(format!("{}:{}", self.message_id, self.language))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A request to be pushed to the queue of its tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub request_id: RequestId,
    pub tier: String,
    /// The number of its dispatches, for deduplication: the same dispatch pushed twice is one job; a later dispatch is
    /// a new job, even while a worker still has the earlier one.
    pub number: i32,
}

/// The payload of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateReply {
    pub request_id: RequestId,
}

impl Dispatch {
    /// The job's id in its queue.
    pub fn task_id(&self) -> String {
        format!("{}.{}", self.request_id, self.number)
    }
}

/// The request by the job's id.
pub fn request_of(task_id: &str) -> Option<RequestId> {
    task_id.split_once('.')?.0.parse().ok()
}
