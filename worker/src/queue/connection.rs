//! A queue's connection to Redis: apalis needs one of another client library than the rest of the process.

use std::time::Duration;

use futures::{
    StreamExt, future,
    stream::{self, BoxStream},
};
use redis::{
    Client, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
    auth::{BasicAuth, StreamingCredentialsProvider},
};
use secrecy::ExposeSecret;
use troupe_core::config::{Live, LiveSecret};

const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// Reconnects whenever it breaks, with the current credentials.
pub(super) async fn open(live: &Live) -> RedisResult<ConnectionManager> {
    let config = &live.now().redis;
    let credentials = LiveCredentials(live.secret(|config| config.redis.url.clone()));
    let client = credentials.client()?;
    let mut settings = ConnectionManagerConfig::new()
        .set_response_timeout(Some(config.command_timeout))
        .set_connection_timeout(Some(config.command_timeout))
        .set_max_delay(MAX_RECONNECT_DELAY);
    if client.get_connection_info().redis_settings().password().is_some() {
        settings = settings.set_credentials_provider(credentials);
    }
    ConnectionManager::new_with_config(client, settings).await
}

/// The credentials in the current address: every new connection reads them. An open one keeps its own.
struct LiveCredentials(LiveSecret);

impl LiveCredentials {
    fn client(&self) -> RedisResult<Client> {
        Client::open(self.0.now().unwrap_or_default().expose_secret())
    }

    fn credentials(&self) -> RedisResult<BasicAuth> {
        let client = self.client()?;
        let redis = client.get_connection_info().redis_settings();
        Ok(BasicAuth::new(
            redis.username().unwrap_or("default").to_owned(),
            redis.password().unwrap_or_default().to_owned(),
        ))
    }
}

impl StreamingCredentialsProvider for LiveCredentials {
    fn subscribe(&self) -> BoxStream<'static, RedisResult<BasicAuth>> {
        stream::once(future::ready(self.credentials())).chain(stream::pending()).boxed()
    }
}
