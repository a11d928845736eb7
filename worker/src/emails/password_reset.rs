//! The e-mail with a link that sets a new password.

use std::time::Duration;

use sqlx::PgConnection;
use troupe_core::{
    config::Config,
    ids::UserId,
    jobs::{Payload, SendPasswordReset},
    one_time_link::LinkPurpose,
};
use troupe_db::accounts::passwords::{self, Addressee};

use super::link::Link;

pub(crate) struct PasswordReset;

impl Link for PasswordReset {
    const KIND: &'static str = SendPasswordReset::KIND;
    const PURPOSE: LinkPurpose = LinkPurpose::ResetPassword;

    fn ttl(config: &Config) -> Duration {
        config.auth.reset_ttl
    }

    async fn make(
        db: &mut PgConnection,
        email: &str,
        digest: &[u8],
        config: &Config,
    ) -> sqlx::Result<Option<Addressee>> {
        passwords::make_link(db, email, digest, Self::ttl(config), config.auth.reset_interval).await
    }

    async fn replace(
        db: &mut PgConnection,
        user: UserId,
        before: &[u8],
        digest: &[u8],
        config: &Config,
    ) -> sqlx::Result<Option<Addressee>> {
        passwords::replace_link(db, user, before, digest, Self::ttl(config)).await
    }

    fn text(address: &str, ttl: Duration) -> (&'static str, String) {
        let ttl = humantime::format_duration(ttl);
        let text = format!(
            "Hello,\n\nsomebody, probably you, asked for a new password for the account with this address. Set it \
             here:\n\n{address}\n\nThe link works once, and for {ttl}. If it was not you, you need not do anything: your password \
             stays as it is.\n",
        );
        ("A new password for Troupe", text)
    }
}
