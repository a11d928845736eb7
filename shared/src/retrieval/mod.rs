//! What a persona knows that has to do with a question.
//!
//! Indexes say only which passages may fit; what a reply is told comes from PostgreSQL, asked for that persona. So whatever an
//! index remembers wrongly, nobody's words are another's, and what was deleted is not said any more.

mod nearest;

pub use nearest::{NearPassage, NearestError, nearest};
