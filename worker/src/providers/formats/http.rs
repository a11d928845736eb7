//! HTTP for all formats: the client, requests, bodies within bounds, and the classification of transport errors.

use std::{error::Error, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use reqwest::{
    Method, Request, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use troupe_core::{
    adapters::http_client,
    model::providers::Outcome,
    trace,
    wav::{BadWav, Wav},
};

use super::error_body;
use crate::providers::failure::Failure;

/// One for all services: connections are pooled per address.
pub(crate) fn client(connect_timeout: Duration) -> reqwest::Result<reqwest::Client> {
    http_client::builder().connect_timeout(connect_timeout).pool_idle_timeout(Duration::from_secs(30)).build()
}

/// Sixty thousand tokens, in an event each, are about as long.
pub(super) const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// Sends a request; returns a response of success. A function, so that tests run without a socket.
pub(super) type Exchange = Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, Failure>> + Send + Sync>;

pub(super) fn exchange(client: reqwest::Client) -> Exchange {
    Arc::new(move |mut request| {
        if let Some(trace) = trace::outgoing()
            && let Ok(trace) = HeaderValue::try_from(trace.to_string())
        {
            request.headers_mut().insert("traceparent", trace);
        }
        let response = client.execute(request);
        async { check_status(response.await.map_err(|error| transport_failure(&error))?).await }.boxed()
    })
}

pub(super) async fn check_status(response: Response) -> Result<Response, Failure> {
    if response.status().is_success() { Ok(response) } else { Err(error_body::error_response(response).await) }
}

/// The body of an answer that is not streamed.
pub(super) async fn read_bytes(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| transport_failure(&error))? {
        body.extend_from_slice(&part);
        if body.len() > MAX_BODY_BYTES {
            return Err(Failure::new(Outcome::Malformed, "the answer is too long"));
        }
    }
    Ok(body)
}

/// The sound in a WAV file.
pub(super) fn wav(file: &[u8]) -> Result<Wav, Failure> {
    Wav::parse(file).map_err(|bad| match bad {
        BadWav::Empty => Failure::new(Outcome::Empty, "the service sent no sound"),
        bad => Failure::new(Outcome::Malformed, format!("the service sent no sound that is understood: {bad}")),
    })
}

/// The same, of text.
pub(super) async fn read_body(response: Response) -> Result<String, Failure> {
    let body = read_bytes(response).await?;
    match str::from_utf8(&body) {
        Ok(text) => Ok(text.trim_start_matches(BYTE_ORDER_MARK).to_owned()),
        Err(error) if error.error_len().is_some() => Err(Failure::new(Outcome::Malformed, "the answer is no text")),
        Err(_) => Err(Failure::new(Outcome::Cut, "the answer ends in the middle of a character")),
    }
}

/// A service by its base URL, for the formats without a client library.
pub(super) struct Service {
    exchange: Exchange,
    base: String,
}

impl Service {
    pub(super) fn new(exchange: Exchange, base: &str) -> Self {
        Self { exchange, base: base.trim_end_matches('/').to_owned() }
    }

    pub(super) async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: &impl Serialize,
    ) -> Result<Response, Failure> {
        let mut request = self.request(Method::POST, path, headers)?;
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(Outcome::BadCall, error.to_string()))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        (self.exchange)(request).await
    }

    pub(super) async fn get(&self, path: &str, headers: HeaderMap) -> Result<Response, Failure> {
        (self.exchange)(self.request(Method::GET, path, headers)?).await
    }

    fn request(&self, method: Method, path: &str, headers: HeaderMap) -> Result<Request, Failure> {
        let url = Url::parse(&format!("{}{path}", self.base));
        let url = url.map_err(|error| Failure::new(Outcome::Unreachable, format!("the service's address: {error}")))?;
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// A key as the value of a header, which not every string can be.
pub(super) fn key_header(scheme: &str, key: &SecretString) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::try_from(format!("{scheme}{}", key.expose_secret()));
    let mut value =
        value.map_err(|_| Failure::new(Outcome::KeyRefused, "the key cannot be sent: it is no single line"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A request without a response, or with one that broke off.
pub(super) fn transport_failure(error: &reqwest::Error) -> Failure {
    // Without the address: it may hold a secret, and it is in the configuration.
    let causes = || std::iter::successors(error.source(), |cause| (*cause).source());
    let why = causes().last().map(ToString::to_string).unwrap_or_default();
    if error.is_connect() {
        Failure::new(Outcome::Unreachable, format!("cannot connect: {why}"))
    } else if error.is_timeout() {
        Failure::new(Outcome::Unreachable, "the time to connect ran out")
    } else if error.is_body() || error.is_decode() {
        Failure::new(Outcome::Cut, format!("the answer broke off: {why}"))
    } else {
        Failure::new(Outcome::Unreachable, format!("the call failed: {why}"))
    }
}
