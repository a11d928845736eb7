//! Character cards and lorebooks as the community exchanges them. Pure functions: no clock, no store, no network.
//!
//! [`read`] takes a card out of JSON, PNG, APNG or CHARX, versions 1 to 3, and refuses files that are broken or lie by
//! a [`CardError`]. A [`Card`] keeps every field as the text that it came as, so what is unknown here survives an
//! export unchanged. [`Lorebook`] is compiled once, and [`Lorebook::scan`] decides which entries a prompt gets, with a
//! receipt for each entry.

mod card;
mod charx;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod json;
pub mod limits;
pub mod lorebook;
mod macros;
mod png;
mod read;

pub use self::{
    card::{Card, Sheet, Version},
    error::CardError,
    lorebook::Lorebook,
    macros::Macros,
    read::{Container, Imported, read},
};

pub use self::png::{is_png, with_cards};
