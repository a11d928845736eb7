//! Model services: the port [`chat_model`], one wire format a file in [`formats`], and [`failover`] between them.
//!
//! Arrows run down: `failover` asks `formats` through the port, and all of them stand on [`prompt`] and [`failure`].

mod chat_model;
mod failover;
mod failure;
pub(crate) mod formats;
pub(crate) mod prompt;
pub(crate) mod tokens;

pub(crate) use failover::{
    Ended, GaveUp, Said, Speech,
    call::Trail,
    chain::Chain,
    health_board::{Sharing, follow as share},
    health_checks::Checks,
    roster::{Candidate, Roster},
};
