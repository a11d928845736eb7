//! Checks of what a type cannot say; all faults of a body are told at once.

use std::ops::RangeInclusive;

use troupe_core::problem::FieldError;

use crate::http::error::ApiError;

#[derive(Default)]
pub(crate) struct Checks(Vec<FieldError>);

impl Checks {
    pub(crate) fn rule(&mut self, holds: bool, field: &str, message: impl Into<String>) -> &mut Self {
        if !holds {
            self.0.push(FieldError { field: field.to_owned(), message: message.into() });
        }
        self
    }

    /// Text of so many characters, and none that cannot be stored or seen.
    pub(crate) fn text(&mut self, field: &str, text: &str, characters: RangeInclusive<usize>) -> &mut Self {
        let (least, most) = (*characters.start(), *characters.end());
        let length = text.chars().count();
        self.rule(length >= least.min(1) && (least == 0 || !text.trim().is_empty()), field, "must not be empty");
        self.rule(length == 0 || length >= least, field, format!("must have at least {least} characters"));
        self.rule(length <= most, field, format!("must not have more than {most} characters"));
        self.rule(!text.contains('\0'), field, "must not contain a zero character")
    }

    /// Something before an @ and a domain after it; whether it can be reached, only a letter tells.
    pub(crate) fn email(&mut self, field: &str, email: &str) -> &mut Self {
        let parts = email.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let sound = parts && !email.chars().any(|c| c.is_whitespace() || c.is_control());
        self.text(field, email, 3..=320).rule(sound, field, "must be an e-mail address")
    }

    pub(crate) fn done(&mut self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::Invalid(std::mem::take(&mut self.0))) }
    }
}
