//! DNS resolution.

use std::{io, net::IpAddr};

use async_trait::async_trait;

#[async_trait]
pub trait Resolver: Send + Sync {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}
