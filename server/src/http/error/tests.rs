use super::*;

#[test]
fn what_went_wrong_inside_is_not_shown() {
    for error in [ApiError::Internal("password=x".to_owned()), ApiError::unavailable("password=x")] {
        assert!(!serde_json::to_string(&error.problem()).unwrap().contains("password"));
        assert_eq!(error.to_string(), "password=x");
    }
}

#[test]
fn what_a_client_sees_of_each_error() {
    let window = std::time::Duration::from_secs(60);
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
    insta::assert_snapshot!(errors.map(shown).join("\n"), @"");
}

/// The problem, and the headers that depend on it.
fn shown(error: ApiError) -> String {
    let problem = error.problem();
    let response = error.into_response();
    assert_eq!(response.status().as_u16(), problem.status());
    assert_eq!(response.extensions().get::<Problem>(), Some(&problem));
    let headers = response.headers().iter().map(|(name, value)| format!("\n    {name}: {}", value.to_str().unwrap()));
    format!("{}{}", serde_json::to_string(&problem).unwrap(), headers.collect::<String>())
}
