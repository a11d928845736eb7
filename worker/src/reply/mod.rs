//! What a reply is made of: the prompt that asks for it, and the events that tell of it.

pub(crate) mod cache;
pub(crate) mod knowledge;
pub(crate) mod memory;
pub(crate) mod writer;
