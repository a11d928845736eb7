//! Limits of calls to URLs that users give.

use std::{str::FromStr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::duration;

#[derive(Debug, Clone, Deserialize)]
pub struct Outgoing {
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Empty: every port.
    #[serde(deserialize_with = "list")]
    pub ports: Vec<u16>,
    #[serde(deserialize_with = "list")]
    pub allow_networks: Vec<IpNet>,
}

/// Comma-separated values.
fn list<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|_| D::Error::custom(format!("'{part}' cannot be read")))).collect()
}
