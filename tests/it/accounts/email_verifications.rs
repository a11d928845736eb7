//! Verification of addresses at registration: a link by mail before the first sign-in, and answers that tell nothing.

use reqwest::Method;
use serde_json::json;
use troupe_tests::{Answer, Client, ClusterOptions, MailServer, Manner, client::PASSWORD, mail::Letter, within};

use crate::accounts::{password_resets, passwords::signs_in};

const VERIFICATIONS: &str = "/api/v1/auth/email-verifications";
const ADA: &str = "ada@example.com";

fn with_verification(mail: &MailServer) -> ClusterOptions {
    password_resets::with_mail(mail).set("TROUPE_REGISTRATION__VERIFY_EMAIL", "true")
}

async fn register(client: &Client, email: &str) -> Answer {
    client.post("/api/v1/auth/register", &json!({"email": email, "password": PASSWORD, "name": "Grace"})).await
}

async fn sign_in(client: &Client, email: &str) -> Answer {
    client.post("/api/v1/auth/login", &json!({"email": email, "password": PASSWORD})).await
}

async fn ask_again(client: &Client, email: &str) -> Answer {
    client.post(VERIFICATIONS, &json!({ "email": email })).await
}

async fn verify(client: &Client, token: &str) -> Answer {
    client.put(VERIFICATIONS, &json!({ "token": token })).await
}

fn is_void(answer: &Answer) -> bool {
    answer.problem(422)["errors"][0]["field"] == "token"
}

fn unverified(answer: &Answer) -> bool {
    answer.problem(403)["code"] == "email_unverified"
}

