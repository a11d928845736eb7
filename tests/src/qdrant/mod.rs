//! The parts of Qdrant that Troupe uses, in memory, behind a real gRPC server; with every way to fail that a test
//! needs.
//!
//! The messages and the server's traits are those that the client ships. What is not used answers "unimplemented", so
//! that a test notices when the client asks for more.

mod collections;
mod points;
mod state;

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use qdrant_client::qdrant::{
    HealthCheckReply, HealthCheckRequest,
    collections_server::CollectionsServer,
    points_server::PointsServer,
    qdrant_server::{Qdrant, QdrantServer},
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinSet,
};
use tonic::{
    Request, Response, Status,
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};

use crate::within;
use state::State;

/// What is done instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    #[default]
    None,
    /// Every call is refused.
    Refuse,
    /// No call is ever answered.
    Silence,
    /// What changes something is done, but its answer is an error.
    LoseAnswers,
}

/// What the server knows and does; shared with its services.
struct Shared {
    state: Mutex<State>,
    trouble: Mutex<Trouble>,
    version: Mutex<&'static str>,
    api_key: Mutex<Option<&'static str>>,
    tls: Option<Tls>,
    /// How many calls came that change or search points.
    calls: watch::Sender<usize>,
}

impl Shared {
    /// Lets a call in, or not.
    async fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let key = request.metadata().get("api-key").and_then(|value| value.to_str().ok());
        let wanted = *self.api_key.lock();
        if wanted.is_some() && key != wanted {
            return Err(Status::permission_denied("Invalid api-key"));
        }
        let trouble = *self.trouble.lock();
        match trouble {
            Trouble::Refuse => Err(Status::unavailable("as scripted")),
            Trouble::Silence => std::future::pending().await,
            Trouble::None | Trouble::LoseAnswers => Ok(()),
        }
    }

    /// Lets the answer to what was done out, or not.
    fn release<T>(&self, answer: T) -> Result<Response<T>, Status> {
        match *self.trouble.lock() {
            Trouble::LoseAnswers => Err(Status::unavailable("the answer was lost, as scripted")),
            _ => Ok(Response::new(answer)),
        }
    }

    fn count(&self) {
        self.calls.send_modify(|calls| *calls += 1);
    }
}

/// A certificate for localhost that nobody vouches for but itself.
struct Tls {
    certificate: String,
    key: String,
}

impl Tls {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }
}

/// One service of the server; all of them know the same.
#[derive(Clone)]
struct Service(Arc<Shared>);

#[tonic::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckReply>, Status> {
        self.0.admit(&request).await?;
        let version = (*self.0.version.lock()).to_owned();
        Ok(Response::new(HealthCheckReply { title: "qdrant".to_owned(), version, commit: None }))
    }
}

/// Dropping it ends it.
pub struct FakeQdrant {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: Option<(oneshot::Sender<()>, JoinSet<()>)>,
}

impl FakeQdrant {
    pub async fn start() -> Self {
        Self::start_with(None, None).await
    }

    /// One that wants a key.
    pub async fn start_with_key(key: &'static str) -> Self {
        Self::start_with(Some(key), None).await
    }

    /// One that wants a key, and TLS.
    pub async fn start_with_tls(key: &'static str) -> Self {
        Self::start_with(Some(key), Some(Tls::new())).await
    }

    async fn start_with(api_key: Option<&'static str>, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind Qdrant");
        let address = listener.local_addr().expect("Qdrant's address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            trouble: Mutex::default(),
            version: Mutex::new("1.15.1"),
            api_key: Mutex::new(api_key),
            tls,
            calls: watch::Sender::new(0),
        });
        let mut qdrant = Self { shared, address, serving: None };
        qdrant.serve(listener);
        qdrant
    }

    /// Wants this key from now on.
    pub fn set_key(&self, key: &'static str) {
        *self.shared.api_key.lock() = Some(key);
    }

    pub fn url(&self) -> String {
        match self.shared.tls {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// By which it is known where TLS is spoken, as PEM.
    pub fn certificate(&self) -> &str {
        self.shared.tls.as_ref().map_or("", |tls| &tls.certificate)
    }

    /// What it says that it is, and behaves like.
    pub fn set_version(&self, version: &'static str) {
        *self.shared.version.lock() = version;
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        *self.shared.trouble.lock() = trouble;
    }

    /// Waits until so many calls have come that change or search points.
    pub async fn called(&self, times: usize) {
        let mut calls = self.shared.calls.subscribe();
        _ = within(&format!("call {times} of Qdrant"), calls.wait_for(|calls| *calls >= times)).await;
    }

    pub fn calls(&self) -> usize {
        *self.shared.calls.borrow()
    }

    /// The collection that is searched under an alias.
    pub fn searched(&self, alias: &str) -> Option<String> {
        self.shared.state.lock().aliases.get(alias).cloned()
    }

    pub fn aliases(&self) -> Vec<String> {
        self.shared.state.lock().aliases.keys().cloned().collect()
    }

    pub fn collections(&self) -> Vec<String> {
        self.shared.state.lock().collections.keys().cloned().collect()
    }

    /// The ids of the points of a collection, in order.
    pub fn points(&self, collection: &str) -> Vec<String> {
        let state = self.shared.state.lock();
        state.collections.get(collection).map(|known| known.points.keys().cloned().collect()).unwrap_or_default()
    }

    /// The fields of a collection's payload that are indexed.
    pub fn indexed_fields(&self, collection: &str) -> Vec<String> {
        let state = self.shared.state.lock();
        state.collections.get(collection).map(|known| known.indexed.iter().cloned().collect()).unwrap_or_default()
    }

    /// Somebody else makes a collection, and an alias for it.
    pub fn put_collection(&self, collection: &str, alias: &str, dimension: u64) {
        let mut state = self.shared.state.lock();
        state.make(collection, dimension).expect("a new collection");
        state.aliases.insert(alias.to_owned(), collection.to_owned());
    }

    /// It loses everything.
    pub fn forget(&self) {
        *self.shared.state.lock() = State::default();
    }

    /// Ends, and with it every connection.
    pub async fn go_away(&mut self) {
        if let Some((stop, mut serving)) = self.serving.take() {
            drop(stop);
            within("Qdrant's end", serving.join_next()).await;
        }
    }

    /// Listens again, at the same address, with what it had.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("bind Qdrant again");
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let service = Service(self.shared.clone());
        let mut server = Server::builder();
        if let Some(Tls { certificate, key }) = &self.shared.tls {
            let identity = Identity::from_pem(certificate, key);
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).expect("TLS");
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let ended = server
                .add_service(QdrantServer::new(service.clone()))
                .add_service(CollectionsServer::new(service.clone()))
                .add_service(PointsServer::new(service))
                .serve_with_incoming_shutdown(TcpIncoming::from(listener), async { _ = stopped.await });
            _ = ended.await;
        });
        self.serving = Some((stop, serving));
    }
}
