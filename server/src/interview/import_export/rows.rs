//! Validation of rows, the same for all formats; reports every fault of a row.

use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::QuestionId,
    model::interview::{
        MAX_CATEGORY_CHARS, MAX_CONTENT_CHARS, MAX_QUESTION_CHARS, OWN_CATEGORY, Response, ResponseStatus,
    },
};
use troupe_db::interview::import::Incoming;
use utoipa::ToSchema;

use super::Fault;
use crate::http::{error::ApiError, extract::validation::Checks};

/// The columns, in the order in which they are exported.
pub(super) const COLUMNS: [&str; 5] = ["question_id", "question", "category", "status", "content"];

/// A response as it is imported and exported. It names its question by `question_id`, by `question`, or by both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRow {
    /// Takes precedence over the text, if there is such a question.
    pub(super) question_id: Option<String>,
    /// The text of a question. An unknown one is created as the caller's own.
    #[schema(max_length = 1000)]
    pub(super) question: Option<String>,
    /// Of a question that is created: `own` by default.
    #[schema(max_length = 60)]
    pub(super) category: Option<String>,
    /// `draft` or `final`; `final` by default.
    pub(super) status: Option<String>,
    #[schema(min_length = 1, max_length = 32768)]
    pub(super) content: Option<String>,
}

impl RawRow {
    /// The field of a column, if there is such a column.
    pub(super) fn column(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "question_id" => Some(&mut self.question_id),
            "question" => Some(&mut self.question),
            "category" => Some(&mut self.category),
            "status" => Some(&mut self.status),
            "content" => Some(&mut self.content),
            _ => None,
        }
    }
}

impl From<Response> for RawRow {
    fn from(response: Response) -> Self {
        Self {
            question_id: Some(response.question.id.to_string()),
            question: Some(response.question.text),
            category: Some(response.question.category),
            status: Some(response.status.name().to_owned()),
            content: Some(response.content),
        }
    }
}

/// A validated row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) number: usize,
    pub(super) line: Option<usize>,
    question_id: Option<QuestionId>,
    question: Option<String>,
    category: String,
    pub(super) content: String,
    pub(super) status: ResponseStatus,
}

impl Row {
    pub(super) fn as_incoming(&self) -> Incoming<'_> {
        Incoming {
            question_id: self.question_id,
            question: self.question.as_deref(),
            category: &self.category,
            content: &self.content,
            status: self.status,
        }
    }

    pub(super) fn fault(&self, column: &str, reason: impl Into<String>) -> Fault {
        Fault { row: self.number, line: self.line, column: Some(column.to_owned()), reason: reason.into() }
    }
}

/// The position of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPosition {
    pub(super) number: usize,
    pub(super) line: Option<usize>,
}

impl RowPosition {
    pub(super) fn fault(self, column: Option<&str>, reason: impl Into<String>) -> Fault {
        Fault { row: self.number, line: self.line, column: column.map(str::to_owned), reason: reason.into() }
    }

    /// The faults of an error of a single row.
    pub(super) fn faults(self, error: ApiError) -> Vec<Fault> {
        match error {
            ApiError::Invalid(errors) => {
                let column = |field: &str| COLUMNS.contains(&field).then(|| field.to_owned());
                let fault = |error: troupe_core::problem::FieldError| Fault {
                    row: self.number,
                    line: self.line,
                    column: column(&error.field),
                    reason: error.message,
                };
                errors.into_iter().map(fault).collect()
            }
            error => vec![self.fault(None, error.problem().detail)],
        }
    }
}

/// Validates a row; blank optional fields are omitted, and the content is not trimmed.
pub(super) fn validate(position: RowPosition, raw: RawRow) -> Result<Row, Vec<Fault>> {
    let given = |field: Option<String>| field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (question_id, question) = (given(raw.question_id), given(raw.question));
    let (category, status) = (given(raw.category), given(raw.status));
    let content = raw.content.unwrap_or_default();
    let id = question_id.as_deref().map(|id| id.parse::<QuestionId>().ok());
    let status = status.as_deref().map_or(Some(ResponseStatus::Final), ResponseStatus::named);
    let category = category.unwrap_or_else(|| OWN_CATEGORY.to_owned());
    let mut checks = Checks::default();
    checks
        .rule(id != Some(None), "question_id", "is not an id")
        .rule(id.is_some() || question.is_some(), "question", "must not be empty where there is no question_id")
        .text("category", &category, 1..=MAX_CATEGORY_CHARS)
        .rule(status.is_some(), "status", "must be draft or final")
        .text("content", &content, 1..=MAX_CONTENT_CHARS);
    if let Some(question) = &question {
        checks.text("question", question, 1..=MAX_QUESTION_CHARS);
    }
    checks.done().map_err(|error| position.faults(error))?;
    let (number, line, question_id) = (position.number, position.line, id.flatten());
    let status = status.unwrap_or(ResponseStatus::Final);
    Ok(Row { number, line, question_id, question, category, content, status })
}
