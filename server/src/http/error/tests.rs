use std::{fmt::Write, time::Duration};

use super::*;

#[test]
fn what_went_wrong_inside_is_not_shown() {
    for error in [ApiError::Internal("password=x".to_owned()), ApiError::unavailable("password=x")] {
        assert!(!serde_json::to_string(&error.problem()).unwrap().contains("password"));
        assert_eq!(error.to_string(), "password=x");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list, and what it shows")]
fn what_a_client_sees_of_each_error() {
    let window = Duration::from_mins(1);
    let fault = FieldError { field: "row 1".to_owned(), message: "is wrong".to_owned() };
    let errors = [
        ApiError::malformed_json("expected value"),
        ApiError::method_not_allowed(),
        ApiError::body_too_large(7),
        ApiError::body_too_slow(),
        ApiError::url_too_long(7),
        ApiError::compressed_body(),
        ApiError::not_json(),
        ApiError::unsupported_document("the document is a picture".to_owned()),
        ApiError::field("name", "must not be empty"),
        ApiError::content_too_long(7),
        ApiError::import_refused("nothing was stored".to_owned(), vec![fault]),
        ApiError::not_fetched("the address is private".to_owned()),
        ApiError::idempotency_key_reused(),
        ApiError::Unauthenticated("the sign-in has ended"),
        ApiError::email_unverified(),
        ApiError::admins_only(),
        ApiError::out_of_scope("chat:read"),
        ApiError::signature_required(),
        ApiError::cross_site(),
        ApiError::NotFound("persona"),
        ApiError::conflict(ProblemCode::SlugTaken, "there is a persona 'demo' already"),
        ApiError::outdated("it is at version 2 now"),
        ApiError::too_many_requests("2 calls of yours wait already".to_owned()),
        ApiError::rate_limited("calls", 300, window, 4),
        ApiError::overloaded(),
        ApiError::timed_out(),
        ApiError::mail_not_configured(),
        ApiError::unavailable("connection refused"),
        ApiError::Internal("a bug".to_owned()),
    ];
    insta::assert_snapshot!(errors.map(shown).concat(), @r#"
    400 malformed_json: malformed JSON
        expected value
    405 method_not_allowed: method not allowed
        this address does not take this method
    413 body_too_large: body too large
        the body must not be larger than 7 bytes
        connection: close
    408 body_too_slow: body too slow, retryable
        the body did not come in the time that it has
        connection: close
    414 url_too_long: address too long
        the address must not be longer than 7 bytes
    415 unsupported_media_type: unsupported media type
        the body must not be compressed (Content-Encoding)
    415 unsupported_media_type: unsupported media type
        the body must be application/json
    415 unsupported_media_type: unsupported media type
        the document is a picture
    422 invalid: invalid input
        name: must not be empty
        [name] must not be empty
    422 content_too_long: message too long
        content: must not be longer than 7 bytes
        [content] must not be longer than 7 bytes
    422 import_refused: import refused
        nothing was stored
        [row 1] is wrong
    422 not_fetched: not fetched
        the address is private
    422 idempotency_key_reused: idempotency key reused
        this Idempotency-Key was used for something else
    401 unauthenticated: not signed in
        the sign-in has ended
        www-authenticate: Bearer
    403 email_unverified: not allowed
        the address of this account is not verified yet: open the link that was sent to it
    403 forbidden: not allowed
        this is for admins
    403 out_of_scope: not allowed
        this needs the permission chat:read, which the key does not have
    403 signature_required: not allowed
        with an API key this needs a call that is signed
    403 cross_site: not allowed
        a session counts for calls of this service's own pages only
    404 not_found: not found
        there is no such persona
    409 slug_taken: conflict
        there is a persona 'demo' already
    412 outdated: changed meanwhile
        it is at version 2 now
    429 too_many_requests: too many requests, retryable
        2 calls of yours wait already
        retry-after: 2
    429 rate_limited: called too often, retryable
        the limit "calls" is 300 per 60 seconds; it has room again in 4 seconds
        retry-after: 4
    503 overloaded: overloaded, retryable
        there is more to do than this service can take; try again in a moment
        retry-after: 2
    503 timed_out: timed out, retryable
        the call took longer than it may; it is not known what of it was done
        retry-after: 2
    503 mail_not_configured: mail is not set up
        this service is not set up to send mail: ask whoever runs it
    503 unavailable: unavailable, retryable
        a part of the service does not answer; try again in a moment
        retry-after: 2
    500 internal: internal error
        something went wrong here; it has been logged
    "#);
}

/// What a problem's code gives, its words, and the headers that depend on it.
fn shown(error: ApiError) -> String {
    let problem = error.problem();
    let code = error.code();
    let response = error.into_response();
    assert_eq!((response.status().as_u16(), problem.code()), (problem.status(), code.name()));
    assert_eq!(response.extensions().get::<Problem>(), Some(&problem));
    let retryable = if problem.retryable { ", retryable" } else { "" };
    let mut shown = format!("{} {code}: {}{retryable}\n    {}\n", problem.status(), code.title(), problem.detail);
    for FieldError { field, message } in &problem.errors {
        writeln!(shown, "    [{field}] {message}").unwrap();
    }
    for (name, value) in response.headers() {
        writeln!(shown, "    {name}: {}", value.to_str().unwrap()).unwrap();
    }
    shown
}
