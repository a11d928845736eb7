//! One open WebSocket, and everything that came over it.

use std::{sync::Arc, time::Instant};

use futures::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::Value;
use tokio::{net::TcpStream, sync::watch, task::JoinSet};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::client::{Request, Response},
    },
};

use crate::{DEADLINE, within};

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A text frame, as it came.
#[derive(Debug, Clone)]
pub struct TextFrame {
    pub at: Instant,
    pub text: String,
    pub json: Value,
}

/// Dropping it breaks the connection without a word, as a phone does in a tunnel.
pub struct Socket {
    sink: SplitSink<Connection, Message>,
    heard: Arc<Heard>,
    _reader: JoinSet<()>,
}

#[derive(Default)]
struct Heard {
    frames: watch::Sender<Vec<TextFrame>>,
    end: watch::Sender<Option<End>>,
}

/// How the other side ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Code(u16),
    /// The connection broke without a close frame.
    Broken,
}

impl Socket {
    /// With a bearer token, in a header.
    pub(crate) async fn open(base: &str, token: &str, query: &str) -> Self {
        let opened = Self::try_open(base, token, query).await;
        let socket = opened.unwrap_or_else(|error| panic!("open a socket: {error:?}"));
        socket.hello().await;
        socket
    }

    /// The same, where the server may be gone; does not wait for the hello.
    pub(crate) async fn try_open(base: &str, token: &str, query: &str) -> Result<Self, Box<Error>> {
        let mut request = upgrade(base, query);
        let bearer = format!("Bearer {token}").parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        Self::connect(request).await
    }

