//! Leased work in the control room: jobs of every kind, why they wait, dead letters, and workers that are told to wait
//! or to go.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Cluster, ClusterOptions, within};

use super::admin::{admin, see};

const JOBS: &str = "/api/v1/admin/jobs";
const WORKERS: &str = "/api/v1/admin/workers";
const EXPORTS: &str = "/api/v1/auth/me/exports";

fn codes(job: &Value) -> Vec<&str> {
    job["reasons"].as_array().expect("reasons").iter().map(|reason| reason["code"].as_str().expect("a code")).collect()
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

async fn change(admin: &Client, worker: &str, wanted: Value) -> Answer {
    admin.answer(admin.call(Method::PATCH, &format!("{WORKERS}/{worker}")).json(&wanted)).await
}

/// Dead letters, as failed jobs leave them.
async fn dead(cluster: &Cluster, kind: &str, count: i32) {
    let dead = "insert into jobs (kind, status, attempt, failures, error, finished_at)
                select $1, 'failed', 3, 3, 'as scripted', now() from generate_series(1, $2)";
    sqlx::query(dead).bind(kind).bind(count).execute(&cluster.db).await.unwrap();
}

#[tokio::test]
async fn admins_see_every_kind_and_why_a_job_waits() {
    let mut cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let export = user.post(EXPORTS, &json!({})).await.expect(202);
    let path = format!("{JOBS}/{}", export["id"].as_str().unwrap());
    let job = admin.get(&path).await.expect(200);
    assert_eq!(
        (&job["kind"], &job["status"], &job["user_id"]),
        (&json!("export"), &json!("waiting"), &user.user["id"])
    );
    assert_eq!(codes(&job), ["queued", "no_worker"]);
    assert!(job.get("payload").is_none() && job.get("key").is_none());
    sqlx::query("update jobs set due_at = now() + interval '1 hour', failures = 2, error = 'e' where kind = 'export'")
        .execute(&cluster.db)
        .await
        .unwrap();
    assert_eq!(codes(&admin.get(&path).await.expect(200)), ["backoff", "no_worker"]);
    sqlx::query("update jobs set due_at = now() where kind = 'export'").execute(&cluster.db).await.unwrap();
    cluster.add_worker().await;
    let done = see(&admin, &path, "the end of an export", |job| job["status"] == "done").await;
    assert_eq!((codes(&done), done["result"]["items"].is_i64()), (vec!["final"], true));

    dead(&cluster, "one", 3).await;
    dead(&cluster, "other", 2).await;
    let page = admin.get(&format!("{JOBS}?status=failed&limit=2")).await.expect(200);
    let rest = admin.get(&format!("{JOBS}?status=failed&after={}", page["next"].as_str().unwrap())).await.expect(200);
    let all = [ids(&page), ids(&rest)].concat();
    assert!(all.len() == 5 && all.is_sorted_by(|newer, older| newer > older), "{all:?}");
    assert_eq!(ids(&admin.get(&format!("{JOBS}?kind=other")).await.expect(200)).len(), 2);
    assert!(ids(&admin.get(&format!("{JOBS}?kind=none")).await.expect(200)).is_empty());
    assert_eq!(admin.get(&format!("{JOBS}?status=dead")).await.problem(422)["code"], "invalid");
    let kinds = |queue: &Value| queue["jobs"].as_array().unwrap().clone();
    let queue = see(&admin, "/api/v1/admin/queue", "the kinds", |queue| {
        kinds(queue).iter().any(|kind| kind["kind"] == "one" && kind["dead_letters"] == 3)
    })
    .await;
    assert!(kinds(&queue).iter().any(|kind| kind["kind"] == "housekeeping"), "{queue}");
    for path in [JOBS, &path, WORKERS] {
        user.get(path).await.problem(403);
    }
    admin.get(&format!("{JOBS}/00000000-0000-7000-8000-00000000000f")).await.problem(404);
}

#[tokio::test]
async fn dead_letters_of_every_kind_are_settled_once() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let export = user.post(EXPORTS, &json!({})).await.expect(202);
    let one = format!("{JOBS}/{}", export["id"].as_str().unwrap());
    let retry = async || admin.post(&format!("{one}/retry"), &json!({})).await;
    assert_eq!(retry().await.problem(409)["code"], "job_not_settled");
    let fail =
        "update jobs set status = 'failed', attempt = 4, failures = 10, error = 'as scripted', finished_at = now()
                where kind = 'export' and finished_at is null";
    sqlx::query(fail).execute(&cluster.db).await.unwrap();
    let view = user.get(&format!("{EXPORTS}/{}", export["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(view["status"], "failed");
    assert_eq!(codes(&admin.get(&one).await.expect(200)), ["dead_letter"]);
    let again = retry().await.expect(202);
    assert_eq!((&again["status"], &again["failures"], &again["attempt"]), (&json!("waiting"), &json!(0), &json!(5)));

    // Another of its key is open: it stays what it is.
    sqlx::query(fail).execute(&cluster.db).await.unwrap();
    user.post(EXPORTS, &json!({})).await.expect(202);
    assert_eq!(retry().await.problem(409)["detail"], "another job is open for the same thing");
    assert_eq!(admin.post(&format!("{one}/discard"), &json!({})).await.status, 204);
    admin.post(&format!("{one}/discard"), &json!({})).await.problem(409);
    assert_eq!(codes(&admin.get(&one).await.expect(200)), ["final"]);

    dead(&cluster, "one", 5).await;
    dead(&cluster, "other", 2).await;
    let many = async |what: &str, body: Value| admin.post(&format!("{JOBS}/{what}"), &body).await.expect(200);
    let tried = many("retry", json!({"filter": {"kind": "one"}, "dry_run": true})).await;
    assert_eq!(tried, json!({"dry_run": true, "count": 5, "more": false}));
    assert_eq!(many("retry", json!({"filter": {"kind": "one"}})).await["count"], 5);
    assert_eq!(many("retry", json!({"filter": {"kind": "one"}})).await["count"], 0, "none is tried twice");
    let others = ids(&admin.get(&format!("{JOBS}?kind=other")).await.expect(200));
    assert_eq!(many("discard", json!({"filter": {"ids": others[..1]}})).await["count"], 1);
    assert_eq!(many("discard", json!({"filter": {}})).await["count"], 1);
    assert_eq!(cluster.count("jobs where status = 'failed'").await, 0);
    let verbs = "audit_entries where verb in ('job.retried', 'job.discarded')";
    assert_eq!(cluster.count(verbs).await, 1 + 1 + 5 + 2);
    for what in ["retry", "discard"] {
        user.post(&format!("{JOBS}/{what}"), &json!({"filter": {}})).await.problem(403);
        user.post(&format!("{one}/{what}"), &json!({})).await.problem(403);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_worker_is_paused_resized_and_drained_from_outside() {
    let mut cluster = ClusterOptions::default().processes().servers(1).workers(1).start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let workers = admin.get(WORKERS).await.expect(200);
    let worker = workers["items"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!((&workers["items"][0]["state"], &workers["items"][0]["slots"]), (&json!("active"), &json!(128)));
    assert!(workers["items"][0]["kinds"].as_array().unwrap().contains(&json!("export")), "{workers}");

    for (wanted, field) in [
        (json!({"state": "paused", "reason": ""}), "reason"),
        (json!({"concurrency": 0, "reason": "r"}), "concurrency"),
    ] {
        assert_eq!(change(&admin, &worker, wanted).await.problem(422)["errors"][0]["field"], field);
    }
    change(&admin, &worker, json!({"state": "paused"})).await.problem(422);
    change(&admin, "nobody", json!({"state": "paused", "reason": "r"})).await.problem(404);
    change(&user, &worker, json!({"state": "paused", "reason": "r"})).await.problem(403);

    let conversation = user.conversation("demo").await;
    let wanted = json!({"state": "paused", "concurrency": 3, "reason": "looking at something"});
    let paused = change(&admin, &worker, wanted).await.expect(200);
    assert_eq!(
        (&paused["state"], &paused["slots"], &paused["reason"]),
        (&json!("paused"), &json!(3), &json!("looking at something"))
    );
    let followed = |entry: &Value| entry["fields"]["message"] == "an admin wants this worker otherwise";
    cluster.workers[0].logged_where("that it follows", followed).await;
    let sent = user.send(&conversation, "Is anybody there?").await;
    let export = user.post(EXPORTS, &json!({})).await.expect(202);
    let path = format!("{JOBS}/{}", export["id"].as_str().unwrap());
    assert_eq!(codes(&admin.get(&path).await.expect(200)), ["queued", "workers_paused"]);
    let waiting = admin.get(&format!("/api/v1/admin/requests/{}/waiting", sent.request)).await.expect(200);
    assert!(codes(&waiting).contains(&"workers_paused"), "{waiting}");
    // A second worker takes what the first one leaves.
    let second = cluster.add_worker().await;
    user.reply(&sent.request).await;
    see(&admin, &path, "the end of the export", |job| job["status"] == "done").await;
    let done_by = admin.get(&path).await.expect(200)["worker"].as_str().unwrap().to_owned();
    assert_eq!(cluster.worker_called(&done_by), Some(second));

    // Back again, with its three places; the other is drained.
    change(&admin, &worker, json!({"state": "active", "reason": "seen"})).await.expect(200);
    change(&admin, &done_by, json!({"state": "draining", "reason": "its machine goes"})).await.expect(200);
    within("the worker's end", cluster.workers[second].ended()).await;
    let left = admin.get(WORKERS).await.expect(200);
    assert_eq!((left["items"].as_array().unwrap().len(), &left["items"][0]["slots"]), (1, &json!(3)));
    assert_eq!(user.ask(&conversation, "And now?").await, troupe_tests::provider::default_reply("And now?"));
    let log = admin.get("/api/v1/admin/audit?verb=worker.changed").await.expect(200);
    let entries = log["items"].as_array().unwrap();
    let reasons: Vec<_> = entries.iter().map(|entry| entry["after"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["its machine goes", "seen", "looking at something"]);
    assert_eq!(entries[2]["before"], json!({"state": "active", "concurrency": 128}));
    cluster.assert_quiet().await;
}
