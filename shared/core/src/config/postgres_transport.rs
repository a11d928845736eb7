//! How what is sent to PostgreSQL travels: what a start refuses and the doctor tells is judged here.
//!
//! By the URL alone, and read as the client library reads it. `sslmode=prefer`, its default, is no encryption: whoever
//! is in between only needs to say that there is no TLS.

use std::{fmt, net::IpAddr};

use secrecy::ExposeSecret;
use url::Url;

use super::PostgresHosts;

/// From the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostgresTransport {
    /// A Unix socket, or the loopback.
    Local,
    /// TLS, with a server whose certificate is verified.
    VerifiedTls,
    /// TLS with whoever answers.
    UnverifiedTls,
    Plaintext,
}

impl PostgresTransport {
    /// Of several hosts that of the worst: a failover may lead to any.
    pub fn of(hosts: &PostgresHosts) -> Self {
        let urls = hosts.urls.iter().filter_map(|url| url.expose_secret().parse().ok());
        urls.map(|url| Self::of_url(&url)).max().unwrap_or(Self::Local)
    }

    fn of_url(url: &Url) -> Self {
        let mode = url.query_pairs().filter(|(name, _)| matches!(&**name, "sslmode" | "ssl-mode")).last();
        match mode.map(|(_, mode)| mode.to_ascii_lowercase()).as_deref() {
            _ if is_here(url) => Self::Local,
            Some("verify-full" | "verify-ca") => Self::VerifiedTls,
            Some("require") => Self::UnverifiedTls,
            _ => Self::Plaintext,
        }
    }
}

impl fmt::Display for PostgresTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "it is on this machine",
            Self::VerifiedTls => "TLS, and who answers is verified",
            Self::UnverifiedTls => "TLS, and who answers is not verified",
            Self::Plaintext => "no TLS, or only where the server offers it",
        })
    }
}

/// Whether it leads to this machine. A directory goes before a host, and a parameter before the authority.
fn is_here(url: &Url) -> bool {
    let mut host = url.host_str().unwrap_or_default().to_owned();
    if host.to_ascii_lowercase().starts_with("%2f") {
        return true;
    }
    for (name, value) in url.query_pairs() {
        match &*name {
            "host" if value.starts_with('/') => return true,
            "host" | "hostaddr" => host = value.into_owned(),
            _ => {}
        }
    }
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.is_empty()
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport(url: &str) -> PostgresTransport {
        PostgresTransport::of(&PostgresHosts::parse(&url.into()).unwrap())
    }

    #[test]
    fn it_is_judged_by_the_url() {
        use PostgresTransport::{Local, Plaintext, UnverifiedTls, VerifiedTls};
        for (url, expected) in [
            ("postgres:///d?host=/run/pg", Local),
            ("postgres://u@%2Frun%2Fpg/d", Local),
            ("postgres://u@db.example/d?host=/run/pg&sslmode=disable", Local),
            ("postgres:///d", Local),
            ("postgres://u@localhost/d", Local),
            ("postgres://u@LOCALHOST/d", Local),
            ("postgres://u@127.0.0.1:5432/d?sslmode=disable", Local),
            ("postgres://u@127.8.9.1/d", Local),
            ("postgres://u@[::1]/d", Local),
            ("postgres://u@[::ffff:127.0.0.1]/d", Local),
            ("postgres://u@db.example/d?sslmode=verify-full", VerifiedTls),
            ("postgres://u@db.example/d?ssl-mode=verify-ca", VerifiedTls),
            ("postgres://u@db.example/d?sslmode=require", UnverifiedTls),
            ("postgres://u@db.example/d?sslmode=prefer", Plaintext),
            ("postgres://u@db.example/d?sslmode=allow", Plaintext),
            ("postgres://u@db.example/d?sslmode=require&sslmode=disable", Plaintext),
            ("postgres://u@db.example/d", Plaintext),
            ("postgres://u@10.0.0.7/d", Plaintext),
            ("postgres://u@localhost.example/d", Plaintext),
            // The parameter leads elsewhere than the authority says.
            ("postgres://u@localhost/d?host=db.example", Plaintext),
            ("postgres://u@localhost/d?hostaddr=10.0.0.7", Plaintext),
            ("postgres://u@db.example/d?host=localhost", Local),
        ] {
            assert_eq!(transport(url), expected, "{url}");
        }
    }

    #[test]
    fn of_several_hosts_the_worst_counts() {
        use PostgresTransport::{Local, Plaintext, UnverifiedTls};
        for (url, expected) in [
            ("postgres://u@localhost,db.example/d", Plaintext),
            ("postgres://u@db.example,localhost/d", Plaintext),
            ("postgres://u@localhost,db.example/d?sslmode=require", UnverifiedTls),
            ("postgres://u@localhost,127.0.0.1/d", Local),
            ("postgres://u@h/d?host=/run/pg,db.example", Plaintext),
            ("postgres://u@h/d?host=/run/a,/run/b", Local),
        ] {
            assert_eq!(transport(url), expected, "{url}");
        }
    }
}
