//! A user, as a program that calls the API.

use std::time::Duration;

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::{EventSource, Socket, leaks, within};

/// What a call was answered with.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// The body, if it is JSON.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of text"))
    }

    /// The body of an answer that must have this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// The problem of an answer that must be one, with everything that belongs in it.
    pub fn problem(&self, status: u16) -> &Value {
        let shown = format!("{} {:?} {}", self.status, self.headers, self.text);
        assert_eq!(self.status.as_u16(), status, "{shown}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{shown}");
        for key in ["type", "title", "detail", "code", "request_id"] {
            assert!(self.body[key].as_str().is_some_and(|text| !text.is_empty()), "{key} is missing: {shown}");
        }
        assert_eq!(self.body["status"], status, "{shown}");
        assert!(self.body["retryable"].is_boolean(), "{shown}");
        assert_eq!(self.body["request_id"], self.header("x-request-id"), "{shown}");
        &self.body
    }

    /// The error of an answer that must be one, in `OpenAI`'s shape.
    pub fn openai_error(&self, status: u16) -> &Value {
        let shown = format!("{} {:?} {}", self.status, self.headers, self.text);
        assert_eq!(self.status.as_u16(), status, "{shown}");
        assert_eq!(self.header("content-type"), "application/json", "{shown}");
        let error = &self.body["error"];
        for key in ["message", "type", "code"] {
            assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{key} is missing: {shown}");
        }
        assert!(["true", "false"].contains(&self.header("x-should-retry")), "{shown}");
        assert!(!self.header("x-request-id").is_empty(), "{shown}");
        error
    }

    /// The code of an error in the shape that the address has.
    pub fn error_code(&self, path: &str, status: u16) -> &str {
        let error = if path.starts_with("/v1/") { self.openai_error(status) } else { self.problem(status) };
        error["code"].as_str().expect("a code")
    }
}

/// A message that was accepted.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The id of the request.
    pub request: String,
    /// The id of the message.
    pub message: String,
    pub answer: Answer,
}

#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    pub token: String,
    pub user: Value,
    pub email: String,
}

/// Shorter than `server.header_timeout`, at which a server closes a connection that no call was made on. The pool keeps
/// such spare ones, and a call on one that is just being closed fails.
const IDLE: Duration = Duration::from_secs(5);

pub const PASSWORD: &str = "correct horse battery staple";

impl Client {
    /// A caller without credentials.
    pub fn anonymous(base: &str) -> Self {
        troupe_core::lifecycle::install_tls();
        // Nothing here is called over TLS: reading the system's certificates would be the slowest part of many tests.
        let http = reqwest::Client::builder()
            .tls_certs_only([])
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .build()
            .expect("an HTTP client");
        Self { http, base: base.to_owned(), token: String::new(), user: Value::Null, email: String::new() }
    }

    /// Somebody who has an account already.
    pub async fn sign_in(base: &str, email: &str, password: &str) -> Self {
        let mut client = Self::anonymous(base);
        let body = json!({"email": email, "password": password});
        let answer = client.post("/api/v1/auth/login", &body).await.expect(200);
        client.become_user(&answer);
        client
    }

    pub async fn register(base: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any name that nobody has")]
        let email = format!("user-{}@example.com", uuid::Uuid::now_v7());
        let mut client = Self::anonymous(base);
        let body = json!({"email": email, "password": PASSWORD, "name": "Grace"});
        let answer = client.post("/api/v1/auth/register", &body).await.expect(201);
        client.become_user(&answer);
        client
    }

    fn become_user(&mut self, answer: &Value) {
        answer["access_token"].as_str().expect("an access token").clone_into(&mut self.token);
        answer["user"]["email"].as_str().expect("an address").clone_into(&mut self.email);
        self.user = answer["user"].clone();
    }

