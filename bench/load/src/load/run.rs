//! The three kinds of load.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures::StreamExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    cpu::{self, Meter},
    figures::{Figures, IdleReport, Report},
    options::{Closed, Idle, Options, Paced},
    user::{Outcome, User, follow},
};

/// A reply that takes longer is lost.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// Memory is read once the sockets have been silent for so long.
const SETTLE: Duration = Duration::from_secs(3);

/// A user, and where the outcome of each of its calls goes.
struct Connected {
    user: Arc<User>,
    sent: mpsc::Sender<Outcome>,
}

/// Users with a socket each.
struct Crowd {
    users: Vec<Connected>,
    followers: JoinSet<Figures>,
}

impl Crowd {
    async fn connect(options: &Options) -> anyhow::Result<Self> {
        let mut crowd = Self { users: Vec::new(), followers: JoinSet::new() };
        for user in User::sign_up(options, options.users).await? {
            let (sent, outcomes) = mpsc::channel(64);
            crowd.followers.spawn(follow(user.connect().await?, outcomes));
            crowd.users.push(Connected { user, sent });
        }
        Ok(crowd)
    }
}

pub(crate) async fn closed(options: &Options, Closed { seconds }: Closed) -> anyhow::Result<Report> {
    let Crowd { users, followers } = Crowd::connect(options).await?;
    let meter = Meter::start(&options.cpu)?;
    let started = Instant::now();
    let senders: JoinSet<()> = users.into_iter().map(|user| converse(user, started + seconds)).collect();
    senders.join_all().await;
    report(followers, started.elapsed(), meter).await
}

/// Sends one message after the other, each when the one before has its reply.
async fn converse(Connected { user, sent }: Connected, until: Instant) {
    while Instant::now() < until {
        let (awaited, ended) = oneshot::channel();
        let outcome = user.send(Instant::now(), Some(awaited)).await;
        let refused = outcome.is_err();
        if sent.send(outcome).await.is_err() || refused {
            return;
        }
        if timeout(REPLY_TIMEOUT, ended).await.is_err() {
            return;
        }
    }
}

pub(crate) async fn paced(options: &Options, Paced { rate, seconds }: Paced) -> anyhow::Result<Report> {
    let Crowd { users, followers } = Crowd::connect(options).await?;
    let meter = Meter::start(&options.cpu)?;
    let started = Instant::now();
    let mut calls = JoinSet::new();
    let messages = (f64::from(rate) * seconds.as_secs_f64()).round() as u32;
    for (number, Connected { user, sent }) in (0..messages).zip(users.iter().cycle()) {
        let due = started + Duration::from_secs(number.into()) / rate;
        sleep_until(due.into()).await;
        let user = user.clone();
        let sent = sent.clone();
        calls.spawn(async move {
            // Whoever reads the other end reads until all senders are gone.
            _ = sent.send(user.send(due, None).await).await;
        });
    }
    let elapsed = started.elapsed();
    calls.join_all().await;
    drop(users);
    report(followers, elapsed, meter).await
}

async fn report(followers: JoinSet<Figures>, elapsed: Duration, meter: Meter) -> anyhow::Result<Report> {
    let mut figures = Figures::default();
    figures.extend(followers.join_all().await);
    ensure!(figures.completed.count() > 0, "no reply: {}", figures.error.as_deref().unwrap_or("none came in time"));
    Ok(Report { figures, elapsed, cpu: meter.spent()? })
}

pub(crate) async fn idle(options: &Options, idle: Idle) -> anyhow::Result<IdleReport> {
    let Idle { pid, sockets, sockets_per_user } = idle;
    let users = User::sign_up(options, sockets.div_ceil(sockets_per_user)).await?;
    let before = cpu::resident_kib(pid)?;
    let started = Instant::now();
    let mut readers = JoinSet::new();
    for (number, user) in (0..sockets).zip(users.iter().cycle()) {
        let mut socket = user.connect().await.with_context(|| format!("socket {number}"))?;
        // Reading answers pings.
        readers.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    let opened_in = started.elapsed();
    sleep(SETTLE).await;
    let grown = cpu::resident_kib(pid)?.saturating_sub(before);
    while readers.try_join_next().is_some() {}
    Ok(IdleReport { sockets, alive: readers.len(), opened_in, kib_per_socket: grown as f64 / sockets as f64 })
}
