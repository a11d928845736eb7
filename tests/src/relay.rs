//! A way to PostgreSQL that can be cut: as when its machine loses the network, nothing passes and nothing is closed.

use std::path::PathBuf;

use tokio::{
    io::copy,
    net::{TcpListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Passes {
    Nothing,
    Questions,
    Everything,
}

/// Ends, with everything that it holds, when it is dropped.
pub struct Relay {
    url: String,
    port: u16,
    passes: watch::Sender<Passes>,
    _serving: JoinSet<()>,
}

impl Relay {
    /// To a PostgreSQL at a Unix socket, of which this is the URL.
    pub async fn to_postgres(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the relay");
        let port = listener.local_addr().expect("an address").port();
        let (before, parameters) = url.split_once("localhost:").expect("a PostgreSQL of the tests");
        let (_, database) = parameters.split_once('/').expect("a database");
        let (database, parameters) = database.split_once('?').expect("parameters");
        let directory = parameters.split('&').find_map(|parameter| parameter.strip_prefix("host="));
        let socket = PathBuf::from(directory.expect("a socket")).join(".s.PGSQL.5432");
        let url = format!("{before}127.0.0.1:{port}/{database}?sslmode=disable");
        let passes = watch::Sender::new(Passes::Everything);
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, socket, passes.clone()));
        Self { url, port, passes, _serving: serving }
    }

    /// What leads to PostgreSQL through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes, and no connection is closed, refused or answered.
    pub fn cut(&self) {
        self.passes.send_replace(Passes::Nothing);
    }

    /// PostgreSQL gets and does everything, and no answer of it arrives.
    pub fn cut_answers(&self) {
        self.passes.send_replace(Passes::Questions);
    }

    /// New connections pass. Those of before stay as they are: who they led to is gone.
    pub fn restore(&self) {
        self.passes.send_replace(Passes::Everything);
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, passes: watch::Sender<Passes>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let (socket, passes) = (socket.clone(), passes.subscribe());
        connections.spawn(async move {
            let Ok(mut server) = UnixStream::connect(socket).await else { return };
            let ((mut client_reads, mut client_writes), (mut server_reads, mut server_writes)) =
                (client.split(), server.split());
            tokio::select! {
                () = until(passes.clone(), Passes::Questions, copy(&mut client_reads, &mut server_writes)) => {}
                () = until(passes, Passes::Everything, copy(&mut server_reads, &mut client_writes)) => {}
            }
        });
    }
}

/// Ends with what is copied, unless less passes than this before: then both ends stay open for ever.
async fn until<T>(mut passes: watch::Receiver<Passes>, least: Passes, copied: impl Future<Output = T>) {
    let cut = async { passes.wait_for(|passes| *passes < least).await.is_ok() };
    let stays_open = tokio::select! {
        biased;
        cut = cut => cut,
        _ = copied => false,
    };
    if stays_open {
        std::future::pending::<()>().await;
    }
}
