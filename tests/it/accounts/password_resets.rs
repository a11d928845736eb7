//! Forgotten passwords: a link by mail, that works once, and answers that tell nothing.

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::Executor;
use troupe_tests::{
    Answer, Client, Cluster, ClusterOptions, MailServer, Manner, Process, client::PASSWORD, mail::Letter, socket::End,
    within,
};

use crate::accounts::passwords::{operate, signs_in};

const RESETS: &str = "/api/v1/auth/password-resets";
const NEW: &str = "another long password";

/// A server, and a worker that writes to this mail server.
pub(crate) fn with_mail(mail: &MailServer) -> ClusterOptions {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_MAIL__URL", mail.url());
    let options = options.set("TROUPE_MAIL__FROM", "Troupe <troupe@example.com>").set("TROUPE_MAIL__STARTTLS", "false");
    let options = options.set("TROUPE_SERVER__PUBLIC_URL", "http://troupe.example/").set("TROUPE_MAIL__TIMEOUT", "1s");
    options.set("TROUPE_MAIL__RETRY_BASE", "20ms").set("TROUPE_AUTH__RESET_INTERVAL", "0s")
}

pub(crate) async fn ask(client: &Client, email: &str) -> Answer {
    client.post(RESETS, &json!({ "email": email })).await
}

async fn set(client: &Client, letter: &Letter, password: &str) -> Answer {
    client.put(RESETS, &json!({"token": letter.token(), "password": password})).await
}

