//! What admins see and do: the queue, why a request waits, dead letters. And that nobody else does.

use std::{collections::HashSet, ffi::OsStr, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{
    Client, Cluster, ClusterOptions, Gate, Process, Script, Signal, Socket, client::PASSWORD, provider::words_of,
    within,
};

use crate::small_cluster;

const DEAD_LETTERS: &str = "/api/v1/admin/dead-letters";

/// A new account, made an admin's as an operator does it.
pub(crate) async fn admin(cluster: &Cluster) -> Client {
    let client = cluster.client(0).await;
    let mut operator = make_admin(cluster, &client.email);
    assert!(operator.ended().await.success(), "{}", operator.lines().join("\n"));
    client
}

fn make_admin(cluster: &Cluster, email: &str) -> Process {
    let arguments = [OsStr::new("--make-admin"), OsStr::new(email)];
    Process::start("troupe-server", "an operator".to_owned(), &arguments, cluster.environment())
}

/// Looks again and again until what an admin sees is like this.
pub(crate) async fn see(admin: &Client, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    within(what, async {
        loop {
            let seen = admin.get(path).await.expect(200);
            if holds(&seen) {
                return seen;
            }
            // Nothing tells of it over HTTP.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// The codes of the reasons why a request waits, once this is among them.
async fn reason(admin: &Client, request: &str, code: &str) -> Value {
    let path = format!("/api/v1/admin/requests/{request}/waiting");
    let has = |view: &Value| view["reasons"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == code));
    let view = see(admin, &path, &format!("that {request} waits for {code}"), has).await;
    let all = view["reasons"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|reason| reason["code"] == code).unwrap_or_default()
}

/// A message that fails for good; returns its request.
async fn fail(cluster: &Cluster, user: &Client, persona: &str, question: &str, status: u16) -> String {
    cluster.provider.on(question, [Script::error(status)]);
    let sent = user.send(&user.conversation(persona).await, question).await;
    assert_eq!(user.finished(&sent.request).await["status"], "failed");
    sent.request
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn only_admins_are_let_in_and_only_while_they_are() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let nobody = "00000000-0000-7000-8000-00000000000f";
    let reads = [
        "/api/v1/admin/queue".to_owned(),
        format!("/api/v1/admin/requests/{nobody}/waiting"),
        DEAD_LETTERS.to_owned(),
        format!("{DEAD_LETTERS}/{nobody}"),
    ];
    let writes = ["retry".to_owned(), "discard".to_owned(), format!("{nobody}/retry"), format!("{nobody}/discard")];
    let all = json!({"filter": {}});
    for path in &reads {
        assert_eq!(user.get(path).await.problem(403)["code"], "forbidden", "{path}");
    }
    for path in &writes {
        let answer = user.post(&format!("{DEAD_LETTERS}/{path}"), &all).await;
        assert_eq!(answer.problem(403)["code"], "forbidden", "{path}");
    }

    let mut unknown = make_admin(&cluster, "nobody@example.com");
    assert!(!unknown.ended().await.success());
    assert!(unknown.lines().join("\n").contains("there is no account with the address nobody@example.com"));

    let admin = admin(&cluster).await;
    assert_eq!(admin.get("/api/v1/auth/me").await.expect(200)["role"], "admin");
    assert_eq!(Client::sign_in(cluster.server(0), &admin.email, PASSWORD).await.user["role"], "admin");
    for (path, status) in reads.iter().zip([200, 404, 200, 404]) {
        assert_eq!(admin.get(path).await.status, status, "{path}");
    }
    for (path, status) in writes.iter().zip([200, 200, 404, 404]) {
        assert_eq!(admin.post(&format!("{DEAD_LETTERS}/{path}"), &all).await.status, status, "{path}");
    }
    assert_eq!(user.get(&reads[0]).await.status, 403, "others are no admins for that");

    sqlx::query("update users set role = 'user' where lower(email) = lower($1)")
        .bind(&admin.email)
        .execute(&cluster.db)
        .await
        .unwrap();
    assert_eq!(admin.get(&reads[0]).await.problem(403)["code"], "forbidden", "the role is gone at once");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn dead_letters_are_found_by_what_is_known_of_them() {
    let cluster = ClusterOptions::default().set("TROUPE_WORKER__MAX_ATTEMPTS", "2").start().await;
    let (grace, alan, admin) = (cluster.client(0).await, cluster.client(0).await, admin(&cluster).await);
    let persona =
        json!({"slug": "captain", "name": "Captain", "system_prompt": "You are brief.", "visibility": "public"});
    admin.post("/api/v1/personas", &persona).await.expect(201);
    sqlx::query("update users set tier = 'pro' where lower(email) = lower($1)")
        .bind(&alan.email)
        .execute(&cluster.db)
        .await
        .unwrap();
    let secret = "Where have I hidden the gold?";
    let first = fail(&cluster, &grace, "demo", secret, 500).await;
    let second = fail(&cluster, &alan, "demo", "Two", 400).await;
    let third = fail(&cluster, &alan, "captain", "Three", 404).await;
    grace.ask(&grace.conversation("demo").await, "One that succeeds").await;

    let all = admin.get(DEAD_LETTERS).await;
    assert_eq!(ids(&all.body), [&*third, &second, &first], "{}", all.text);
    assert!(!all.text.contains("gold"), "what was asked is not for admins");
    let page = admin.get(&format!("{DEAD_LETTERS}?limit=2")).await.expect(200);
    assert_eq!(ids(&page), [&*third, &second]);
    let next = page["next"].as_str().expect("a next page");
    let last = admin.get(&format!("{DEAD_LETTERS}?limit=2&after={next}")).await.expect(200);
    assert_eq!((ids(&last), &last["next"]), (vec![first.clone()], &Value::Null));

    let letter = all.body["items"][2].clone();
    let (user_id, failed_at) = (letter["user_id"].as_str().unwrap(), letter["failed_at"].as_str().unwrap());
    let filters = [
        ("tier=pro".to_owned(), vec![&third, &second]),
        (format!("user={user_id}"), vec![&first]),
        ("persona=captain".to_owned(), vec![&third]),
        ("code=provider_failed".to_owned(), vec![&third, &second, &first]),
        ("code=other".to_owned(), vec![]),
        ("cause=500".to_owned(), vec![&first]),
        ("cause=%25".to_owned(), vec![]),
        (format!("since={failed_at}"), vec![&third, &second, &first]),
        (format!("until={failed_at}"), vec![]),
        ("tier=pro&persona=demo".to_owned(), vec![&second]),
    ];
    for (filter, expected) in filters {
        let found = admin.get(&format!("{DEAD_LETTERS}?{filter}")).await.expect(200);
        assert_eq!(ids(&found).iter().collect::<Vec<_>>(), expected, "{filter}");
    }
    for wrong in ["tier=%00", "colour=red", "limit=0", "since=yesterday", "user=nobody"] {
        admin.get(&format!("{DEAD_LETTERS}?{wrong}")).await.problem(422);
    }

    let whole = admin.get(&format!("{DEAD_LETTERS}/{first}")).await;
    assert!(!whole.text.contains("gold"), "{}", whole.text);
    let whole = whole.expect(200);
    assert_eq!((&whole["question_length"], &whole["persona"]), (&json!(secret.chars().count()), &json!("demo")));
    assert_eq!((&whole["attempts"], &whole["error"]["code"]), (&json!(2), &json!("provider_failed")));
    let outcomes: Vec<_> = whole["history"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["retried", "failed"]);
    assert!(whole["history"][1]["cause"].as_str().is_some_and(|cause| cause.contains("500")), "{whole}");
    assert!(!cluster.logs().contains("gold"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_dead_letter_is_tried_again_once() {
    let cluster = small_cluster().await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    let socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Will it work?", [Script::error(400), Script::words(5)]);
    let key = |call: reqwest::RequestBuilder| {
        call.header("idempotency-key", "once").json(&json!({"content": "Will it work?"}))
    };
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let first = user.answer(key(user.call(Method::POST, &messages))).await.expect(202);
    let id = |of: &str| first[of]["id"].as_str().expect("an id").to_owned();
    let (request, message) = (id("request"), id("message"));
    socket.ended(&request).await;
    assert_eq!(user.ask(&conversation, "And this?").await.len(), user.messages(&conversation).await[2].1.len());

    let path = format!("{DEAD_LETTERS}/{request}");
    let retried = admin.post(&format!("{path}/retry"), &json!({})).await;
    let retried_as = retried.body["request_id"].as_str().unwrap_or_else(|| panic!("{}", retried.text)).to_owned();
    assert_eq!((retried.status.as_u16(), &retried.body["redrive_of"]), (202, &json!(request)));

    let queued = socket.wait_for("the second try", |event| event["request_id"] == *retried_as).await;
    assert_eq!((&queued["type"], &queued["message"]["content"]), (&json!("request.queued"), &json!("Will it work?")));
    assert_eq!(queued["message"]["id"], *message, "it is the same message");
    socket.ended(&retried_as).await;
    assert_eq!(socket.transcript(&retried_as).completed(), words_of(5));
    assert_eq!(user.request(&retried_as).await["message_id"], *message);
    let prompt = cluster.provider.calls_of("Will it work?")[1].messages();
    assert_eq!(prompt.last(), Some(&("user".to_owned(), "Will it work?".to_owned())), "what came later is before it");
    let said: Vec<_> = user.messages(&conversation).await.into_iter().map(|(_, content)| content).collect();
    assert_eq!((said.len(), said[2].as_str(), &said[3]), (4, "Will it work?", &words_of(5)));

    let old = user.request(&request).await;
    assert_eq!((&old["status"], &old["message_id"]), (&json!("failed"), &json!(message)), "the old one stands");
    let replayed = user.answer(key(user.call(Method::POST, &messages))).await;
    assert_eq!((replayed.header("idempotency-replayed"), &replayed.body["message"]["id"]), ("true", &json!(message)));
    let letter = admin.get(&path).await.expect(200);
    assert_eq!((&letter["redriven_as"], letter["settled_at"].is_string()), (&json!(retried_as), true));
    for what in ["retry", "discard"] {
        let again = admin.post(&format!("{path}/{what}"), &json!({})).await;
        assert_eq!(again.problem(409)["code"], "already_settled");
    }
    let finished = format!("{DEAD_LETTERS}/{retried_as}/retry");
    admin.post(&finished, &json!({})).await.problem(404);
    assert_eq!(ids(&admin.get(DEAD_LETTERS).await.expect(200)), Vec::<String>::new());
    let admin_id = admin.user["id"].as_str().unwrap();
    let log = cluster.servers[0].logged("a dead letter is tried again").await;
    assert_eq!((&log["fields"]["admin_id"], &log["fields"]["dead_letter"]), (&json!(admin_id), &json!(request)));
    cluster.assert_quiet().await;
}

/// Two admins press the button at the same moment, on different servers.
#[tokio::test]
async fn many_are_tried_again_once_whoever_asks() {
    let cluster = ClusterOptions::default().set("TROUPE_WORKER__MAX_ATTEMPTS", "1").start().await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    let mut failed = Vec::new();
    let conversation = user.conversation("demo").await;
    for n in 0..6 {
        let question = format!("{n}?");
        cluster.provider.on(&question, [Script::error(500), Script::words(3)]);
        failed.push(user.send(&conversation, &question).await.request);
    }
    for request in &failed {
        assert_eq!(user.finished(request).await["status"], "failed");
    }
    let retry = format!("{DEAD_LETTERS}/retry");
    let filter = json!({"cause": "500", "ids": failed[..5]});
    let dry = admin.post(&retry, &json!({"filter": filter, "dry_run": true})).await.expect(200);
    assert_eq!((&dry["count"], &dry["dry_run"], &dry["more"]), (&json!(5), &json!(true), &json!(false)));
    let estimate = |of: &str| dry["estimate"][of].as_i64().unwrap();
    assert!(estimate("prompt_tokens") > 5 && estimate("completion_tokens") > 5, "{dry}");
    assert_eq!(cluster.count("requests").await, 6, "a dry run changes nothing");

    let there = admin.at(cluster.server(1));
    let body = json!({"filter": filter});
    let (here, there) = tokio::join!(admin.post(&retry, &body), there.post(&retry, &body));
    let (here, there) = (here.expect(200)["count"].as_i64().unwrap(), there.expect(200)["count"].as_i64().unwrap());
    assert_eq!(here + there, 5, "each was tried again by one of them");
    let new: Vec<(String, String)> = sqlx::query_as(
        "select id::text, redrive_of::text from requests where redrive_of is not null order by position",
    )
    .fetch_all(&cluster.db)
    .await
    .unwrap();
    assert_eq!(new.len(), 5);
    for (request, _) in &new {
        assert_eq!(user.reply(request).await, words_of(3));
    }
    if here == 5 || there == 5 {
        let order: Vec<_> = new.iter().map(|(_, old)| old).collect();
        assert_eq!(order, failed[..5].iter().collect::<Vec<_>>(), "in the order of asking");
    }
    assert_eq!(admin.post(&retry, &body).await.expect(200)["count"], 0);

    let discard = format!("{DEAD_LETTERS}/discard");
    let dry = admin.post(&discard, &json!({"filter": {}, "dry_run": true})).await.expect(200);
    assert_eq!(dry["count"], 1);
    assert_eq!(admin.post(&discard, &json!({"filter": {}})).await.expect(200)["count"], 1);
    let discarded = admin.get(&format!("{DEAD_LETTERS}/{}", failed[5])).await.expect(200);
    assert_eq!((discarded["settled_at"].is_string(), &discarded["redriven_as"]), (true, &Value::Null));
    assert_eq!(user.request(&failed[5]).await["status"], "failed");
    for (field, body) in [
        ("filter", json!({})),
        ("filter.tier", json!({"filter": {"tier": ""}})),
        ("filter.colour", json!({"filter": {"colour": "red"}})),
        ("filter.ids[0]", json!({"filter": {"ids": ["x"]}})),
    ] {
        assert_eq!(admin.post(&retry, &body).await.problem(422)["errors"][0]["field"], field);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn it_is_told_why_a_request_waits() {
    let mut cluster = ClusterOptions::default()
        .processes()
        .own_engines()
        .servers(1)
        .workers(1)
        .set("TROUPE_WORKER__CONCURRENCY", "1")
        .set("TROUPE_WORKER__LEASE", "2s")
        .set("TROUPE_WORKER__RETRY_BASE", "1m")
        .set("TROUPE_QUEUE__USER_AT_ONCE", "2")
        .start()
        .await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    cluster.provider.on("Not now", [Script::error(500), Script::words(1)]);
    let paused = user.send(&user.conversation("demo").await, "Not now").await;
    assert!(reason(&admin, &paused.request, "backoff").await["until"].is_string());

    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate), Script::words(1)]);
    let running = user.send(&conversation, "Tell me").await;
    gate.reached(1).await;
    let (next, other) =
        (user.send(&conversation, "And then?").await, user.send(&user.conversation("demo").await, "Me too").await);
    let writing = reason(&admin, &running.request, "in_progress").await;
    assert!(writing["worker"].is_string() && writing["since"].is_string(), "{writing}");
    assert_eq!(reason(&admin, &next.request, "busy_conversation").await["request_id"], *running.request);
    let in_queue = |view: &Value| view["reasons"][0]["code"] == "queued" && view["reasons"][0]["jobs"] == 1;
    see(&admin, &format!("/api/v1/admin/requests/{}/waiting", other.request), "the queue", in_queue).await;
    reason(&admin, &other.request, "workers_busy").await;
    let third = user.send(&user.conversation("demo").await, "And me").await;
    assert_eq!(reason(&admin, &third.request, "user_limit").await["jobs"], 2);

    cluster.freeze_redis(Signal::Stop);
    reason(&admin, &other.request, "redis_away").await;
    cluster.freeze_redis(Signal::Continue);
    cluster.workers[0].kill().await;
    reason(&admin, &other.request, "no_worker").await;
    reason(&admin, &running.request, "worker_gone").await;

    gate.open();
    sqlx::query("update requests set not_before = now(), due_at = now() where not_before > now()")
        .execute(&cluster.db)
        .await
        .unwrap();
    cluster.add_worker().await;
    for sent in [&paused, &running, &next, &other, &third] {
        user.reply(&sent.request).await;
        assert!(reason(&admin, &sent.request, "final").await["since"].is_string());
    }
    let view = admin.get(&format!("/api/v1/admin/requests/{}/waiting", running.request)).await.expect(200);
    let outcomes: Vec<_> = view["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["lost", "completed"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_queue_is_shown_live_to_admins_alone() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_WORKER__CONCURRENCY", "2");
    let cluster = options.start().await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    let (mut theirs, mut socket) = (user.socket().await, admin.socket().await);
    theirs.send(&json!({"type": "queue.watch"})).await;
    let refused = theirs.wait_for("a refusal", |frame| frame["type"] == "error").await;
    assert_eq!((&refused["error"]["code"], &refused["error"]["status"]), (&json!("forbidden"), &json!(403)));

    socket.send(&json!({"type": "queue.watch"})).await;
    let idle = socket.wait_for("an idle queue", |frame| frame["type"] == "queue.state").await;
    assert_eq!((&idle["tiers"][0]["tier"], &idle["tiers"][1]["tier"]), (&json!("pro"), &json!("free")));

    let gate = Gate::new();
    let mut sent = Vec::new();
    for n in 0..5 {
        let question = format!("Question {n}");
        cluster.provider.on(&question, [Script::gated(["a"], &gate)]);
        sent.push(user.send(&user.conversation("demo").await, &question).await.request);
    }
    let full = |frame: &Value| {
        let free = &frame["tiers"][1];
        let running = frame["workers"][0]["running"].as_array().map_or(0, Vec::len);
        frame["type"] == "queue.state" && free["waiting"] == 3 && running == 2 && frame["open"] == 5
    };
    let full = socket.wait_for("two at work, and three that wait", full).await;
    let free = &full["tiers"][1];
    assert!(free["arrivals_per_second"].as_f64().unwrap() > 0.0 && free["oldest_age_ms"].is_u64(), "{free}");
    let worker = &full["workers"][0];
    assert_eq!((&worker["slots"], &worker["alive"]), (&json!(2), &json!(true)));
    let at_work = &worker["running"][0];
    assert!(sent.iter().any(|request| at_work["request_id"] == **request), "{at_work}");
    assert_eq!((&at_work["persona"], &at_work["tier"]), (&json!("demo"), &json!("free")));
    assert!(full["dispatch_lag"]["median_ms"].is_i64(), "{full}");

    gate.open();
    for request in &sent {
        user.reply(request).await;
    }
    let done = |frame: &Value| {
        let pace = frame["tiers"][1]["completions_per_second"].as_f64().unwrap_or_default();
        // On a busy machine the sweeper may have pushed a job again that finds nothing to do.
        frame["type"] == "queue.state" && frame["open"] == 0 && frame["tiers"][1]["waiting"] == 0 && pace > 0.0
    };
    socket.wait_for("an empty queue", done).await;
    let polled = admin.get("/api/v1/admin/queue").await.expect(200);
    assert_eq!((&polled["redis"], &polled["open"]), (&json!("ok"), &json!(0)));

    // Whatever comes after the unwatching is the answer to the ping that follows it.
    socket.send(&json!({"type": "queue.unwatch"})).await;
    socket.send(&json!({"type": "ping"})).await;
    socket.wait_for("the answer", |frame| frame["type"] == "pong").await;
    let states = |socket: &Socket| socket.frames().iter().filter(|frame| frame.json["type"] == "queue.state").count();
    let before = states(&socket);
    let mut again = admin.socket().await;
    again.send(&json!({"type": "queue.watch"})).await;
    let mut told = HashSet::new();
    while told.len() < 3 {
        let news = |frame: &Value| frame["type"] == "queue.state" && !told.contains(&frame["at"].to_string());
        let state = again.wait_for("another state", news).await;
        told.insert(state["at"].to_string());
    }
    assert_eq!(states(&socket), before, "it is told no more");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_worker_that_dies_is_seen_to_be_gone_and_one_that_stops_is_not_listed() {
    let mut cluster = ClusterOptions::default().processes().servers(1).set("TROUPE_WORKER__LEASE", "2s").start().await;
    let admin = admin(&cluster).await;
    let alive =
        |view: &Value| view["workers"].as_array().unwrap().iter().filter(|worker| worker["alive"] == true).count();
    let listed = |view: &Value| view["workers"].as_array().unwrap().len();
    see(&admin, "/api/v1/admin/queue", "two workers", |view| alive(view) == 2).await;
    cluster.workers[0].kill().await;
    see(&admin, "/api/v1/admin/queue", "one that is dead", |view| (alive(view), listed(view)) == (1, 2)).await;
    cluster.workers[1].stop().await;
    see(&admin, "/api/v1/admin/queue", "the dead one alone", |view| (alive(view), listed(view)) == (0, 1)).await;
    cluster.assert_quiet().await;
}

/// The counters begin again; what they are made into does not jump, and the queue is shown as it is.
#[tokio::test]
async fn the_gauges_survive_a_redis_that_has_lost_everything() {
    let cluster =
        ClusterOptions::default().own_engines().set("TROUPE_QUEUE__REDISPATCH_AFTER", "1s").servers(1).start().await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    let conversation = user.conversation("demo").await;
    for n in 0..4 {
        user.ask(&conversation, &format!("{n}")).await;
    }
    let pace = |view: &Value| view["tiers"][1]["completions_per_second"].as_f64().unwrap();
    see(&admin, "/api/v1/admin/queue", "a pace", |view| pace(view) > 0.0).await;
    cluster.redis(&["FLUSHALL"]).await;
    user.ask(&conversation, "And after?").await;
    let sane = see(&admin, "/api/v1/admin/queue", "a queue", |view| view["redis"] == "ok").await;
    assert!((0.0..100.0).contains(&pace(&sane)), "{sane}");
    cluster.assert_quiet().await;
}
