//! How long a connection may be silent: hyper has one time limit for a call's head, and counts the silence before it to
//! it.
//!
//! So hyper is given that of an idle connection, and a timer that is shortened when the first byte of the next head has
//! come.

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
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::Counted;

/// Whether anything has come since it was set back. Stream and timer are of one task.
type Heard = Arc<AtomicBool>;

/// A connection's stream, which notes that something has come, and is counted as long as it is there.
pub(super) struct Watched {
    stream: TcpStream,
    heard: Heard,
    _counted: Counted,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, heard: Heard, counted: Counted) -> Self {
        Self { stream, heard, _counted: counted }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
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

/// Of one connection.
pub(super) struct HeadTimer {
    heard: Heard,
    head: Duration,
    /// Before the first head: whoever connects has something to say.
    new: AtomicBool,
}

impl HeadTimer {
    /// A head may take so long from its first byte on.
    pub(super) fn new(head: Duration) -> Self {
        Self { heard: Heard::default(), head, new: AtomicBool::new(true) }
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, idle_until: Instant) -> Pin<Box<dyn Sleep>> {
        self.heard.store(self.new.swap(false, Ordering::Relaxed), Ordering::Relaxed);
        let sleep = tokio::time::sleep_until(idle_until.into());
        Box::pin(Silence { sleep, heard: self.heard.clone(), head: self.head, begun: false })
    }
}

pin_project! {
    /// Until a connection has been idle for too long, or a head has taken too long.
    struct Silence {
        #[pin]
        sleep: tokio::time::Sleep,
        heard: Heard,
        head: Duration,
        begun: bool,
    }
}

impl Future for Silence {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if !*this.begun && this.heard.load(Ordering::Relaxed) {
            *this.begun = true;
            this.sleep.as_mut().reset(tokio::time::Instant::now() + *this.head);
        }
        this.sleep.poll(cx)
    }
}

impl Sleep for Silence {}
