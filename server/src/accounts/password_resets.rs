//! New passwords for those who have forgotten theirs: a link by mail, which works once.
//!
//! Whoever asks is answered before anything is looked up, so the answer cannot tell whether there is such an account. The link's
//! token comes behind a `#`, which browsers send to no server; of the token only a digest is stored.

use std::sync::Arc;

use troupe_core::{
    config::Config,
    model::audit::{By, On},
};
use troupe_db::accounts::passwords::{self, Addressee};

use super::{
    Accounts,
    passwords::{end_late_comers, owner},
    sign_ins,
};
use crate::{
    audit::note,
    auth::{
        password_rules,
        secrets::{self, Fresh, digest_of},
    },
    http::{error::ApiError, extract::checks::Checks},
    mail::Letter,
};

const VOID: &str = "is not valid any more: ask for another link";

/// Where a browser sets the new password.
pub(crate) fn link(config: &Config, token: &str) -> String {
    let base = config.server.public_url.as_ref().map(ToString::to_string);
    let base = base.unwrap_or_else(|| format!("http://{}", config.server.listen));
    format!("{}/#/reset/{token}", base.trim_end_matches('/'))
}

/// Has a link sent to this address, if it is an account's.
pub(crate) fn ask(accounts: &Arc<Accounts>, email: String) -> Result<(), ApiError> {
    let writing = {
        let accounts = accounts.clone();
        async move { write(&accounts, &email).await }
    };
    accounts.outbox.post(writing)
}

async fn write(accounts: &Accounts, email: &str) -> Result<Option<Letter>, ApiError> {
    let (Fresh { secret, digest }, auth) = (secrets::fresh()?, &accounts.config.auth);
    let made = passwords::make_link(&accounts.pool, email, &digest, auth.reset_ttl, auth.reset_interval).await?;
    // Nothing of the user's own choice is in the letter: anybody can open an account in anybody's name.
    Ok(made.map(|Addressee { id, email }| Letter {
        user: id,
        to: email,
        subject: "A new password for Troupe".to_owned(),
        text: format!(
            "Hello,\n\nsomebody, probably you, asked for a new password for the account with this address. Set it here:\n\n\
             {}\n\nThe link works once, and for {}. If it was not you, you need not do anything: your password stays as it is.\n",
            link(&accounts.config, &secret),
            humantime::format_duration(auth.reset_ttl),
        ),
    }))
}

/// Sets the password of the account that the link was made for. All its sign-ins end.
pub(crate) async fn set(accounts: &Accounts, by: &By, token: &str, password: String) -> Result<(), ApiError> {
    let digest = digest_of(token);
    let void = || ApiError::field("token", VOID);
    let user = passwords::owner_of_link(&accounts.pool, &digest).await?.ok_or_else(void)?;
    let mut checks = Checks::default();
    password_rules::check(&mut checks, "password", &password, owner(&user));
    checks.done()?;
    let hash = accounts.passwords.hash(password).await?;
    sign_ins::end_all(accounts, user.id, None).await?;
    let mut transaction = accounts.pool.begin().await?;
    let user = passwords::use_link(&mut *transaction, &digest, &hash).await?.ok_or_else(void)?;
    note(&mut *transaction, &by.as_user(user).does("password.reset").on(On::user(user))).await?;
    transaction.commit().await?;
    end_late_comers(accounts, user, None).await;
    tracing::info!(user_id = %user, "a password was set by a link");
    Ok(())
}