    /// The same user at another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same client with other credentials.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// A call with the user's credentials, to be completed and sent with [`Client::answer`].
    pub fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let call = self.http.request(method, format!("{}{path}", self.base));
        if self.token.is_empty() { call } else { call.bearer_auth(&self.token) }
    }

    pub async fn answer(&self, call: reqwest::RequestBuilder) -> Answer {
        let call = call.build().expect("a sound call");
        let what = format!("{} {}", call.method(), call.url());
        within(&what, async {
            let response = self.http.execute(call).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let (status, headers) = (response.status(), response.headers().clone());
            let text = response.text().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let body = serde_json::from_str(&text).unwrap_or_default();
            leaks::guard_answer(&body);
            Answer { status, headers, text, body }
        })
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.answer(self.call(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.answer(self.call(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.answer(self.call(Method::PATCH, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.answer(self.call(Method::PUT, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.answer(self.call(Method::DELETE, path)).await
    }

    /// Opens a conversation; returns its id.
    pub async fn conversation(&self, persona: &str) -> String {
        let created = self.post("/api/v1/conversations", &json!({ "persona": persona })).await.expect(201);
        created["id"].as_str().expect("an id").to_owned()
    }

    pub async fn send(&self, conversation: &str, content: &str) -> Sent {
        let answer = self.send_waiting(conversation, content, 0).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let id = |of: &str| answer.body[of]["id"].as_str().expect("an id").to_owned();
        Sent { request: id("request"), message: id("message"), answer }
    }

    /// Sends, and waits up to so many seconds for the reply.
    pub async fn send_waiting(&self, conversation: &str, content: &str, wait: u32) -> Answer {
        let query = if wait == 0 { String::new() } else { format!("?wait={wait}") };
        let path = format!("/api/v1/conversations/{conversation}/messages{query}");
        self.post(&path, &json!({ "content": content })).await
    }

    pub async fn request(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/requests/{id}")).await.expect(200)
    }

    /// The request once it is final, by long polling.
    pub async fn finished(&self, id: &str) -> Value {
        within(&format!("the end of request {id}"), async {
            loop {
                let request = self.get(&format!("/api/v1/requests/{id}?wait=5")).await.expect(200);
                if ["completed", "failed", "cancelled"].iter().any(|status| request["status"] == *status) {
                    return request;
                }
            }
        })
        .await
    }

    /// The text of the reply, once it is there.
    pub async fn reply(&self, request: &str) -> String {
        let finished = self.finished(request).await;
        assert_eq!(finished["status"], "completed", "{finished}");
        finished["reply"]["content"].as_str().expect("a reply").to_owned()
    }

    /// Asks and returns the reply.
    pub async fn ask(&self, conversation: &str, content: &str) -> String {
        let sent = self.send(conversation, content).await;
        self.reply(&sent.request).await
    }

    /// All messages of a conversation, the oldest first, as (role, content).
    pub async fn messages(&self, conversation: &str) -> Vec<(String, String)> {
        let page = self.get(&format!("/api/v1/conversations/{conversation}/messages?limit=100")).await.expect(200);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let items = page["items"].as_array().expect("items").iter();
        items.rev().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }

    /// The events of a request, from the beginning or after what was seen last.
    pub async fn events(&self, request: &str, last_event_id: Option<&str>) -> EventSource {
        let mut call = self.call(Method::GET, &format!("/api/v1/requests/{request}/events"));
        if let Some(cursor) = last_event_id {
            call = call.header("last-event-id", cursor);
        }
        self.open_events(call).await
    }

    pub async fn open_events(&self, call: reqwest::RequestBuilder) -> EventSource {
        let response = within("the event stream's head", call.send()).await.expect("an event stream");
        assert_eq!(response.status(), 200);
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(content_type, Some("text/event-stream"));
        EventSource::new(response)
    }

    /// Opens a socket and waits for its hello.
    pub async fn socket(&self) -> Socket {
        Socket::open(&self.base, &self.token, "").await
    }

    /// A socket that may fail to open, and may never say hello.
    pub async fn try_socket(&self) -> Option<Socket> {
        Socket::try_open(&self.base, &self.token, "").await.ok()
    }

    /// The same, asking for what was said after this message.
    pub async fn socket_after(&self, message: &str) -> Socket {
        Socket::open(&self.base, &self.token, &format!("?after={message}")).await
    }

    pub fn base(&self) -> &str {
        &self.base
    }
}
