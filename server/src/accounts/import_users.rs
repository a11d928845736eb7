//! Import of accounts, one JSON object per line: `{"email", "name", "password_hash", "tier"}`. All or nothing; errors
//! are reported by line.
//!
//! Hashes are argon2id or bcrypt; without one the owner sets a password by a link. Hashes that take seconds to verify
//! are refused: each sign-in, and each guess, would cost that.

use std::collections::{HashMap, HashSet};

use argon2::{Params, password_hash::phc::PasswordHash};
use serde::Deserialize;
use sqlx::PgPool;
use troupe_core::{ids::UserId, model::audit::By, problem::FieldError};
use troupe_db::{
    accounts::{
        admin_users::{self, Imported},
        tiers,
    },
    operations::audit,
    violated_constraint,
};

use crate::{
    auth::passwords::is_bcrypt,
    http::{
        error::ApiError,
        extract::{body, validation::Checks},
    },
};

/// Further faults are only counted.
const MAX_FAULTS: usize = 100;
/// Accounts per statement.
const BATCH: usize = 5_000;
const FREE: &str = "free";
/// A quarter of a second for bcrypt's 12; each step doubles it.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;
const MAX_MEMORY_KIB: u32 = 256 * 1_024;
const MAX_PASSES: u32 = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    email: String,
    name: String,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    tier: Option<String>,
}

/// The faults of a file, by line.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    listed: Vec<(usize, String)>,
    more: usize,
}

impl Faults {
    fn note(&mut self, line: usize, fault: String) {
        if self.listed.len() < MAX_FAULTS { self.listed.push((line, fault)) } else { self.more += 1 }
    }

    fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nothing was imported: {} fault(s)", self.listed.len() + self.more)?;
        for (line, fault) in &self.listed {
            write!(f, "\n  line {line}: {fault}")?;
        }
        if self.more > 0 { write!(f, "\n  and {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Faults {}

/// Imports every account of the file; returns their number.
pub(crate) async fn import(pool: &PgPool, file: &[u8]) -> anyhow::Result<u64> {
    let tiers: HashSet<_> = tiers::list(pool).await?.into_iter().map(|tier| tier.name).collect();
    let mut faults = Faults::default();
    let (rows, lines) = read(file, &tiers, &mut faults);
    for batch in rows.emails.chunks(BATCH) {
        for taken in admin_users::taken(pool, batch).await? {
            faults.note(lines[&taken], "email: there is an account with this address".to_owned());
        }
    }
    if !faults.is_empty() {
        faults.listed.sort();
        return Err(faults.into());
    }
    let mut transaction = pool.begin().await?;
    let mut imported = 0;
    for batch in batches(rows) {
        imported += admin_users::import(&mut *transaction, &batch).await.map_err(|error| {
            let raced = violated_constraint(&error) == Some("users_email_key");
            let why = if raced { "somebody has just registered with one of these addresses" } else { "store accounts" };
            anyhow::Error::from(error).context(why)
        })?;
    }
    audit::append(&mut *transaction, &By::OPERATOR.does("users.imported").after(imported)).await?;
    transaction.commit().await?;
    tracing::info!(imported, "accounts were imported");
    Ok(imported)
}

/// The rows as columns, and the line number of each address.
fn read(file: &[u8], tiers: &HashSet<String>, faults: &mut Faults) -> (Imported, HashMap<String, usize>) {
    let (mut rows, mut lines) = (Imported::default(), HashMap::new());
    for (number, line) in file.split(|byte| *byte == b'\n').enumerate().map(|(before, line)| (before + 1, line)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = match body::parse::<Row>(line).and_then(|row| validate(row, tiers)) {
            Ok(row) => row,
            Err(error) => {
                note_error(faults, number, &error);
                continue;
            }
        };
        if let Some(before) = lines.insert(row.email.to_lowercase(), number) {
            faults.note(number, format!("email: is that of line {before} again"));
            continue;
        }
        rows.ids.push(UserId::new().as_uuid());
        rows.emails.push(row.email);
        rows.names.push(row.name);
        rows.hashes.push(row.password_hash);
        rows.tiers.push(row.tier.unwrap_or_else(|| FREE.to_owned()));
    }
    (rows, lines)
}

fn note_error(faults: &mut Faults, line: usize, error: &ApiError) {
    let problem = error.problem();
    if problem.errors.is_empty() {
        faults.note(line, problem.detail);
        return;
    }
    for FieldError { field, message } in problem.errors {
        faults.note(line, format!("{field}: {message}"));
    }
}

fn validate(row: Row, tiers: &HashSet<String>) -> Result<Row, ApiError> {
    let row = Row { email: row.email.trim().to_owned(), name: row.name.trim().to_owned(), ..row };
    let mut checks = Checks::default();
    checks.email("email", &row.email).text("name", &row.name, 1..=100);
    checks.rule(row.tier.as_ref().is_none_or(|tier| tiers.contains(tier)), "tier", "there is no such tier");
    if let Some(hash) = &row.password_hash {
        let fault = fault_of(hash);
        checks.rule(fault.is_none(), "password_hash", fault.unwrap_or_default());
    }
    checks.done()?;
    Ok(row)
}

/// Why a hash cannot be verified here.
fn fault_of(hash: &str) -> Option<String> {
    if is_bcrypt(hash) {
        // A hash that parses is well-formed: only its cost remains to be checked.
        return match hash.parse::<bcrypt::HashParts>() {
            Ok(parts) if BCRYPT_COSTS.contains(&parts.get_cost()) => None,
            Ok(_) => Some(format!("must have a cost from {} to {}", BCRYPT_COSTS.start(), BCRYPT_COSTS.end())),
            Err(_) => Some("is not a whole hash of bcrypt".to_owned()),
        };
    }
    let hash = match PasswordHash::new(hash) {
        Ok(hash) if hash.algorithm.as_str() == "argon2id" && hash.hash.is_some() && hash.salt.is_some() => hash,
        _ => return Some("must be of argon2id ($argon2id$…) or bcrypt ($2a$, $2b$, $2y$)".to_owned()),
    };
    match Params::try_from(&hash) {
        Ok(params) if params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES && params.p_cost() <= 16 => {
            None
        }
        Ok(_) => Some(format!("must not take more than {MAX_MEMORY_KIB} KiB, {MAX_PASSES} passes and 16 lanes")),
        Err(_) => Some("has parameters that argon2id has not".to_owned()),
    }
}

fn batches(mut rows: Imported) -> Vec<Imported> {
    let mut batches = Vec::new();
    while !rows.ids.is_empty() {
        let kept = rows.ids.len().saturating_sub(BATCH);
        batches.push(Imported {
            ids: rows.ids.split_off(kept),
            emails: rows.emails.split_off(kept),
            names: rows.names.split_off(kept),
            hashes: rows.hashes.split_off(kept),
            tiers: rows.tiers.split_off(kept),
        });
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$YmFzZTY0IHNhbHQ$p5Ldn5zVCnvEyVdBhFAZZ4Yz/jzc7NRJFEe5BSHqjTc";
    const BCRYPT: &str = "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    fn faults(file: &str) -> (usize, Vec<(usize, String)>) {
        let mut faults = Faults::default();
        let tiers = ["free", "pro"].map(str::to_owned).into();
        let (rows, _) = read(file.as_bytes(), &tiers, &mut faults);
        (rows.ids.len(), faults.listed)
    }

    fn line(hash: &str) -> String {
        format!(r#"{{"email":"ada@example.com","name":"Ada","password_hash":"{hash}"}}"#)
    }

    #[test]
    fn what_is_right_is_read() {
        let rest = "\r\n{\"email\":\"b@example.com\",\"name\":\"B\",\"tier\":\"pro\"}\n\n";
        for hash in [ARGON2, BCRYPT, &BCRYPT.replace("$2y$", "$2a$")] {
            assert_eq!(faults(&format!("{}{rest}", line(hash))), (2, Vec::new()), "{hash}");
        }
    }

    #[test]
    fn every_fault_is_listed_with_its_line() {
        let file = [
            line(ARGON2),
            line(BCRYPT).to_uppercase().replace("EMAIL", "email"),
            "{\"email\":".to_owned(),
            r#"{"email":"no address","name":"","tier":"gold"}"#.to_owned(),
            r#"{"email":"ADA@example.com","name":"Ada"}"#.to_owned(),
        ];
        let (_, faults) = faults(&file.join("\n"));
        let listed: Vec<_> = faults.iter().map(|(line, fault)| format!("{line} {fault}")).collect();
        assert!(listed[0].starts_with("2 "), "{listed:?}");
        assert!(listed[1].starts_with("3 EOF while parsing"), "{listed:?}");
        assert_eq!(
            listed[2..],
            [
                "4 email: must be an e-mail address",
                "4 name: must not be empty",
                "4 tier: there is no such tier",
                "5 email: is that of line 1 again",
            ]
        );
    }

    #[test]
    fn a_hash_that_is_none_or_too_dear_is_refused() {
        for (hash, fault) in [
            ("", "must be of argon2id"),
            ("5f4dcc3b5aa765d61d8327deb882cf99", "must be of argon2id"),
            (
                "$argon2i$v=19$m=19456,t=2,p=1$YmFzZTY0IHNhbHQ$p5Ldn5zVCnvEyVdBhFAZZ4Yz/jzc7NRJFEe5BSHqjTc",
                "must be of argon2id",
            ),
            ("$argon2id$v=19$m=19456,t=2,p=1$YmFzZTY0IHNhbHQ", "must be of argon2id"),
            (&ARGON2.replace("m=19456", "m=4194304"), "must not take more"),
            (&ARGON2.replace("t=2", "t=21"), "must not take more"),
            (&BCRYPT.replace("$10$", "$15$"), "must have a cost from 4 to 14"),
            (&BCRYPT[..40], "is not a whole hash"),
        ] {
            let told = fault_of(hash).unwrap_or_else(|| panic!("{hash} is taken"));
            assert!(told.starts_with(fault), "{hash}: {told}");
        }
    }
}
