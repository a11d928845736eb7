//! Validation beyond types: collects every invalid field, and reports them together.

use std::ops::RangeInclusive;

use troupe_core::{
    languages::{self, Language},
    problem::FieldError,
};

use crate::http::error::ApiError;

/// A language, a script, a region, and a variant or two.
const MAX_TAG: usize = 35;

#[derive(Default)]
pub(crate) struct Checks(Vec<FieldError>);

impl Checks {
    pub(crate) fn rule(&mut self, holds: bool, field: &str, message: impl Into<String>) -> &mut Self {
        if !holds {
            self.0.push(FieldError { field: field.to_owned(), message: message.into() });
        }
        self
    }

    /// Text of a bounded number of characters, not blank, without zero characters (PostgreSQL cannot store them).
    pub(crate) fn text(&mut self, field: &str, text: &str, characters: RangeInclusive<usize>) -> &mut Self {
        let min = *characters.start();
        let max = *characters.end();
        let length = text.chars().count();
        self.rule(length >= min.min(1) && (min == 0 || !text.trim().is_empty()), field, "must not be empty");
        self.rule(length == 0 || length >= min, field, format!("must have at least {min} characters"));
        self.rule(length <= max, field, format!("must not have more than {max} characters"));
        self.rule(!text.contains('\0'), field, "must not contain a zero character")
    }

    /// A local part, an @ and a domain. Whether it is deliverable, only an e-mail shows.
    pub(crate) fn email(&mut self, field: &str, email: &str) -> &mut Self {
        let parts = email.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let valid = parts && !email.chars().any(|c| c.is_whitespace() || c.is_control());
        self.text(field, email, 3..=320).rule(valid, field, "must be an e-mail address")
    }

    pub(crate) fn done(&mut self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(std::mem::take(&mut self.0))) }
    }
}

/// The language of a tag, if the service knows it. The tag may say more: a region, a script.
pub(crate) fn language(field: &str, tag: &str) -> Result<&'static Language, ApiError> {
    let message = if !languages::is_well_formed(tag) || tag.len() > MAX_TAG {
        "must be a language tag of BCP 47, such as uk or pt-BR"
    } else if let Some(language) = languages::find(tag) {
        return Ok(language);
    } else {
        "is not one of /api/v1/translation/languages"
    };
    Err(ApiError::field(field, message))
}
