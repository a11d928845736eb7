//! What goes through the queue: references to work, never the work itself. PostgreSQL is the truth.

use serde::{Deserialize, Serialize};

use crate::ids::RequestId;

/// A request handed to the queue of its tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    pub request_id: RequestId,
    pub tier: String,
    /// Counts the decisions to hand it over. The same decision pushed twice is one job; a later one is a new job, even
    /// while a worker still holds the earlier.
    pub number: i32,
}

/// The payload of a job: what the worker is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateReply {
    pub request_id: RequestId,
}

impl Dispatch {
    /// The name of the job in its queue.
    pub fn task_id(&self) -> String {
        format!("{}.{}", self.request_id, self.number)
    }
}

/// The request of a job, by the job's name.
pub fn request_of(task_id: &str) -> Option<RequestId> {
    task_id.split_once('.')?.0.parse().ok()
}
