//! Responses that come from elsewhere, or go there: as JSON, as JSON Lines, or as CSV. What goes out can come in again.
//!
//! [`read`] makes rows of bytes, [`rows`] checks each, [`import`] stores them; [`export`] is the way back.

mod csv;
pub(crate) mod export;
pub(crate) mod import;
mod read;
mod rows;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use rows::RawRow;

/// How rows are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// An array of objects.
    Json,
    /// An object a line.
    Jsonl,
    /// RFC 4180, with a header.
    Csv,
}

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Jsonl => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    pub(crate) fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Some(Self::Json),
            "application/jsonl" | "application/x-ndjson" | "application/ndjson" | "application/x-jsonlines" => {
                Some(Self::Jsonl)
            }
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Whether a body can be read at all.
#[cfg(feature = "fuzzing")]
pub(crate) fn rows_of(format: Format, bytes: &[u8]) -> Result<(), crate::http::error::ApiError> {
    let read = read::read(format, bytes)?;
    assert!(read.rows.len() + read.faults.len() >= read.count, "a row is neither good nor at fault");
    Ok(())
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Which row, from 1; the header of a CSV is none.
    #[schema(example = 117)]
    pub(crate) row: usize,
    /// The line on which it begins, where rows have lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// Null where it is the row as a whole.
    #[schema(example = "content")]
    pub(crate) column: Option<String>,
    #[schema(example = "must not be empty")]
    pub(crate) reason: String,
}
