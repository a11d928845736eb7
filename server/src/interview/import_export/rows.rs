//! What a row may hold. Rows of all formats go through the same checks; every fault of a row is told at once.

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
    /// Goes before the text, if there is such a question.
    pub(super) question_id: Option<String>,
    /// The text of a question. One that is neither in the bank nor among the caller's own is made.
    #[schema(max_length = 1000)]
    pub(super) question: Option<String>,
    /// Of a question that is made: `own` unless told.
    #[schema(max_length = 60)]
    pub(super) category: Option<String>,
    /// `draft` or `final`; `final` unless told.
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

/// A row that may be stored.
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

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) number: usize,
    pub(super) line: Option<usize>,
}

impl Place {
    pub(super) fn fault(self, column: Option<&str>, reason: impl Into<String>) -> Fault {
        Fault { row: self.number, line: self.line, column: column.map(str::to_owned), reason: reason.into() }
    }

    /// The faults that an error of a single row tells.
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

/// Checks a row; what is blank where it may be left out is left out. The content stays as it is, to the last blank.
pub(super) fn checked(place: Place, raw: RawRow) -> Result<Row, Vec<Fault>> {
    let told = |field: Option<String>| field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let (question_id, question) = (told(raw.question_id), told(raw.question));
    let (category, status) = (told(raw.category), told(raw.status));
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
    checks.done().map_err(|error| place.faults(error))?;
    let (number, line, question_id) = (place.number, place.line, id.flatten());
    let status = status.unwrap_or(ResponseStatus::Final);
    Ok(Row { number, line, question_id, question, category, content, status })
}
