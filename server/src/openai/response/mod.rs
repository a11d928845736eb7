//! Responses: requests that are asked for, followed, cancelled and read again over `/v1/responses`.

pub(super) mod create;
mod events;
pub(super) mod id;
pub(super) mod view;

pub(super) use events::{Events, whole};
