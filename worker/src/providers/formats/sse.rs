//! Server-sent events (SSE), as model services stream them, parsed within bounds.
//!
//! An event is complete with the empty line after it; an incomplete one at the end was cut off. A failure comes after
//! the events before it, so it does not matter how the network cut the bytes. Unlike the readers of async-openai and of
//! crates, this one needs no task and queue per stream, scans no line twice, and bounds the length of a line.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{Stream, stream};
use http_body::Body as _;
use reqwest::{Body, Response};
use serde::de::DeserializeOwned;
use troupe_core::model::providers::Outcome;

use super::http;
use crate::providers::failure::Failure;

const MAX_LINE_BYTES: usize = 1024 * 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The event type; many services send none.
    pub(super) name: String,
    pub(super) data: String,
}

impl Event {
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        // The message of the error would quote the reply.
        let unreadable = |_| Failure::new(Outcome::Malformed, "the service sent an event that cannot be read");
        serde_json::from_str(&self.data).map_err(unreadable)
    }
}

pub(super) fn events(response: Response) -> impl Stream<Item = Result<Event, Failure>> + Send {
    let mut reader = Reader { body: Some(response.into()), parser: Parser::default() };
    stream::poll_fn(move |cx| reader.poll_next(cx))
}

struct Reader {
    /// Until its end, or a failure.
    body: Option<Body>,
    parser: Parser,
}

impl Reader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Failure>>> {
        while let Some(body) = &mut self.body {
            match self.parser.next() {
                Ok(None) => {}
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Err(failure) => return self.end(Some(failure)),
            }
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => self.parser.feed(frame.data_ref().map_or(&[], AsRef::as_ref)),
                Some(Err(error)) => return self.end(Some(http::transport_failure(&error))),
                None => return self.end(None),
            }
        }
        Poll::Ready(None)
    }

    fn end(&mut self, failure: Option<Failure>) -> Poll<Option<Result<Event, Failure>>> {
        self.body = None;
        Poll::Ready(failure.map(Err))
    }
}

#[derive(Debug, Default)]
struct Parser {
    /// Received and not parsed yet, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// No line end before this index.
    searched: usize,
    /// Received in all.
    bytes: usize,
    /// Parsed in all.
    lines: usize,
    /// The last line ended with a carriage return: a line feed that comes next belongs to it.
    after_carriage_return: bool,
    event: Event,
    has_data: bool,
}

impl Parser {
    fn feed(&mut self, part: &[u8]) {
        self.bytes = self.bytes.saturating_add(part.len());
        if self.bytes <= http::MAX_BODY_BYTES {
            self.buffer.drain(..self.at);
            self.searched -= self.at;
            self.at = 0;
            self.buffer.extend_from_slice(part);
        }
    }

    /// The next complete event.
    fn next(&mut self) -> Result<Option<Event>, Failure> {
        while let Some((begin, end)) = self.line()? {
            let line = str::from_utf8(&self.buffer[begin..end]);
            let mut line = line.map_err(|_| Failure::new(Outcome::Malformed, "the answer is no text"))?;
            self.lines += 1;
            if self.lines == 1 {
                line = line.trim_start_matches(http::BYTE_ORDER_MARK);
            }
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if std::mem::take(&mut self.has_data) {
                    return Ok(Some(event));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if std::mem::replace(&mut self.has_data, true) {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                "event" => value.clone_into(&mut self.event.name),
                // Comments have an empty name; other fields are ignored.
                _ => {}
            }
        }
        if self.bytes > http::MAX_BODY_BYTES {
            return Err(Failure::new(Outcome::Malformed, "the answer is too long"));
        }
        Ok(None)
    }

    /// The range of the next line, without its end: a line feed, a carriage return, or both.
    fn line(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        if self.after_carriage_return && self.at < self.buffer.len() {
            self.after_carriage_return = false;
            self.at += usize::from(self.buffer[self.at] == b'\n');
        }
        self.searched = self.searched.max(self.at);
        let found = self.buffer[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let begin = self.at;
        let end = found.map_or(self.buffer.len(), |found| self.searched + found);
        if end - begin > MAX_LINE_BYTES {
            return Err(Failure::new(Outcome::Malformed, "a line of the answer is too long"));
        }
        self.searched = end;
        if found.is_some() {
            self.after_carriage_return = self.buffer[end] == b'\r';
            self.at = end + 1;
        }
        Ok(found.map(|_| (begin, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of these parts, and the failure after them.
    fn read(parts: &[&[u8]]) -> (Vec<(String, String)>, Option<String>) {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for part in parts {
            parser.feed(part);
            loop {
                match parser.next() {
                    Ok(Some(Event { name, data })) => events.push((name, data)),
                    Ok(None) => break,
                    Err(failure) => return (events, Some(failure.message)),
                }
            }
        }
        (events, None)
    }

    fn event(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_and_their_lines_end() {
        let text =
            "\u{feff}: awake\n\nevent: a\ndata: Grüße\ndata:  🌊\nid: 7\n\ndata\n\nevent: b\n\ndata: never whole";
        let events = vec![event("a", "Grüße\n 🌊"), event("", "")];
        for line_end in ["\n", "\r\n", "\r"] {
            let bytes = text.replace('\n', line_end).into_bytes();
            for cut in 0..bytes.len() {
                assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), (events.clone(), None), "{line_end:?}, cut at {cut}");
            }
            let single: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(read(&single), (events.clone(), None), "{line_end:?}");
        }
    }

    #[test]
    fn what_came_before_a_fault_is_told() {
        let before = vec![event("", "well")];
        let failure = |why: &str| Some(why.to_owned());
        let no_text = (before.clone(), failure("the answer is no text"));
        assert_eq!(read(&[b"data: well\n\n\xff\n"]), no_text);
        let line = [b"data: well\n\n".to_vec(), vec![b'x'; MAX_LINE_BYTES + 1], b"\n".to_vec()].concat();
        let too_long = (before, failure("a line of the answer is too long"));
        assert_eq!(read(&[&line]), too_long);
        assert_eq!(read(&line.chunks(100_000).collect::<Vec<_>>()), too_long);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let comments = [b":".repeat(99), b"\n".to_vec()].concat().repeat(1_000);
        let parts = http::MAX_BODY_BYTES / comments.len();
        assert_eq!(read(&vec![comments.as_slice(); parts]), (vec![], None));
        let flood = read(&vec![comments.as_slice(); parts + 1]);
        assert_eq!(flood, (vec![], Some("the answer is too long".to_owned())));
    }
}
