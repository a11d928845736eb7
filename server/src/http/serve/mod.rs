//! Accepts connections and serves calls over them: what `axum::serve` does, with limits.
//!
//! A connection that is silent, slow with a call's head, or one too many, is not allowed to hold anything up. Every
//! call is told by whom it came ([`Peer`]). At a shutdown no connection is accepted any more, and those that are open
//! end after the call that they are at.

mod connection;

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
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;
use troupe_core::config::Server;

use connection::{HeadTimer, Watched};

/// After an error that is the process's own, such as too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// What a connection keeps of what has come and was not read, at least.
const LEAST_BUFFER: usize = 8_192;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// It came when there were as many as the process takes: its call gets 503, and there is no second one.
    pub(crate) crowded: bool,
}

/// Connections that are open, also those that have become sockets.
#[derive(Debug, Clone, Default)]
struct Open(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Counted(Open);

impl Open {
    fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves until the shutdown, and then until the last call has been answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, config: &Server, shutdown: CancellationToken) {
    let mut http = http1::Builder::new();
    http.max_header_size(config.max_header)
        .max_buf_size(LEAST_BUFFER.max(config.max_header * 2))
        .header_read_timeout(config.idle_timeout);
    let (open, connections) = (Open::default(), TaskTracker::new());
    let most = config.max_connections;
    while let Some((stream, address)) = accept(&listener, &shutdown).await {
        let already = open.0.load(Ordering::Relaxed);
        // Those that are told of it take places too.
        if already >= most + most / 8 + 8 {
            tracing::debug!(%address, "a connection was dropped: there are too many");
            continue;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let crowded = already >= most;
        let mut http = http.clone();
        let timer = HeadTimer::new(config.header_timeout);
        let stream = Watched::new(stream, timer.heard(), open.count());
        http.timer(timer).keep_alive(!crowded);
        let calls = Calls { router: router.clone(), peer: Peer { address, crowded } };
        let shutdown = shutdown.clone();
        connections.spawn(async move {
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
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection; none after the shutdown.
async fn accept(listener: &TcpListener, shutdown: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    shutdown
        .run_until_cancelled(async {
            loop {
                match listener.accept().await {
                    Ok(accepted) => return accepted,
                    Err(error) if is_the_peers(error.kind()) => {}
                    Err(error) => {
                        tracing::error!(%error, "could not accept a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        })
        .await
}

fn is_the_peers(error: ErrorKind) -> bool {
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
