//! The link by which an address is verified.

use std::time::Duration;

use sqlx::PgConnection;
use troupe_core::{
    config::Config,
    ids::UserId,
    jobs::{Payload, SendEmailVerification},
    one_time_link::LinkPurpose,
};
use troupe_db::accounts::{email_verifications, passwords::Addressee};

use super::link::Link;

pub(crate) struct EmailVerification;

impl Link for EmailVerification {
    const KIND: &'static str = SendEmailVerification::KIND;
    const PURPOSE: LinkPurpose = LinkPurpose::VerifyEmail;

    fn ttl(config: &Config) -> Duration {
        config.registration.verification_ttl
    }

    async fn make(
        db: &mut PgConnection,
        email: &str,
        digest: &[u8],
        config: &Config,
    ) -> sqlx::Result<Option<Addressee>> {
        email_verifications::make_link(db, email, digest, Self::ttl(config), config.auth.reset_interval).await
    }

    async fn replace(
        db: &mut PgConnection,
        user: UserId,
        before: &[u8],
        digest: &[u8],
        config: &Config,
    ) -> sqlx::Result<Option<Addressee>> {
        email_verifications::replace_link(db, user, before, digest, Self::ttl(config)).await
    }

    fn text(address: &str, ttl: Duration) -> (&'static str, String) {
        let ttl = humantime::format_duration(ttl);
        let text = format!(
            "Hello,\n\nsomebody, probably you, opened an account with this address. Verify here that it is yours:\n\n\
             {address}\n\nThe link works once, and for {ttl}. If it was not you, do not open it: without that nobody \
             can sign in to the account.\n",
        );
        ("Your e-mail address at Troupe", text)
    }
}
