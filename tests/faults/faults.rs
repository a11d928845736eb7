//! The faults, each done to real processes: killed, frozen, restarted, emptied.

use std::time::Duration;

use troupe_core::{
    adapters::redis::{RedisHandle, RedisJobQueue},
    config::Live,
    jobs::Dispatch,
    ports::JobQueue,
};
use troupe_engines::Shutdown;
use troupe_tests::{Cluster, Signal, within};

use crate::load::Load;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    KillWorker,
    FreezeWorker,
    KillServer,
    RestartRedis,
    EmptyRedis,
    FreezeRedis,
    CrashPostgres,
    DropSockets,
    DeliverTwice,
    RollingRestart,
    /// Needs a standby.
    FailOver,
}

impl Fault {
    /// Those that any cluster can bear, again and again.
    pub(crate) const ALL: [Self; 10] = [
        Self::KillWorker,
        Self::FreezeWorker,
        Self::KillServer,
        Self::RestartRedis,
        Self::EmptyRedis,
        Self::FreezeRedis,
        Self::CrashPostgres,
        Self::DropSockets,
        Self::DeliverTwice,
        Self::RollingRestart,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillWorker => "kill -9 a worker in mid-stream",
            Self::FreezeWorker => "freeze a worker past its lease, thaw it",
            Self::KillServer => "kill -9 a server",
            Self::RestartRedis => "restart Redis, which forgets all",
            Self::EmptyRedis => "FLUSHALL",
            Self::FreezeRedis => "freeze Redis",
            Self::CrashPostgres => "restart PostgreSQL with -m immediate",
            Self::DropSockets => "drop every socket, three times",
            Self::DeliverTwice => "deliver every job again and again",
            Self::RollingRestart => "rolling restart of everything",
            Self::FailOver => "kill -9 PostgreSQL, promote its synchronous standby",
        }
    }

    /// Does it, and returns when it is over; the load goes on all the while.
    pub(crate) async fn strike(self, cluster: &mut Cluster, load: &Load, freeze: Duration) {
        match self {
            Self::KillWorker => kill_worker(cluster).await,
            Self::FreezeWorker => freeze_worker(cluster).await,
            Self::KillServer => kill_server(cluster, load).await,
            Self::RestartRedis => cluster.restart_redis().await,
            Self::EmptyRedis => _ = cluster.redis(&["FLUSHALL"]).await,
            Self::FreezeRedis => freeze_redis(cluster, load, freeze).await,
            Self::CrashPostgres => cluster.restart_postgres(Shutdown::Immediate).await,
            Self::DropSockets => drop_sockets(load).await,
            Self::DeliverTwice => deliver_again(cluster, load).await,
            Self::RollingRestart => rolling_restart(cluster, load).await,
            Self::FailOver => cluster.fail_over().await,
        }
    }
}

/// The worker, by name and number, that writes the most replies at this moment.
async fn busiest_worker(cluster: &Cluster) -> (String, usize) {
    let busiest = "select worker from requests where status = 'in_progress' and worker is not null \
                   group by worker order by count(*) desc limit 1";
    within("a worker that writes", async {
        loop {
            let name: Option<String> = sqlx::query_scalar(busiest).fetch_optional(&cluster.db).await.expect("a look");
            let number = name.as_deref().and_then(|name| cluster.worker_called(name));
            if let (Some(name), Some(number)) = (name, number)
                && cluster.workers[number].lives()
            {
                return (name, number);
            }
            look_again().await;
        }
    })
    .await
}

/// Where nothing tells of a change in the database.
async fn look_again() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn kill_worker(cluster: &mut Cluster) {
    let (_, victim) = busiest_worker(cluster).await;
    cluster.workers[victim].kill().await;
    cluster.add_worker().await;
}

/// It thaws when all that it was writing has been taken over, and its replies are being written by others.
async fn freeze_worker(cluster: &mut Cluster) {
    let (name, frozen) = busiest_worker(cluster).await;
    cluster.workers[frozen].signal(Signal::Stop);
    let held = format!("select count(*) from requests where status = 'in_progress' and worker = '{name}'");
    within("the end of a frozen worker's leases", async {
        while cluster.number(&held).await > 0 {
            look_again().await;
        }
    })
    .await;
    cluster.workers[frozen].signal(Signal::Continue);
}

/// Another is started first: somebody must take the sockets.
async fn kill_server(cluster: &mut Cluster, load: &Load) {
    let victim = cluster.live_servers()[0];
    cluster.add_server().await;
    load.know_servers(cluster);
    cluster.servers[victim].kill().await;
    load.accepts(4).await;
    load.know_servers(cluster);
}

/// Messages are accepted all the while.
async fn freeze_redis(cluster: &Cluster, load: &Load, freeze: Duration) {
    cluster.freeze_redis(Signal::Stop);
    let before = load.accepted();
    tokio::time::sleep(freeze).await;
    let meanwhile = load.accepted() - before;
    cluster.freeze_redis(Signal::Continue);
    assert!(meanwhile > 0, "no message was accepted while Redis was frozen");
}

async fn drop_sockets(load: &Load) {
    for _ in 0..3 {
        load.drop_sockets();
        load.accepts(5).await;
    }
}

/// Every request that was accepted by then, final, running or waiting, goes into the queue once more under another
/// name, and those that come meanwhile do so many times.
async fn deliver_again(cluster: &Cluster, load: &Load) {
    let redis = RedisHandle::connect(&Live::fixed(cluster.config())).await.expect("a connection to Redis");
    let queue = RedisJobQueue::new(redis.clone());
    for round in 1..=6 {
        let again = |request: String| Dispatch {
            request_id: request.parse().expect("an id"),
            tier: "free".to_owned(),
            number: 1_000_000 + round,
        };
        let dispatches: Vec<_> = load.requests().into_iter().map(again).collect();
        queue.enqueue(&dispatches).await.expect("jobs delivered again");
        load.accepts(2).await;
    }
    redis.close().await;
}

/// SIGTERM to one process after the other; each has a successor before it goes.
async fn rolling_restart(cluster: &mut Cluster, load: &Load) {
    for server in cluster.live_servers() {
        cluster.add_server().await;
        load.know_servers(cluster);
        cluster.servers[server].stop().await;
        load.know_servers(cluster);
    }
    for worker in cluster.live_workers() {
        cluster.add_worker().await;
        cluster.workers[worker].stop().await;
    }
}
