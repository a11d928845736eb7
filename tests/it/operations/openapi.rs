//! What the server says of itself: the description of the API, the pages, and whether it lives.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client};

use crate::{cluster, small_cluster};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Calls an operation of the description, with ids that are nobody's.
async fn call(client: &Client, method: &str, path: &str) -> Answer {
    let path = ["slug", "name", "provider", "subject"]
        .iter()
        .fold(path.to_owned(), |path, parameter| path.replace(&format!("{{{parameter}}}"), "nobody"));
    let path = path.replace("{id}", "00000000-0000-7000-8000-00000000000f").replace("{scope}", "tier");
    let path = path.replace("{question_id}", "00000000-0000-7000-8000-00000000000f");
    let path = path.replace("{token_id}", "00000000-0000-7000-8000-00000000000f");
    let path = path
        .replace("{export_id}", "00000000-0000-7000-8000-00000000000f")
        .replace("{version}", "1")
        .replace("{sentence}", "1");
    assert!(!path.contains('{'), "a parameter that this test does not know: {path}");
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let call = client.call(method.clone(), &path);
    client.answer(if method == Method::GET || method == Method::DELETE { call } else { call.json(&json!({})) }).await
}

#[tokio::test]
async fn every_operation_that_is_described_is_there() {
    let cluster = small_cluster().await;
    let anonymous = Client::anonymous(cluster.server(0));
    let user = cluster.client(0).await;
    let answer = anonymous.get("/openapi.json").await;
    assert!(answer.header("content-type").starts_with("application/json"));
    let description = answer.expect(200);
    assert!(
        description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        description["openapi"]
    );
    let (mut operations, mut names) = (0, HashSet::new());
    for (path, item) in description["paths"].as_object().expect("paths") {
        for method in METHODS {
            let operation = &item[method];
            if operation.is_null() {
                continue;
            }
            operations += 1;
            let name =
                operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
            assert!(names.insert(name.to_owned()), "two operations are called {name}");
            assert!(
                operation["responses"].as_object().is_some_and(|responses| !responses.is_empty()),
                "{method} {path}"
            );
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");

            let open =
                operation["security"].as_array().is_some_and(|wants| wants.iter().any(|want| want == &json!({})))
                    || operation["security"] == json!([]);
            let without = call(&anonymous, method, path).await;
            if open {
                assert!(![401, 405].contains(&without.status.as_u16()), "{method} {path}: {}", without.text);
                // Of something that is not there, but no address that is not.
                let missing = without.status == 404;
                assert!(!missing || path.contains("{id}") && !without.text.contains("address"), "{}", without.text);
            } else {
                assert_eq!(without.error_code(path, 401), "unauthenticated", "{method} {path}");
                assert!(!without.header("www-authenticate").is_empty(), "{method} {path}");
            }
            let with = call(&user, method, path).await;
            assert!(with.status.as_u16() < 500 && with.status.as_u16() != 405, "{method} {path}: {}", with.text);
            let documented =
                operation["responses"].as_object().unwrap().keys().any(|status| *status == with.status.as_str());
            assert!(documented, "{method} {path} answers {}, which is not described", with.status);
        }
    }
    assert!(operations >= 15, "only {operations} operations");
    references_lead_somewhere(&description, &description);
    cluster.assert_quiet().await;
}

fn references_lead_somewhere(part: &Value, whole: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} lies elsewhere"));
                assert!(whole.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|field| references_lead_somewhere(field, whole));
        }
        Value::Array(items) => items.iter().for_each(|item| references_lead_somewhere(item, whole)),
        _ => {}
    }
}

#[tokio::test]
async fn the_pages_load_nothing_from_elsewhere() {
    let cluster = small_cluster().await;
    let anonymous = Client::anonymous(cluster.server(0));
    for page in ["/", "/docs", "/docs/problems"] {
        let answer = anonymous.get(page).await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.header("content-type").starts_with("text/html"), "{page}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src") && !policy.contains("unsafe") && !policy.contains('*'),
            "{page}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{page}");
        let attributes = ["src=\"", "href=\""].into_iter().flat_map(|name| answer.text.split(name).skip(1));
        let links: Vec<_> = attributes.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect();
        for link in links.iter().filter(|link| !link.starts_with('#')) {
            assert!(link.starts_with('/') && !link.starts_with("//"), "{page} loads {link}");
            let path = link.split(['#', '?']).next().unwrap_or_default();
            assert_eq!(anonymous.get(path).await.status, 200, "{page} links to {link}");
        }
        assert!(
            !answer.text.contains("<script>") && !answer.text.contains(" style="),
            "{page} has what its policy forbids"
        );
    }
    cluster.assert_quiet().await;
}

/// The type of a problem is an address at which it is explained.
#[tokio::test]
async fn a_problems_type_leads_to_its_explanation() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let page = user.get("/docs/problems").await.text;
    let problems = [
        user.get("/nowhere").await.problem(404).clone(),
        user.with_token("x").get("/api/v1/auth/me").await.problem(401).clone(),
        user.post("/api/v1/conversations", &json!({})).await.problem(422).clone(),
        user.delete("/api/v1/auth/me/budget").await.problem(405).clone(),
    ];
    for problem in problems {
        let (path, anchor) = problem["type"].as_str().unwrap().split_once('#').expect("an anchor");
        assert_eq!(path, "/docs/problems");
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor} is not explained");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn it_says_whether_it_lives_and_whether_it_can_work() {
    let cluster = cluster().await;
    for server in 0..2 {
        let anonymous = Client::anonymous(cluster.server(server));
        assert_eq!(anonymous.get("/health").await.expect(200)["status"], "ok");
        assert_eq!(anonymous.get("/ready").await.expect(200)["status"], "ok");
    }
    cluster.assert_quiet().await;
}
