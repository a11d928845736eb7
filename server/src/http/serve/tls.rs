//! TLS of the listener: certificate, key and the clients' authority from files, which are read again when they change.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};
use parking_lot::Mutex;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use troupe_core::config::Server;

const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

pub(crate) struct Tls {
    files: Files,
    acceptor: Mutex<TlsAcceptor>,
}

#[derive(Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl Tls {
    /// `None` where no certificate is configured.
    pub(crate) fn from_config(config: &Server) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (config.tls_certificate.clone(), config.tls_key.clone()) else {
            return Ok(None);
        };
        let files = Files { certificate, key, client_ca: config.tls_client_ca.clone() };
        let acceptor = Mutex::new(files.acceptor()?);
        Ok(Some(Self { files, acceptor }))
    }

    /// The handshake; `None` where it fails, which is the client's affair.
    pub(super) async fn accept<S>(&self, stream: S, within: Duration) -> Option<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = self.acceptor.lock().clone();
        match timeout(within, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "no TLS");
                None
            }
            Err(_) => None,
        }
    }

    /// Takes over what changes in the files. Files that are no good change nothing: connections go on with what was
    /// there.
    pub(crate) async fn follow_files(&self) {
        let mut current = self.files.changed_at();
        loop {
            sleep(RELOAD_INTERVAL).await;
            let changed_at = self.files.changed_at();
            if changed_at == current {
                continue;
            }
            match self.files.acceptor() {
                Ok(acceptor) => {
                    *self.acceptor.lock() = acceptor;
                    current = changed_at;
                    tracing::info!("new connections have another certificate now");
                }
                Err(error) => tracing::error!(error = format!("{error:#}"), "connections keep their certificate"),
            }
        }
    }
}

impl Files {
    fn changed_at(&self) -> Vec<Option<SystemTime>> {
        let files = [&self.certificate, &self.key].into_iter().chain(&self.client_ca);
        files.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok()).collect()
    }

    fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let chain = certificates(&self.certificate).context("server.tls_certificate")?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.with_context(|| format!("server.tls_key: {} is no key in PEM", self.key.display()))?;
        let builder = match &self.client_ca {
            None => ServerConfig::builder().with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file).context("server.tls_client_ca")? {
                    roots.add(certificate).context("server.tls_client_ca")?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
                ServerConfig::builder().with_client_cert_verifier(verifier.context("server.tls_client_ca")?)
            }
        };
        let mut config =
            builder.with_single_cert(chain, key).context("server.tls_key does not go with its certificate")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(file: &PathBuf) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>, rustls::pki_types::pem::Error> { CertificateDer::pem_file_iter(file)?.collect() };
    let found = read().with_context(|| format!("{} has no certificates in PEM", file.display()))?;
    ensure!(!found.is_empty(), "{} has no certificate in PEM", file.display());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use rcgen::CertifiedKey;
    use rustls::{ClientConfig, pki_types::ServerName};
    use tokio_rustls::TlsConnector;

    use super::*;

    /// Writes a new certificate and its key.
    fn make(files: &Files) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }

    fn files(dir: &Path) -> Files {
        Files { certificate: dir.join("tls.crt"), key: dir.join("tls.key"), client_ca: None }
    }

    /// Whether a client that trusts this certificate alone gets through.
    async fn is_served(tls: &Tls, trusted: &CertificateDer<'static>) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let (near, far) = tokio::io::duplex(16 * 1_024);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let (connected, accepted) =
            tokio::join!(connector.connect(name, near), tls.accept(far, Duration::from_secs(5)));
        connected.is_ok() && accepted.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
        troupe_core::lifecycle::install_tls();
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let first = make(&files);
        let tls = Tls { acceptor: Mutex::new(files.acceptor().unwrap()), files: files.clone() };
        assert!(is_served(&tls, &first).await);
        let changed = async |change: &mut dyn FnMut()| {
            let change = async {
                // After the first look at the files.
                tokio::task::yield_now().await;
                change();
            };
            _ = tokio::join!(timeout(RELOAD_INTERVAL * 2, tls.follow_files()), change);
        };
        changed(&mut || fs::write(&files.certificate, "no certificate").unwrap()).await;
        assert!(is_served(&tls, &first).await, "what is broken changes nothing");
        let mut second = None;
        changed(&mut || second = Some(make(&files))).await;
        assert!(is_served(&tls, &second.unwrap()).await && !is_served(&tls, &first).await);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        troupe_core::lifecycle::install_tls();
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let fault = |files: &Files| format!("{:#}", files.acceptor().err().unwrap());
        assert!(fault(&files).starts_with("server.tls_certificate: "), "{}", fault(&files));
        make(&files);
        fs::write(&files.key, "no key").unwrap();
        assert!(fault(&files).starts_with("server.tls_key: "), "{}", fault(&files));
        let other = tempfile::tempdir().unwrap();
        make(&Files { certificate: other.path().join("tls.crt"), ..files.clone() });
        assert!(fault(&files).starts_with("server.tls_key does not go with its certificate"), "{}", fault(&files));
        make(&files);
        let with_ca = Files { client_ca: Some(dir.path().join("nowhere")), ..files };
        assert!(fault(&with_ca).starts_with("server.tls_client_ca: "), "{}", fault(&with_ca));
    }
}
