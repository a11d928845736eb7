//! Attacks, and input that is wrong: what is refused, and how.

mod bad_input;
mod browser;
mod each_others_ids;
mod limits;
mod owasp;
mod rate_limits;
mod secrets;
mod tls;
