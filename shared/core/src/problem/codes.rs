//! The table of problem codes, with the fixed properties of each.
//!
//! A code is a promise to clients: its name and its status stay. `docs/API.md` and the page `/docs/problems` list the
//! same, which tests check.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! problem_codes {
    ($($code:ident {
        name: $name:literal,
        status: $status:literal,
        retryable: $retryable:literal,
        title: $title:literal,
        advice: $advice:literal $(,)?
    })+) => {
        /// A kind of problem. Serialized as its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode {
            $(#[serde(rename = $name)] $code,)+
        }

        impl ProblemCode {
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The stable name, for programs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)+ }
            }

            /// The status of an HTTP response with this problem.
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status,)+ }
            }

            /// Whether the same call may succeed later, unless the circumstances say otherwise.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$code => $retryable,)+ }
            }

            /// The same few words for each problem of this kind.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)+ }
            }

            /// What it means, and what a caller can do.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$code => $advice,)+ }
            }
        }
    };
}

problem_codes! {
    MalformedJson {
        name: "malformed_json",
        status: 400,
        retryable: false,
        title: "malformed JSON",
        advice: "The body could not be read as JSON. Mend the body.",
    }
    Invalid {
        name: "invalid",
        status: 422,
        retryable: false,
        title: "invalid input",
        advice: "One or more fields are wrong; `errors` names each. Mend them.",
    }
    ContentTooLong {
        name: "content_too_long",
        status: 422,
        retryable: false,
        title: "message too long",
        advice: "The message is longer than this server takes. Shorten it.",
    }
    BodyTooLarge {
        name: "body_too_large",
        status: 413,
        retryable: false,
        title: "body too large",
        advice: "The body is larger than this server reads. Send less.",
    }
    BodyTooSlow {
        name: "body_too_slow",
        status: 408,
        retryable: true,
        title: "body too slow",
        advice: "The body did not come in the time that it has. Send it faster, or less of it.",
    }
    UrlTooLong {
        name: "url_too_long",
        status: 414,
        retryable: false,
        title: "address too long",
        advice: "The address is longer than this server reads. Shorten it.",
    }
    UnsupportedMediaType {
        name: "unsupported_media_type",
        status: 415,
        retryable: false,
        title: "unsupported media type",
        advice: "The body must be `application/json`, or, where a document is uploaded, one that can be read: \
                 `detail` says which. No body may be compressed.",
    }
    NotFetched {
        name: "not_fetched",
        status: 422,
        retryable: false,
        title: "not fetched",
        advice: "Nothing could be fetched from the address; `detail` says why, as far as you may know. Look at it \
                 yourself.",
    }
    Unauthenticated {
        name: "unauthenticated",
        status: 401,
        retryable: false,
        title: "not signed in",
        advice: "The credentials are missing, wrong or expired. Sign in again.",
    }
    Forbidden {
        name: "forbidden",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "This is for admins. Ask one.",
    }
    CrossSite {
        name: "cross_site",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "The page of another site made the browser call. Programs use an access token or an API key.",
    }
    SignatureRequired {
        name: "signature_required",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "With an API key this counts only when the call is signed: see API.md.",
    }
    OutOfScope {
        name: "out_of_scope",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "The key was not made for this; `detail` names the permission that it lacks. Make one that has it.",
    }
    NotFound {
        name: "not_found",
        status: 404,
        retryable: false,
        title: "not found",
        advice: "There is no such thing, or it is not yours.",
    }
    MethodNotAllowed {
        name: "method_not_allowed",
        status: 405,
        retryable: false,
        title: "method not allowed",
        advice: "This address exists, and does not do that.",
    }
    TooManyKeys {
        name: "too_many_keys",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "You have as many API keys as you may have. Delete one that is not used.",
    }
    ServiceExists {
        name: "service_exists",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There is a service with this name already.",
    }
    RegistrationClosed {
        name: "registration_closed",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "Nobody may open an account here. Ask whoever runs the service for one.",
    }
    InvitationRequired {
        name: "invitation_required",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "An account is opened here with an invitation only. Ask an admin for one, and send its code as `invitation`.",
    }
    InvitationInvalid {
        name: "invitation_invalid",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "The code is none, has expired, or was used. Ask an admin for another invitation.",
    }
    EmailUnverified {
        name: "email_unverified",
        status: 403,
        retryable: false,
        title: "not allowed",
        advice: "The address of the account is not verified yet. Open the link that was sent to it, or ask for another \
                 (`POST /auth/email-verifications`).",
    }
    PersonaHidden {
        name: "persona_hidden",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "An admin has hidden the persona, and it answers nobody. Its owner finds the reason in `hidden_reason`.",
    }
    JobNotSettled {
        name: "job_not_settled",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The job is no dead letter, or another one is open for the same thing. Look at it again.",
    }
    WorkerDraining {
        name: "worker_draining",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The worker finishes what it does, and ends. Start another one.",
    }
    EmailTaken {
        name: "email_taken",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There is an account with this e-mail address already.",
    }
    LastAdmin {
        name: "last_admin",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There would be no admin any more. Make somebody else one first.",
    }
    TierTaken {
        name: "tier_taken",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There is a tier with this name already.",
    }
    TierInUse {
        name: "tier_in_use",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There are users of the tier, or replies to them that are not final. Move the users to another tier, \
                 and wait.",
    }
    AlreadySettled {
        name: "already_settled",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The dead letter was tried again or discarded before. There is nothing left to do.",
    }
    SlugTaken {
        name: "slug_taken",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There is a persona with this slug already.",
    }
    QuestionExists {
        name: "question_exists",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "This question is in the bank, or among your own, already. Answer that one.",
    }
    QuestionInUse {
        name: "question_in_use",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The question is answered, be it in an answer that was deleted, and so cannot be deleted.",
    }
    TooManyQuestions {
        name: "too_many_questions",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "You have as many questions of your own as you may have. Delete some that are not answered.",
    }
    Outdated {
        name: "outdated",
        status: 412,
        retryable: false,
        title: "changed meanwhile",
        advice: "What you change has changed since you read it (`If-Match`). Read it again.",
    }
    ImportRefused {
        name: "import_refused",
        status: 422,
        retryable: false,
        title: "import refused",
        advice: "Rows of the import are wrong and nothing was stored; `errors` names rows and columns. Mend them, or \
                 import row by row.",
    }
    DocumentNotReady {
        name: "document_not_ready",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The document has no text: it is still to be read, or could not be. Its `status` and `reason` say \
                 which.",
    }
    ExportUnderWay {
        name: "export_under_way",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "A file of your data is being made already. Look at that one, or wait for its end.",
    }
    ExportNotReady {
        name: "export_not_ready",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The export has no file: it is still being made, or has failed. Its `status` says which.",
    }
    ConversationBusy {
        name: "conversation_busy",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "An earlier message of the conversation waits for its reply, and `if_busy` was `reject`.",
    }
    RemembersNothing {
        name: "remembers_nothing",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "The persona is set to remember nothing of its users. Only its owner can change that.",
    }
    Cancelled {
        name: "cancelled",
        status: 409,
        retryable: false,
        title: "cancelled",
        advice: "The reply was cancelled before its end. Ask again, with another `Idempotency-Key`.",
    }
    NotCompleted {
        name: "not_completed",
        status: 409,
        retryable: false,
        title: "conflict",
        advice: "There is no whole reply to be rated. Wait until the request is completed.",
    }
    IdempotencyKeyReused {
        name: "idempotency_key_reused",
        status: 422,
        retryable: false,
        title: "idempotency key reused",
        advice: "The `Idempotency-Key` was used for something else. Take a new key for a new thing.",
    }
    TooManyRequests {
        name: "too_many_requests",
        status: 429,
        retryable: true,
        title: "too many requests",
        advice: "Too much of yours is under way already. Try again after `Retry-After`.",
    }
    RateLimited {
        name: "rate_limited",
        status: 429,
        retryable: true,
        title: "called too often",
        advice: "You call more often than you may; `RateLimit-Policy` says how often that is. Try again after \
                 `Retry-After`.",
    }
    TimedOut {
        name: "timed_out",
        status: 503,
        retryable: true,
        title: "timed out",
        advice: "The call took longer than it may, and it is not known what of it was done. Make it again, with the \
                 same `Idempotency-Key`.",
    }
    Overloaded {
        name: "overloaded",
        status: 503,
        retryable: true,
        title: "overloaded",
        advice: "The service has as much to do as it can take. Try again after `Retry-After`.",
    }
    MailNotConfigured {
        name: "mail_not_configured",
        status: 503,
        retryable: false,
        title: "mail is not set up",
        advice: "This service is not set up to send mail. Ask whoever runs it for a link.",
    }
    Unavailable {
        name: "unavailable",
        status: 503,
        retryable: true,
        title: "unavailable",
        advice: "A part of the service does not answer. Try again after `Retry-After`.",
    }
    Internal {
        name: "internal",
        status: 500,
        retryable: false,
        title: "internal error",
        advice: "A fault of the server; it has been logged under `request_id`.",
    }
    NothingToContinue {
        name: "nothing_to_continue",
        status: 409,
        retryable: false,
        title: "there is no text to go on from",
        advice: "Only a reply that has ended with some text can be continued. Ask for a new one instead.",
    }
    AlreadyStarted {
        name: "already_started",
        status: 409,
        retryable: false,
        title: "it does not wait any more",
        advice: "A worker may have the message already, so it cannot be changed. Stop its reply, or replace the message.",
    }
    QueueChanged {
        name: "queue_changed",
        status: 409,
        retryable: false,
        title: "other messages wait now",
        advice: "What waits in the conversation has changed since it was read. Read it again.",
    }
    TooManyBranches {
        name: "too_many_branches",
        status: 409,
        retryable: false,
        title: "too many branches",
        advice: "The conversation has as many branches as it may have. Fork it, and go on in the copy.",
    }
    ReplyUnfinished {
        name: "reply_unfinished",
        status: 409,
        retryable: true,
        title: "the reply is still being written",
        advice: "Wait until the reply has ended, or stop it.",
    }
    NoVoice {
        name: "no_voice",
        status: 503,
        retryable: false,
        title: "nothing speaks here",
        advice: "This service is not set up to speak. Ask whoever runs it for a voice.",
    }
    SpeechUnavailable {
        name: "speech_unavailable",
        status: 503,
        retryable: true,
        title: "it could not be spoken",
        advice: "No speech service that may be asked has spoken it, or a budget is spent. Try again later.",
    }
    TranslationUnavailable {
        name: "translation_unavailable",
        status: 503,
        retryable: true,
        title: "it could not be translated",
        advice: "No service that may be asked has translated it, or a budget is spent; or none is set up. Try again later.",
    }
    BudgetExhausted {
        name: "budget_exhausted",
        status: 429,
        retryable: true,
        title: "budget exhausted",
        advice: "A budget has not enough left for a reply today; `detail` says which, and when it renews. Send the \
                 message again then.",
    }
    NoModelAllowed {
        name: "no_model_allowed",
        status: 403,
        retryable: false,
        title: "no model allowed",
        advice: "Your tier allows none of the models that could answer. Ask an admin.",
    }
    NotStorable {
        name: "not_storable",
        status: 500,
        retryable: false,
        title: "the reply is lost",
        advice: "The reply was there and could not be stored. Operators are told.",
    }
    ProviderFailed {
        name: "provider_failed",
        status: 502,
        retryable: true,
        title: "the model service failed",
        advice: "The model service did not give a reply, after all attempts. Send the message again later.",
    }
    ContentFiltered {
        name: "content_filtered",
        status: 502,
        retryable: false,
        title: "the reply was withheld",
        advice: "Every model service that was asked withheld its reply. Word the message differently.",
    }
    PromptTooLong {
        name: "prompt_too_long",
        status: 502,
        retryable: false,
        title: "the message is too long",
        advice: "No model that may answer takes a message of this length. Shorten it.",
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
