//! The fault suite: under a steady load every fault that DESIGN names strikes, and then every single message is held
//! against the database and against what each client saw.
//!
//! One test per fault, a mix of all in random order, and a model of the requests' state machine. docs/RELIABILITY.md
//! says what is promised and what was measured; `make soak` runs the mix for as long as it is told.

#![expect(clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout, reason = "these are tests")]

mod check;
mod devices;
mod faults;
mod ledger;
mod listeners;
mod load;
mod model;
mod replies;
mod scene;
mod seed;

use std::time::{Duration, Instant};

use faults::Fault;
use scene::{Figures, Scene};
use seed::{Seed, of_environment};

/// Messages accepted before a fault and after it.
const BEFORE: usize = 12;
const AFTER: usize = 16;
const FREEZE: Duration = Duration::from_secs(4);

async fn survives(fault: Fault) {
    let seed = Seed::choose();
    let mut scene = Scene::start(seed.0, FREEZE).await;
    scene.goes_on(BEFORE).await;
    scene.strike(fault).await;
    scene.goes_on(AFTER).await;
    scene.end(fault.name()).await;
}

/// So many faults in random order, some hard upon the other.
async fn survives_a_mix(seed: u64, faults: usize, freeze: Duration) -> Figures {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut scene = Scene::start(seed, freeze).await;
    for _ in 0..faults {
        scene.goes_on(random.usize(0..12)).await;
        let fault = Fault::ALL[random.usize(0..Fault::ALL.len())];
        scene.strike(fault).await;
    }
    scene.goes_on(AFTER).await;
    scene.end(&format!("{faults} in random order (seed {seed})")).await
}

#[tokio::test]
async fn a_killed_worker() {
    survives(Fault::KillWorker).await;
}

#[tokio::test]
async fn a_frozen_worker() {
    survives(Fault::FreezeWorker).await;
}

#[tokio::test]
async fn a_killed_server() {
    survives(Fault::KillServer).await;
}

#[tokio::test]
async fn a_restarted_redis() {
    survives(Fault::RestartRedis).await;
}

#[tokio::test]
async fn an_emptied_redis() {
    survives(Fault::EmptyRedis).await;
}

#[tokio::test]
async fn a_frozen_redis() {
    survives(Fault::FreezeRedis).await;
}

#[tokio::test]
async fn a_crashed_postgres() {
    survives(Fault::CrashPostgres).await;
}

#[tokio::test]
async fn dropped_sockets() {
    survives(Fault::DropSockets).await;
}

#[tokio::test]
async fn jobs_delivered_twice() {
    survives(Fault::DeliverTwice).await;
}

#[tokio::test]
async fn a_rolling_restart() {
    survives(Fault::RollingRestart).await;
}

#[tokio::test]
async fn a_promoted_standby() {
    let seed = Seed::choose();
    let mut scene = Scene::start_replicated(seed.0).await;
    scene.goes_on(BEFORE).await;
    scene.strike(Fault::FailOver).await;
    scene.goes_on(AFTER).await;
    scene.end(Fault::FailOver.name()).await;
}

#[tokio::test]
async fn all_of_them_mixed() {
    let seed = Seed::choose();
    survives_a_mix(seed.0, 6, FREEZE).await;
}

/// `make soak`: rounds of ten faults each, Redis frozen for as long as an outage lasts, until the time is over.
#[tokio::test]
#[ignore = "runs for SOAK_MINUTES"]
async fn soak() {
    let seed = Seed::choose();
    let minutes = of_environment("SOAK_MINUTES").map_or(10, |minutes| minutes.parse().expect("a number of minutes"));
    let until = Instant::now() + Duration::from_mins(minutes);
    Figures::print_head();
    let (mut sum, mut round) = (Figures::default(), 0);
    while round == 0 || Instant::now() < until {
        sum.add(survives_a_mix(seed.0 + round, 10, Duration::from_secs(20)).await);
        round += 1;
    }
    sum.print(&format!("{round} rounds from seed {}", seed.0));
}
