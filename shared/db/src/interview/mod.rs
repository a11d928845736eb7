//! The interview: questions, answers and their versions, import and progress.

pub mod import;
pub mod progress;
pub mod questions;
pub mod responses;
