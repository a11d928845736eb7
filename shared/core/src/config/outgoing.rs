//! Limits of calls to URLs that users give.

use std::{str::FromStr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Server, duration};

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

/// Web Push: browsers that are told of replies.
#[derive(Debug, Clone, Deserialize)]
pub struct Push {
    pub enabled: bool,
    contact: String,
}

impl Push {
    /// Where push services can write to: what is set, or where the service is found.
    pub fn contact(&self, server: &Server) -> String {
        let known = [Some(self.contact.as_str()), server.public_url.as_ref().map(url::Url::as_str)];
        let known = known.into_iter().flatten();
        let known = known.into_iter().find(|known| known.starts_with("mailto:") || known.starts_with("https://"));
        known.unwrap_or("mailto:operator@localhost.localdomain").to_owned()
    }
}

/// Comma-separated values.
fn list<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|_| D::Error::custom(format!("'{part}' cannot be read")))).collect()
}
