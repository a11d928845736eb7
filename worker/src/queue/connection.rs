//! The connection of a queue to Redis: apalis wants one of another client than the rest of the process has.

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

/// Between tries to connect again, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One that is opened again whenever it breaks, by the user of the moment.
pub(super) async fn open(live: &Live) -> RedisResult<ConnectionManager> {
    let config = &live.now().redis;
    let caller = Caller(live.secret(|config| config.redis.url.clone()));
    let client = caller.client()?;
    let mut settings = ConnectionManagerConfig::new()
        .set_response_timeout(Some(config.command_timeout))
        .set_connection_timeout(Some(config.command_timeout))
        .set_max_delay(LONGEST_PAUSE);
    if client.get_connection_info().redis_settings().password().is_some() {
        settings = settings.set_credentials_provider(caller);
    }
    ConnectionManager::new_with_config(client, settings).await
}

/// Who calls, by the address as it is now: every new connection asks. One that is there stays who it is.
struct Caller(LiveSecret);

impl Caller {
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

impl StreamingCredentialsProvider for Caller {
    fn subscribe(&self) -> BoxStream<'static, RedisResult<BasicAuth>> {
        stream::once(future::ready(self.credentials())).chain(stream::pending()).boxed()
    }
}