#[tokio::test]
async fn an_account_signs_in_once_its_address_is_verified() {
    let mail = MailServer::start().await;
    let cluster = with_verification(&mail).start().await;
    let anybody = Client::anonymous(cluster.server(0));
    let body = json!({"email": ADA, "password": PASSWORD, "name": "Grace", "session": true});
    let registered = anybody.post("/api/v1/auth/register", &body).await;
    assert_eq!(registered.header("set-cookie"), "");
    let answer = registered.expect(202);
    assert_eq!(answer.as_object().expect("an object").keys().collect::<Vec<_>>(), ["detail"], "{answer}");
    assert!(unverified(&sign_in(&anybody, ADA).await));
    let wrong = json!({"email": ADA, "password": "wrong password"});
    assert_eq!(anybody.post("/api/v1/auth/login", &wrong).await.problem(401)["code"], "unauthenticated");

    let letter = mail.letters(1).await.remove(0);
    assert_eq!(letter.to, ADA);
    assert!(letter.text.contains("http://troupe.example/#/verify/") && letter.text.contains("for 1day"), "{letter:?}");
    assert!(!letter.text.contains("Grace"), "nothing that somebody else has chosen");
    assert_eq!(verify(&anybody, letter.token()).await.status, 204);
    sign_in(&anybody, ADA).await.expect(200);
    assert!(is_void(&verify(&anybody, letter.token()).await), "it was used");

    let noted = "select count(*) from audit_entries where verb = 'email.verified'";
    assert_eq!(cluster.number(noted).await, 1);
    let logs = cluster.logs();
    assert!(!logs.contains(letter.token()) && !logs.contains(PASSWORD), "no secret is logged");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_answer_does_not_tell_whether_the_address_is_known() {
    let mail = MailServer::start().await;
    let cluster = with_verification(&mail).start().await;
    let anybody = Client::anonymous(cluster.server(0));
    let told = |answer: Answer| {
        let headers = ["content-type", "content-length", "cache-control", "idempotency-replayed"];
        (headers.map(|name| answer.header(name).to_owned()), answer.expect(202))
    };
    let registered = told(register(&anybody, ADA).await);
    let letter = mail.letters(1).await.remove(0);
    assert_eq!(told(register(&anybody, &ADA.to_uppercase()).await), registered);
    let again = mail.letters(2).await.remove(1);
    assert_eq!(again.to, ADA, "an unverified account is sent another link");
    let asked = told(ask_again(&anybody, "nobody@example.com").await);
    assert_eq!(told(ask_again(&anybody, ADA).await), asked);
    let newest = mail.letters(3).await.remove(2);
    assert_eq!(verify(&anybody, newest.token()).await.status, 204);
    for void in [&letter, &again] {
        assert!(is_void(&verify(&anybody, void.token()).await));
    }

    assert_eq!(told(register(&anybody, ADA).await), registered);
    assert_eq!(told(ask_again(&anybody, ADA).await), asked);
    assert_eq!(told(register(&anybody, "grace@example.com").await), registered);
    assert_eq!(mail.letters(4).await[3].to, "grace@example.com", "a verified account is sent nothing");
    assert_eq!(cluster.count("users where kind = 'person'").await, 2);
    for bad in ["", "no address", "a\u{0}@example.com"] {
        assert_eq!(ask_again(&anybody, bad).await.problem(422)["errors"][0]["field"], "email");
    }
    cluster.assert_quiet().await;
}

/// The same call made again, because its answer was lost.
#[tokio::test]
async fn a_registration_by_invitation_that_comes_again_is_answered_as_before() {
    let mail = MailServer::start().await;
    let options = with_verification(&mail).set("TROUPE_REGISTRATION__MODE", "invited");
    let options = options.set("TROUPE_ADMIN__EMAIL", "admin@example.com").set("TROUPE_ADMIN__PASSWORD", PASSWORD);
    let cluster = options.start().await;
    // Whom an operator has named needs no link.
    let admin = Client::sign_in(cluster.server(0), "admin@example.com", PASSWORD).await;
    let invitation = admin.post("/api/v1/admin/invitations", &json!({})).await.expect(201)["code"].clone();
    let anybody = Client::anonymous(cluster.server(0));
    let body = json!({"email": ADA, "password": PASSWORD, "name": "Ada", "invitation": invitation});
    for _ in 0..2 {
        let call = anybody.call(Method::POST, "/api/v1/auth/register").header("idempotency-key", "k");
        anybody.answer(call.json(&body)).await.expect(202);
    }
    let used = anybody.post("/api/v1/auth/register", &body).await;
    assert_eq!(used.problem(403)["code"], "invitation_invalid");
    assert!(unverified(&sign_in(&anybody, ADA).await), "the invitation names no address");
    assert_eq!(verify(&anybody, mail.letters(1).await[0].token()).await.status, 204);
    sign_in(&anybody, ADA).await.expect(200);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_no_link_or_too_old_verifies_nothing() {
    let mail = MailServer::start().await;
    let cluster = with_verification(&mail).start().await;
    let anybody = Client::anonymous(cluster.server(0));
    register(&anybody, ADA).await.expect(202);
    let letter = mail.letters(1).await.remove(0);
    for token in ["", "a", "' or 1=1 --", "a\u{0}b", &"x".repeat(5_000)] {
        assert!(is_void(&verify(&anybody, token).await), "{token}");
    }
    sqlx::query("update users set verify_until = now() - interval '1 second'").execute(&cluster.db).await.unwrap();
    assert!(is_void(&verify(&anybody, letter.token()).await), "it is too old");
    let set = json!({"token": letter.token(), "password": "another long password"});
    assert!(is_void(&anybody.put("/api/v1/auth/password-resets", &set).await), "it is for something else");
    assert!(unverified(&sign_in(&anybody, ADA).await));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_password_that_is_set_by_a_link_verifies_the_address() {
    let mail = MailServer::start().await;
    let cluster = with_verification(&mail).start().await;
    let mut anybody = Client::anonymous(cluster.server(0));
    ADA.clone_into(&mut anybody.email);
    register(&anybody, ADA).await.expect(202);
    let first = mail.letters(1).await.remove(0);
    password_resets::ask(&anybody, ADA).await.expect(202);
    let reset = mail.letters(2).await.remove(1);
    assert!(is_void(&verify(&anybody, reset.token()).await), "it is for something else");
    let set = json!({"token": reset.token(), "password": "another long password"});
    assert_eq!(anybody.put("/api/v1/auth/password-resets", &set).await.status, 204);
    assert!(signs_in(&anybody, "another long password").await);
    assert!(is_void(&verify(&anybody, first.token()).await), "nothing is left to verify");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn nobodys_letter_box_is_filled_by_others() {
    let mail = MailServer::start().await;
    let cluster = with_verification(&mail).set("TROUPE_AUTH__RESET_INTERVAL", "1m").start().await;
    let anybody = Client::anonymous(cluster.server(0));
    register(&anybody, ADA).await.expect(202);
    let letter = mail.letters(1).await.remove(0);
    for _ in 0..3 {
        ask_again(&anybody, ADA).await.expect(202);
        register(&anybody, ADA).await.expect(202);
    }
    register(&anybody, "grace@example.com").await.expect(202);
    assert_eq!(mail.letters(2).await[1].to, "grace@example.com", "those in between were not sent");
    assert_eq!(verify(&anybody, letter.token()).await.status, 204, "and have not made the first link void");
    cluster.assert_quiet().await;
}

/// A link is known by its digest, also while the mail server has it in hand.
#[tokio::test]
async fn nothing_that_verifies_an_address_is_stored() {
    let mail = MailServer::start().await;
    let cluster = with_verification(&mail).set("TROUPE_MAIL__TIMEOUT", "10m").start().await;
    let anybody = Client::anonymous(cluster.server(0));
    mail.behave([Manner::Hang]);
    register(&anybody, ADA).await.expect(202);
    mail.deliveries(1).await;
    let noted = "select count(*) from jobs j join users u on u.id = j.user_id
                 where j.payload = jsonb_build_object('link', encode(u.verify_digest, 'hex'))";
    assert_eq!(cluster.number(noted).await, 1);
    ask_again(&anybody, ADA).await.expect(202);
    let letter = mail.letters(1).await.remove(0);
    for table in ["users", "jobs", "audit_entries"] {
        assert_eq!(cluster.count(&format!("{table} t where t::text like '%{}%'", letter.token())).await, 0, "{table}");
    }
    assert_eq!(verify(&anybody, letter.token()).await.status, 204);
}

#[tokio::test]
async fn it_is_off_unless_it_is_set_and_locks_nobody_out_when_it_is() {
    let mail = MailServer::start().await;
    let mut cluster = password_resets::with_mail(&mail).start().await;
    let user = cluster.client(0).await;
    assert!(signs_in(&user, PASSWORD).await);
    cluster.set("TROUPE_REGISTRATION__VERIFY_EMAIL", "true");
    let server = cluster.add_server().await;
    let here = user.at(cluster.server(server));
    assert!(signs_in(&here, PASSWORD).await, "who was there before counts as verified");
    register(&here, ADA).await.expect(202);
    assert!(unverified(&sign_in(&here, ADA).await));
    sign_in(&user, ADA).await.expect(200);
    let letter: Letter = mail.letters(1).await.remove(0);
    assert_eq!(letter.to, ADA);
    within("the job's end", async { while cluster.count("jobs where kind = 'email_verification'").await > 0 {} }).await;
    cluster.assert_quiet().await;
}
