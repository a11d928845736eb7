//! What admins see over time: the queue by minutes and hours, use by days, and the processes.

use serde_json::{Value, json};
use sqlx::PgConnection;
use troupe_db::operations::{
    daily_use,
    queue_history::{self, QueueSample},
};
use troupe_tests::{Client, Cluster, ClusterOptions};

use super::admin::{admin, see};

async fn no_worker() -> (Cluster, Client) {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let admin = admin(&cluster).await;
    (cluster, admin)
}

/// Requests of a conversation as they would be had they been made at a time, an expression of SQL; each waited so long.
/// They have no messages.
async fn made_at(db: &mut PgConnection, conversation: &str, time: &str, waits_ms: &[i32]) {
    let statement = format!(
        "insert into requests (id, conversation_id, user_id, tier, status, correlation_id, created_at, started_at, finished_at, usage, cost)
         select (left(least_id({time})::text, 24) || lpad(n::text, 12, '0'))::uuid, c.id, c.user_id, 'free', 'completed', 'c', {time},
             {time} + make_interval(secs => wait / 1000.0), {time} + interval '1 second',
             '{{\"prompt_tokens\": 10, \"completion_tokens\": 5}}', 0.25
         from conversations c, unnest($2::int[]) with ordinality as w (wait, n) where c.id = $1::uuid"
    );
    // Built of the tests' own expressions.
    let insert = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(conversation).bind(waits_ms);
    insert.execute(db).await.expect("requests");
}

fn sample(depth: i64, finished: i64) -> Vec<QueueSample> {
    vec![QueueSample { tier: "free".to_owned(), depth, oldest_ms: depth * 100, finished }]
}

#[tokio::test]
async fn minutes_of_the_queue_are_written_down_once_and_rolled_up_into_hours() {
    let (cluster, admin) = no_worker().await;
    let conversation = admin.conversation("demo").await;
    let tiers = ["free".to_owned(), "pro".to_owned()];
    let mut transaction = cluster.db.begin().await.unwrap();
    let last_minute = "(date_trunc('minute', now()) - interval '30 seconds')";
    made_at(&mut transaction, &conversation, last_minute, &[10, 20, 300]).await;
    // Before that minute.
    made_at(&mut transaction, &conversation, "(date_trunc('minute', now()) - interval '2 minutes')", &[1]).await;
    queue_history::record_minute(&mut transaction, &tiers, &sample(4, 100)).await.unwrap();
    queue_history::record_minute(&mut transaction, &tiers, &sample(9, 900)).await.unwrap();
    transaction.commit().await.unwrap();

    let seen = admin.get("/api/v1/admin/queue/history?tier=free").await.expect(200);
    let points = seen["points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "a minute is written down once: {seen}");
    let point = &points[0];
    let numbers = ["depth", "oldest_ms", "arrivals", "failures", "wait_p50_ms", "wait_p95_ms"].map(|key| &point[key]);
    assert_eq!(numbers, [4, 400, 3, 0, 20, 300].map(|number| json!(number)).each_ref());
    assert_eq!(admin.get("/api/v1/admin/queue/history").await.expect(200)["points"].as_array().unwrap().len(), 2);

    // Yesterday's, as if this had run then.
    sqlx::query("update queue_history set at = at - interval '2 hours', completions = 7")
        .execute(&cluster.db)
        .await
        .unwrap();
    assert_eq!(queue_history::roll_up_hours(&cluster.db).await.unwrap(), 2);
    assert_eq!(queue_history::roll_up_hours(&cluster.db).await.unwrap(), 0, "an hour is rolled up once");
    let hours = admin.get("/api/v1/admin/queue/history?step=hour&tier=free").await.expect(200);
    assert_eq!(
        (&hours["points"][0]["arrivals"], &hours["points"][0]["completions"]),
        (&json!(3), &json!(7)),
        "{hours}"
    );
    admin.get("/api/v1/admin/queue/history?step=second").await.problem(422);
}

#[tokio::test]
async fn completions_are_the_difference_of_the_queues_counter_also_after_it_began_again() {
    let (cluster, _) = no_worker().await;
    let tiers = ["free".to_owned()];
    for (finished, samples) in [(100, 1), (130, 1), (5, 1), (0, 0)] {
        sqlx::query("update queue_history set at = at - interval '1 minute'").execute(&cluster.db).await.unwrap();
        let samples = if samples == 0 { Vec::new() } else { sample(0, finished) };
        let mut connection = cluster.db.acquire().await.unwrap();
        queue_history::record_minute(&mut connection, &tiers, &samples).await.unwrap();
    }
    let completions: Vec<Option<i64>> =
        sqlx::query_scalar("select completions from queue_history order by at").fetch_all(&cluster.db).await.unwrap();
    assert_eq!(completions, [None, Some(30), Some(5), None], "null where the queue did not answer");
}

#[tokio::test]
async fn use_is_counted_hour_by_hour_and_once_by_day_tier_and_persona() {
    let (cluster, admin) = no_worker().await;
    let conversation = admin.conversation("demo").await;
    let mut transaction = cluster.db.begin().await.unwrap();
    sqlx::query("insert into daily_use_counted (until) values (date_trunc('hour', now()) - interval '2 hours')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    made_at(&mut transaction, &conversation, "(date_trunc('hour', now()) - interval '90 minutes')", &[1, 1]).await;
    made_at(&mut transaction, &conversation, "date_trunc('hour', now()) + interval '1 second'", &[1]).await;
    let first = daily_use::count_hour(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(first.is_some());
    let mut connection = cluster.db.acquire().await.unwrap();
    while daily_use::count_hour(&mut connection).await.unwrap().is_some() {}

    let seen = admin.get("/api/v1/admin/stats?days=2").await.expect(200);
    let sum = |key: &str| seen["days"].as_array().unwrap().iter().map(|day| day[key].as_f64().unwrap()).sum::<f64>();
    let sums = ["messages", "replies", "prompt_tokens", "completion_tokens", "cost", "users"].map(sum);
    assert_eq!(
        json!(sums),
        json!([2.0, 2.0, 20.0, 10.0, 0.5, 1.0]),
        "the hour that is not over is not counted: {seen}"
    );
    assert_eq!((&seen["personas"][0]["slug"], &seen["personas"][0]["messages"]), (&json!("demo"), &json!(2)));
    admin.get("/api/v1/admin/stats?days=0").await.problem(422);
}

#[tokio::test]
async fn admins_see_each_process_and_what_it_uses() {
    let cluster = ClusterOptions::default().servers(2).workers(1).start().await;
    let admin = admin(&cluster).await;
    let kinds = |seen: &Value| {
        let mut kinds: Vec<_> = seen["processes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|process| process["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds
    };
    let all = |seen: &Value| kinds(seen) == ["server", "server", "worker"];
    let seen = see(&admin, "/api/v1/admin/system", "all processes", all).await;
    for process in seen["processes"].as_array().unwrap() {
        assert!(process["rss_bytes"].as_i64().unwrap() > 1_000_000, "{process}");
        assert_eq!(process["sockets"].is_null(), process["kind"] == "worker", "{process}");
    }
    let user = cluster.client(0).await;
    assert_eq!(user.get("/api/v1/admin/system").await.problem(403)["code"], "forbidden");
    cluster.assert_quiet().await;
}
