//! What the listener for operators asks of a server.

use std::sync::Arc;

use async_trait::async_trait;
use troupe_core::clock::Clock;
use troupe_telemetry::{Part, wellbeing::Dependency};

use crate::{admin::Admin, health::Probes};

pub(crate) struct Watched {
    pub(crate) probes: Arc<Probes>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Part for Watched {
    async fn dependencies(&self) -> Vec<Dependency> {
        let (postgres, redis) = self.probes.look().await;
        vec![
            Dependency { name: "postgres", needed: true, answers: postgres },
            // Without it messages are still taken.
            Dependency { name: "redis", needed: false, answers: redis },
        ]
    }

    async fn refresh(&self) {
        if let Err(error) = self.admin.queue_snapshot.show(&self.admin.pool, self.clock.now()).await {
            error.log_cause();
        }
    }
}
