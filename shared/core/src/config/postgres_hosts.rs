//! PostgreSQL URLs with several hosts, in libpq's notation:
//! `postgres://user@a:5432,b/name?target_session_attrs=primary`.
//!
//! The client library understands one host a URL, so one URL is made for each.

use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

const SESSION_ATTRIBUTES: &str = "target_session_attrs";

/// Which server of several is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttributes {
    /// The first that accepts a connection.
    Any,
    /// One whose transactions may write.
    ReadWrite,
    /// One that is not in recovery.
    Primary,
}

/// The servers that a URL names.
#[derive(Debug, Clone)]
pub struct PostgresHosts {
    /// One URL for each host, in their order; never empty.
    pub urls: Vec<SecretString>,
    pub session: SessionAttributes,
}

impl PostgresHosts {
    /// Several hosts without `target_session_attrs` are searched for the one that takes writes: unlike programs that
    /// only read, we have no use for another.
    pub fn parse(url: &SecretString) -> Result<Self, &'static str> {
        let url = url.expose_secret();
        let Some((scheme, rest)) = url.split_once("://") else { return Ok(Self::single(url)) };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, authority_hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let mut others = Vec::new();
        let (mut hosts, mut ports, mut session) = (None, None, None);
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(parameter.as_bytes()).next() else { continue };
            match &*name {
                SESSION_ATTRIBUTES => session = Some(SessionAttributes::parse(&value)?),
                "host" | "hostaddr" if value.contains(',') => hosts = Some((name.into_owned(), list(&value))),
                "port" if value.contains(',') => ports = Some(list(&value)),
                _ => others.push(parameter),
            }
        }
        let several = hosts.is_some() || authority_hosts.contains(',');
        if !several && ports.is_none() && session.is_none() {
            return Ok(Self::single(url));
        }
        let (name, listed) = hosts.map_or((None, list(authority_hosts)), |(name, hosts)| (Some(name), hosts));
        let ports = ports.unwrap_or_default();
        if !ports.is_empty() && ports.len() != listed.len() {
            return Err("must have as many ports as hosts, or one for all of them");
        }
        let url_of = |(number, host): (usize, &String)| {
            let mut parameters: Vec<_> = others.iter().map(|parameter| (*parameter).to_owned()).collect();
            let mut append = |name: &str, value: &str| {
                parameters.push(form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish());
            };
            let authority = match &name {
                Some(name) => {
                    append(name, host);
                    authority_hosts
                }
                None => host,
            };
            if let Some(port) = ports.get(number) {
                append("port", port);
            }
            format!("{scheme}://{user}{authority}{path}?{}", parameters.join("&")).into()
        };
        let default = if several { SessionAttributes::ReadWrite } else { SessionAttributes::Any };
        Ok(Self { urls: listed.iter().enumerate().map(url_of).collect(), session: session.unwrap_or(default) })
    }

    fn single(url: &str) -> Self {
        Self { urls: vec![url.into()], session: SessionAttributes::Any }
    }
}

impl SessionAttributes {
    fn parse(value: &str) -> Result<Self, &'static str> {
        match value {
            "any" => Ok(Self::Any),
            "read-write" => Ok(Self::ReadWrite),
            "primary" => Ok(Self::Primary),
            _ => Err("target_session_attrs must be any, read-write or primary: everything is written there"),
        }
    }
}

fn list(hosts: &str) -> Vec<String> {
    hosts.split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<(Vec<String>, SessionAttributes), &'static str> {
        let hosts = PostgresHosts::parse(&url.into())?;
        Ok((hosts.urls.iter().map(|url| url.expose_secret().to_owned()).collect(), hosts.session))
    }

    #[test]
    fn each_host_has_a_url_of_its_own() {
        use SessionAttributes::{Any, Primary, ReadWrite};
        for (url, urls, session) in [
            ("postgres://u:p@h/d", vec!["postgres://u:p@h/d"], Any),
            ("postgres:///d?host=/run/pg", vec!["postgres:///d?host=/run/pg"], Any),
            ("postgres://u@h/d?target_session_attrs=read-write", vec!["postgres://u@h/d?"], ReadWrite),
            (
                "postgres://u:p%40,@a:1,b:2,[::1]/d?sslmode=require&target_session_attrs=primary",
                vec![
                    "postgres://u:p%40,@a:1/d?sslmode=require",
                    "postgres://u:p%40,@b:2/d?sslmode=require",
                    "postgres://u:p%40,@[::1]/d?sslmode=require",
                ],
                Primary,
            ),
            ("postgres://a,b/d", vec!["postgres://a/d?", "postgres://b/d?"], ReadWrite),
            ("postgres://a,b/d?target_session_attrs=any", vec!["postgres://a/d?", "postgres://b/d?"], Any),
            (
                "postgres://u@localhost/d?host=/run/a,/run/b&port=1,2",
                vec![
                    "postgres://u@localhost/d?host=%2Frun%2Fa&port=1",
                    "postgres://u@localhost/d?host=%2Frun%2Fb&port=2",
                ],
                ReadWrite,
            ),
            ("postgres://a,b?port=7", vec!["postgres://a?port=7", "postgres://b?port=7"], ReadWrite),
        ] {
            let urls = urls.into_iter().map(str::to_owned).collect();
            assert_eq!(parsed(url), Ok((urls, session)), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(parsed("postgres://a,b/d?target_session_attrs=standby").is_err());
        assert!(parsed("postgres://a,b,c/d?port=1,2").is_err());
    }
}
