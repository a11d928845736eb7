//! Accounts: register, sign in, who am I.

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{Client, client::PASSWORD};

use crate::{cluster, small_cluster};

#[tokio::test]
async fn whoever_registers_is_signed_in_on_every_server() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    assert_eq!(user.user["email"], *user.email);
    assert_eq!(
        (&user.user["name"], &user.user["role"], &user.user["tier"]),
        (&json!("Grace"), &json!("user"), &json!("free"))
    );
    for server in 0..2 {
        let here = user.at(cluster.server(server));
        assert_eq!(here.get("/api/v1/auth/me").await.expect(200), user.user);
        let login =
            here.post("/api/v1/auth/login", &json!({"email": user.email, "password": PASSWORD})).await.expect(200);
        assert_eq!(login["user"], user.user);
        assert!(login["expires_in"].as_u64().is_some_and(|seconds| seconds > 0));
        let token = login["access_token"].as_str().expect("a token");
        for elsewhere in 0..2 {
            let again = user.at(cluster.server(elsewhere)).with_token(token);
            assert_eq!(again.get("/api/v1/auth/me").await.expect(200), user.user);
        }
    }
    // An address is the same in other letters, and with blanks around it.
    let shouted = json!({"email": format!(" {} ", user.email.to_uppercase()), "password": PASSWORD});
    assert_eq!(user.post("/api/v1/auth/login", &shouted).await.expect(200)["user"], user.user);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_secret() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let login = user.post("/api/v1/auth/login", &json!({"email": user.email, "password": PASSWORD})).await;
    let me = user.get("/api/v1/auth/me").await;
    for text in [&login.text, &me.text, &cluster.logs()] {
        assert!(!text.contains("argon2") && !text.contains(PASSWORD), "{text}");
    }
    assert!(!cluster.logs().contains(&user.token) && !me.text.contains(&user.token));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_address_has_one_account() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let before = cluster.count("users").await;
    for email in [user.email.clone(), user.email.to_uppercase(), format!("  {}", user.email)] {
        let body = json!({"email": email, "password": PASSWORD, "name": "Again"});
        let answer = user.at(cluster.server(1)).post("/api/v1/auth/register", &body).await;
        assert_eq!(answer.problem(409)["code"], "email_taken");
    }
    assert_eq!(cluster.count("users").await, before);

    let body = json!({"email": "race@example.com", "password": PASSWORD, "name": "Racer"});
    let (here, there) = (Client::anonymous(cluster.server(0)), Client::anonymous(cluster.server(1)));
    let racing = join_all(
        (0..6).map(|n| if n % 2 == 0 { &here } else { &there }).map(|c| c.post("/api/v1/auth/register", &body)),
    );
    let mut statuses: Vec<_> = racing.await.into_iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    assert_eq!(cluster.count("users").await, before + 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let anonymous = Client::anonymous(cluster.server(0));
    let mut answers = Vec::new();
    let attempts = [
        (user.email.as_str(), "wrong password"),
        (user.email.as_str(), ""),
        ("nobody@example.com", PASSWORD),
        ("' or 1=1 --", PASSWORD),
        ("nul\u{0}l@example.com", PASSWORD),
    ];
    for (email, password) in attempts {
        let answer = anonymous.post("/api/v1/auth/login", &json!({"email": email, "password": password})).await;
        let problem = answer.problem(401);
        answers.push((problem["code"].clone(), problem["detail"].clone()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn registration_names_every_field_at_fault() {
    let cluster = small_cluster().await;
    let anonymous = Client::anonymous(cluster.server(0));
    let sound = || json!({"email": "grace@example.com", "password": PASSWORD, "name": "Grace"});
    let with = |key: &str, value: Value| {
        let mut body = sound();
        body[key] = value;
        body
    };
    let before = cluster.count("users").await;
    let cases = [
        ("email", with("email", json!("no address"))),
        ("email", with("email", json!("two words@example.com"))),
        ("email", with("email", json!("@example.com"))),
        ("email", with("email", json!(""))),
        ("email", with("email", json!(format!("{}@example.com", "x".repeat(320))))),
        ("email", with("email", json!("a\u{0}b@example.com"))),
        ("email", with("email", json!(5))),
        ("password", with("password", json!("short"))),
        ("password", with("password", json!("x".repeat(5_000)))),
        ("name", with("name", json!(""))),
        ("name", with("name", json!("   "))),
        ("name", with("name", json!("x".repeat(101)))),
        ("name", with("name", Value::Null)),
        ("role", with("role", json!("admin"))),
        ("tier", with("tier", json!("pro"))),
    ];
    for (field, body) in cases {
        let answer = anonymous.post("/api/v1/auth/register", &body).await;
        let fields: Vec<_> =
            answer.problem(422)["errors"].as_array().expect("errors").iter().map(|e| &e["field"]).collect();
        assert!(fields.contains(&&json!(field)), "{field}: {}", answer.text);
    }
    let all = json!({"email": "x", "password": "short", "name": ""});
    let answer = anonymous.post("/api/v1/auth/register", &all).await;
    let fields: Vec<_> =
        answer.problem(422)["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    for field in ["email", "password", "name"] {
        assert!(fields.contains(&field), "{field}: {}", answer.text);
    }
    assert_eq!(cluster.count("users").await, before, "nobody was registered");
    cluster.assert_quiet().await;
}
