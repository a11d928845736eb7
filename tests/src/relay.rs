//! A way to PostgreSQL that can be cut: as when its machine loses the network, nothing passes and nothing is closed.

use std::path::PathBuf;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

/// Ends, with everything that it holds, when it is dropped.
pub struct Relay {
    url: String,
    cut: watch::Sender<bool>,
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
        let cut = watch::Sender::new(false);
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, socket, cut.clone()));
        Self { url, cut, _serving: serving }
    }

    /// What leads to PostgreSQL through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing passes, and no connection is closed, refused or answered.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// New connections pass. Those of before stay as they are: who they led to is gone.
    pub fn restore(&self) {
        self.cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, cut: watch::Sender<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let (socket, mut cut) = (socket.clone(), cut.subscribe());
        connections.spawn(async move {
            let Ok(mut server) = UnixStream::connect(socket).await else { return };
            tokio::select! {
                biased;
                _ = cut.wait_for(|cut| *cut) => {}
                _ = copy_bidirectional(&mut client, &mut server) => return,
            }
            // Both ends stay open.
            std::future::pending::<()>().await;
        });
    }
}
