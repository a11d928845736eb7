//! E-mails over SMTP: one connection each, encrypted unless the server is on this machine.

use anyhow::Context;
use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::client::{Tls, TlsParameters},
};
use secrecy::ExposeSecret;
use tokio::time::timeout;
use troupe_core::config::{self, Live};

use super::{Email, Mailer, NotSent};

/// The default port for STARTTLS.
const SUBMISSION_PORT: u16 = 587;

pub(super) struct SmtpMailer {
    live: Live,
    from: Mailbox,
}

impl SmtpMailer {
    pub(super) fn from_config(live: &Live) -> anyhow::Result<Option<Self>> {
        let config = &live.now().mail;
        if config.url.is_none() {
            return Ok(None);
        }
        let from = config.from.parse().context("mail.from is not an address like Troupe <troupe@example.com>")?;
        transport(config)?;
        Ok(Some(Self { live: live.clone(), from }))
    }
}

/// A transport with the current address: the password in it may change.
fn transport(config: &config::Mail) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
    let url = config.url.as_ref().map_or("", ExposeSecret::expose_secret);
    // The error could quote the address, which holds a password.
    let unsound = || anyhow::anyhow!("mail.url is not the address of a mail server");
    let server = config.server().ok_or_else(unsound)?;
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| unsound())?;
    if server.scheme() == "smtp" && config.starttls {
        let host = server.host_str().unwrap_or_default().to_owned();
        transport = transport.tls(Tls::Required(TlsParameters::new(host).context("set up TLS for mail.url")?));
        transport = transport.port(server.port().unwrap_or(SUBMISSION_PORT));
    }
    Ok(transport.timeout(Some(config.timeout)).build())
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, email: &Email) -> Result<(), NotSent> {
        let unwritable = |_| NotSent::Refused("the address cannot be written to".to_owned());
        let to = email.to.parse::<Mailbox>().map_err(unwritable)?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&email.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(email.text.clone())
            .map_err(|error| NotSent::Refused(error.to_string()))?;
        let config = &self.live.now().mail;
        let transport = transport(config).map_err(|error| NotSent::Refused(error.to_string()))?;
        // The transport's own timeout is for the connection only; a server that falls silent later would block the job.
        let Ok(sent) = timeout(config.timeout, transport.send(message)).await else {
            return Err(NotSent::Failed("the mail server took too long".to_owned()));
        };
        sent.map(drop).map_err(|error| {
            let not_sent = if error.is_permanent() { NotSent::Refused } else { NotSent::Failed };
            not_sent(error.to_string())
        })
    }
}
