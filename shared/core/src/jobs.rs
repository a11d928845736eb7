//! Jobs: the queue carries references to work, never the work itself. PostgreSQL is the source of truth.

use serde::{Deserialize, Serialize};

use crate::ids::RequestId;

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
