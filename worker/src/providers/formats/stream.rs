//! Decoding of streamed answers: what all formats that stream have in common.
//!
//! A reply has ended where the service gave a finish reason. A failure after that costs nothing; a stream that stops
//! without one was cut off, and has no end.

use std::{collections::VecDeque, ops::ControlFlow, pin::Pin};

use futures::{Stream, StreamExt, stream};

use crate::providers::{
    chat_model::{Chunk, Chunks, FinishReason},
    failure::Failure,
};

/// The decoder of one reply in one wire format.
pub(super) trait StreamDecoder: Send + 'static {
    type Event: Send;

    /// Decodes one event into chunks. After a break no more events are read.
    fn decode(&mut self, event: Self::Event, chunks: &mut Vec<Chunk>) -> Result<ControlFlow<()>, Failure>;

    /// Why the reply ended, as soon as an event has said so.
    fn finish_reason(&self) -> Option<FinishReason>;
}

pub(super) fn decoded<D: StreamDecoder>(
    events: impl Stream<Item = Result<D::Event, Failure>> + Send + 'static,
    decoder: D,
) -> Chunks {
    let decoding = Decoding { events: Box::pin(events), decoder, ready: VecDeque::new(), over: false };
    stream::unfold(decoding, |mut decoding| async { decoding.next().await.map(|chunk| (chunk, decoding)) }).boxed()
}

struct Decoding<S, D> {
    events: Pin<Box<S>>,
    decoder: D,
    ready: VecDeque<Result<Chunk, Failure>>,
    over: bool,
}

impl<D: StreamDecoder, S: Stream<Item = Result<D::Event, Failure>>> Decoding<S, D> {
    async fn next(&mut self) -> Option<Result<Chunk, Failure>> {
        while self.ready.is_empty() && !self.over {
            let mut chunks = Vec::new();
            let result = match self.events.next().await {
                Some(event) => event.and_then(|event| self.decoder.decode(event, &mut chunks)),
                None => Ok(ControlFlow::Break(())),
            };
            self.ready.extend(chunks.into_iter().map(Ok));
            self.over = !matches!(result, Ok(ControlFlow::Continue(())));
            if self.over {
                let end = self.decoder.finish_reason().map(|reason| Ok(Chunk::End(reason)));
                self.ready.extend(end.or(result.err().map(Err)));
            }
        }
        self.ready.pop_front()
    }
}
