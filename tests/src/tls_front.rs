//! TLS before a service that speaks none.

use std::{path::Path, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Dropping it ends it.
pub struct TlsFront {
    port: u16,
    _serving: JoinSet<()>,
}

impl TlsFront {
    /// With this certificate, before the service at this address.
    pub async fn start(certificate: &Path, key: &Path, service: String) -> Self {
        let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(key).expect("its key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("both")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind what speaks TLS");
        let port = listener.local_addr().expect("its address").port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                connections.spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let Ok(mut server) = TcpStream::connect(service).await else { return };
                    _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { port, _serving: serving }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}
