//! Texts in other languages: those of the interface, for everybody, and messages, each for its reader.

pub mod interface;
pub mod messages;
