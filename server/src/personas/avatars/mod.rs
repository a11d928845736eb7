//! Pictures of personas: made small and anonymous when they come, and kept for as long as their persona.

mod picture;
pub(super) mod routes;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use troupe_core::{
    ids::UserId,
    model::{
        Persona,
        audit::{By, On},
    },
    problem::FieldError,
};
use troupe_db::personas::{
    self,
    avatars::{self, Avatar},
    characters,
};

pub(super) use picture::PictureError;
use picture::{as_png, avatar_of};

use super::{off_the_path, own::NO_PERSONA};
use crate::{audit::note, http::error::ApiError};

/// The memory that pictures may take is that of one: it can be hundreds of megabytes for the largest.
const PICTURES_AT_ONCE: usize = 1;

/// Makes avatars of files.
pub(crate) struct Pictures(Arc<Semaphore>);

impl Default for Pictures {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PICTURES_AT_ONCE)))
    }
}

impl Pictures {
    /// On a blocking thread, one at a time.
    pub(super) async fn avatar(&self, file: Bytes) -> Result<Result<Avatar, PictureError>, ApiError> {
        let permit = self.0.clone().acquire_owned().await;
        off_the_path(move || {
            // Held until the work ends, even where the caller has gone.
            let _permit = permit;
            avatar_of(&file)
        })
        .await
    }

    /// An avatar as a PNG, for cards.
    pub(super) async fn png(avatar: Avatar) -> Result<Vec<u8>, ApiError> {
        let png = off_the_path(|| as_png(avatar)).await?;
        png.map_err(|error| ApiError::Internal(format!("read a stored picture: the file {error}")))
    }
}

/// An avatar of a file, or the problem of one that becomes none.
#[cfg(feature = "fuzzing")]
pub(crate) fn read(file: &[u8]) -> Result<Avatar, ApiError> {
    avatar_of(file).map_err(|error| refused(&error))
}

/// The problem of a file that becomes no picture.
fn refused(error: &PictureError) -> ApiError {
    let message = format!("the file {error}");
    match error {
        PictureError::UnknownFormat => ApiError::unsupported_document(message),
        _ => ApiError::Invalid(vec![FieldError { field: "body".to_owned(), message }]),
    }
}

/// Puts this picture in the place of the one that there is, also of the one that a card came in; `None` removes both.
async fn put(pool: &PgPool, by: &By, owner: UserId, slug: &str, avatar: Option<&Avatar>) -> Result<Persona, ApiError> {
    let mut transaction = pool.begin().await?;
    let persona = personas::lock_own(&mut *transaction, owner, slug).await?.ok_or(NO_PERSONA)?;
    match avatar {
        Some(avatar) => avatars::put(&mut transaction, persona, avatar).await?,
        None => avatars::delete(&mut transaction, persona).await?,
    }
    characters::forget_picture(&mut *transaction, persona).await?;
    let changed = personas::find(&mut *transaction, owner, slug).await?.ok_or(NO_PERSONA)?;
    let noted = by.does("persona.changed").on(On::thing("persona", persona).of(owner));
    note(&mut *transaction, &noted.after(json!({"slug": slug, "settings": ["avatar"]}))).await?;
    transaction.commit().await?;
    Ok(changed)
}
