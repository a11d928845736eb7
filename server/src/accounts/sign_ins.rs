//! Sign-in, refresh and sign-out: programs use tokens, browsers sessions.

use troupe_core::{
    ids::{CredentialId, UserId},
    model::{
        User,
        audit::{By, On},
    },
    ports::BrowserSession,
};
use troupe_db::accounts::sign_ins::{self, Lifetimes, Refreshed};

use super::Accounts;
use crate::{
    audit::note,
    auth::{
        identity::Identity,
        secrets::{self, Fresh, digest_of},
    },
    http::{error::ApiError, extract::device::Device},
};

/// An access token, and the refresh token for the next pair.
pub(crate) struct TokenPair {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// Seconds that the access token lasts.
    pub(crate) expires_in: u64,
}

/// A browser's new session, and the secret for its cookie.
pub(crate) struct NewSession {
    pub(crate) id: CredentialId,
    pub(crate) secret: String,
}

fn lifetimes(accounts: &Accounts) -> Lifetimes {
    let auth = &accounts.config.auth;
    Lifetimes { idle: auth.refresh_token_ttl, max_age: auth.sign_in_ttl, grace: auth.refresh_grace }
}

pub(crate) async fn begin(accounts: &Accounts, user: &User, device: &Device) -> Result<TokenPair, ApiError> {
    let (id, Fresh { secret, digest }) = (CredentialId::new(), secrets::fresh()?);
    sign_ins::create(&accounts.pool, id, user.id, &digest, device.as_client(), lifetimes(accounts)).await?;
    let issued = accounts.auth.tokens.issue(user.id, &user.tier, id)?;
    tracing::info!(user_id = %user.id, credential_id = %id, "signed in");
    Ok(TokenPair { access: issued.token, refresh: secret, expires_in: issued.expires_in.as_secs() })
}

/// The next pair of tokens. A refresh token that is reused has been copied, by its owner or a thief: the sign-in ends.
pub(crate) async fn refresh(accounts: &Accounts, by: &By, token: &str) -> Result<TokenPair, ApiError> {
    let Fresh { secret, digest } = secrets::fresh()?;
    let mut transaction = accounts.pool.begin().await?;
    let refreshed = sign_ins::refresh(&mut transaction, &digest_of(token), &digest, lifetimes(accounts)).await?;
    transaction.commit().await?;
    match refreshed {
        Refreshed::Yes { sign_in, user, tier } => {
            let issued = accounts.auth.tokens.issue(user, &tier, sign_in)?;
            Ok(TokenPair { access: issued.token, refresh: secret, expires_in: issued.expires_in.as_secs() })
        }
        Refreshed::Reused { sign_in, user } => {
            tracing::warn!(user_id = %user, credential_id = %sign_in, "a refresh token came twice: the sign-in was ended");
            accounts.auth.revocations.add(&[sign_in]);
            note(&accounts.pool, &by.does("refresh_token.reused").on(On::thing("sign_in", sign_in).of(user))).await?;
            Err(ApiError::Unauthenticated("the refresh token was used before, so the sign-in was ended"))
        }
        Refreshed::Unknown => Err(ApiError::Unauthenticated("the refresh token is not valid, or has expired")),
    }
}

pub(crate) async fn begin_in_browser(
    accounts: &Accounts,
    user: &User,
    device: &Device,
) -> Result<NewSession, ApiError> {
    let Fresh { secret, digest } = secrets::fresh()?;
    let (id, now) = (CredentialId::new(), accounts.clock.now());
    let session = BrowserSession {
        id,
        user: user.id,
        tier: user.tier.clone(),
        created_at: now,
        last_used_at: now,
        ends_at: now + accounts.config.auth.sign_in_ttl,
        agent: device.agent.clone(),
        address: device.address.map(|address| address.to_string()),
    };
    accounts.auth.sessions.create(&session, &digest).await?;
    tracing::info!(user_id = %user.id, credential_id = %id, "signed in with a browser");
    Ok(NewSession { id, secret })
}

/// Ends one of a user's sign-ins, of either kind; returns whether there was one.
pub(crate) async fn end(accounts: &Accounts, by: &By, user: UserId, id: CredentialId) -> Result<bool, ApiError> {
    let mut transaction = accounts.pool.begin().await?;
    if !sign_ins::end(&mut *transaction, user, id).await? {
        if !accounts.auth.sessions.end(user, id).await? {
            return Ok(false);
        }
        sign_ins::mark_ended(&mut *transaction, &[id]).await?;
    }
    note(&mut *transaction, &by.does("sign_in.ended").on(On::thing("sign_in", id).of(user))).await?;
    transaction.commit().await?;
    accounts.auth.revocations.add(&[id]);
    tracing::info!(user_id = %user, credential_id = %id, "signed out");
    Ok(true)
}

/// Ends all sign-ins of a caller except the current one.
pub(crate) async fn end_others(accounts: &Accounts, by: &By, caller: &Identity) -> Result<(), ApiError> {
    let user = caller.user;
    let ended = end_all(accounts, user, Some(caller.credential.id)).await?;
    note(&accounts.pool, &by.does("user.signed_out_elsewhere").on(On::user(user)).after(ended)).await
}

/// Ends all of a user's sign-ins except one; returns their number.
pub(crate) async fn end_all(
    accounts: &Accounts,
    user: UserId,
    except: Option<CredentialId>,
) -> Result<usize, ApiError> {
    let browsers = accounts.auth.sessions.list(user).await?;
    let mut ended: Vec<_> = browsers.iter().map(|session| session.id).filter(|id| Some(*id) != except).collect();
    for id in &ended {
        accounts.auth.sessions.end(user, *id).await?;
    }
    sign_ins::mark_ended(&accounts.pool, &ended).await?;
    ended.extend(sign_ins::end_all(&accounts.pool, user, except).await?);
    accounts.auth.revocations.add(&ended);
    tracing::info!(user_id = %user, ended = ended.len(), "signed out everywhere");
    Ok(ended.len())
}
