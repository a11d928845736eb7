//! Versions of a persona: the present one, and the earlier ones that a trigger keeps.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::ids::PersonaId;

use crate::Page;

#[derive(Debug, Clone)]
pub struct PersonaVersion {
    pub version: i32,
    /// When the persona became so.
    pub created_at: DateTime<Utc>,
    /// By the names of the API.
    pub settings: Json<Map<String, Value>>,
    /// Those of the version before, if that is still kept.
    pub before: Option<Json<Map<String, Value>>>,
}

/// The versions of a persona, the newest first.
pub async fn list(db: impl PgExecutor<'_>, persona: PersonaId, page: Page<i32>) -> Result<Vec<PersonaVersion>> {
    sqlx::query_as!(
        PersonaVersion,
        r#"select version as "version!", created_at as "created_at!", settings as "settings!: Json<Map<String, Value>>",
               lead(settings) over (order by version desc) as "before: Json<Map<String, Value>>"
           from (select version, updated_at as created_at, persona_settings(p) as settings from personas p where id = $1
                 union all
                 select version, created_at, settings from persona_versions where persona_id = $1) versions
           where version < $2
           order by version desc limit $3"#,
        persona.as_uuid(),
        page.after.unwrap_or(i32::MAX),
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// The settings of an earlier version.
pub async fn settings(db: impl PgExecutor<'_>, persona: PersonaId, version: i32) -> Result<Option<Value>> {
    sqlx::query_scalar!(
        "select settings from persona_versions where persona_id = $1 and version = $2",
        persona.as_uuid(),
        version,
    )
    .fetch_optional(db)
    .await
}
