//! A user of the server: an account, a conversation, and calls in its name.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    figures::Figures,
    options::Options,
    replies::{Event, Replies, Sent},
    run::REPLY_TIMEOUT,
};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(crate) type Outcome = Result<Sent, anyhow::Error>;

const QUESTION: &str = "What is the first thing that you remember about the sea, and why does it stay with you?";
/// Registrations at the same time: each has a password hashed.
const REGISTRATIONS: usize = 8;

pub(crate) struct User {
    http: Client,
    base: String,
    token: String,
    conversation: String,
}

impl User {
    /// Registers so many users, each with a conversation.
    pub(crate) async fn sign_up(options: &Options, users: usize) -> anyhow::Result<Vec<Arc<Self>>> {
        let base = options.base.trim_end_matches('/');
        ensure!(base.starts_with("http://"), "{base}: only http:// is supported");
        let http = Client::builder().pool_max_idle_per_host(usize::MAX).tcp_nodelay(true).build()?;
        // E-mail addresses of their own for each run.
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let sign_up =
            |number| Self::register(&http, base, &options.persona, format!("load-{run}-{number}@example.com"));
        stream::iter(0..users).map(sign_up).buffer_unordered(REGISTRATIONS).map_ok(Arc::new).try_collect().await
    }

    async fn register(http: &Client, base: &str, persona: &str, email: String) -> anyhow::Result<Self> {
        let account = json!({"email": email, "password": "correct horse battery staple", "name": "Load"});
        let registration = http.post(format!("{base}/api/v1/auth/register")).json(&account);
        let registered = call(registration, StatusCode::CREATED).await.context("register")?;
        let token = text(&registered["access_token"])?;
        let creation = http.post(format!("{base}/api/v1/conversations")).json(&json!({"persona": persona}));
        let created = call(creation.bearer_auth(&token), StatusCode::CREATED).await.context("create a conversation")?;
        let conversation = text(&created["id"])?;
        Ok(Self { http: http.clone(), base: base.to_owned(), token, conversation })
    }

    /// Opens a socket, and waits for its first frame: from then on it shows all events.
    pub(crate) async fn connect(&self) -> anyhow::Result<Socket> {
        let mut upgrade = format!("{}/api/v1/ws", self.base.replacen("http", "ws", 1)).into_client_request()?;
        upgrade.headers_mut().insert("authorization", format!("Bearer {}", self.token).parse()?);
        let (mut socket, _) = connect_async(upgrade).await.context("open a socket")?;
        while !socket.next().await.context("the socket was closed before its first frame")??.is_text() {}
        Ok(socket)
    }

    pub(crate) async fn send(&self, due: Instant, awaited: Option<oneshot::Sender<()>>) -> Outcome {
        let address = format!("{}/api/v1/conversations/{}/messages", self.base, self.conversation);
        let message = self.http.post(address).bearer_auth(&self.token).json(&json!({"content": QUESTION}));
        let accepted = call(message, StatusCode::ACCEPTED).await.context("send a message")?;
        let accepted_at = Instant::now();
        Ok(Sent { request_id: text(&accepted["request"]["id"])?, due, accepted_at, awaited })
    }
}

async fn call(request: RequestBuilder, expected: StatusCode) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    ensure!(status == expected, "{status}: {}", String::from_utf8_lossy(&body));
    Ok(serde_json::from_slice(&body)?)
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).context("unknown format of an answer")
}

/// Reads a user's socket until all that was sent has its reply, or has waited for too long after the last one was sent.
pub(crate) async fn follow(mut socket: Socket, mut sent: mpsc::Receiver<Outcome>) -> Figures {
    let mut replies = Replies::default();
    let mut deadline = None;
    while deadline.is_none() || !replies.complete() {
        tokio::select! {
            outcome = sent.recv(), if deadline.is_none() => match outcome {
                Some(outcome) => replies.sent(outcome),
                None => deadline = Some(tokio::time::Instant::now() + REPLY_TIMEOUT),
            },
            frame = socket.next() => {
                let Some(Ok(frame)) = frame else { break };
                let at = Instant::now();
                if let Message::Text(text) = frame
                    && let Ok(event) = serde_json::from_str::<Event>(&text)
                {
                    replies.event(event, at);
                }
            }
            () = sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)), if deadline.is_some() => break,
        }
    }
    // Of a socket that was closed: what is sent now is lost.
    while let Ok(Some(outcome)) = timeout(REPLY_TIMEOUT, sent.recv()).await {
        replies.sent(outcome);
    }
    replies.finish()
}
