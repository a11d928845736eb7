//! The first admin, named by the operator: at start (`[admin]`), or by `troupe-server admin create`.
//!
//! It only promotes: an existing admin stays one, with its password.

use anyhow::Context;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use troupe_core::{
    config::Config,
    ids::UserId,
    model::{
        AccountRole,
        audit::{By, On},
    },
};
use troupe_db::{accounts::users, operations::audit, violated_constraint};

use crate::{
    auth::{
        password_rules::{self, Owner},
        passwords::Passwords,
    },
    http::{
        error::{ApiError, ProblemCode},
        extract::validation::Checks,
    },
};

/// The admin to create or promote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
    /// Only for a new account.
    pub(crate) password: Option<&'a str>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Created(UserId),
    Promoted(UserId),
    Unchanged(UserId),
}

/// Ensures that there is an account with this address, and that it is an admin.
pub(crate) async fn ensure(pool: &PgPool, hashes: &Passwords, wanted: Wanted<'_>) -> Result<Done, ApiError> {
    let Wanted { email, name, password } = wanted;
    let email = email.trim();
    if let Some(done) = promote(pool, email).await? {
        return Ok(done);
    }
    let mut checks = Checks::default();
    checks.email("email", email).text("name", name, 1..=100);
    if let Some(password) = password {
        password_rules::check(&mut checks, "password", password, Owner { email, name });
    }
    checks.done()?;
    let hash = match password {
        Some(password) => Some(hashes.hash(password.to_owned()).await?),
        None => None,
    };
    let mut transaction = pool.begin().await?;
    match users::create(&mut *transaction, UserId::new(), email, name, hash.as_deref()).await {
        Ok(user) => {
            users::make_admin(&mut *transaction, email).await?;
            audit::append(
                &mut *transaction,
                &By::OPERATOR.does("role.changed").on(On::user(user.id)).after(AccountRole::Admin),
            )
            .await?;
            transaction.commit().await?;
            tracing::info!(user_id = %user.id, "an admin's account was opened");
            Ok(Done::Created(user.id))
        }
        // Created concurrently by another server.
        Err(error) if violated_constraint(&error).is_some() => {
            drop(transaction);
            promote(pool, email).await?.ok_or_else(|| {
                ApiError::conflict(
                    ProblemCode::EmailTaken,
                    "the account with this address is being deleted: it can be opened again after that",
                )
            })
        }
        Err(error) => Err(error.into()),
    }
}

async fn promote(pool: &PgPool, email: &str) -> Result<Option<Done>, ApiError> {
    let Some(found) = users::credentials_by_email(pool, email).await? else { return Ok(None) };
    let id = found.user.id;
    if found.user.role == AccountRole::Admin {
        return Ok(Some(Done::Unchanged(id)));
    }
    let mut transaction = pool.begin().await?;
    users::make_admin(&mut *transaction, email).await?;
    audit::append(&mut *transaction, &By::OPERATOR.does("role.changed").on(On::user(id)).after(AccountRole::Admin))
        .await?;
    transaction.commit().await?;
    tracing::info!(user_id = %id, "is an admin now");
    Ok(Some(Done::Promoted(id)))
}

/// Ensures the configured admin, at every start.
pub(crate) async fn ensure_configured_admin(
    pool: &PgPool,
    passwords: &Passwords,
    config: &Config,
) -> anyhow::Result<()> {
    let admin = &config.admin;
    if admin.email.is_empty() {
        return Ok(());
    }
    let password = admin.password.as_ref().map(ExposeSecret::expose_secret);
    let wanted = Wanted { email: &admin.email, name: "Admin", password };
    match ensure(pool, passwords, wanted).await {
        // A conflict does not keep the server from starting.
        Err(ApiError::Conflict { detail, .. }) => tracing::warn!(detail, "there is no such admin yet (admin.email)"),
        ensured => _ = ensured.context("make sure of the admin (admin.email)")?,
    }
    Ok(())
}
