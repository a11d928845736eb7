//! What servers ask of workers: replies, which go through the queue in Redis, and leased work, which lies in
//! PostgreSQL.
//!
//! The queue holds references to work, never the work itself. PostgreSQL is the truth.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    ids::{PersonaId, RequestId},
    model::knowledge::SourceKind,
};

/// The payload of a kind of leased work: the half of its contract that both tiers see. How it is run, the worker says
/// (`worker/src/work/job.rs`). No payload holds a secret.
pub trait Payload: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Names the kind in the database, in the control room and in metrics.
    const KIND: &'static str;

    /// What the job is about, where at most one job of the kind may be open for it.
    fn key(&self) -> Option<String> {
        None
    }
}

/// Makes a file of all that is somebody's. Whose, the job's row says, which forgets it with the account; so does its
/// key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportAccount {}

impl Payload for ExportAccount {
    const KIND: &'static str = "export";
}

/// Deletes all that is somebody's, and the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAccount {}

impl Payload for DeleteAccount {
    const KIND: &'static str = "deletion";
}

/// Makes passages of what a source says now.
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

/// Brings the vector store up to date with passages that came and went (`vector_work`), until nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateVectors {
    /// One of the few that may do this side by side.
    pub lane: i32,
}

impl Payload for UpdateVectors {
    const KIND: &'static str = "vectors";

    fn key(&self) -> Option<String> {
        Some(self.lane.to_string())
    }
}

/// To whom a link is to be sent, if there is such an account. The link itself is made when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRequest {
    /// To whom, as it was asked. Gone once it is known whose it is: then the job's row says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The digest of the link that an earlier attempt has made, in hexadecimal: the next one takes its place.
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

/// A request to be pushed to the queue of its tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub request_id: RequestId,
    pub tier: String,
    /// Counts the decisions to dispatch it. Deduplication: the same decision pushed twice is one job; a later decision
    /// is a new job, even while a worker still holds the earlier one.
    pub number: i32,
}

/// The payload of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateReply {
    pub request_id: RequestId,
}

impl Dispatch {
    /// The id of the job in its queue.
    pub fn task_id(&self) -> String {
        format!("{}.{}", self.request_id, self.number)
    }
}

/// The request of a job, by the job's id.
pub fn request_of(task_id: &str) -> Option<RequestId> {
    task_id.split_once('.')?.0.parse().ok()
}
