//! The PostgreSQL and the Redis that stand in for those nobody has named.

use std::path::Path;

use anyhow::Context;
use troupe_shared::{
    config::Config,
    engines::{Durability, Postgres, Redis},
};

/// What of both is ours. Dropping it ends them at once; [`Engines::stop`] in good order.
pub(crate) struct Engines {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
}

impl Engines {
    /// Starts what the configuration does not name, and names it there.
    pub(crate) async fn start(dir: &Path, config: &mut Config) -> anyhow::Result<Self> {
        let (database, redis) = (&mut config.database.url, &mut config.redis.url);
        let postgres = async {
            if database.is_some() {
                return Ok(None);
            }
            tracing::info!(dir = %dir.display(), "starting a private PostgreSQL");
            let postgres = Postgres::start(dir, Durability::Durable).await.context("start the private PostgreSQL")?;
            *database = Some(postgres.url().into());
            anyhow::Ok(Some(postgres))
        };
        let redis = async {
            if redis.is_some() {
                return Ok(None);
            }
            let started = Redis::start(dir, Durability::Durable).await.context("start the private Redis")?;
            *redis = Some(started.url().into());
            anyhow::Ok(Some(started))
        };
        let (postgres, redis) = tokio::try_join!(postgres, redis)?;
        Ok(Self { postgres, redis })
    }

    pub(crate) fn own_database(&self) -> bool {
        self.postgres.is_some()
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(redis) = &mut self.redis {
            redis.stop().await?;
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }
}