    /// With subprotocols alone, as a browser does; returns also what the server said to the upgrade.
    pub async fn with_protocols(base: &str, protocols: &str) -> Result<(Self, Response), Box<Error>> {
        let mut request = upgrade(base, "");
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().expect("a header"));
        let (connection, response) = within("a socket's opening", connect_async(request)).await?;
        Ok((Self::new(connection), response))
    }

    pub async fn connect(request: Request) -> Result<Self, Box<Error>> {
        let (connection, _) = within("a socket's opening", connect_async(request)).await?;
        Ok(Self::new(connection))
    }

    fn new(connection: Connection) -> Self {
        let (sink, mut stream) = connection.split();
        let heard = Arc::new(Heard::default());
        let mut reader = JoinSet::new();
        let hearing = heard.clone();
        reader.spawn(async move {
            let end = loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let text = text.as_str().to_owned();
                        let json = serde_json::from_str(&text).unwrap_or_default();
                        hearing.frames.send_modify(|frames| frames.push(TextFrame { at: Instant::now(), text, json }));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        break End::Code(frame.map_or(1005, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break End::Broken,
                }
            };
            hearing.end.send_replace(Some(end));
            // Read on, so that the closing handshake is finished.
            while let Some(Ok(_)) = stream.next().await {}
        });
        Self { sink, heard, _reader: reader }
    }

    /// Everything heard so far.
    pub fn frames(&self) -> Vec<TextFrame> {
        self.heard.frames.borrow().clone()
    }

    /// The events of one request so far.
    pub fn events(&self, request: &str) -> Vec<Value> {
        let events = self.frames().into_iter().map(|frame| frame.json);
        events.filter(|event| event["request_id"] == request && event["cursor"].is_string()).collect()
    }

    /// The first frame, heard by now or later, for which this holds.
    pub async fn wait_for(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let (mut frames, mut end) = (self.heard.frames.subscribe(), self.heard.end.subscribe());
        let found = |frames: &[TextFrame]| frames.iter().find(|frame| holds(&frame.json)).map(|f| f.json.clone());
        let search = async {
            tokio::select! {
                Ok(frames) = frames.wait_for(|frames| found(frames).is_some()) => found(&frames),
                _ = end.wait_for(Option::is_some) => None,
                else => None,
            }
        };
        let frame = tokio::time::timeout(DEADLINE, search).await.ok().flatten();
        frame.or_else(|| found(&self.heard.frames.borrow())).unwrap_or_else(|| {
            let heard: Vec<_> = self.frames().into_iter().map(|frame| frame.text).collect();
            panic!("the socket did not hear {what} (end: {:?}); it heard:\n{}", self.end(), heard.join("\n"))
        })
    }

    /// Whether the server says hello, or ends it without.
    pub async fn greeted(&self) -> bool {
        let (mut frames, mut end) = (self.heard.frames.subscribe(), self.heard.end.subscribe());
        let heard = async {
            tokio::select! {
                heard = frames.wait_for(|frames| !frames.is_empty()) => heard.is_ok(),
                _ = end.wait_for(Option::is_some) => false,
            }
        };
        within("a hello or an end", heard).await
    }

    /// Waits until what was heard is like this; `false` when the socket has ended or the deadline has passed before.
    pub async fn comes_to(&self, holds: impl Fn(&[TextFrame]) -> bool) -> bool {
        let (mut frames, mut end) = (self.heard.frames.subscribe(), self.heard.end.subscribe());
        let reached = async {
            tokio::select! {
                reached = frames.wait_for(|frames| holds(frames)) => reached.is_ok(),
                _ = end.wait_for(Option::is_some) => false,
            }
        };
        let reached = tokio::time::timeout(DEADLINE, reached).await.unwrap_or(false);
        reached || holds(&self.heard.frames.borrow())
    }

    pub async fn hello(&self) -> Value {
        self.wait_for("hello", |frame| frame["type"] == "hello").await
    }

    /// Waits for a request's terminal event.
    pub async fn ended(&self, request: &str) -> Value {
        let holds = |event: &Value| event["request_id"] == request && crate::transcript::is_terminal(event);
        self.wait_for(&format!("the end of {request}"), holds).await
    }

    /// Waits until this text has been shown of a request, counting the hello's.
    pub async fn shown(&self, request: &str, text: &str) {
        self.wait_for_transcript(request, &format!("“{text}”"), |transcript| transcript.text == text).await;
    }

    /// Waits until the request's transcript is like this, and returns it.
    pub async fn wait_for_transcript(
        &self,
        request: &str,
        what: &str,
        holds: impl Fn(&crate::Transcript) -> bool,
    ) -> crate::Transcript {
        let mut frames = self.heard.frames.subscribe();
        let reached = frames.wait_for(|frames| holds(&transcript(request, frames)));
        if let Ok(Ok(frames)) = tokio::time::timeout(DEADLINE, reached).await {
            transcript(request, &frames)
        } else {
            let heard: Vec<_> = self.frames().into_iter().map(|frame| frame.text).collect();
            panic!("the socket did not show {what} (end: {:?}); it heard:\n{}", self.end(), heard.join("\n"))
        }
    }

    /// What this connection has shown of a request: hello, then events, each checked for being sent just once.
    pub fn transcript(&self, request: &str) -> crate::Transcript {
        transcript(request, &self.frames())
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_raw(Message::text(message.to_string())).await.expect("send over the socket");
    }

    pub async fn send_raw(&mut self, message: Message) -> Result<(), Box<Error>> {
        within("sending over the socket", self.sink.send(message)).await.map_err(Box::new)
    }

    /// How it was ended, if it was.
    pub fn end(&self) -> Option<End> {
        self.heard.end.borrow().clone()
    }

    /// Waits for the other side to end it.
    pub async fn closed(&self) -> End {
        within("the end of a socket", self.ended_by_peer()).await
    }

    /// The same without a deadline: for sockets that may stay open as long as they like.
    pub async fn ended_by_peer(&self) -> End {
        let mut end = self.heard.end.subscribe();
        let ended = end.wait_for(Option::is_some).await.expect("the reader lives");
        ended.clone().unwrap_or(End::Broken)
    }
}

fn transcript(request: &str, frames: &[TextFrame]) -> crate::Transcript {
    let mut transcript = crate::Transcript::strict(request);
    for TextFrame { json, .. } in frames {
        if json["type"] == "hello" {
            transcript.snapshot(json);
        } else {
            transcript.apply(json);
        }
    }
    transcript
}

/// An upgrade without credentials.
pub fn upgrade(base: &str, query: &str) -> Request {
    let address = format!("{}/api/v1/ws{query}", base.replacen("http", "ws", 1));
    address.into_client_request().expect("the address of a socket")
}
