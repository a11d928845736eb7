//! The account with which a newcomer signs in on a machine of their own.

use sqlx::PgPool;
use troupe_shared::{
    db::{users, violated_constraint},
    ids::UserId,
};

use crate::auth::passwords::Passwords;

pub const EMAIL: &str = "demo@example.com";

/// Makes sure that the demo account is there with this password, and is an admin's: the machine is its owner's own.
pub async fn ensure(pool: &PgPool, password: &str) -> anyhow::Result<()> {
    let passwords = Passwords::new();
    let hash = |password: String| async {
        passwords.hash(password).await.map_err(|e| anyhow::anyhow!("hash the demo password: {}", e.problem().detail))
    };
    if let Some(existing) = users::credentials(pool, EMAIL).await? {
        let same = passwords.verify(password.to_owned(), Some(existing.password_hash)).await;
        if !same.is_ok_and(|same| same) {
            users::set_password(pool, existing.user.id, &hash(password.to_owned()).await?).await?;
        }
    } else {
        let created = users::create(pool, UserId::new(), EMAIL, "Demo", &hash(password.to_owned()).await?).await;
        if let Err(error) = created
            && violated_constraint(&error).is_none()
        {
            return Err(error.into());
        }
    }
    users::make_admin(pool, EMAIL).await?;
    Ok(())
}
