//! Creates API keys, of users and of services.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use troupe_core::{
    ids::{CredentialId, UserId},
    model::{
        AccountRole,
        audit::{By, On},
    },
};
use troupe_db::accounts::api_keys::{self, ApiKey, NewApiKey};
use utoipa::ToSchema;

use crate::{
    audit::note,
    auth::{
        api_keys::{NewKey, new_key},
        permissions::{Keys, Permission},
    },
    http::{
        error::{ApiError, ProblemCode},
        extract::validation::Checks,
    },
};

const MAX_LIFETIME_DAYS: u32 = 3_650;

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[schema(example = "nightly import", min_length = 1, max_length = 100)]
    pub(crate) name: String,
    /// Permissions: see the security schemes.
    #[schema(example = json!(["chat:read", "chat:write"]), min_items = 1)]
    pub(crate) scopes: Vec<String>,
    /// Without it the key lasts until it is deleted.
    #[schema(minimum = 1, maximum = 3650)]
    pub(crate) expires_in_days: Option<u32>,
    /// Whether it counts only for calls that are signed with it.
    #[serde(default)]
    pub(crate) signs: bool,
}

/// A key that was made. This is the only time that it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Made {
    #[schema(example = "trp_0123456789ab_…")]
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) about: ApiKey,
}

impl Wanted {
    /// The key's permissions, if its creator has them all.
    pub(crate) fn check(&self, role: AccountRole) -> Result<Vec<Permission>, ApiError> {
        let mut checks = Checks::default();
        checks.text("name", &self.name, 1..=100);
        let valid = self.expires_in_days.is_none_or(|days| (1..=MAX_LIFETIME_DAYS).contains(&days));
        checks.rule(valid, "expires_in_days", format!("must be 1 to {MAX_LIFETIME_DAYS}"));
        checks.rule(!self.scopes.is_empty(), "scopes", "must not be empty");
        let mut scopes = Vec::new();
        for (at, name) in self.scopes.iter().enumerate() {
            let field = format!("scopes[{at}]");
            match name.parse::<Permission>() {
                Err(unknown) => drop(checks.rule(false, &field, unknown.to_string())),
                Ok(scope) => {
                    checks.rule(scope.keys() != Keys::Never, &field, "cannot be given to a key");
                    checks.rule(scope.roles().include(role), &field, "is a permission that you do not have");
                    checks.rule(!scopes.contains(&scope), &field, "is there twice");
                    scopes.push(scope);
                }
            }
        }
        checks.done()?;
        Ok(scopes)
    }
}

/// Creates a checked key. The audit entry is the last statement of the caller's transaction.
pub(crate) async fn make(
    db: &mut PgConnection,
    by: &By,
    user: UserId,
    wanted: &Wanted,
    max_keys: i64,
) -> Result<Made, ApiError> {
    if api_keys::count(&mut *db, user).await? >= max_keys {
        let detail = format!("there are {max_keys} keys already, which is as many as there may be");
        return Err(ApiError::conflict(ProblemCode::TooManyKeys, detail));
    }
    let NewKey { key, prefix, digest } = new_key()?;
    let about = api_keys::create(
        &mut *db,
        &NewApiKey {
            id: CredentialId::new(),
            user,
            name: wanted.name.trim(),
            prefix: &prefix,
            digest: &digest,
            scopes: &wanted.scopes,
            signs: wanted.signs,
            lasts: wanted.expires_in_days.map(|days| Duration::from_hours(24 * u64::from(days))),
        },
    )
    .await?;
    let made = by.does("key.created").on(On::thing("api_key", about.id).of(user));
    note(db, &made.after(json!({"scopes": wanted.scopes, "signs": wanted.signs}))).await?;
    tracing::info!(user_id = %user, credential_id = %about.id, "made an API key");
    Ok(Made { key, about })
}
