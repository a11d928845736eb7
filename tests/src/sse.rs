//! A reader of Server-Sent Events, as strict as the specification lets it be.

use futures::{StreamExt, stream::BoxStream};
use serde_json::Value;

use crate::within;

#[derive(Debug, Clone, PartialEq)]
pub struct ServerSentEvent {
    pub id: String,
    pub event: String,
    /// The bytes of the data, and what they say.
    pub text: String,
    pub data: Value,
}

/// The events of one request, as they come.
pub struct EventSource {
    bytes: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    unread: Vec<u8>,
}

impl EventSource {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { bytes: response.bytes_stream().boxed(), unread: Vec::new() }
    }

    /// The next event; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Option<ServerSentEvent> {
        within("the next event of the stream", async {
            loop {
                while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<_> = self.unread.drain(..end + 2).collect();
                    if let Some(event) = parse(std::str::from_utf8(&block).expect("UTF-8")) {
                        return Some(event);
                    }
                }
                if let Some(bytes) = self.bytes.next().await {
                    self.unread.extend_from_slice(&bytes.expect("an event stream that does not break"));
                } else {
                    assert!(self.unread.is_empty(), "the stream ended within an event: {:?}", self.unread);
                    return None;
                }
            }
        })
        .await
    }

    /// Everything until the end.
    pub async fn rest(mut self) -> Vec<ServerSentEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Everything up to the first event for which this holds, that one included.
    pub async fn until(&mut self, holds: impl Fn(&ServerSentEvent) -> bool) -> Vec<ServerSentEvent> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            events.push(event.unwrap_or_else(|| panic!("the stream ended after {events:#?}")));
            if events.last().is_some_and(&holds) {
                return events;
            }
        }
    }
}

/// `None` for a comment.
fn parse(block: &str) -> Option<ServerSentEvent> {
    let (mut id, mut event, mut data) = (None, None, Vec::new());
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a line without a name: {line:?}"));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "id" => id = Some(value),
            "event" => event = Some(value),
            "data" => data.push(value),
            other => panic!("an unknown field {other:?} in an event"),
        }
    }
    if id.is_none() && event.is_none() && data.is_empty() {
        return None;
    }
    let text = data.join("\n");
    let is_done = text == "[DONE]";
    let data = serde_json::from_str(&text);
    let data = data.unwrap_or_else(|error| if is_done { Value::Null } else { panic!("{text:?} is no JSON: {error}") });
    assert!(event.is_some() || id.is_none(), "an id without a name: {text:?}");
    // Those of `/v1` have no ids, and some no names.
    let event = event.unwrap_or_else(|| "message".to_owned());
    Some(ServerSentEvent { id: id.unwrap_or_default(), event, text, data })
}
