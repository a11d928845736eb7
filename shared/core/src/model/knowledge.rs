//! Knowledge: documents, and the passages that are made of them and of answers.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ids::DocumentId, media_type::MediaType};

/// What passages are made of.
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

/// How far a document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum DocumentStatus {
    /// Its text is still to be taken out.
    Pending,
    /// Its passages are found.
    Ready,
    /// Nothing of it is kept; `reason` says why.
    Failed,
}

/// Something written, from which a persona draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Document {
    pub id: DocumentId,
    /// What its owner called it, else what it calls itself.
    #[schema(example = "Letters from the lighthouse")]
    pub title: Option<String>,
    /// What it was found to be.
    #[schema(value_type = String, example = "application/pdf")]
    pub media_type: MediaType,
    /// Of what was uploaded, in bytes.
    pub size: i32,
    /// The SHA-256 of what was uploaded, in hexadecimal.
    pub sha256: String,
    pub status: DocumentStatus,
    /// Why it failed.
    #[schema(example = "holds no text: pages that are pictures have to be turned into text first")]
    pub reason: Option<String>,
    /// How many passages were made of it.
    pub passages: i64,
    pub created_at: DateTime<Utc>,
}

/// Something in a text that tells where one is, at a byte of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A heading of a level from 1 to 6; its words end at another byte.
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

/// Where in its source a passage stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PlaceInSource)]
pub struct PassageLocation {
    /// The headings above its beginning, the outermost first.
    pub headings: Vec<String>,
    /// The page on which it begins, where there are pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// From which character of the source's text to which.
    pub start: u32,
    pub end: u32,
}
