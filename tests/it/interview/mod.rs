//! The interview: questions, answers, their import and export.

pub(crate) mod answers;
mod days;
pub(crate) mod import;
mod training;
