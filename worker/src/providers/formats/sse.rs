//! Server-sent events, as model services stream them, read within bounds.
//!
//! An event counts when the empty line after it has come; what is left at the end was cut off. A fault is told after the events
//! before it. So it does not matter how the network cut the bytes. async-openai has such a reader, too, and there is a crate;
//! this one needs no task and queue for each stream, reads no line twice, and takes no line without an end.

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

const LONGEST_LINE: usize = 1024 * 1024;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Many services give none.
    pub(super) name: String,
    pub(super) data: String,
}

impl Event {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        // What the error says would quote the reply.
        let unreadable = |_| Failure::new(Outcome::Malformed, "the service sent an event that cannot be read");
        serde_json::from_str(&self.data).map_err(unreadable)
    }
}

pub(super) fn events(response: Response) -> impl Stream<Item = Result<Event, Failure>> + Send {
    let mut reader = Reader { body: Some(response.into()), parser: Parser::default() };
    stream::poll_fn(move |cx| reader.poll_next(cx))
}

struct Reader {
    /// Until its end, or a fault.
    body: Option<Body>,
    parser: Parser,
}

impl Reader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Failure>>> {
        while let Some(body) = &mut self.body {
            match self.parser.next() {
                Ok(None) => {}
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Err(fault) => return self.end(Some(fault)),
            }
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => self.parser.take(frame.data_ref().map_or(&[], AsRef::as_ref)),
                Some(Err(error)) => return self.end(Some(http::broken(&error))),
                None => return self.end(None),
            }
        }
        Poll::Ready(None)
    }

    fn end(&mut self, fault: Option<Failure>) -> Poll<Option<Result<Event, Failure>>> {
        self.body = None;
        Poll::Ready(fault.map(Err))
    }
}

#[derive(Debug, Default)]
struct Parser {
    /// What has come and was not read yet, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Where no line end was found before.
    searched: usize,
    /// Of all that came.
    bytes: usize,
    lines: usize,
    /// A line feed that comes next belongs to the line end before it.
    half_an_end: bool,
    event: Event,
    has_data: bool,
}

impl Parser {
    fn take(&mut self, part: &[u8]) {
        self.bytes = self.bytes.saturating_add(part.len());
        if self.bytes <= http::MOST_READ {
            self.buffer.drain(..self.at);
            self.searched -= self.at;
            self.at = 0;
            self.buffer.extend_from_slice(part);
        }
    }

    /// The next event that is whole.
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
                // Comments have no name; others mean nothing to us.
                _ => {}
            }
        }
        if self.bytes > http::MOST_READ {
            return Err(Failure::new(Outcome::Malformed, "the answer is too long"));
        }
        Ok(None)
    }

    /// Where the next line is, without its end: a line feed, a carriage return, or both.
    fn line(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        if self.half_an_end && self.at < self.buffer.len() {
            self.half_an_end = false;
            self.at += usize::from(self.buffer[self.at] == b'\n');
        }
        self.searched = self.searched.max(self.at);
        let found = self.buffer[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (begin, end) = (self.at, found.map_or(self.buffer.len(), |found| self.searched + found));
        if end - begin > LONGEST_LINE {
            return Err(Failure::new(Outcome::Malformed, "a line of the answer is too long"));
        }
        self.searched = end;
        if found.is_some() {
            self.half_an_end = self.buffer[end] == b'\r';
            self.at = end + 1;
        }
        Ok(found.map(|_| (begin, end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these parts, until a fault.
    fn read(parts: &[&[u8]]) -> (Vec<(String, String)>, Option<String>) {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for part in parts {
            parser.take(part);
            loop {
                match parser.next() {
                    Ok(Some(Event { name, data })) => events.push((name, data)),
                    Ok(None) => break,
                    Err(fault) => return (events, Some(fault.message)),
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
        let (before, fault) = (vec![event("", "well")], |why: &str| Some(why.to_owned()));
        let no_text = (before.clone(), fault("the answer is no text"));
        assert_eq!(read(&[b"data: well\n\n\xff\n"]), no_text);
        let line = [b"data: well\n\n".to_vec(), vec![b'x'; LONGEST_LINE + 1], b"\n".to_vec()].concat();
        let too_long = (before, fault("a line of the answer is too long"));
        assert_eq!(read(&[&line]), too_long);
        assert_eq!(read(&line.chunks(100_000).collect::<Vec<_>>()), too_long);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let comments = [b":".repeat(99), b"\n".to_vec()].concat().repeat(1_000);
        let parts = http::MOST_READ / comments.len();
        assert_eq!(read(&vec![comments.as_slice(); parts]), (vec![], None));
        let flood = read(&vec![comments.as_slice(); parts + 1]);
        assert_eq!(flood, (vec![], Some("the answer is too long".to_owned())));
    }
}
