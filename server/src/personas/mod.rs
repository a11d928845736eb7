//! Personas: their settings and the provider chains that reply for them.

pub(crate) mod chains;
pub(crate) mod routes;
pub(crate) mod settings;
