use std::{collections::HashSet, fmt::Write as _};

use serde_json::json;

use super::*;

#[test]
fn the_api_document_lists_the_codes_as_they_are() {
    let document = include_str!("../../../../docs/API.md");
    let mut table =
        String::from("| code | status | retryable | what it means, and what to do |\n| --- | --- | --- | --- |\n");
    for code in ProblemCode::ALL {
        let retryable = if code.retryable() { "yes" } else { "no" };
        _ = writeln!(table, "| `{code}` | {} | {retryable} | {} |", code.status(), code.advice());
    }
    let rest = document.split_once(&table).map(|(_, rest)| rest);
    // No row behind it: none that the table lacks.
    assert!(rest.is_some_and(|rest| !rest.starts_with('|')), "docs/API.md should list these codes:\n{table}");
}

#[test]
fn a_code_is_the_same_word_everywhere() {
    let mut names = HashSet::new();
    for code in ProblemCode::ALL {
        assert_eq!((json!(code), code.to_string()), (json!(code.name()), code.name().to_owned()));
        assert_eq!(serde_json::from_value::<ProblemCode>(json!(code.name())).unwrap(), *code);
        assert!(names.insert(code.name()), "{code} is there twice");
        assert!((400..600).contains(&code.status()), "{code}");
    }
}

#[test]
fn a_problem_is_written_with_all_that_its_code_says() {
    let mut problem = Problem::new(ProblemCode::Overloaded, "try again in a moment");
    let mut written = json!({
        "type": "/docs/problems#overloaded", "title": "overloaded", "status": 503, "detail": "try again in a moment",
        "code": "overloaded", "retryable": true,
    });
    assert_eq!(serde_json::to_value(&problem).unwrap(), written);
    problem.request_id = Some("r".to_owned());
    problem = problem
        .with_retryable(false)
        .with_errors(vec![FieldError { field: "content".to_owned(), message: "must not be empty".to_owned() }]);
    written["retryable"] = json!(false);
    written["request_id"] = json!("r");
    written["errors"] = json!([{"field": "content", "message": "must not be empty"}]);
    assert_eq!(serde_json::to_value(&problem).unwrap(), written);
}

#[test]
fn a_problem_of_another_release_is_kept_as_it_was_stored() {
    let stored = json!({
        "type": "/docs/problems#model_on_strike", "title": "the model is on strike", "status": 599,
        "detail": "no reply", "code": "model_on_strike", "retryable": true, "request_id": "r",
    });
    let problem: Problem = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!((problem.code(), problem.status()), ("model_on_strike", 599));
    assert_eq!(serde_json::to_value(&problem).unwrap(), stored);
}
