//! Invitations: made by admins, used up by the account that is opened with them.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use troupe_core::{
    ids::InvitationId,
    model::audit::{By, On},
};
use troupe_db::accounts::invitations::{self, Invitation};
use utoipa::ToSchema;

use crate::{
    audit::note,
    auth::secrets::{self, Fresh},
    http::error::ApiError,
};

/// A new invitation, with its code: the only time that it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedInvitation {
    #[schema(example = "b2hTcOJ0bSXo0HVXrEUlkeyRXr1xKpm8aTRk5rGYlvc")]
    pub(crate) code: String,
    #[serde(flatten)]
    pub(crate) about: Invitation,
}

pub(crate) async fn create(
    pool: &PgPool,
    by: &By,
    description: &str,
    lasts: Duration,
) -> Result<CreatedInvitation, ApiError> {
    let Fresh { secret, digest } = secrets::fresh()?;
    let mut transaction = pool.begin().await?;
    let about = invitations::create(&mut *transaction, InvitationId::new(), &digest, description, lasts).await?;
    let created = by.does("invitation.created").on(On::thing("invitation", about.id));
    note(&mut *transaction, &created.after(json!({"expires_at": about.expires_at}))).await?;
    transaction.commit().await?;
    tracing::info!(invitation_id = %about.id, "an invitation was made");
    Ok(CreatedInvitation { code: secret, about })
}

/// Deletes an unused invitation; returns whether there was one.
pub(crate) async fn delete(pool: &PgPool, by: &By, id: InvitationId) -> Result<bool, ApiError> {
    let mut transaction = pool.begin().await?;
    if !invitations::delete(&mut *transaction, id).await? {
        return Ok(false);
    }
    note(&mut *transaction, &by.does("invitation.deleted").on(On::thing("invitation", id))).await?;
    transaction.commit().await?;
    Ok(true)
}
