//! Parses the bytes of an import into rows, and the faults of the others.

use std::str;

use serde_json::value::RawValue;

use super::{
    Fault, Format,
    csv::{self, Broken, Records},
    rows::{COLUMNS, RawRow, Row, RowPosition, validate},
};
use crate::http::{error::ApiError, extract::body};

/// The maximum rows of one import.
pub(super) const MAX_ROWS: usize = 5_000;

/// The parsed body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<Fault>,
    /// The number of rows, valid or not.
    pub(super) count: usize,
}

impl Read {
    fn add(
        &mut self,
        line: Option<usize>,
        row: impl FnOnce(RowPosition) -> Result<RawRow, Vec<Fault>>,
    ) -> Result<(), ApiError> {
        self.count += 1;
        if self.count > MAX_ROWS {
            return Err(ApiError::field("body", format!("must not have more than {MAX_ROWS} rows")));
        }
        let position = RowPosition { number: self.count, line };
        match row(position).and_then(|raw| validate(position, raw)) {
            Ok(row) => self.rows.push(row),
            Err(faults) => self.faults.extend(faults),
        }
        Ok(())
    }
}

pub(super) fn read(format: Format, bytes: &[u8]) -> Result<Read, ApiError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let line = bytes[..offset].split(|byte| *byte == b'\n').count();
        ApiError::field("body", format!("is not UTF-8 from byte {offset} on, counted from 0, in line {line}"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Json => json(text),
        Format::Jsonl => jsonl(text),
        Format::Csv => csv(text),
    }
}

fn json(text: &str) -> Result<Read, ApiError> {
    let rows: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            ApiError::field("body", "must be an array of objects")
        } else {
            ApiError::malformed_json(error.to_string())
        }
    })?;
    let mut read = Read::default();
    for row in rows {
        read.add(None, |position| object(position, row.get()))?;
    }
    Ok(read)
}

fn jsonl(text: &str) -> Result<Read, ApiError> {
    let mut read = Read::default();
    for (index, line) in text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        read.add(Some(index + 1), |position| object(position, line))?;
    }
    Ok(read)
}

fn object(position: RowPosition, json: &str) -> Result<RawRow, Vec<Fault>> {
    body::parse(json.as_bytes()).map_err(|error| position.faults(error))
}

fn csv(text: &str) -> Result<Read, ApiError> {
    let mut records = Records::of(text);
    let header = match records.next() {
        Some(Ok(header)) => header.fields,
        Some(Err(csv::Broken { reason, .. })) => return Err(ApiError::field("header", reason)),
        None => return Err(ApiError::field("header", "is missing: the first line must name the columns")),
    };
    let header: Vec<_> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    check_header(&header)?;
    let mut read = Read::default();
    for record in records {
        match record {
            Ok(record) => read.add(Some(record.line), |position| named(position, &header, record.fields))?,
            Err(Broken { line, field, reason }) => {
                let column = header.get(field).map(String::as_str);
                let reason = format!("{reason}; no row after it was read");
                read.add(Some(line), |position| Err(vec![position.fault(column, reason)]))?;
            }
        }
    }
    Ok(read)
}

fn check_header(header: &[String]) -> Result<(), ApiError> {
    let known = COLUMNS.join(", ");
    for (index, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) {
            let message = format!("names a column '{}' that is not known; there are {known}", name.escape_debug());
            return Err(ApiError::field("header", message));
        }
        if header[..index].contains(name) {
            return Err(ApiError::field("header", format!("names the column '{name}' twice")));
        }
    }
    if !header.iter().any(|name| name == "content") {
        return Err(ApiError::field("header", format!("has no column 'content'; there are {known}")));
    }
    Ok(())
}

fn named(position: RowPosition, header: &[String], fields: Vec<String>) -> Result<RawRow, Vec<Fault>> {
    if fields.len() != header.len() {
        let reason = format!("has {} fields where the header has {}", fields.len(), header.len());
        return Err(vec![position.fault(None, reason)]);
    }
    let mut row = RawRow::default();
    for (name, field) in header.iter().zip(fields) {
        if let Some(column) = row.column(name) {
            *column = Some(field);
        }
    }
    Ok(row)
}
