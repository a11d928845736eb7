//! The codes of problems, for whoever reads them: the page `/docs/problems`.

/// Every code that this server answers with, and what to do about it; shown at `/docs/problems`.
pub(crate) const CODES: &[(&str, &str)] = &[
    ("malformed_json", "The body could not be read as JSON. Mend the body."),
    ("invalid", "One or more fields are wrong; `errors` names each. Mend them."),
    ("content_too_long", "The message is longer than this server takes. Shorten it."),
    ("body_too_large", "The body is larger than this server reads. Send less."),
    ("body_too_slow", "The body did not come in the time that it has. Send it faster, or less of it."),
    ("url_too_long", "The address is longer than this server reads. Shorten it."),
    (
        "unsupported_media_type",
        "The body must be `application/json`, or, where a document is uploaded, one that can be read: `detail` says which. \
         No body may be compressed.",
    ),
    (
        "not_fetched",
        "Nothing could be fetched from the address; `detail` says why, as far as you may know. Look at it yourself.",
    ),
    ("unauthenticated", "The credentials are missing, wrong or expired. Sign in again."),
    ("forbidden", "This is for admins. Ask one."),
    ("cross_site", "The page of another site made the browser call. Programs use an access token or an API key."),
    ("signature_required", "With an API key this counts only when the call is signed: see API.md."),
    (
        "out_of_scope",
        "The key was not made for this; `detail` names the permission that it lacks. Make one that has it.",
    ),
    ("not_found", "There is no such thing, or it is not yours."),
    ("method_not_allowed", "This address exists, and does not do that."),
    ("too_many_keys", "You have as many API keys as you may have. Delete one that is not used."),
    ("service_exists", "There is a service with this name already."),
    ("email_taken", "There is an account with this e-mail address already."),
    ("last_admin", "There would be no admin any more. Make somebody else one first."),
    ("tier_taken", "There is a tier with this name already."),
    (
        "tier_in_use",
        "There are users of the tier, or replies to them that are not final. Move the users to another tier, and wait.",
    ),
    ("already_settled", "The dead letter was tried again or discarded before. There is nothing left to do."),
    ("job_not_settled", "The job is no dead letter, or another one is open for the same thing. Look at it again."),
    ("worker_draining", "The worker finishes what it does, and ends. Start another one."),
    ("slug_taken", "There is a persona with this slug already."),
    ("question_exists", "This question is in the bank, or among your own, already. Answer that one."),
    ("question_in_use", "The question is answered, be it in an answer that was deleted, and so cannot be deleted."),
    (
        "too_many_questions",
        "You have as many questions of your own as you may have. Delete some that are not answered.",
    ),
    ("outdated", "What you change has changed since you read it (`If-Match`). Read it again."),
    (
        "import_refused",
        "Rows of the import are wrong and nothing was stored; `errors` names rows and columns. Mend them, or import row by row.",
    ),
    (
        "document_not_ready",
        "The document has no text: it is still to be read, or could not be. Its `status` and `reason` say which.",
    ),
    ("export_under_way", "A file of your data is being made already. Look at that one, or wait for its end."),
    ("export_not_ready", "The export has no file: it is still being made, or has failed. Its `status` says which."),
    ("conversation_busy", "An earlier message of the conversation waits for its reply, and `if_busy` was `reject`."),
    ("remembers_nothing", "The persona is set to remember nothing of its users. Only its owner can change that."),
    ("not_completed", "There is no whole reply to be rated. Wait until the request is completed."),
    ("idempotency_key_reused", "The `Idempotency-Key` was used for something else. Take a new key for a new thing."),
    ("too_many_requests", "Too much of yours is under way already. Try again after `Retry-After`."),
    (
        "rate_limited",
        "You call more often than you may; `RateLimit-Policy` says how often that is. Try again after `Retry-After`.",
    ),
    (
        "timed_out",
        "The call took longer than it may, and it is not known what of it was done. Make it again, with the same `Idempotency-Key`.",
    ),
    ("overloaded", "The service has as much to do as it can take. Try again after `Retry-After`."),
    ("mail_not_configured", "This service is not set up to send mail. Ask whoever runs it for a link."),
    ("unavailable", "A part of the service does not answer. Try again after `Retry-After`."),
    ("internal", "A fault of the server; it has been logged under `request_id`."),
    (
        "budget_exhausted",
        "A budget has not enough left for a reply today; `detail` says which, and when it renews. Send the message again then.",
    ),
    ("no_model_allowed", "Your tier allows none of the models that could answer. Ask an admin."),
    ("not_storable", "The reply was there and could not be stored. Operators are told."),
    ("provider_failed", "The model service did not give a reply, after all attempts. Send the message again later."),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{auth::permissions::Permission, http::error::ApiError};

    #[test]
    fn every_code_is_explained() {
        let errors = [
            ApiError::MalformedJson(String::new()),
            ApiError::field("name", "must not be empty"),
            ApiError::ContentTooLong { limit: 1 },
            ApiError::BodyTooLarge { limit: 1 },
            ApiError::UnsupportedMediaType,
            ApiError::BodyTooSlow,
            ApiError::PackedBody,
            ApiError::UrlTooLong { limit: 1 },
            ApiError::RateLimited { limit: "calls", calls: 1, window: Duration::from_secs(1), retry_after: 1 },
            ApiError::TimedOut,
            ApiError::NoDocument(String::new()),
            ApiError::NotFetched(String::new()),
            ApiError::Conflict { code: "document_not_ready", detail: String::new() },
            ApiError::Unauthenticated(""),
            ApiError::admins_only(),
            ApiError::cross_site(),
            ApiError::signature_required(),
            ApiError::out_of_scope(Permission::ChatRead),
            ApiError::NotFound("persona"),
            ApiError::MethodNotAllowed,
            ApiError::Conflict { code: "slug_taken", detail: String::new() },
            ApiError::Conflict { code: "too_many_keys", detail: String::new() },
            ApiError::Conflict { code: "service_exists", detail: String::new() },
            ApiError::Conflict { code: "already_settled", detail: String::new() },
            ApiError::Conflict { code: "job_not_settled", detail: String::new() },
            ApiError::Conflict { code: "worker_draining", detail: String::new() },
            ApiError::Conflict { code: "export_under_way", detail: String::new() },
            ApiError::Conflict { code: "export_not_ready", detail: String::new() },
            ApiError::Conflict { code: "conversation_busy", detail: String::new() },
            ApiError::Conflict { code: "remembers_nothing", detail: String::new() },
            ApiError::Conflict { code: "not_completed", detail: String::new() },
            ApiError::Conflict { code: "question_exists", detail: String::new() },
            ApiError::Conflict { code: "question_in_use", detail: String::new() },
            ApiError::Conflict { code: "too_many_questions", detail: String::new() },
            ApiError::Outdated { detail: String::new() },
            ApiError::ImportRefused { detail: String::new(), errors: Vec::new() },
            ApiError::KeyReused,
            ApiError::TooMany { detail: String::new() },
            ApiError::Overloaded,
            ApiError::MailNotConfigured,
            ApiError::Conflict { code: "last_admin", detail: String::new() },
            ApiError::Conflict { code: "tier_taken", detail: String::new() },
            ApiError::Conflict { code: "tier_in_use", detail: String::new() },
            ApiError::Unavailable(String::new()),
            ApiError::Internal(String::new()),
        ];
        for error in errors {
            let code = error.problem().code;
            assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not in the list of codes");
        }
    }
}