fn void(answer: &Answer) -> bool {
    answer.problem(422)["errors"][0]["field"] == "token"
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_ends_what_was_signed_in() {
    let mail = MailServer::start().await;
    let cluster = with_mail(&mail).start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let anybody = Client::anonymous(cluster.server(0));
    assert_eq!(ask(&anybody, &format!(" {} ", user.email.to_uppercase())).await.status, 202);
    let letter = mail.letters(1).await.remove(0);
    assert_eq!(letter.to, user.email);
    assert!(
        letter.text.contains("http://troupe.example/#/reset/") && letter.text.contains("for 30m"),
        "{}",
        letter.text
    );
    assert!(!letter.text.contains("Grace"), "nothing that somebody else has chosen");
    assert!(signs_in(&user, PASSWORD).await, "to ask changes nothing");

    let common = set(&anybody, &letter, "password123").await;
    assert_eq!(common.problem(422)["errors"][0]["field"], "password");
    let own = set(&anybody, &letter, &user.email).await;
    assert_eq!(own.problem(422)["errors"][0]["field"], "password", "the link still works after this");
    assert_eq!(set(&anybody, &letter, NEW).await.status, 204);
    let (old, new) = (signs_in(&user, PASSWORD).await, signs_in(&user, NEW).await);
    assert!(!old && new);
    user.get("/api/v1/auth/me").await.problem(401);
    assert_eq!(socket.closed().await, End::Code(4001));
    assert!(void(&set(&anybody, &letter, "a third password").await), "it was used");
    assert!(signs_in(&user, NEW).await);
    let logs = cluster.logs();
    assert!(!logs.contains(letter.token()) && !logs.contains(NEW), "no secret is logged");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn only_the_newest_link_works_and_none_that_is_old_or_overtaken() {
    let mail = MailServer::start().await;
    let cluster = with_mail(&mail).start().await;
    let (user, anybody) = (cluster.client(0).await, Client::anonymous(cluster.server(0)));
    ask(&anybody, &user.email).await.expect(202);
    let first = mail.letters(1).await.remove(0);
    ask(&anybody, &user.email).await.expect(202);
    let second = mail.letters(2).await.remove(1);
    assert!(void(&set(&anybody, &first, NEW).await), "there is a newer one");

    sqlx::query("update users set reset_until = now() - interval '1 second'").execute(&cluster.db).await.unwrap();
    assert!(void(&set(&anybody, &second, NEW).await), "it is too old");

    ask(&anybody, &user.email).await.expect(202);
    let third = mail.letters(3).await.remove(2);
    let change = json!({"current_password": PASSWORD, "password": NEW});
    assert_eq!(user.put("/api/v1/auth/password", &change).await.status, 204);
    assert!(void(&set(&anybody, &third, "a third password").await), "the password was changed meanwhile");

    for token in ["", "a", "' or 1=1 --", "a\u{0}b", &"x".repeat(5_000)] {
        assert!(void(&anybody.put(RESETS, &json!({"token": token, "password": NEW})).await), "{token}");
    }
    assert!(signs_in(&user, NEW).await);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_answer_does_not_tell_whether_there_is_an_account() {
    let mail = MailServer::start().await;
    let cluster = with_mail(&mail).start().await;
    let (user, anybody) = (cluster.client(0).await, Client::anonymous(cluster.server(0)));
    // The check of this foreign key opens the table of users, also where a job names none.
    cluster.db.execute("alter table jobs drop constraint jobs_user_id_fkey").await.unwrap();
    // Whoever looked an account up before answering would wait here.
    let mut locked = cluster.db.begin().await.unwrap();
    locked.execute("lock table users in access exclusive mode").await.unwrap();
    let told = |answer: Answer| {
        let headers = ["content-type", "content-length", "cache-control"].map(|name| answer.header(name).to_owned());
        (headers, answer.expect(202))
    };
    let known = told(within("an answer", ask(&anybody, &user.email)).await);
    let unknown = told(within("an answer", ask(&anybody, "nobody@example.com")).await);
    assert_eq!(known, unknown);
    locked.rollback().await.unwrap();
    assert_eq!(mail.letters(1).await[0].to, user.email);

    ask(&anybody, "nobody@example.com").await.expect(202);
    ask(&anybody, &user.email).await.expect(202);
    let to: Vec<_> = mail.letters(2).await.into_iter().map(|letter| letter.to).collect();
    assert_eq!(to, [user.email.clone(), user.email.clone()], "nobody else was written to");
    for bad in ["", "no address", "a\u{0}@example.com"] {
        assert_eq!(ask(&anybody, bad).await.problem(422)["errors"][0]["field"], "email");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn nobodys_letter_box_is_filled_by_others() {
    let mail = MailServer::start().await;
    let cluster = with_mail(&mail).set("TROUPE_AUTH__RESET_INTERVAL", "1m").start().await;
    let (user, other) = (cluster.client(0).await, cluster.client(0).await);
    ask(&user, &user.email).await.expect(202);
    let letter = mail.letters(1).await.remove(0);
    for _ in 0..5 {
        ask(&other, &user.email).await.expect(202);
    }
    ask(&other, &other.email).await.expect(202);
    assert_eq!(mail.letters(2).await[1].to, other.email, "those in between were not sent");
    assert_eq!(set(&user, &letter, NEW).await.status, 204, "and have not made the first link void");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_mail_server_that_fails_is_asked_again() {
    let mail = MailServer::start().await;
    let cluster = with_mail(&mail).start().await;
    let user = cluster.client(0).await;
    mail.behave([Manner::Refuse(451), Manner::Hang, Manner::Drop]);
    ask(&user, &user.email).await.expect(202);
    let letter = mail.letters(1).await.remove(0);
    assert_eq!(mail.begun(), 4);
    assert_eq!(set(&user, &letter, NEW).await.status, 204);

    mail.behave([Manner::Refuse(550)]);
    ask(&user, &user.email).await.expect(202);
    cluster.workers[0].logged("a job is a dead letter").await;
    assert_eq!(mail.begun(), 5, "what is refused for good is not tried again");
    assert!(!cluster.logs().contains(letter.token()));
    cluster.assert_quiet_but_for(&["a job is a dead letter"]).await;
}

/// Two e-mails have one attempt left each when the mail server has failed, and would be dead letters before it is
/// called again.
#[tokio::test]
async fn a_mail_server_that_fails_is_left_alone_and_e_mails_wait() {
    let mail = MailServer::start().await;
    let options = with_mail(&mail).workers(0).set("TROUPE_MAIL__TRIES", "2").set("TROUPE_MAIL__RETRY_BASE", "500ms");
    let options = options.set("TROUPE_MAIL__BREAKER_FAILURES", "2").set("TROUPE_MAIL__BREAKER_PAUSE", "3s");
    let mut cluster = options.start().await;
    let users = join_all((0..3).map(|_| cluster.client(0))).await;
    mail.behave([Manner::Drop, Manner::Refuse(451)]);
    for user in &users[..2] {
        ask(user, &user.email).await.expect(202);
    }
    cluster.add_worker().await;
    cluster.workers[0].logged("circuit breaker opened").await;
    ask(&users[2], &users[2].email).await.expect(202);
    let letters = mail.letters(3).await;
    assert_eq!(mail.begun(), 5, "nothing was sent while it was open");
    for user in &users {
        let letter = letters.iter().find(|letter| letter.to == user.email).expect("a letter");
        assert_eq!(set(user, letter, NEW).await.status, 204);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn recipients_that_are_refused_are_no_failures_of_the_mail_server() {
    let mail = MailServer::start().await;
    let options = with_mail(&mail).set("TROUPE_MAIL__BREAKER_FAILURES", "2");
    let cluster = options.set("TROUPE_MAIL__BREAKER_PAUSE", "10m").set("TROUPE_MAIL__BREAKER_CAP", "10m").start().await;
    let user = cluster.client(0).await;
    mail.behave([Manner::Refuse(550), Manner::Refuse(553), Manner::Refuse(550)]);
    for delivery in 1..=3 {
        ask(&user, &user.email).await.expect(202);
        // Of two links in the same moment only one is sent.
        mail.deliveries(delivery).await;
    }
    ask(&user, &user.email).await.expect(202);
    assert_eq!(mail.letters(1).await[0].to, user.email);
    assert!(!cluster.logs().contains("circuit breaker opened"));
    cluster.assert_quiet_but_for(&["a job is a dead letter"]).await;
}

#[tokio::test]
async fn letters_under_way_are_bounded_and_delay_nobody() {
    let mail = MailServer::start().await;
    let cluster = with_mail(&mail).set("TROUPE_MAIL__QUEUE", "1").set("TROUPE_MAIL__TIMEOUT", "10m").start().await;
    let user = cluster.client(0).await;
    mail.behave([Manner::Hang]);
    ask(&user, &user.email).await.expect(202);
    mail.deliveries(1).await;
    assert_eq!(ask(&user, &user.email).await.problem(503)["code"], "overloaded");
    assert_eq!(ask(&user, "nobody@example.com").await.problem(503)["code"], "overloaded", "to everybody alike");
    assert!(signs_in(&user, PASSWORD).await);
}

#[tokio::test]
async fn without_mail_operators_make_links_and_developers_read_them() {
    let mut cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let user = cluster.client(0).await;
    for email in [&*user.email, "nobody@example.com"] {
        assert_eq!(ask(&user, email).await.problem(503)["code"], "mail_not_configured");
    }
    let mut link = operate(&cluster, &["users", "reset-link", "--email", &user.email]);
    assert!(link.ended().await.success());
    let printed = Letter { to: user.email.clone(), text: link.lines().join("\n") };
    assert_eq!(set(&user, &printed, NEW).await.status, 204);
    assert!(signs_in(&user, NEW).await);
    let mut nobody = operate(&cluster, &["users", "reset-link", "--email", "nobody@example.com"]);
    assert!(!nobody.ended().await.success());

    cluster.set("TROUPE_MAIL__TO_LOG", "true");
    let developed = cluster.add_server().await;
    let worker = cluster.add_worker().await;
    let here = user.at(cluster.server(developed));
    ask(&here, &user.email).await.expect(202);
    // The link of a moment ago was used, so there is no interval to be kept.
    let logged: Value = cluster.workers[worker].logged("an e-mail, as it would have gone out").await;
    let text = logged["fields"]["text"].as_str().expect("the text").to_owned();
    assert_eq!(set(&here, &Letter { to: String::new(), text }, "a third password").await.status, 204);
    assert!(signs_in(&here, "a third password").await);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn letters_with_links_are_not_sent_in_the_clear() {
    let environment = [
        ("TROUPE_MAIL__URL", "smtp://user:secret-word@mail.example.com"),
        ("TROUPE_MAIL__FROM", "nobody"),
        ("TROUPE_MAIL__STARTTLS", "false"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let arguments = [std::ffi::OsStr::new("--check-config")];
    let mut check = Process::start("troupe-server", "a check".to_owned(), &arguments, &environment);
    assert!(!check.ended().await.success());
    let told = check.lines().join("\n");
    for fault in ["mail.starttls: must be true", "mail.from: must be an address", "server.public_url: must be set"] {
        assert!(told.contains(fault), "{told}");
    }
    assert!(!told.contains("secret-word"), "{told}");
}

/// From the 202 on the request for a link is in the database, and nothing of it is a key.
#[tokio::test]
async fn a_server_that_dies_right_after_its_answer_loses_no_mail() {
    let mail = MailServer::start().await;
    let mut cluster = with_mail(&mail).processes().workers(0).start().await;
    let user = cluster.client(0).await;
    ask(&user, &user.email).await.expect(202);
    cluster.servers[0].kill().await;
    let stored = "select count(*) from jobs where kind = 'password_reset' and payload->>'email' is not null";
    assert_eq!(cluster.number(stored).await, 1);
    cluster.add_worker().await;
    let letter = mail.letters(1).await.remove(0);
    assert_eq!(letter.to, user.email);
    let server = cluster.add_server().await;
    let anybody = Client::anonymous(cluster.server(server));
    assert_eq!(set(&anybody, &letter, NEW).await.status, 204);
    within("the job's end", async { while cluster.count("jobs where kind = 'password_reset'").await > 0 {} }).await;
}

/// Killed while the mail server has it in hand: another one writes again, by a link of its own, which is the one that
/// works.
#[tokio::test]
async fn a_worker_that_dies_while_it_sends_is_followed_by_another() {
    let mail = MailServer::start().await;
    let options = with_mail(&mail).processes().set("TROUPE_MAIL__TIMEOUT", "10m");
    let mut cluster = options.set("TROUPE_WORKER__LEASE", "1s").start().await;
    let user = cluster.client(0).await;
    mail.behave([Manner::Hang]);
    ask(&user, &user.email).await.expect(202);
    mail.deliveries(1).await;
    let noted = "select count(*) from jobs j join users u on u.id = j.user_id
                 where j.payload = jsonb_build_object('link', encode(u.reset_digest, 'hex'))";
    assert_eq!(cluster.number(noted).await, 1, "the address is gone, and the link is known by its digest");
    cluster.workers[0].kill().await;
    cluster.add_worker().await;
    let letter = mail.letters(1).await.remove(0);
    assert_eq!(set(&user, &letter, NEW).await.status, 204);

    // What was overtaken by a password of another way is not sent any more.
    mail.behave([Manner::Hang]);
    ask(&Client::anonymous(cluster.server(0)), &user.email).await.expect(202);
    mail.deliveries(3).await;
    cluster.workers[1].kill().await;
    sqlx::query("update users set reset_digest = null, reset_until = null").execute(&cluster.db).await.unwrap();
    cluster.add_worker().await;
    within("the job's end", async { while cluster.count("jobs where kind = 'password_reset'").await > 0 {} }).await;
    assert_eq!(mail.begun(), 3);
}

/// Two who have the same link: one of them sets the password.
#[tokio::test]
async fn a_link_that_comes_twice_at_once_counts_once() {
    let mail = MailServer::start().await;
    let cluster: Cluster = with_mail(&mail).servers(2).start().await;
    let user = cluster.client(0).await;
    ask(&user, &user.email).await.expect(202);
    let letter = mail.letters(1).await.remove(0);
    let (here, there) = (Client::anonymous(cluster.server(0)), Client::anonymous(cluster.server(1)));
    let (one, other) = ("the password of one", "the password of another");
    let (first, second) = tokio::join!(set(&here, &letter, one), set(&there, &letter, other));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    let password = if first.status == 204 { one } else { other };
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422]);
    assert!(signs_in(&user, password).await);
    cluster.assert_quiet().await;
}
