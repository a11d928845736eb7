//! What is in a backup, and which versions can read it.

use std::cmp::Ordering;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use troupe_db::operations::backups;

/// Of the file itself; raised when an older version could not restore it.
pub(super) const FORMAT: u32 = 1;
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// Of the Troupe that wrote it.
    pub(super) version: String,
    /// The newest migration that the database had.
    pub(super) migration: i64,
    /// The major version of its PostgreSQL.
    pub(super) postgres: i32,
    pub(super) messages: i64,
    /// Everything that was accepted before is in it.
    pub(super) created_at: DateTime<Utc>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// What every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
    version: String,
}

impl Manifest {
    /// Parses it, and refuses what a newer version wrote.
    pub(super) fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let Format { format, version } = serde_json::from_slice(text).context("manifest.json is damaged")?;
        ensure!(
            format <= FORMAT && compare_versions(&version, VERSION) != Ordering::Greater,
            "it was written by Troupe {version}, and this is {VERSION}: restore it with {version} or later"
        );
        let manifest: Self = serde_json::from_slice(text).context("manifest.json is damaged")?;
        let newest = backups::newest_migration();
        ensure!(
            manifest.migration <= newest,
            "its database has migration {}, and this Troupe ({VERSION}) knows none after {newest}: restore it with a \
             newer one",
            manifest.migration
        );
        Ok(manifest)
    }
}

/// By numbers; `1.0.0-rc.1` is before `1.0.0`.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let key = |version: &str| {
        let (numbers, trial) =
            version.split_once('-').map_or((version, None), |(numbers, trial)| (numbers, Some(trial)));
        let numbers: Vec<u64> = numbers.split('.').map(|number| number.parse().unwrap_or(0)).collect();
        (numbers, trial.is_none(), trial.unwrap_or_default().to_owned())
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            version: VERSION.to_owned(),
            migration: backups::newest_migration(),
            postgres: 15,
            messages: 7,
            created_at: "2026-11-27T12:00:00Z".parse().unwrap(),
            parts: Vec::new(),
        }
    }

    fn parsed(manifest: &impl Serialize) -> Result<Manifest, String> {
        Manifest::parse(&serde_json::to_vec(manifest).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_newer_version_wrote_is_refused() {
        assert_eq!(parsed(&manifest()), Ok(manifest()));
        let refused = |manifest: &Manifest| parsed(manifest).unwrap_err();
        let newer = refused(&Manifest { version: "99.0.0".to_owned(), ..manifest() });
        assert!(newer.contains("written by Troupe 99.0.0"), "{newer}");
        let migrated = refused(&Manifest { migration: 9_999, ..manifest() });
        assert!(migrated.contains("has migration 9999"), "{migrated}");
        let format = refused(&Manifest { format: FORMAT + 1, ..manifest() });
        assert!(format.contains("restore it with"), "{format}");
        // Of a format to come only these two are known.
        let unknown = parsed(&serde_json::json!({"format": 7, "version": "7.0.0"})).unwrap_err();
        assert!(unknown.contains("written by Troupe 7.0.0"), "{unknown}");
        assert_eq!(parsed(&serde_json::json!({"format": 1})).unwrap_err(), "manifest.json is damaged");
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (a, b) in [("0.9.0", "0.10.0"), ("0.3.0-rc.1", "0.3.0"), ("0.3.0-rc.1", "0.3.0-rc.2"), ("0.3.0", "1.0.0")] {
            assert_eq!(compare_versions(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare_versions(b, a), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(compare_versions("0.3.0", "0.3.0"), Ordering::Equal);
    }
}
