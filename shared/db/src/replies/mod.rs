//! Messages, requests and replies. The hot path is three statements: [`accept::accept`], [`claim::claim`],
//! [`finish::finish`].

pub mod accept;
pub mod branches;
pub mod cancel;
pub mod claim;
pub mod conversations;
pub mod dead_letters;
pub mod feedback;
pub mod finish;
pub mod forks;
pub mod lore;
pub mod messages;
pub mod queue_state;
pub mod requests;
pub mod responses;
pub mod search;
pub mod sources;
pub mod waiting_line;
