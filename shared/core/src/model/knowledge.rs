//! Knowledge: documents, and the passages of documents and answers.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ids::DocumentId, media_type::MediaType};

/// The kind of a passage's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum SourceKind {
    /// A final answer of the interview.
    Response,
    Document,
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "response",
            Self::Document => "document",
        })
    }
}

/// The state of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DocumentStatus {
    /// Its text is not extracted yet.
    Pending,
    /// Its passages can be found.
    Ready,
    /// Nothing of it is kept; `reason` is why.
    Failed,
}

/// A document of a persona's knowledge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Document {
    pub id: DocumentId,
    /// The title by its owner, else the document's own.
    #[schema(example = "Letters from the lighthouse")]
    pub title: Option<String>,
    /// The sniffed media type.
    #[schema(value_type = String, example = "application/pdf")]
    pub media_type: MediaType,
    /// The size of the upload, in bytes.
    pub size: i32,
    /// The SHA-256 of the upload, in hexadecimal.
    pub sha256: String,
    pub status: DocumentStatus,
    /// Why it failed.
    #[schema(example = "holds no text: pages that are pictures have to be turned into text first")]
    pub reason: Option<String>,
    /// The number of its passages.
    pub passages: i64,
    pub created_at: DateTime<Utc>,
}

/// A landmark in a text, at a byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A heading of a level from 1 to 6; its text ends at another byte.
    Heading {
        at: usize,
        end: usize,
        level: u8,
    },
    Page {
        at: usize,
        number: u32,
    },
}

/// The location of a passage in its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PlaceInSource)]
pub struct PassageLocation {
    /// The headings above its start, the outermost first.
    pub headings: Vec<String>,
    /// The page of its start, in formats with pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The range in the source's text, in characters.
    pub start: u32,
    pub end: u32,
}
