//! The body of an answer, kept within bounds before anybody reads it.
//!
//! What reads it further on, async-openai among it, takes whatever comes: a flood, a line without an end. Here an answer is cut
//! off where it becomes unreasonable; and it is passed on in whole letters and without byte order marks, at which the event
//! parser would panic. What was sound before a fault is passed on, so that it does not matter how the network cut the bytes.

use futures::{StreamExt, future::ready, stream};
use reqwest::{Body, Response, header::CONTENT_TYPE};
use troupe_shared::model::providers::Outcome;

use super::{Failure, http};

/// Bytes of one answer. Sixty thousand tokens, in an event each, are about so many.
pub(super) const MOST: usize = 16 * 1024 * 1024;
/// Bytes of one line of an event stream: its parser begins each line anew with every piece that comes.
const LONGEST_LINE: usize = 1024 * 1024;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The same answer, with a body that fails when it is out of bounds.
pub(super) fn bounded(response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut bounds = Bounds::new(MOST, if kind.starts_with("text/event-stream") { LONGEST_LINE } else { MOST });
    let mut bounded = ::http::Response::new(());
    *bounded.status_mut() = response.status();
    *bounded.headers_mut() = response.headers().clone();
    let parts = response.bytes_stream().map(Some).chain(stream::iter([None])).flat_map(move |part| {
        let (sound, fault) = match part {
            Some(Ok(part)) => bounds.take(&part),
            Some(Err(error)) => (String::new(), Some(http::broken(&error))),
            None => (String::new(), bounds.torn_off()),
        };
        stream::iter([Some(Ok(sound)), fault.map(Err)]).filter_map(ready)
    });
    let parts = parts.filter(|part| ready(part.as_ref().map_or(true, |sound| !sound.is_empty())));
    bounded.map(|()| Body::wrap_stream(parts)).into()
}

struct Bounds {
    /// Bytes that may still come.
    left: usize,
    longest_line: usize,
    /// Bytes of the line that has not ended yet.
    line: usize,
    /// The beginning of a letter whose end has not come yet.
    torn: Vec<u8>,
    begun: bool,
}

impl Bounds {
    fn new(most: usize, longest_line: usize) -> Self {
        Self { left: most, longest_line, line: 0, torn: Vec::new(), begun: false }
    }

    /// What of it can be passed on, and what is wrong with the rest.
    fn take(&mut self, part: &[u8]) -> (String, Option<Failure>) {
        let malformed = |why| Some(Failure::new(Outcome::Malformed, why));
        let mut fault = None;
        let within = &part[..part.len().min(self.left)];
        self.left -= within.len();
        if within.len() < part.len() {
            fault = malformed("the answer is too long");
        }
        let mut bytes = std::mem::take(&mut self.torn);
        bytes.extend_from_slice(within);
        let mut text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (whole, broken) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len());
                let mut bytes = error.into_bytes();
                self.torn = bytes.split_off(whole);
                if broken.is_some() {
                    fault = malformed("the answer is no text");
                }
                String::from_utf8(bytes).unwrap_or_default()
            }
        };
        if !self.begun {
            text.drain(..text.len() - text.trim_start_matches(BYTE_ORDER_MARK).len());
            self.begun = !text.is_empty();
        }
        if let Some(end) = self.end_of_bounded_lines(&text) {
            text.truncate(end);
            fault = malformed("a line of the answer is too long");
        }
        (text, fault)
    }

    /// What is wrong with an answer that ends here.
    fn torn_off(&self) -> Option<Failure> {
        (!self.torn.is_empty()).then(|| Failure::new(Outcome::Cut, "the answer ends in the middle of a letter"))
    }

    /// Where the last line ends that is not too long, if one is after it.
    fn end_of_bounded_lines(&mut self, text: &str) -> Option<usize> {
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let mut end = 0;
        for line in text.as_bytes().split_inclusive(ends) {
            self.line += line.len();
            if self.line > self.longest_line {
                return Some(end);
            }
            end += line.len();
            if line.last().is_some_and(ends) {
                self.line = 0;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on of these parts, until a fault.
    fn passed(longest_line: usize, parts: &[&[u8]]) -> (String, Option<String>) {
        let (mut bounds, mut all) = (Bounds::new(20, longest_line), String::new());
        for part in parts {
            let (sound, fault) = bounds.take(part);
            all.push_str(&sound);
            if let Some(fault) = fault {
                return (all, Some(fault.message));
            }
        }
        (all, None)
    }

    #[test]
    fn letters_are_put_together_and_marks_taken_off() {
        let text = "\u{feff}\u{feff}Grüße 🌊".as_bytes();
        for cut in 0..text.len() {
            assert_eq!(passed(99, &[&text[..cut], &text[cut..]]), ("Grüße 🌊".to_owned(), None), "cut at {cut}");
        }
    }

    #[test]
    fn what_was_sound_before_a_fault_is_passed_on() {
        let fault = |why: &str| Some(why.to_owned());
        assert_eq!(passed(99, &[b"well\n\xff\n"]), ("well\n".to_owned(), fault("the answer is no text")));
        let too_long = ("well\n".to_owned(), fault("a line of the answer is too long"));
        assert_eq!(passed(6, &[b"well\n1234567\n"]), too_long);
        assert_eq!(passed(6, &[b"well\n", b"1234", b"567"]).1, too_long.1);
        assert_eq!(passed(6, &[b"well\n", b"12345\r", b"12345\n"]).1, None);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let too_long = Some("the answer is too long".to_owned());
        assert_eq!(passed(99, &[&[b'.'; 20]]), (".".repeat(20), None));
        assert_eq!(passed(99, &[&[b'.'; 15], &[b'.'; 15]]), (".".repeat(20), too_long));
    }
}
