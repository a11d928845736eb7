//! Idle and header timeouts of a connection. Hyper has one limit for both: it counts the idle time before a head as
//! part of reading the head.
//!
//! So hyper gets the idle timeout, and a timer that is shortened to the header timeout when the first byte arrives.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::CountGuard;

/// Whether bytes have arrived since the last reset. Stream and timer belong to one task.
type Received = Arc<AtomicBool>;

/// A connection's stream: sets the flag when bytes arrive, and is counted until it is dropped.
pub(super) struct CountedStream<S> {
    stream: S,
    received: Received,
    _guard: CountGuard,
}

impl<S> CountedStream<S> {
    pub(super) fn new(stream: S, received: Received, guard: CountGuard) -> Self {
        Self { stream, received, _guard: guard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CountedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.received.store(true, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The timer of one connection.
pub(super) struct HeadTimer {
    received: Received,
    header_timeout: Duration,
    /// Until the first head: a new connection gets no idle time.
    is_new: AtomicBool,
}

impl HeadTimer {
    pub(super) fn new(header_timeout: Duration) -> Self {
        Self { received: Received::default(), header_timeout, is_new: AtomicBool::new(true) }
    }

    pub(super) fn received(&self) -> Received {
        self.received.clone()
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, idle_until: Instant) -> Pin<Box<dyn Sleep>> {
        self.received.store(self.is_new.swap(false, Ordering::Relaxed), Ordering::Relaxed);
        let sleep = tokio::time::sleep_until(idle_until.into());
        let received = self.received.clone();
        Box::pin(ReadTimeout { sleep, received, header_timeout: self.header_timeout, head_begun: false })
    }
}

pin_project! {
    /// Completes at the idle timeout, or at the header timeout once a head has begun.
    struct ReadTimeout {
        #[pin]
        sleep: tokio::time::Sleep,
        received: Received,
        header_timeout: Duration,
        head_begun: bool,
    }
}

impl Future for ReadTimeout {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if !*this.head_begun && this.received.load(Ordering::Relaxed) {
            *this.head_begun = true;
            this.sleep.as_mut().reset(tokio::time::Instant::now() + *this.header_timeout);
        }
        this.sleep.poll(cx)
    }
}

impl Sleep for ReadTimeout {}
