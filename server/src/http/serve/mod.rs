//! Accepts connections and serves calls over them: `axum::serve` with limits.
//!
//! Idle connections, slow heads and excess connections are closed. Every call carries its [`Peer`]. At shutdown no
//! connection is accepted any more, and open ones end after their current call.

mod connection;
pub(crate) mod tls;

use std::{
    convert::Infallible,
    io::ErrorKind,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request, response::Response, routing::future::RouteFuture};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;
use troupe_core::config::Server;

use connection::{CountedStream, HeadTimer};
use tls::Tls;

/// After an error of the process itself, such as too many open files.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Hyper's read buffer of a connection.
const MIN_BUFFER_BYTES: usize = 8_192;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Accepted beyond `max_connections`: its call gets 503, and the connection is closed.
    pub(crate) over_limit: bool,
}

/// The number of open connections, including upgraded ones.
#[derive(Debug, Clone, Default)]
struct OpenConnections(Arc<AtomicUsize>);

/// Counts one connection until it is dropped.
#[derive(Debug)]
struct CountGuard(OpenConnections);

impl OpenConnections {
    fn count(&self) -> CountGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        CountGuard(self.clone())
    }
}

impl Drop for CountGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves until the shutdown, and then until the last call has finished.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &Server,
    tls: Option<Arc<Tls>>,
    shutdown: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.max_header_size(config.max_header)
        .max_buf_size(MIN_BUFFER_BYTES.max(config.max_header * 2))
        .header_read_timeout(config.idle_timeout);
    let open = OpenConnections::default();
    let connections = TaskTracker::new();
    let max = config.max_connections;
    while let Some((stream, address)) = accept(&listener, &shutdown).await {
        let count = open.0.load(Ordering::Relaxed);
        // Connections that only get a 503 are bounded too.
        if count >= max + max / 8 + 8 {
            tracing::debug!(%address, "a connection was dropped: there are too many");
            continue;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let connection = Connection {
            http: http.clone(),
            header_timeout: config.header_timeout,
            calls: Calls { router: router.clone(), peer: Peer { address, over_limit: count >= max } },
            guard: open.count(),
            shutdown: shutdown.clone(),
        };
        // Two kinds of tasks: a plain one has no room for TLS.
        match tls.clone() {
            None => connections.spawn(connection.serve(stream)),
            Some(tls) => connections.spawn(async move {
                if let Some(stream) = tls.accept(stream, connection.header_timeout).await {
                    connection.serve(stream).await;
                }
            }),
        };
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// An accepted connection.
struct Connection {
    http: http1::Builder,
    header_timeout: Duration,
    calls: Calls,
    guard: CountGuard,
    shutdown: CancellationToken,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, stream: S) {
        let Self { mut http, header_timeout, calls, guard, shutdown } = self;
        let Peer { address, over_limit } = calls.peer;
        let timer = HeadTimer::new(header_timeout);
        let stream = CountedStream::new(stream, timer.received(), guard);
        http.timer(timer).keep_alive(!over_limit);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), calls).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %address, "a connection ended badly");
        }
    }
}

/// The next connection; none after the shutdown.
async fn accept(listener: &TcpListener, shutdown: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    shutdown
        .run_until_cancelled(async {
            loop {
                match listener.accept().await {
                    Ok(accepted) => return accepted,
                    Err(error) if is_peer_error(error.kind()) => {}
                    Err(error) => {
                        tracing::error!(%error, "could not accept a connection");
                        tokio::time::sleep(ACCEPT_RETRY_PAUSE).await;
                    }
                }
            }
        })
        .await
}

fn is_peer_error(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

/// The calls of one connection.
struct Calls {
    router: Router,
    peer: Peer,
}

impl Service<hyper::Request<Incoming>> for Calls {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(self.peer);
        // A router is always ready.
        self.router.clone().call(request)
    }
}
