//! From what a service streams to what is told of it: what all formats that stream have in common.
//!
//! A reply has ended where the service gave a reason for it. What breaks after that costs nothing; a stream that stops without
//! one was cut off, and is told without an end.

use std::{collections::VecDeque, ops::ControlFlow, pin::Pin};

use futures::{Stream, StreamExt, stream};

use crate::providers::{
    chat_model::{Chunk, Chunks, Stop},
    failure::Failure,
};

/// What one service says in one reply, understood bit by bit.
pub(super) trait Listener: Send + 'static {
    type Heard: Send;

    /// Takes one event in, and tells what is new. After a break nothing more is listened to.
    fn hear(&mut self, heard: Self::Heard, told: &mut Vec<Chunk>) -> Result<ControlFlow<()>, Failure>;

    /// Why the reply ended, as soon as that was said.
    fn stop(&self) -> Option<Stop>;
}

pub(super) fn tell<L: Listener>(
    heard: impl Stream<Item = Result<L::Heard, Failure>> + Send + 'static,
    listener: L,
) -> Chunks {
    let telling = Telling { heard: Box::pin(heard), listener, ready: VecDeque::new(), over: false };
    stream::unfold(telling, |mut telling| async { telling.next().await.map(|chunk| (chunk, telling)) }).boxed()
}

struct Telling<S, L> {
    heard: Pin<Box<S>>,
    listener: L,
    ready: VecDeque<Result<Chunk, Failure>>,
    over: bool,
}

impl<L: Listener, S: Stream<Item = Result<L::Heard, Failure>>> Telling<S, L> {
    async fn next(&mut self) -> Option<Result<Chunk, Failure>> {
        while self.ready.is_empty() && !self.over {
            let mut told = Vec::new();
            let went = match self.heard.next().await {
                Some(heard) => heard.and_then(|heard| self.listener.hear(heard, &mut told)),
                None => Ok(ControlFlow::Break(())),
            };
            self.ready.extend(told.into_iter().map(Ok));
            self.over = !matches!(went, Ok(ControlFlow::Continue(())));
            if self.over {
                let stop = self.listener.stop().map(|stop| Ok(Chunk::End(stop)));
                self.ready.extend(stop.or(went.err().map(Err)));
            }
        }
        self.ready.pop_front()
    }
}
