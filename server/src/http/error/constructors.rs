//! Constructors of the errors that several features share, each with its code and detail.

use std::time::Duration;

use troupe_core::problem::{FieldError, ProblemCode};

use super::{ApiError, RETRY_AFTER_SECONDS};

/// 400, 405, 408, 413, 414, 415: the request itself.
impl ApiError {
    fn bad_request(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::BadRequest { code, detail: detail.into() }
    }

    pub(crate) fn malformed_json(reason: impl Into<String>) -> Self {
        Self::bad_request(ProblemCode::MalformedJson, reason)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::bad_request(ProblemCode::MethodNotAllowed, "this address does not take this method")
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::bad_request(ProblemCode::BodyTooLarge, format!("the body must not be larger than {limit} bytes"))
    }

    pub(crate) fn body_too_slow() -> Self {
        Self::bad_request(ProblemCode::BodyTooSlow, "the body did not come in the time that it has")
    }

    pub(crate) fn url_too_long(limit: usize) -> Self {
        Self::bad_request(ProblemCode::UrlTooLong, format!("the address must not be longer than {limit} bytes"))
    }

    /// A compressed body could be any size.
    pub(crate) fn compressed_body() -> Self {
        let detail = "the body must not be compressed (Content-Encoding)";
        Self::bad_request(ProblemCode::UnsupportedMediaType, detail)
    }

    pub(crate) fn not_json() -> Self {
        Self::bad_request(ProblemCode::UnsupportedMediaType, "the body must be application/json")
    }

    /// An upload of a kind that cannot be read.
    pub(crate) fn unsupported_document(reason: String) -> Self {
        Self::bad_request(ProblemCode::UnsupportedMediaType, reason)
    }
}

/// 422: invalid content.
impl ApiError {
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    pub(crate) fn content_too_long(limit: usize) -> Self {
        let message = format!("must not be longer than {limit} bytes");
        let detail = format!("content: {message}");
        let errors = vec![FieldError { field: "content".to_owned(), message }];
        Self::Unprocessable { code: ProblemCode::ContentTooLong, detail, errors }
    }

    /// Rows of an import are invalid: nothing was stored.
    pub(crate) fn import_refused(detail: String, errors: Vec<FieldError>) -> Self {
        Self::Unprocessable { code: ProblemCode::ImportRefused, detail, errors }
    }

    /// A document could not be fetched from its URL.
    pub(crate) fn not_fetched(reason: String) -> Self {
        Self::Unprocessable { code: ProblemCode::NotFetched, detail: reason, errors: Vec::new() }
    }

    pub(crate) fn idempotency_key_reused() -> Self {
        let detail = "this Idempotency-Key was used for something else".to_owned();
        Self::Unprocessable { code: ProblemCode::IdempotencyKeyReused, detail, errors: Vec::new() }
    }
}

/// 403.
impl ApiError {
    fn forbidden(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Forbidden { code, detail: detail.into() }
    }

    pub(crate) fn registration_closed() -> Self {
        Self::forbidden(ProblemCode::RegistrationClosed, "nobody may open an account here")
    }

    pub(crate) fn invitation_required() -> Self {
        Self::forbidden(ProblemCode::InvitationRequired, "an account is opened here with an invitation only")
    }

    /// The same for all invalid codes, so that it does not reveal which existed.
    pub(crate) fn invitation_invalid() -> Self {
        Self::forbidden(ProblemCode::InvitationInvalid, "the invitation is not valid, has expired, or was used")
    }

    /// The password was right.
    pub(crate) fn email_unverified() -> Self {
        let detail = "the address of this account is not verified yet: open the link that was sent to it";
        Self::forbidden(ProblemCode::EmailUnverified, detail)
    }

    pub(crate) fn admins_only() -> Self {
        Self::forbidden(ProblemCode::Forbidden, "this is for admins")
    }

    /// The user has the permission, this API key has not.
    pub(crate) fn out_of_scope(permission: &str) -> Self {
        let detail = format!("this needs the permission {permission}, which the key does not have");
        Self::forbidden(ProblemCode::OutOfScope, detail)
    }

    /// The API key has the permission for signed calls only.
    pub(crate) fn signature_required() -> Self {
        Self::forbidden(ProblemCode::SignatureRequired, "with an API key this needs a call that is signed")
    }

    /// Another site's page made the browser call.
    pub(crate) fn cross_site() -> Self {
        Self::forbidden(ProblemCode::CrossSite, "a session counts for calls of this service's own pages only")
    }
}

/// 409 and 412: the state of things.
impl ApiError {
    pub(crate) fn conflict(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into() }
    }

    /// The resource has changed since the caller read it (`If-Match`).
    pub(crate) fn outdated(detail: impl Into<String>) -> Self {
        Self::conflict(ProblemCode::Outdated, detail)
    }
}

/// 429 and 503: load and outages.
impl ApiError {
    pub(crate) fn too_many_requests(detail: String) -> Self {
        Self::TooManyRequests { code: ProblemCode::TooManyRequests, detail, retry_after: RETRY_AFTER_SECONDS }
    }

    /// A rate limit is used up; it has room again in `retry_after` seconds.
    pub(crate) fn rate_limited(limit: &str, calls: u32, window: Duration, retry_after: u64) -> Self {
        let window = window.as_secs_f32();
        let detail = format!(
            "the limit \"{limit}\" is {calls} per {window} seconds; it has room again in {retry_after} seconds"
        );
        Self::TooManyRequests { code: ProblemCode::RateLimited, detail, retry_after }
    }

    pub(crate) fn overloaded() -> Self {
        let detail = "there is more to do than this service can take; try again in a moment";
        Self::Unavailable { code: ProblemCode::Overloaded, detail, cause: None }
    }

    pub(crate) fn timed_out() -> Self {
        let detail = "the call took longer than it may; it is not known what of it was done";
        Self::Unavailable { code: ProblemCode::TimedOut, detail, cause: Some("the call took too long".to_owned()) }
    }

    pub(crate) fn mail_not_configured() -> Self {
        let detail = "this service is not set up to send mail: ask whoever runs it";
        Self::Unavailable { code: ProblemCode::MailNotConfigured, detail, cause: None }
    }

    pub(crate) fn no_voice() -> Self {
        let detail = "this service is not set up to speak: ask whoever runs it";
        Self::Unavailable { code: ProblemCode::NoVoice, detail, cause: None }
    }

    /// The worker's log has the reason.
    pub(crate) fn unspoken() -> Self {
        let detail = "nothing could speak this sentence; try again in a moment";
        Self::Unavailable { code: ProblemCode::SpeechUnavailable, detail, cause: None }
    }

    /// The worker's log has the reason.
    pub(crate) fn untranslated() -> Self {
        let detail = "nothing could translate this message; try again in a moment";
        Self::Unavailable { code: ProblemCode::TranslationUnavailable, detail, cause: None }
    }

    pub(crate) fn no_translator() -> Self {
        let detail = "this service is not set up to translate: ask whoever runs it";
        Self::Unavailable { code: ProblemCode::TranslationUnavailable, detail, cause: None }
    }

    /// A dependency does not respond.
    pub(crate) fn unavailable(cause: impl Into<String>) -> Self {
        let detail = "a part of the service does not answer; try again in a moment";
        Self::Unavailable { code: ProblemCode::Unavailable, detail, cause: Some(cause.into()) }
    }
}
