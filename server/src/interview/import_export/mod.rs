//! Import and export of responses: JSON, JSON Lines, or CSV. An export can be imported again.
//!
//! [`read`] parses the bytes, [`rows`] validates each row, [`import`] stores them; [`export`] is the way back.

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

/// The format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// An array of objects.
    Json,
    /// One object per line.
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

/// Whether the format can be imported.
#[cfg(feature = "fuzzing")]
pub(crate) fn rows_of(format: Format, bytes: &[u8]) -> Result<(), crate::http::error::ApiError> {
    let read = read::read(format, bytes)?;
    assert!(read.rows.len() + read.faults.len() >= read.count, "a row is neither good nor at fault");
    Ok(())
}

/// A fault of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// The number of the row, from 1, without the header of a CSV.
    #[schema(example = 117)]
    pub(crate) row: usize,
    /// The line on which the row begins, in formats with lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// Null for faults of the whole row.
    #[schema(example = "content")]
    pub(crate) column: Option<String>,
    #[schema(example = "must not be empty")]
    pub(crate) reason: String,
}
