//! What every HTTP client of a process begins with.

use std::sync::LazyLock;

use reqwest::{Client, ClientBuilder, redirect::Policy};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;

/// The certificates that the system trusts, read once: it takes longer than anything else at a start. TLS sessions are
/// resumed across clients.
static TLS: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let mut tls = ClientConfig::with_platform_verifier()?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
});

/// No redirects: keys go to the address that was configured, and nowhere else.
pub fn builder() -> ClientBuilder {
    let client = Client::builder().redirect(Policy::none());
    match &*TLS {
        Ok(tls) => client.tls_backend_preconfigured(tls.clone()),
        // `build` finds the same fault, and says it.
        Err(_) => client,
    }
}
