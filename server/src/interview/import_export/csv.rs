//! CSV, strictly by RFC 4180.
//!
//! A lenient parser would read the rest of the file into one field after an unclosed quote. Here a broken quote is a
//! fault of its record, and parsing ends there, since the start of the next record is unknown.

use std::{borrow::Cow, str::Chars};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The line on which the record begins.
    pub(super) line: usize,
    /// The index of the field in the record, from 0.
    pub(super) field: usize,
    pub(super) reason: &'static str,
}

/// The records of a text; blank lines are skipped.
pub(super) struct Records<'a> {
    rest: Chars<'a>,
    line: usize,
    broken: bool,
}

enum End {
    Field,
    Record,
}

impl<'a> Records<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text.chars(), line: 1, broken: false }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Skips a line end: LF, CR LF or CR.
    fn pass_line_end(&mut self) -> bool {
        match self.peek() {
            Some('\r') => {
                self.rest.next();
                if self.peek() == Some('\n') {
                    self.rest.next();
                }
            }
            Some('\n') => drop(self.rest.next()),
            _ => return false,
        }
        self.line += 1;
        true
    }

    /// Skips the end of a field; `None` where there is none.
    fn pass_end(&mut self) -> Option<End> {
        match self.peek() {
            None => Some(End::Record),
            Some(',') => {
                self.rest.next();
                Some(End::Field)
            }
            Some(_) => self.pass_line_end().then_some(End::Record),
        }
    }

    fn plain(&mut self, field: &mut String) -> Result<End, &'static str> {
        loop {
            if let Some(end) = self.pass_end() {
                return Ok(end);
            }
            match self.rest.next() {
                Some('"') => return Err("a quote in a field that does not begin with one"),
                other => field.extend(other),
            }
        }
    }

    fn quoted(&mut self, field: &mut String) -> Result<End, &'static str> {
        loop {
            match self.rest.next() {
                None => return Err("the quote at its beginning is never closed"),
                Some('"') if self.peek() == Some('"') => {
                    self.rest.next();
                    field.push('"');
                }
                Some('"') => {
                    return self.pass_end().ok_or(
                        "something follows its closing quote: the quote at its beginning is not closed where it \
                         should be, or one within it is not doubled",
                    );
                }
                Some(other) => {
                    let ends_line = other == '\n' || (other == '\r' && self.peek() != Some('\n'));
                    self.line += usize::from(ends_line);
                    field.push(other);
                }
            }
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.pass_line_end() {}
        if self.broken || self.peek().is_none() {
            return None;
        }
        let mut record = Record { line: self.line, fields: Vec::new() };
        loop {
            let mut field = String::new();
            let end = if self.peek() == Some('"') {
                self.rest.next();
                self.quoted(&mut field)
            } else {
                self.plain(&mut field)
            };
            match end {
                Err(reason) => {
                    self.broken = true;
                    return Some(Err(Broken { line: record.line, field: record.fields.len(), reason }));
                }
                Ok(End::Field) => record.fields.push(field),
                Ok(End::Record) => {
                    record.fields.push(field);
                    return Some(Ok(record));
                }
            }
        }
    }
}

/// A record as a line of text.
pub(super) fn line(fields: &[&str]) -> String {
    let quoted: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
    format!("{}\r\n", quoted.join(","))
}

fn quoted(field: &str) -> Cow<'_, str> {
    // Blanks at the ends are quoted as well, for readers that would drop them.
    let plain = field.trim().len() == field.len() && !field.contains([',', '"', '\r', '\n']);
    if plain { Cow::Borrowed(field) } else { Cow::Owned(format!("\"{}\"", field.replace('"', "\"\""))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with its line, or where a quote is broken: line and field.
    type Found = Result<(usize, Vec<String>), (usize, usize)>;

    fn read(text: &str) -> Vec<Found> {
        let found = Records::of(text);
        found.map(|r| r.map(|r| (r.line, r.fields)).map_err(|broken| (broken.line, broken.field))).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands among others that are broken")]
    fn record(line: usize, fields: &[&str]) -> Found {
        Ok((line, fields.iter().map(|&field| field.to_owned()).collect()))
    }

    #[test]
    fn records_are_read_with_their_lines() {
        let text = "a,b\r\n\"1\r\n2\",\"say \"\"x\"\"\"\n\n,\rlast,";
        let records = [
            record(1, &["a", "b"]),
            record(2, &["1\r\n2", "say \"x\""]),
            record(5, &["", ""]),
            record(6, &["last", ""]),
        ];
        assert_eq!(read(text), records);
        assert_eq!(read(""), []);
        assert_eq!(read("\n\r\n"), []);
    }

    #[test]
    fn a_broken_quote_is_told_where_it_stands() {
        for (text, broken) in [
            ("a,b\nc,\"d\ne,f\n", (2, 1)),
            ("a,b\n\"c\",\"d\n\"e\",\"f\"\n", (2, 1)),
            ("a,b\nc\",d\n", (2, 0)),
            ("a,b\n\"c\"d,e\n", (2, 0)),
            ("a,b\nc,say \"x\"\n", (2, 1)),
            ("a,b\n\"", (2, 0)),
        ] {
            assert_eq!(read(text), [record(1, &["a", "b"]), Err(broken)], "{text}");
        }
    }
}
