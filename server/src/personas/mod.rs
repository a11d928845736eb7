//! Personas: their settings and the provider chains that reply for them.

pub(crate) mod chains;
mod change;
mod create;
pub(crate) mod routes;
pub(crate) mod settings;
