//! How the events of a request add up, written down from the contract and not from the code that it tests.

use serde_json::Value;

/// A place in the events of a request.
pub type Cursor = (u32, u32);

pub fn cursor_of(event: &Value) -> Cursor {
    let cursor = event["cursor"].as_str().unwrap_or_else(|| panic!("an event without a cursor: {event}"));
    parse_cursor(cursor)
}

pub fn parse_cursor(text: &str) -> Cursor {
    let parts = text.split_once('-').and_then(|(attempt, n)| Some((attempt.parse().ok()?, n.parse().ok()?)));
    parts.unwrap_or_else(|| panic!("{text:?} is no cursor"))
}

pub fn is_terminal(event: &Value) -> bool {
    ["reply.completed", "request.failed", "request.cancelled"].iter().any(|name| event["type"] == *name)
}

/// One client's view of one request.
#[derive(Debug, Clone)]
pub struct Transcript {
    pub request: String,
    pub cursor: Cursor,
    pub text: String,
    /// The terminal event.
    pub end: Option<Value>,
    strict: bool,
}

impl Transcript {
    /// Does what every client must: drops what is at or below the last cursor, and keeps code points at a reset.
    pub fn lenient(request: &str) -> Self {
        Self { request: request.to_owned(), cursor: (0, 0), text: String::new(), end: None, strict: false }
    }

    /// Fails at whatever a client on one connection must never be sent: an event twice or out of order, anything after
    /// the end, a new attempt's text without a reset of the old one's, or an end that differs from the text.
    pub fn strict(request: &str) -> Self {
        Self { strict: true, ..Self::lenient(request) }
    }

    /// Takes up what a hello says of the request, if it is running. If it is not, it has ended or not begun: its end,
    /// should it still come, is told with the whole text, whatever was shown of it before.
    pub fn snapshot(&mut self, hello: &Value) -> bool {
        assert_eq!(hello["type"], "hello");
        let active = hello["active"].as_array().expect("hello.active");
        let mut mine = active.iter().filter(|active| active["request_id"] == *self.request);
        let Some(active) = mine.next() else {
            if self.end.is_none() {
                self.text.clear();
            }
            return false;
        };
        assert!(mine.next().is_none(), "a request is twice in {hello}");
        self.cursor = cursor_of(active);
        active["text"].as_str().expect("active.text").clone_into(&mut self.text);
        true
    }

    /// Takes an event of this request up; others are passed over.
    pub fn apply(&mut self, event: &Value) {
        self.try_apply(event).unwrap_or_else(|breach| panic!("{breach}"));
    }

    /// The same; the error is what a strict transcript finds wrong with the event, which is not taken up then.
    pub fn try_apply(&mut self, event: &Value) -> Result<(), String> {
        if event["request_id"] != *self.request || event["cursor"].is_null() {
            return Ok(());
        }
        let cursor = cursor_of(event);
        let kind = event["type"].as_str().expect("a type");
        if self.strict {
            self.check(event, kind, cursor)?;
        }
        if cursor <= self.cursor || self.end.is_some() {
            return Ok(());
        }
        self.cursor = cursor;
        match kind {
            "reply.delta" => self.text.push_str(event["text"].as_str().expect("delta.text")),
            "reply.reset" => {
                let keep = usize::try_from(event["keep"].as_u64().expect("reset.keep")).expect("a small number");
                self.text = self.text.chars().take(keep).collect();
            }
            "reply.completed" => whole_of(event).clone_into(&mut self.text),
            _ => {}
        }
        if is_terminal(event) {
            self.end = Some(event.clone());
        }
        Ok(())
    }

    fn check(&self, event: &Value, kind: &str, cursor: Cursor) -> Result<(), String> {
        let shown = &self.text;
        if self.end.is_some() {
            return Err(format!("an event after the end: {event}"));
        }
        if cursor <= self.cursor {
            return Err(format!("cursor {:?} is followed by {event}", self.cursor));
        }
        let overtaken = cursor.0 > self.cursor.0 && !shown.is_empty();
        if overtaken && kind != "reply.reset" && !is_terminal(event) {
            return Err(format!("“{shown}” was shown, and a new attempt does not reset it: {event}"));
        }
        // A client that came when all was said may be told the whole alone. And where the worker died before it could
        // tell the end, the server does, with the attempt's last cursor: then the rest of the text comes with it.
        let sound = |whole: &str| shown == whole || (cursor.1 == u32::MAX && whole.starts_with(shown.as_str()));
        if kind == "reply.completed" && !shown.is_empty() && !sound(whole_of(event)) {
            return Err(format!("shown “{shown}”, but the reply is “{}”", whole_of(event)));
        }
        Ok(())
    }

    pub fn apply_all<'a>(&mut self, events: impl IntoIterator<Item = &'a Value>) -> &mut Self {
        for event in events {
            self.apply(event);
        }
        self
    }

    /// The text of a reply that is complete.
    pub fn completed(&self) -> &str {
        let end =
            self.end.as_ref().unwrap_or_else(|| panic!("request {} has not ended: “{}”", self.request, self.text));
        assert_eq!(end["type"], "reply.completed", "{end}");
        &self.text
    }
}

fn whole_of(completed: &Value) -> &str {
    completed["message"]["content"].as_str().expect("the message")
}

/// The types of a request's events, in order.
pub fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect()
}
