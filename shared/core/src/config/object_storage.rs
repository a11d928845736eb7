//! What is kept outside PostgreSQL: a directory, or a bucket of a service with the API of S3.

use std::{fmt, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};
use url::Url;

use super::{HOLDS_A_SECRET, duration, holds_no_secret, optional_secret, optional_url};

/// `/srv/archive`, or `s3://bucket/folder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoragePlace {
    Directory(PathBuf),
    Bucket { name: String, folder: String },
}

/// The service that buckets are at.
#[derive(Debug, Clone, Deserialize)]
pub struct S3 {
    #[serde(deserialize_with = "optional_url")]
    pub endpoint: Option<Url>,
    pub region: String,
    #[serde(deserialize_with = "optional_secret")]
    pub access_key: Option<SecretString>,
    #[serde(deserialize_with = "optional_secret")]
    pub secret_key: Option<SecretString>,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

impl fmt::Display for StoragePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Bucket { name, folder } if folder.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket { name, folder } => write!(f, "s3://{name}/{folder}"),
        }
    }
}

pub(super) fn optional_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StoragePlace>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let Some(bucket) = text.strip_prefix("s3://") else {
        return Ok((!text.is_empty()).then(|| StoragePlace::Directory(text.into())));
    };
    let (name, folder) = bucket.split_once('/').unwrap_or((bucket, ""));
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if !(3..=63).contains(&name.len()) || !is_plain(name) || !is_plain(folder) {
        return Err(D::Error::custom(format!(
            "'{text}' is not like s3://bucket/folder: letters, digits, '-', '_' and '.', a bucket with 3 to 63 of them"
        )));
    }
    Ok(Some(StoragePlace::Bucket { name: name.to_owned(), folder: folder.trim_matches('/').to_owned() }))
}

impl S3 {
    /// `wanted`: whether something is kept in a bucket.
    pub(super) fn check(&self, wanted: bool, rule: &mut impl FnMut(bool, &str, &str)) {
        const MISSING: &str = "is needed for what is kept in a bucket (retention.archive)";
        rule(!wanted || self.endpoint.is_some(), "s3.endpoint", MISSING);
        rule(!wanted || self.access_key.is_some(), "s3.access_key", MISSING);
        rule(!wanted || self.secret_key.is_some(), "s3.secret_key", MISSING);
        let is_http = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.query().is_none();
        rule(self.endpoint.as_ref().is_none_or(is_http), "s3.endpoint", "must be an address like https://s3.example");
        rule(self.endpoint.as_ref().is_none_or(holds_no_secret), "s3.endpoint", HOLDS_A_SECRET);
        let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b',');
        rule(!self.region.is_empty() && is_name(&self.region), "s3.region", "must be a name like eu-central-1");
        let key = self.access_key.as_ref().map_or("", ExposeSecret::expose_secret);
        rule(is_name(key), "s3.access_key", "must be one line of ASCII letters, digits and signs");
        rule(!self.timeout.is_zero(), "s3.timeout", "must be longer than nothing");
    }
}
