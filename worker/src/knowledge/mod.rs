//! Knowledge: what documents and answers say becomes passages that searches find.
//!
//! [`index_work`] takes what has changed, [`extract`] takes the text out of documents, in a process of its own
//! ([`child`]), [`cut`] makes passages of it, and the passages of a source are replaced in one transaction.

pub(crate) mod child;
mod cut;
mod extract;
pub(crate) mod index_work;
