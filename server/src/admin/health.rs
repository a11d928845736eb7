//! Whether everything that a server stands on is there and well, for `doctor` and for admins.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};
use troupe_core::{
    adapters::redis,
    clock::{Clock, SystemClock},
    config::Live,
    doctor::{self, Finding, Verdict},
};
use troupe_db::operations::doctor::examine as examine_postgres;
use utoipa::ToSchema;

use super::{
    Admin,
    provider_status::{AiStatus, ai_status},
};
use crate::{APPLICATION, http::error::ApiError};

/// Each look opens connections: admins who watch share one.
const TTL: Duration = Duration::from_secs(5);

/// What was found, and the providers as the workers see them.
#[derive(Serialize, ToSchema)]
pub(crate) struct DetailedHealth {
    /// The worst of the findings.
    verdict: Verdict,
    /// What this installation is called: `server.environment`.
    #[schema(example = "staging")]
    environment: Option<String>,
    looked_at: DateTime<Utc>,
    findings: Vec<Finding>,
    providers: AiStatus,
}

/// The last findings. Concurrent callers share one look.
#[derive(Default)]
pub(crate) struct FindingsCache(Mutex<Option<Looked>>);

struct Looked {
    at: Instant,
    time: DateTime<Utc>,
    findings: Arc<[Finding]>,
}

impl FindingsCache {
    async fn get(&self, live: &Live) -> (DateTime<Utc>, Arc<[Finding]>) {
        let mut last = self.0.lock().await;
        if let Some(Looked { at, time, findings }) = &*last
            && at.elapsed() < TTL
        {
            return (*time, findings.clone());
        }
        let findings: Arc<[Finding]> = examine(live).await.into();
        let looked_at = SystemClock.now();
        *last = Some(Looked { at: Instant::now(), time: looked_at, findings: findings.clone() });
        (looked_at, findings)
    }
}

pub(crate) async fn detailed_health(admin: &Admin) -> Result<DetailedHealth, ApiError> {
    let (looked_at, findings) = admin.findings.get(&admin.configuration).await;
    let providers = ai_status(admin).await?;
    Ok(DetailedHealth {
        verdict: doctor::verdict(&findings),
        environment: admin.config.server.environment.clone(),
        looked_at,
        findings: findings.to_vec(),
        providers,
    })
}

/// Looks at PostgreSQL and Redis, and at what users see of this server.
pub(crate) async fn examine(live: &Live) -> Vec<Finding> {
    let config = live.now();
    let (mut findings, redis) =
        tokio::join!(examine_postgres(&config.database, APPLICATION), redis::doctor::examine(live));
    findings.extend(redis);
    let url = config.server.public_url.as_ref().map(ToString::to_string);
    let listens = config.server.listen;
    findings.push(match url {
        Some(url) if config.server.is_https() => Finding::well("public address", url),
        _ if !config.server.is_public() => Finding::well("public address", format!("only this machine ({listens})")),
        url => Finding::doubtful(
            "public address",
            url.unwrap_or_else(|| format!("none, and {listens} is open to others")),
            "put TLS before it, and set server.public_url to its https address: cookies and links depend on it",
        ),
    });
    findings
}
