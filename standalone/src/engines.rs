//! The private PostgreSQL and Redis, where none are configured.

use std::path::Path;

use anyhow::Context;
use troupe_core::config::Live;
use troupe_engines::{Durability, Postgres, Redis};

/// The engines that we started. Dropping it kills them; [`Engines::stop`] shuts them down in order.
pub(crate) struct Engines {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
}

impl Engines {
    /// Starts the engines that are not configured, and sets their addresses in the configuration.
    pub(crate) async fn start(dir: &Path, live: &Live) -> anyhow::Result<Self> {
        let config = live.now();
        let postgres = async {
            if config.database.url.is_some() {
                return Ok(None);
            }
            tracing::info!(dir = %dir.display(), "starting a private PostgreSQL");
            let postgres = Postgres::start(dir, Durability::Durable).await.context("start the private PostgreSQL")?;
            anyhow::Ok(Some(postgres))
        };
        let redis = async {
            if config.redis.url.is_some() {
                return Ok(None);
            }
            let started = Redis::start(dir, Durability::Durable).await.context("start the private Redis")?;
            anyhow::Ok(Some(started))
        };
        let (postgres, redis) = tokio::try_join!(postgres, redis)?;
        live.amend(|config| {
            let (database, redis) = (postgres.as_ref().map(Postgres::url), redis.as_ref().map(Redis::url));
            config.database.url = database.map(Into::into).or(config.database.url.take());
            config.redis.url = redis.map(Into::into).or(config.redis.url.take());
        });
        Ok(Self { postgres, redis })
    }

    pub(crate) fn own_database(&self) -> bool {
        self.postgres.is_some()
    }

    /// Empties what is ours.
    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        if let Some(postgres) = &self.postgres {
            postgres.reset().await.context("empty the private PostgreSQL")?;
        }
        if let Some(redis) = &self.redis {
            redis.reset().await.context("empty the private Redis")?;
        }
        Ok(())
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
