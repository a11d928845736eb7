//! E-mails to users, and the first admin.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::{duration, optional_secret};

#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    #[serde(deserialize_with = "optional_secret")]
    pub url: Option<SecretString>,
    pub from: String,
    pub starttls: bool,
    pub to_log: bool,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub tries: u32,
    #[serde(deserialize_with = "duration")]
    pub retry_base: Duration,
    pub queue: usize,
    pub breaker_failures: u32,
    #[serde(deserialize_with = "duration")]
    pub breaker_pause: Duration,
    #[serde(deserialize_with = "duration")]
    pub breaker_cap: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Admin {
    pub email: String,
    #[serde(deserialize_with = "optional_secret")]
    pub password: Option<SecretString>,
}

impl Mail {
    /// Whether e-mails can be sent.
    pub const fn is_set_up(&self) -> bool {
        self.url.is_some() || self.to_log
    }

    /// The address of the mail server, with its credentials.
    pub fn server(&self) -> Option<Url> {
        self.url.as_ref()?.expose_secret().parse().ok()
    }

    /// Validates each setting. The address may hold a password, so no message quotes it.
    pub(super) fn check(&self, public_url: Option<&Url>, rule: &mut impl FnMut(bool, &str, &str)) {
        let server = self.server();
        rule(
            self.url.is_none() || server.as_ref().is_some_and(is_mail_server),
            "mail.url",
            "must be like smtp://user:password@host:587 or smtps://host",
        );
        rule(
            server.as_ref().is_none_or(|url| url.scheme() != "smtp" || self.starttls || is_here(url)),
            "mail.starttls",
            "must be true: what goes to another machine unencrypted, others can read, and links in it are keys",
        );
        rule(self.url.is_none() || self.from.contains('@'), "mail.from", "must be an address: e-mails come from it");
        rule(
            self.url.is_none() || public_url.is_some(),
            "server.public_url",
            "must be set where mail.url is: links in e-mails lead there",
        );
        rule(!(self.to_log && self.url.is_some()), "mail.to_log", "must be false where mail.url is set");
        rule(!self.timeout.is_zero(), "mail.timeout", "must be longer than nothing");
        rule((1..=10).contains(&self.tries), "mail.tries", "must be 1 to 10");
        rule((1..=100_000).contains(&self.queue), "mail.queue", "must be 1 to 100000");
        rule(self.breaker_failures > 0, "mail.breaker_failures", "must be at least 1");
        rule(self.breaker_cap >= self.breaker_pause, "mail.breaker_cap", "must not be shorter than mail.breaker_pause");
    }
}

fn is_mail_server(url: &Url) -> bool {
    ["smtp", "smtps"].contains(&url.scheme()) && url.has_host()
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl Admin {
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule(self.email.is_empty() || self.email.contains('@'), "admin.email", "must be an e-mail address");
        rule(self.password.is_none() || !self.email.is_empty(), "admin.email", "must be set where admin.password is");
    }
}
