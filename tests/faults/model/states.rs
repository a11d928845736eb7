//! The model: what requests are and become, in as few words as possible.

use std::collections::HashMap;

use troupe_core::ids::{ConversationId, MessageId, RequestId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Queued,
    InProgress,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    pub(super) fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// How long a lease or a pause is: over at the next look, or not before an hour has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    Nothing,
    AnHour,
}

/// The end of an attempt: its request and number, the reply's id, and whether there is one.
pub(super) type End = (RequestId, i32, MessageId, bool);

/// A request, as far as both sides know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) id: RequestId,
    pub(super) conversation: ConversationId,
    pub(super) status: Status,
    pub(super) attempt: i32,
    pub(super) shown: bool,
    /// Of a running one its lease, of a queued one its pause: whether it is not over yet.
    pub(super) lasts: bool,
    /// How each attempt ended.
    pub(super) outcomes: Vec<String>,
    pub(super) replies: i64,
}

/// All requests, in the order of being accepted.
#[derive(Debug, Default)]
pub(super) struct States(Vec<Request>);

impl States {
    pub(super) fn all(&self) -> impl Iterator<Item = &Request> {
        self.0.iter()
    }

    pub(super) fn accept(&mut self, id: RequestId, conversation: ConversationId) {
        let status = Status::Queued;
        self.0.push(Request {
            id,
            conversation,
            status,
            attempt: 0,
            shown: false,
            lasts: false,
            outcomes: Vec::new(),
            replies: 0,
        });
    }

    /// The attempt that each becomes, and whether clients have seen text of an earlier one.
    pub(super) fn claim(&mut self, ids: &[RequestId], lease: Lasting) -> Vec<Option<(i32, bool)>> {
        let mut claimed = Vec::new();
        for id in ids {
            let place = self.0.iter().position(|request| request.id == *id);
            let free = place.filter(|&place| {
                let (before, request) = (&self.0[..place], &self.0[place]);
                let first = before.iter().all(|o| o.conversation != request.conversation || o.status.is_final());
                request.status == Status::Queued && !request.lasts && first
            });
            claimed.push(free.map(|place| {
                let request = &mut self.0[place];
                request.status = Status::InProgress;
                request.attempt += 1;
                request.lasts = lease == Lasting::AnHour;
                (request.attempt, request.shown)
            }));
        }
        claimed
    }

    /// Which of them still are the running attempt of their request.
    pub(super) fn renew(&mut self, running: &[(RequestId, i32)]) -> Vec<bool> {
        running
            .iter()
            .map(|&(id, attempt)| self.running(id, attempt).map(|request| request.lasts = true).is_some())
            .collect()
    }

    pub(super) fn finish(&mut self, ends: &[End]) -> Vec<bool> {
        let mut ended = Vec::new();
        for &(id, attempt, _, completed) in ends {
            let running = self.running(id, attempt);
            ended.push(running.is_some());
            if let Some(request) = running {
                let (status, outcome) =
                    if completed { (Status::Completed, "completed") } else { (Status::Failed, "failed") };
                request.end(status, Some(outcome), completed);
            }
        }
        ended
    }

    pub(super) fn give_back(&mut self, id: RequestId, attempt: i32, pause: Lasting, shown: bool) -> bool {
        let Some(request) = self.running(id, attempt) else { return false };
        request.status = Status::Queued;
        request.shown |= shown;
        request.lasts = pause == Lasting::AnHour;
        request.outcomes.push("retried".to_owned());
        true
    }

    pub(super) fn cancel(&mut self, id: RequestId, attempt: i32, kept: bool) -> bool {
        let open = self.0.iter_mut().find(|r| r.id == id && r.attempt == attempt && !r.status.is_final());
        let Some(request) = open else { return false };
        let outcome = (request.status == Status::InProgress).then_some("cancelled");
        request.end(Status::Cancelled, outcome, kept);
        true
    }

    /// Running ones whose lease is over are lost; clients may have seen text of them.
    pub(super) fn take_due(&mut self) {
        for request in self.0.iter_mut().filter(|request| request.status == Status::InProgress && !request.lasts) {
            request.status = Status::Queued;
            request.shown = true;
            request.outcomes.push("lost".to_owned());
        }
    }

    pub(super) fn an_hour_passes(&mut self) {
        for request in &mut self.0 {
            request.lasts = false;
        }
    }

    /// What must hold whatever was done. (That nothing final changes follows from how the model is written.)
    pub(super) fn assert_rules(&self) {
        let mut open_before: HashMap<ConversationId, RequestId> = HashMap::new();
        for request in &self.0 {
            let waits_for = open_before.get(&request.conversation);
            let begun = !matches!(request.status, Status::Queued | Status::Cancelled);
            assert!(waits_for.is_none() || !begun, "{request:?} began before the end of {waits_for:?}");
            assert!(request.replies <= 1, "{request:?} has several replies");
            if !request.status.is_final() {
                open_before.entry(request.conversation).or_insert(request.id);
            }
        }
    }

    fn running(&mut self, id: RequestId, attempt: i32) -> Option<&mut Request> {
        self.0.iter_mut().find(|r| r.id == id && r.attempt == attempt && r.status == Status::InProgress)
    }
}

impl Request {
    fn end(&mut self, status: Status, outcome: Option<&str>, reply: bool) {
        self.status = status;
        self.lasts = false;
        self.outcomes.extend(outcome.map(str::to_owned));
        self.replies += i64::from(reply);
    }
}
