//! The demo account of the all-in-one binary.

use sqlx::PgPool;
use troupe_core::ids::UserId;
use troupe_db::{
    accounts::{passwords, users},
    violated_constraint,
};

use crate::{auth::passwords::Passwords, http::error::ApiError};

pub const EMAIL: &str = "demo@example.com";

/// Ensures that the demo account exists with this password, as an admin: the machine is its user's own.
pub(crate) async fn ensure(pool: &PgPool, hashes: &Passwords, password: &str) -> Result<Option<UserId>, ApiError> {
    if let Some(existing) = users::credentials_by_email(pool, EMAIL).await? {
        if !hashes.verify(password.to_owned(), existing.password_hash).await?.right {
            passwords::set(pool, existing.user.id, &hashes.hash(password.to_owned()).await?).await?;
        }
    } else {
        let hash = hashes.hash(password.to_owned()).await?;
        let created = users::create(pool, UserId::new(), EMAIL, "Demo", Some(&hash)).await;
        if let Err(error) = created
            && violated_constraint(&error).is_none()
        {
            return Err(error.into());
        }
    }
    Ok(users::make_admin(pool, EMAIL).await?)
}
