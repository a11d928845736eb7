//! Secrets that no process may ever write out.
//!
//! Every process of a cluster is given secrets that are easy to know again, and [`guard`] adds those that come up on
//! the way. All that a process has written is searched for them when it ends, and the test that started it fails. So
//! each test of the suite is a test of this.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use serde_json::Value;

use crate::client::PASSWORD;

/// Of the scripted provider.
pub const PROVIDER_KEY: &str = "sk-canary-provider-5d1c0a7e";
pub(crate) const DATABASE_PASSWORD: &str = "canary-database-91b3f2c4";
pub(crate) const REDIS_PASSWORD: &str = "canary-redis-77ae20d1";

/// How every access token begins: `{"alg":"`, encoded.
const TOKEN: &str = "eyJhbGciOi";

/// Fields of answers that hold secrets.
const SECRET_FIELDS: [&str; 6] = ["access_token", "refresh_token", "ticket", "secret", "token", "key"];
/// What is shorter may be in a log for other reasons.
const SHORTEST: usize = 16;

static GUARDED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on no process of this test may write it.
pub fn guard(secret: &str) {
    if secret.len() >= SHORTEST && !secret.starts_with(TOKEN) {
        GUARDED.lock().insert(secret.to_owned());
    }
}

/// The same for what an answer of the API gives away.
pub(crate) fn guard_answer(body: &Value) {
    SECRET_FIELDS.iter().filter_map(|field| body[*field].as_str()).for_each(guard);
}

/// The lines that hold a secret.
pub(crate) fn leaks(lines: &[String]) -> Vec<&String> {
    let guarded = GUARDED.lock();
    let fixed = [PROVIDER_KEY, DATABASE_PASSWORD, REDIS_PASSWORD, PASSWORD, TOKEN];
    let secrets: Vec<_> = fixed.into_iter().chain(guarded.iter().map(String::as_str)).collect();
    lines.iter().filter(|line| secrets.iter().any(|secret| line.contains(secret))).collect()
}
