//! The audit log: what is noted, who sees it, and that nobody changes it unseen.

use std::ffi::OsStr;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use troupe_tests::{Client, Cluster, ClusterOptions, Process, Script, client::PASSWORD};
use uuid::Uuid;

use crate::{knowledge::documents::upload, operations::admin::admin};

const AUDIT: &str = "/api/v1/admin/audit";

/// Two servers, and nobody who writes replies.
async fn servers() -> Cluster {
    ClusterOptions::default().workers(0).start().await
}

/// The entries that a query finds, the newest first.
async fn entries(admin: &Client, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("{AUDIT}?{query}")).await.expect(200);
    page["items"].as_array().expect("items").clone()
}

async fn verify(admin: &Client) -> Value {
    admin.get(&format!("{AUDIT}/verify")).await.expect(200)
}

fn verbs(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["verb"].as_str().expect("a verb")).collect()
}

async fn put(admin: &Client, path: &str, body: &Value) {
    let answer = admin.answer(admin.call(Method::PUT, path).json(body)).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

#[tokio::test]
async fn what_is_done_is_noted_with_who_from_where_and_what_was_there_before() {
    let cluster = servers().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(1).await);
    let wrong = json!({"email": user.email, "password": "a wrong password"});
    user.post("/api/v1/auth/login", &wrong).await.problem(401);
    Client::anonymous(cluster.server(0))
        .post("/api/v1/auth/login", &json!({"email": "nobody@example.com", "password": PASSWORD}))
        .await
        .problem(401);
    let second = Client::sign_in(cluster.server(1), &user.email, PASSWORD).await;
    let change = json!({"current_password": "a wrong password", "password": "a horse of another colour"});
    assert_eq!(user.answer(user.call(Method::PUT, "/api/v1/auth/password").json(&change)).await.status, 422);
    assert_eq!(second.delete("/api/v1/auth/sign-ins").await.status, 204);
    assert_eq!(second.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    let call = admin.call(Method::PATCH, "/api/v1/admin/tiers/pro").json(&json!({"queue_weight": 7}));
    assert_eq!(admin.answer(call.header("x-request-id", "mine-1")).await.status, 200);
    put(&admin, "/api/v1/admin/prices/openai?model=m", &json!({"prompt_price": 1.0, "completion_price": 2.0})).await;
    put(&admin, "/api/v1/admin/prices/openai?model=m", &json!({"prompt_price": 1.5, "completion_price": 2.0})).await;
    assert_eq!(admin.delete("/api/v1/admin/prices/openai?model=m").await.status, 204);
    let budget = format!("/api/v1/admin/budgets/user/{}", user.user["id"].as_str().unwrap());
    put(&admin, &budget, &json!({"daily_limit": 3.0})).await;
    assert_eq!(admin.delete(&budget).await.status, 204);

    let all = entries(&admin, "limit=100").await;
    let (admin_id, user_id) = (&admin.user["id"], &user.user["id"]);
    let seen: Vec<_> = all
        .iter()
        .rev()
        .map(|entry| {
            assert!(entry["hash"].as_str().is_some_and(|hash| hash.len() == 64), "{entry}");
            let actor = match &entry["actor"] {
                actor if actor["user_id"] == *admin_id => "admin".to_owned(),
                actor if actor["user_id"] == *user_id => "user".to_owned(),
                actor => actor["kind"].as_str().unwrap().to_owned(),
            };
            let on = match &entry["target"] {
                Value::Null => "nothing".to_owned(),
                target if target["user_id"] == *admin_id => format!("{} admin", target["kind"].as_str().unwrap()),
                target if target["user_id"] == *user_id => format!("{} user", target["kind"].as_str().unwrap()),
                target => format!("{} {}", target["kind"].as_str().unwrap(), target["id"].as_str().unwrap()),
            };
            let from = entry["address"].as_str().unwrap_or("here");
            format!(
                "{actor} {} {on} from {from}: {} to {}",
                entry["verb"].as_str().unwrap(),
                entry["before"],
                entry["after"]
            )
        })
        .collect();
    let price = |prompt: f64| format!(r#"{{"completion_price":2.0,"prompt_price":{prompt:?}}}"#);
    let pro = |weight: u32| {
        let limits = r#""calls_per_minute":1200,"chain":null,"chat_per_minute":60,"models":null"#;
        format!(r#"{{{limits},"name":"pro","queue_weight":{weight}}}"#)
    };
    assert_eq!(
        seen,
        [
            "admin user.registered user admin from 127.0.0.1: null to null".to_owned(),
            r#"operator role.changed user admin from here: null to "admin""#.to_owned(),
            "user user.registered user user from 127.0.0.1: null to null".to_owned(),
            "anonymous sign_in.refused user user from 127.0.0.1: null to null".to_owned(),
            "anonymous sign_in.refused nothing from 127.0.0.1: null to null".to_owned(),
            "user sign_in user user from 127.0.0.1: null to null".to_owned(),
            "user password.change_refused user user from 127.0.0.1: null to null".to_owned(),
            "user user.signed_out_elsewhere user user from 127.0.0.1: null to 1".to_owned(),
            "user sign_in.ended sign_in user from 127.0.0.1: null to null".to_owned(),
            format!("admin tier.changed tier pro from 127.0.0.1: {} to {}", pro(4), pro(7)),
            format!("admin price.set price openai/m from 127.0.0.1: null to {}", price(1.0)),
            format!("admin price.set price openai/m from 127.0.0.1: {} to {}", price(1.0), price(1.5)),
            format!("admin price.removed price openai/m from 127.0.0.1: {} to null", price(1.5)),
            "admin budget.set budget user from 127.0.0.1: null to 3.0".to_owned(),
            "admin budget.removed budget user from 127.0.0.1: 3.0 to null".to_owned(),
        ]
    );
    assert_eq!(all[5]["correlation_id"], "mine-1");
    // A change that comes to nothing is not noted.
    assert_eq!(admin.delete(&budget).await.status, 404);
    assert_eq!(admin.patch("/api/v1/admin/tiers/none", &json!({"queue_weight": 7})).await.status, 404);
    assert_eq!(verify(&admin).await["entries"], 15);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn dead_letters_and_exports_are_noted_one_by_one() {
    let cluster = crate::small_cluster().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let conversation = user.conversation("demo").await;
    let mut failed = Vec::new();
    for question in ["One", "Two", "Three"] {
        cluster.provider.on(question, [Script::error(400)]);
        let sent = user.send(&conversation, question).await;
        assert_eq!(user.finished(&sent.request).await["status"], "failed");
        failed.push(sent.request);
    }
    let letters = "/api/v1/admin/dead-letters";
    let retried = admin.post(&format!("{letters}/{}/retry", failed[0]), &json!({})).await.expect(202);
    user.finished(retried["request_id"].as_str().unwrap()).await;
    let rest = json!({"filter": {"ids": [failed[1], failed[2], failed[0]]}});
    assert_eq!(admin.post(&format!("{letters}/discard"), &rest).await.expect(200)["count"], 2);
    let dry = json!({"filter": {}, "dry_run": true});
    admin.post(&format!("{letters}/retry"), &dry).await.expect(200);

    let found = entries(&admin, "target_kind=dead_letter").await;
    assert_eq!(verbs(&found), ["dead_letter.discarded", "dead_letter.discarded", "dead_letter.retried"]);
    assert_eq!((&found[2]["target"]["id"], &found[2]["after"]), (&json!(failed[0]), &retried["request_id"]));
    assert!(found.iter().all(|entry| entry["target"]["user_id"] == user.user["id"]));

    user.post("/api/v1/personas", &json!({"slug": "nan", "name": "Nan", "system_prompt": "You are kind."}))
        .await
        .expect(201);
    let rows = json!([{"question": "What is it?", "content": "Nothing that the log may know."}]);
    user.post("/api/v1/personas/nan/responses/import", &rows).await.expect(200);
    assert_eq!(user.get("/api/v1/personas/nan/responses/export").await.status, 200);
    assert_eq!(user.get("/api/v1/personas/nan/training.jsonl").await.status, 200);
    let found = entries(&admin, &format!("actor={}&target_kind=persona", user.user["id"].as_str().unwrap())).await;
    assert_eq!(verbs(&found), ["training.exported", "answers.exported", "answers.imported", "persona.created"]);
    assert_eq!(found[2]["after"], json!({"imported": 1, "changed": 0}));
    let told = admin.get(&format!("{AUDIT}/export")).await.text;
    assert!(!told.contains("that the log may know") && !told.contains(&user.email), "{told}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn keys_and_services_are_noted_and_whatever_is_refused_to_them() {
    let cluster = servers().await;
    let admin = admin(&cluster).await;
    let wanted = json!({"name": "a program", "scopes": ["chat:read"]});
    let key = admin.post("/api/v1/api-keys", &wanted).await.expect(201);
    let program = admin.with_token(key["key"].as_str().unwrap());
    program.get("/api/v1/personas").await.problem(403);
    assert_eq!(admin.delete(&format!("/api/v1/api-keys/{}", key["id"].as_str().unwrap())).await.status, 204);
    let service = json!({"name": "crm-sync", "token": wanted});
    let made = admin.post("/api/v1/admin/services", &service).await.expect(201);
    let machine = admin.with_token(made["token"]["key"].as_str().unwrap());
    machine.get(AUDIT).await.problem(403);
    let id = made["service"]["id"].as_str().unwrap();
    assert_eq!(admin.delete(&format!("/api/v1/admin/services/{id}")).await.status, 204);
    assert_eq!(admin.delete(&format!("/api/v1/admin/services/{id}")).await.status, 404);
    admin.post("/api/v1/admin/signing-keys", &json!({})).await.expect(201);

    let all = entries(&admin, "limit=100").await;
    let seen: Vec<_> = all[..all.len() - 2]
        .iter()
        .rev()
        .map(|entry| (entry["actor"]["kind"].as_str().unwrap(), entry["verb"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("user", "key.created"),
            ("api_key", "access.refused"),
            ("user", "key.deleted"),
            ("user", "service.created"),
            ("user", "key.created"),
            ("service", "access.refused"),
            ("user", "service.deleted"),
            ("user", "signing_key.rotated"),
        ]
    );
    let refused = &all[all.len() - 4];
    assert_eq!((&refused["actor"]["id"], &refused["actor"]["user_id"]), (&key["id"], &admin.user["id"]));
    assert_eq!(refused["target"]["id"], "GET /api/v1/personas");
    let told = admin.get(&format!("{AUDIT}/export")).await.text;
    for secret in [&program.token, &machine.token] {
        // After the mark and the prefix; it may contain what separates them.
        let secret = secret.splitn(3, '_').nth(2).unwrap();
        assert!(!told.contains(secret), "a secret is in the log");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_log_is_looked_through_by_what_is_known_page_by_page_and_taken_away_whole() {
    let cluster = servers().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    for _ in 0..5 {
        Client::sign_in(cluster.server(1), &user.email, PASSWORD).await;
    }
    let id = user.user["id"].as_str().unwrap();
    let all = entries(&admin, "").await;
    assert_eq!(all.len(), 8);
    let first = admin.get(&format!("{AUDIT}?limit=3&verb=sign_in")).await.expect(200);
    let next = first["next"].as_str().expect("a next page");
    let second = admin.get(&format!("{AUDIT}?limit=3&verb=sign_in&after={next}")).await.expect(200);
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (3, 2));
    assert!(
        second["next"].is_null() && second["items"][0]["position"].as_i64() < first["items"][2]["position"].as_i64()
    );

    let (third, correlation) = (all[2]["at"].as_str().unwrap(), all[2]["correlation_id"].as_str().unwrap());
    let subject = all[0]["actor"]["subject"].as_str().unwrap();
    for (query, count) in [
        (format!("actor={id}"), 6),
        (format!("actor={subject}"), 6),
        (format!("about={id}&verb=user.registered"), 1),
        ("target_kind=user".to_owned(), 8),
        (format!("since={third}"), 3),
        (format!("until={third}"), 5),
        (format!("since={third}&until={third}"), 0),
        ("until=2020-01-01T00:00:00Z".to_owned(), 0),
        ("since=2120-01-01T00:00:00Z".to_owned(), 0),
        (format!("correlation_id={correlation}"), 1),
        (format!("actor={}", Uuid::nil()), 0),
        ("verb=nothing".to_owned(), 0),
    ] {
        assert_eq!(entries(&admin, &query.replace('+', "%2B")).await.len(), count, "{query}");
    }
    for query in ["actor=me", "verb=", "since=yesterday", "after=x", "limit=101", "colour=red", "verb=a%00b"] {
        admin.get(&format!("{AUDIT}?{query}")).await.problem(422);
    }
    for query in ["after=1-00", "limit=0", "limit=100001"] {
        admin.get(&format!("{AUDIT}/verify?{query}")).await.problem(422);
    }
    let mut part = admin.get(&format!("{AUDIT}/verify?limit=5")).await.expect(200);
    assert_eq!((&part["entries"], &part["next"]), (&json!(5), &part["reached"]));
    let next = part["next"].as_str().unwrap();
    part = admin.get(&format!("{AUDIT}/verify?limit=5&after={next}")).await.expect(200);
    assert_eq!((&part["whole"], &part["entries"], &part["next"]), (&json!(true), &json!(3), &Value::Null));

    let export = admin.get(&format!("{AUDIT}/export")).await;
    assert_eq!((export.status.as_u16(), export.header("content-type")), (200, "application/jsonl"));
    let lines: Vec<Value> = export.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 9, "the export itself is noted");
    assert_eq!(lines[8]["verb"], "audit.exported");
    assert!(lines.iter().zip(1..).all(|(line, position)| line["position"] == position));
    assert_eq!(lines[..8].iter().rev().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
    for path in ["", "/export", "/verify"] {
        user.get(&format!("{AUDIT}{path}")).await.problem(403);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn servers_that_append_at_once_make_one_chain() {
    let cluster = servers().await;
    let admin = admin(&cluster).await;
    let before = verify(&admin).await["entries"].as_i64().unwrap();
    let nobody = json!({"email": "nobody@example.com", "password": PASSWORD});
    let clients = [0, 1].map(|server| Client::anonymous(cluster.server(server)));
    let calls = (0..60).map(|n| clients[n % 2].post("/api/v1/auth/login", &nobody));
    assert!(join_all(calls).await.iter().all(|answer| answer.status == 401));
    let after = verify(&admin).await;
    assert_eq!((&after["whole"], after["entries"].as_i64()), (&json!(true), Some(before + 60)), "{after}");
    assert_eq!(cluster.number("select max(position) from audit_entries").await, before + 60);
    // From where it was whole before it goes on.
    let reached = after["reached"].as_str().unwrap();
    let more = admin.get(&format!("{AUDIT}/verify?after={reached}")).await.expect(200);
    assert_eq!((&more["whole"], &more["entries"]), (&json!(true), &json!(0)));
    cluster.assert_quiet().await;
}

/// A connection for which no trigger counts: whoever owns the tables can do that.
async fn meddler(db: &PgPool) -> PgConnection {
    let mut meddler = db.acquire().await.unwrap().detach();
    meddler.execute("set session_replication_role = replica").await.unwrap();
    meddler
}

#[tokio::test]
async fn whatever_was_changed_in_the_log_is_found() {
    let cluster = servers().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    for _ in 0..6 {
        Client::sign_in(cluster.server(1), &user.email, PASSWORD).await;
    }
    let mut meddler = meddler(&cluster.db).await;
    let whole = verify(&admin).await;
    assert_eq!((&whole["whole"], &whole["entries"], &whole["broken"]), (&json!(true), &json!(9), &Value::Null));
    meddler.execute("create table kept as select * from audit_entries; create table kept_details as select * from audit_details; create table kept_head as select * from audit_head").await.unwrap();
    let swap = |column: &str| {
        format!(
            "update audit_entries e set {column} = o.{column} from kept o where (e.position, o.position) in ((4, 5), (5, 4))"
        )
    };
    let cases = [
        ("update audit_entries set verb = 'sign_in.refused' where position = 4".to_owned(), 4),
        ("update audit_entries set at = at + interval '1 microsecond' where position = 4".to_owned(), 4),
        ("update audit_entries set actor_subject = null where position = 5".to_owned(), 5),
        ("update audit_entries set actor_id = '' || actor_kind where position = 5".to_owned(), 5),
        ("delete from audit_entries where position = 4".to_owned(), 4),
        ("delete from audit_entries where position = 1".to_owned(), 1),
        ("delete from audit_entries where position = 9".to_owned(), 9),
        ("delete from audit_entries where position > 3".to_owned(), 4),
        ("delete from audit_entries".to_owned(), 1),
        // The newest and the head with it: seen by whoever kept the place that was reached, and so by the chain's own
        // next entry.
        (swap("correlation_id"), 4),
        (format!("{}; {}", swap("correlation_id"), swap("hash")), 4),
        ("update audit_entries set position = 100 where position = 4; update audit_entries set position = 4 where position = 5;
          update audit_entries set position = 5 where position = 100".to_owned(), 4),
        (r#"update audit_details set details = '{"address": "192.0.2.1"}' where position = 6"#.to_owned(), 6),
        ("update audit_details set salt = uuid_send(gen_random_uuid()) where position = 6".to_owned(), 6),
        ("delete from audit_details where position = 6".to_owned(), 6),
        ("update audit_head set hash = sha256('x')".to_owned(), 9),
        ("insert into audit_entries (position, at, actor_kind, verb, hash) select 10, now(), 'system', 'x', sha256('x');
          update audit_head set position = 10, hash = sha256('x')".to_owned(), 10),
    ];
    for (meddling, position) in cases {
        meddler.execute(AssertSqlSafe(meddling.clone())).await.unwrap();
        let found = verify(&admin).await;
        assert_eq!(
            (&found["whole"], &found["broken"]["position"]),
            (&json!(false), &json!(position)),
            "{meddling}: {found}"
        );
        let restore = "delete from audit_entries; insert into audit_entries select * from kept;
            delete from audit_details; insert into audit_details select * from kept_details;
            delete from audit_head; insert into audit_head select * from kept_head";
        meddler.execute(restore).await.unwrap();
        assert_eq!(verify(&admin).await, whole, "after {meddling}");
    }

    // The end taken off, and the head as if it had never been: the chain is whole, and not the one that was.
    let off = "delete from audit_details where position > 7; delete from audit_entries where position > 7;
        update audit_head set position = 7, hash = (select hash from audit_entries where position = 7)";
    meddler.execute(off).await.unwrap();
    assert_eq!(verify(&admin).await["whole"], true);
    let reached = whole["reached"].as_str().unwrap();
    let found = admin.get(&format!("{AUDIT}/verify?after={reached}")).await.expect(200);
    assert_eq!((&found["whole"], &found["broken"]["position"]), (&json!(false), &json!(9)), "{found}");
    cluster.assert_quiet_but_for(&["the audit log is broken"]).await;
}

/// What PostgreSQL says to a statement.
async fn refused(connection: &mut PgConnection, statement: &str) -> String {
    let error = connection.execute(AssertSqlSafe(statement.to_owned())).await.expect_err(statement);
    let error = error.as_database_error().unwrap_or_else(|| panic!("{statement}: {error}"));
    assert_eq!(error.code().as_deref(), Some("42501"), "{statement}: {error}");
    error.message().to_owned()
}

#[tokio::test]
async fn nobody_changes_it_by_mistake() {
    let cluster = servers().await;
    cluster.client(0).await;
    let mut owner = cluster.db.acquire().await.unwrap();
    for (statement, words) in [
        ("update audit_entries set verb = 'x'", "no update of audit_entries"),
        ("delete from audit_entries", "no delete of audit_entries"),
        ("truncate audit_entries cascade", "no truncate of audit_"),
        ("update audit_details set salt = salt", "no update of audit_details"),
        ("truncate audit_details", "no truncate of audit_details"),
        ("delete from audit_head", "no delete of audit_head"),
    ] {
        let said = refused(&mut owner, statement).await;
        assert!(said.contains("the audit log is only added to") && said.contains(words), "{statement}: {said}");
    }
    cluster.assert_quiet().await;
}

/// As an operator does it: the owner's role migrates and grants, servers and workers run under another one.
#[tokio::test]
async fn servers_and_workers_run_under_a_role_that_may_not_change_the_log() {
    let mut cluster = ClusterOptions::default().processes().own_engines().servers(1).workers(0).start().await;
    cluster.db.execute("create role runtime login; create role boss login superuser").await.unwrap();
    let grant = |role: &str| {
        let arguments = [OsStr::new("grant-runtime"), OsStr::new(role)];
        Process::start("troupe-server", "an operator".to_owned(), &arguments, cluster.environment())
    };
    for (role, words) in [("boss", "is a superuser"), ("troupe", "is a superuser"), ("nobody", "does not exist")] {
        let mut operator = grant(role);
        assert!(!operator.ended().await.success());
        assert!(operator.lines().join("\n").contains(words), "{role}: {:?}", operator.lines());
    }
    for _ in 0..2 {
        let mut operator = grant("runtime");
        assert!(operator.ended().await.success(), "{:?}", operator.lines());
    }
    let owners = cluster.environment().iter().rfind(|(key, _)| key == "DATABASE_URL").unwrap().1.clone();
    let runtimes = owners.replace("postgres://troupe:", "postgres://runtime:");
    assert_ne!(owners, runtimes);
    cluster.set("DATABASE_URL", &runtimes);
    cluster.set("TROUPE_DATABASE__MIGRATE", "false");
    let (server, _) = (cluster.add_server().await, cluster.add_worker().await);

    // All that servers and workers do every day.
    let user = cluster.client(server).await;
    assert_eq!(
        user.ask(&user.conversation("demo").await, "Hello").await,
        troupe_tests::provider::default_reply("Hello")
    );
    user.post(
        "/api/v1/personas",
        &json!({"slug": "nan", "name": "Nan", "system_prompt": "You are kind.", "remembers": true}),
    )
    .await
    .expect(201);
    let rows = json!([{"question": "What is it?", "content": "A lamp."}]);
    user.post("/api/v1/personas/nan/responses/import", &rows).await.expect(200);
    let document = user.call(Method::POST, "/api/v1/personas/nan/documents").header("content-type", "text/plain");
    user.answer(document.body("The lamp is in the attic.")).await.expect(201);
    let found = "/api/v1/personas/nan/knowledge/search?q=attic";
    crate::operations::admin::see(&user, found, "the document", |page| page.to_string().contains("the attic")).await;
    assert_eq!(user.delete("/api/v1/personas/nan").await.status, 204);
    let admin = admin(&cluster).await.at(cluster.server(server));
    admin.patch("/api/v1/admin/tiers/pro", &json!({"queue_weight": 5})).await.expect(200);
    assert_eq!(verify(&admin).await["whole"], true);

    let mut connection = PgConnection::connect(&runtimes).await.unwrap();
    for statement in [
        "update audit_entries set verb = 'x'",
        "delete from audit_entries",
        "truncate audit_entries cascade",
        "insert into audit_entries (position, at, actor_kind, verb, hash) values (99, now(), 'system', 'x', sha256('x'))",
        "update audit_details set salt = salt",
        "delete from audit_details",
        "update audit_head set position = 0",
        "update audit_subjects set user_id = user_id",
        "delete from audit_subjects",
        "truncate messages",
        "update _sqlx_migrations set success = false",
        "create table mine (id int)",
        "alter table audit_entries disable trigger user",
        "drop table audit_entries",
        "set session_replication_role = replica",
        "select grant_runtime('runtime')",
    ] {
        let said = refused(&mut connection, statement).await;
        assert!(["permission denied", "must be owner"].iter().any(|words| said.contains(words)), "{statement}: {said}");
    }
    // Which version the schema is of is no secret: `doctor` asks.
    connection.execute("select version from _sqlx_migrations").await.unwrap();
    // Nor is the function that appends led to tables of the caller's own.
    connection
        .execute("create temp table audit_head as select 7::bigint as position, now() as at, sha256('x') as hash")
        .await
        .unwrap();
    connection
        .execute("select audit_append('system', null, null, 'tried', null, null, null, null, null, null)")
        .await
        .unwrap();
    assert_eq!(verify(&admin).await["whole"], true);
    assert_eq!(verbs(&entries(&admin, "limit=1").await), ["tried"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_done_to_personas_and_documents_is_noted() {
    let cluster = servers().await;
    let (admin, owner) = (admin(&cluster).await, cluster.client(1).await);
    let secret = "You are a secret.";
    let body = json!({"slug": "rose", "name": "Rose", "system_prompt": secret});
    let persona = owner.post("/api/v1/personas", &body).await.expect(201);
    let path = "/api/v1/personas/rose";
    owner.patch(path, &json!({"system_prompt": secret, "model": null})).await.expect(200);
    owner.patch(path, &json!({"visibility": "public"})).await.expect(200);
    // As it is already, it is no change of who may see it.
    owner.patch(path, &json!({"visibility": "public"})).await.expect(200);
    let documents = format!("{path}/documents");
    let document = upload(&owner, &documents, "text/plain", "The lighthouse.").await.expect(201);
    upload(&owner, &format!("{documents}?title=Sea"), "text/plain", "The lighthouse.").await.expect(201);
    let document = document["id"].as_str().unwrap();
    assert_eq!(owner.delete(&format!("{documents}/{document}")).await.status, 204);
    assert_eq!(owner.delete(path).await.status, 204);

    // What comes to nothing is not noted.
    owner.delete(path).await.problem(404);
    owner.patch(path, &json!({"name": "Nan"})).await.problem(404);
    owner.delete(&format!("{documents}/{document}")).await.problem(404);
    owner.post("/api/v1/personas", &json!({"slug": "demo", "name": "D", "system_prompt": "s"})).await.problem(409);

    let about = format!("about={}&limit=100", owner.user["id"].as_str().unwrap());
    let noted = entries(&admin, &about).await;
    assert!(!Value::from(noted.clone()).to_string().contains("secret"), "no prompt is in the log");
    let noted: Vec<_> = noted
        .iter()
        .rev()
        .filter(|entry| entry["verb"] != "user.registered")
        .map(|entry| {
            assert_eq!((&entry["actor"]["user_id"], &entry["actor"]["kind"]), (&owner.user["id"], &json!("user")));
            let expected =
                if entry["target"]["kind"] == "persona" { persona["id"].as_str().unwrap() } else { document };
            assert_eq!(entry["target"]["id"], expected, "{entry}");
            format!("{} {} to {}", entry["verb"].as_str().unwrap(), entry["before"], entry["after"])
        })
        .collect();
    let text = r#"{"media_type":"text/plain","persona":"rose","size":15}"#;
    assert_eq!(
        noted,
        [
            r#"persona.created null to {"slug":"rose","visibility":"private"}"#.to_owned(),
            r#"persona.changed null to {"settings":["system_prompt","model"],"slug":"rose"}"#.to_owned(),
            r#"persona.changed null to {"settings":["visibility"],"slug":"rose"}"#.to_owned(),
            r#"persona.visibility_changed "private" to "public""#.to_owned(),
            r#"persona.changed null to {"settings":["visibility"],"slug":"rose"}"#.to_owned(),
            format!("document.added null to {text}"),
            format!("document.changed null to {text}"),
            r#"document.deleted {"persona":"rose"} to null"#.to_owned(),
            r#"persona.deleted {"slug":"rose"} to null"#.to_owned(),
        ]
    );
    assert_eq!(verify(&admin).await["whole"], true);
    cluster.assert_quiet().await;
}
