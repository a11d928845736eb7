//! The devices: each keeps a socket open at some server, opens another when it ends, and remembers all that it heard.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use troupe_tests::{Client, Socket, socket::TextFrame};

use crate::{
    check::unheard,
    load::{Said, Stage},
};

/// A handshake that takes longer is given up.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Milliseconds of a wandering device's stay at one server.
const STAYS: std::ops::Range<u64> = 400..3_000;
/// Milliseconds within which devices that were told to drop their sockets do it.
const DROPS: std::ops::Range<u64> = 0..400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habits {
    /// Leaves only when it is made to.
    Steady,
    /// Now here, now there, now away.
    Wandering,
}

/// All that was heard over one socket.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: usize,
    pub(crate) habits: Habits,
    pub(crate) frames: Vec<TextFrame>,
    /// It was open when everything had ended, and heard on until it had heard all that it should, or the deadline
    /// passed.
    pub(crate) to_the_end: bool,
}

/// Listens until everything is settled; returns the sessions in their order.
pub(crate) async fn listen(
    stage: Arc<Stage>,
    client: Client,
    user: usize,
    habits: Habits,
    mut random: fastrand::Rng,
) -> Vec<Session> {
    let (mut settled, mut sessions) = (stage.settled.subscribe(), Vec::new());
    loop {
        let server = client.at(&stage.any_server(&mut random));
        if let Some(socket) = timeout(RECONNECT_TIMEOUT, server.try_socket()).await.ok().flatten() {
            let leave = stay(&stage, &socket, habits, &mut random).await;
            let to_the_end =
                if let Leave::Settled(said) = &leave { hear_the_rest(&socket, said, user).await } else { false };
            sessions.push(Session { user, habits, frames: socket.frames(), to_the_end });
        }
        if settled.borrow_and_update().is_some() && sessions.last().is_some_and(|last| last.to_the_end) {
            return sessions;
        }
        sleep(Duration::from_millis(random.u64(20..200))).await;
    }
}

/// Why a device leaves a socket.
enum Leave {
    /// The server ended it, or the device wanders on, or was told to drop it.
    Again,
    Settled(Arc<Vec<Said>>),
}

async fn stay(stage: &Stage, socket: &Socket, habits: Habits, random: &mut fastrand::Rng) -> Leave {
    let (mut settled, mut drops) = (stage.settled.subscribe(), stage.drops.subscribe());
    let stay = Duration::from_millis(random.u64(STAYS));
    let dropping = Duration::from_millis(random.u64(DROPS));
    tokio::select! {
        biased;
        Ok(said) = settled.wait_for(Option::is_some) => said.clone().map_or(Leave::Again, Leave::Settled),
        _ = socket.ended_by_peer() => Leave::Again,
        () = async { _ = drops.changed().await; sleep(dropping).await } => Leave::Again,
        () = sleep(stay), if habits == Habits::Wandering => Leave::Again,
    }
}

/// Waits for what this socket must still hear; `false` if the socket ended before.
async fn hear_the_rest(socket: &Socket, said: &[Said], user: usize) -> bool {
    let mine: Vec<_> = said.iter().filter(|said| said.user == user).cloned().collect();
    let greeted = |frames: &[TextFrame]| frames.first().is_some_and(|first| first.json["type"] == "hello");
    let heard = socket.comes_to(|frames| greeted(frames) && unheard(frames, &mine).is_empty()).await;
    heard || socket.end().is_none()
}
