//! What workers do: a job kind is one file here.

pub(crate) mod generate_reply;
