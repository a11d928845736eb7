//! What has had its time leaves: rows by the housekeeping, once however many workers there are; tasks and logs from
//! Redis.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::Value;
use sqlx::Executor;
use troupe_tests::{
    Cluster, ClusterOptions,
    bucket::{self, Bucket},
    within,
};

/// Rows of all ages; `id_of_day` is a request's id that was made so many days ago.
const FILL: &str = "
    create function id_of_day(days double precision) returns uuid language sql volatile as $$
        select (lpad(to_hex(floor(extract(epoch from now() - make_interval(secs => days * 86400)) * 1000)::bigint), 12, '0')
                || '7000' || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid
    $$;
    insert into users (id, email, name, password_hash) values (gen_random_uuid(), 'old@example.com', 'n', 'h');
    insert into conversations (id, user_id, persona_id)
        select gen_random_uuid(), u.id, p.id from users u, personas p where p.slug = 'demo';
    insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
        select id_of_day(days), c.id, c.user_id, 'free', 'c', 'completed', 1, now() - make_interval(secs => (days - 0.5) * 86400)
        from conversations c, generate_series(31, 60, 0.05) days;
    insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
        select id_of_day(29), id, user_id, 'free', 'c', 'completed', 1, now() - interval '29 days' from conversations;
    -- Asked long ago and answered of late, and asked long ago and not answered yet.
    insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
        select id_of_day(50), id, user_id, 'free', 'c', 'completed', 1, now() from conversations;
    insert into requests (id, conversation_id, user_id, tier, correlation_id, due_at)
        select id_of_day(60), id, user_id, 'free', 'c', now() + interval '1 hour' from conversations;
    insert into messages (id, conversation_id, request_id, turn, role, content)
        select gen_random_uuid(), conversation_id, id, position, role, 'words'
        from requests, unnest(array['user', 'assistant']) role where status = 'completed';
    insert into attempts (request_id, number, worker, started_at, outcome) select id, 1, 'w', now(), 'retried' from requests;
    insert into socket_tickets (digest, user_id, identity, expires_at)
        select sha256(n::text::bytea), u.id, '{}', now() + make_interval(secs => case when n <= 900 then -1 else 3600 end)
        from users u, generate_series(1, 1000) n;
    insert into sign_ins (id, user_id, expires_at)
        select gen_random_uuid(), u.id, now() + make_interval(secs => case when n <= 150 then -1 else 3600 end)
        from users u, generate_series(1, 200) n;
    insert into refresh_tokens (digest, sign_in_id, used_at)
        select sha256(id::text::bytea), id, now() - interval '25 hours' from sign_ins where expires_at > now();
    insert into refresh_tokens (digest, sign_in_id) select sha256(id::text::bytea || 'x'), id from sign_ins;
    insert into ended_credentials (id, ended_at) select gen_random_uuid(), now() - make_interval(hours => n) from generate_series(1, 60) n;
    insert into signed_calls (digest, expires_at)
        select sha256(n::text::bytea), now() + make_interval(mins => n) from generate_series(-30, 10) n;
    insert into signing_keys (id, secret, retired_at)
        select n::text, sha256(n::text::bytea), now() - make_interval(hours => n) from generate_series(40, 50) n;
    -- Expired, and used long before they would have.
    insert into invitations (id, digest, expires_at)
        select gen_random_uuid(), sha256(n::text::bytea), now() - make_interval(days => n) from generate_series(-5, 40) n;
    insert into invitations (id, digest, expires_at, used_by, used_at)
        select gen_random_uuid(), sha256(n::text::bytea || 'u'), now() + interval '90 days', u.id, now() - make_interval(days => n)
        from users u, generate_series(0, 40) n;
    insert into idempotency_keys (user_id, key, fingerprint, created_at)
        select u.id, n::text, '', now() - make_interval(hours => case when n <= 900 then 25 else 23 end)
        from users u, generate_series(1, 1000) n;
    insert into spending (scope, subject, day, spent)
        select 'tier', 'free', current_date - n, 1 from generate_series(0, 600) n where n not between 391 and 410;
";

/// Tickets, sign-ins, used refresh tokens, ended credentials, signed calls, signing keys and invitations.
const EXPIRED: i64 = 900 + 150 + 50 + 13 + 31 + 3 + 22;
const OLD_REQUESTS: i64 = 581;
const REMAINING_REQUESTS: i64 = 3;

/// A database with old rows and new ones, and no worker yet.
async fn with_old_rows(options: ClusterOptions) -> Cluster {
    let options = options.servers(1).workers(0).set("TROUPE_RETENTION__REQUESTS", "30d");
    let cluster = options.set("TROUPE_TELEMETRY__FILTER", "info,troupe_worker=debug").start().await;
    cluster.db.execute(FILL).await.unwrap();
    assert_eq!(cluster.count("requests").await, OLD_REQUESTS + REMAINING_REQUESTS);
    cluster
}

fn is(entry: &Value, message: &str) -> bool {
    entry["fields"]["message"] == message
}

#[tokio::test]
async fn one_of_many_workers_removes_what_has_had_its_time() {
    let options = ClusterOptions::default().set("TROUPE_HOUSEKEEPING__INTERVAL", "1h");
    let options = options.set("TROUPE_HOUSEKEEPING__BATCH", "100").set("TROUPE_HOUSEKEEPING__PAUSE", "1ms");
    let mut cluster = with_old_rows(options).await;
    cluster.add_workers(3).await;
    let kept_house = cluster.worker_logged("that it kept house", |entry| is(entry, "kept house")).await;
    let removed = ["expired", "keys", "requests", "spending"].map(|what| kept_house["fields"][what].as_i64());
    assert_eq!(removed, [Some(EXPIRED), Some(900), Some(OLD_REQUESTS), Some(190)]);
    // Each of the others has looked, and left it to the one.
    let looked = |entry: &Value| is(entry, "kept house") || is(entry, "not due");
    join_all(cluster.workers.iter().map(|worker| worker.logged_where("that it looked", looked))).await;
    assert_eq!(cluster.logs().matches("kept house").count(), 1);
    for (table, left) in [
        ("socket_tickets", 100),
        ("sign_ins", 50),
        ("refresh_tokens", 50),
        ("ended_credentials", 47),
        ("signed_calls", 10),
        ("invitations where used_by is null", 35),
        ("invitations where used_by is not null", 30),
        ("idempotency_keys", 100),
        ("requests", REMAINING_REQUESTS),
        ("spending", 391),
    ] {
        assert_eq!(cluster.count(table).await, left, "{table}");
    }
    assert_eq!(cluster.count("requests where finished_at is null").await, 1);
    assert_eq!(cluster.count("requests where finished_at < now() - interval '30 days'").await, 0);
    assert_eq!(cluster.count("messages").await, 2 * (REMAINING_REQUESTS - 1));
    assert_eq!(cluster.count("attempts").await, REMAINING_REQUESTS);
    assert_eq!(cluster.count("schedules where name = 'housekeeping'").await, 1);
}

/// People's conversations are kept unless somebody decides otherwise.
#[tokio::test]
async fn requests_are_kept_for_ever_by_default() {
    let options = ClusterOptions::default().set("TROUPE_HOUSEKEEPING__INTERVAL", "1h");
    let mut cluster = with_old_rows(options).await;
    cluster.set("TROUPE_RETENTION__REQUESTS", "forever");
    cluster.add_worker().await;
    let kept_house = cluster.workers[0].logged("kept house").await;
    assert_eq!(
        (kept_house["fields"]["keys"].as_i64(), kept_house["fields"]["requests"].as_i64()),
        (Some(900), Some(0))
    );
    assert_eq!(cluster.count("requests").await, OLD_REQUESTS + REMAINING_REQUESTS);
}

#[tokio::test]
async fn requests_are_archived_before_they_are_removed() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("archive");
    // Not a directory yet: nothing may be removed that was not archived.
    std::fs::write(&directory, "in the way").unwrap();
    let options = ClusterOptions::default().set("TROUPE_HOUSEKEEPING__INTERVAL", "300ms");
    let options = options.set("TROUPE_HOUSEKEEPING__BATCH", "100").set("TROUPE_HOUSEKEEPING__PAUSE", "1ms");
    let mut cluster = with_old_rows(options.set("TROUPE_RETENTION__ARCHIVE", directory.to_str().unwrap())).await;
    cluster.add_worker().await;
    let names_it =
        |entry: &Value| entry["fields"]["error"].as_str().is_some_and(|error| error.contains("retention.archive"));
    cluster.worker_logged("what cannot be written", names_it).await;
    assert_eq!(cluster.count("requests").await, OLD_REQUESTS + REMAINING_REQUESTS);

    std::fs::remove_file(&directory).unwrap();
    within("an archive of all", async { while cluster.count("requests").await > REMAINING_REQUESTS {} }).await;
    let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    assert_all_are_archived(&files.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>());
}

fn assert_all_are_archived(text: &str) {
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: HashSet<&str> = records.iter().filter_map(|record| record["request"]["id"].as_str()).collect();
    assert_eq!((records.len(), ids.len()), (OLD_REQUESTS as usize, OLD_REQUESTS as usize));
    for record in &records {
        let roles: Vec<_> = record["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
        assert_eq!(roles.len(), 2, "{record}");
        assert_eq!(record["messages"][0]["content"], "words");
        assert_eq!(record["attempts"][0]["outcome"], "retried");
        assert_eq!(record["conversation"]["persona"], "demo");
    }
}

/// What a bucket has not taken is not removed.
#[tokio::test]
async fn an_archive_may_be_a_bucket() {
    let bucket = Bucket::start().await;
    bucket.refuse([(503, "SlowDown"), (403, "AccessDenied")]);
    let options = ClusterOptions::default().set("TROUPE_HOUSEKEEPING__INTERVAL", "300ms");
    let options = options.set("TROUPE_HOUSEKEEPING__BATCH", "100").set("TROUPE_HOUSEKEEPING__PAUSE", "1ms");
    let options = options.set("TROUPE_RETENTION__ARCHIVE", "s3://troupe/requests");
    let options = options.set("TROUPE_S3__ENDPOINT", bucket.endpoint()).set("TROUPE_S3__SECRET_KEY", "secret");
    let mut cluster = with_old_rows(options.set("TROUPE_S3__ACCESS_KEY", bucket::ACCESS_KEY)).await;
    cluster.add_worker().await;
    for code in ["503 Service Unavailable: SlowDown", "403 Forbidden: AccessDenied"] {
        let why = format!("retention.archive, s3://troupe/requests: it answered {code}");
        let names_it = |entry: &Value| entry["fields"]["error"].as_str().is_some_and(|error| error.contains(&why));
        cluster.worker_logged("what was refused", names_it).await;
    }
    within("an archive of all", async { while cluster.count("requests").await > REMAINING_REQUESTS {} }).await;
    let objects = bucket.objects();
    assert!(objects.keys().all(|path| path.starts_with("troupe/requests/requests-")), "{:?}", objects.keys());
    assert_all_are_archived(&objects.into_values().collect::<String>());
}

/// One that dies between two batches: another one's turn comes, and the lock is free.
#[tokio::test]
async fn a_run_whose_worker_is_killed_is_taken_up_by_another() {
    let options = ClusterOptions::default().processes().set("TROUPE_HOUSEKEEPING__INTERVAL", "400ms");
    let options = options.set("TROUPE_HOUSEKEEPING__BATCH", "100").set("TROUPE_HOUSEKEEPING__PAUSE", "10m");
    let mut cluster = with_old_rows(options).await;
    cluster.add_worker().await;
    let tickets_left = async |cluster: &Cluster, left: i64| {
        within(&format!("{left} tickets left"), async { while cluster.count("socket_tickets").await > left {} }).await;
    };
    tickets_left(&cluster, 900).await;
    cluster.add_worker().await;
    // While the first is at it, the second does nothing, however often it is due.
    let under_way = |entry: &Value| is(entry, "the last run is still under way");
    cluster.worker_logged("that another is at it", under_way).await;
    assert_eq!(cluster.count("socket_tickets").await, 900);
    cluster.workers[0].kill().await;
    tickets_left(&cluster, 800).await;
    cluster.workers[1].stop().await;
}

/// The keys that are in Redis.
async fn keys(cluster: &Cluster) -> Vec<String> {
    redis::from_redis_value(cluster.redis(&["KEYS", "*"]).await).expect("keys")
}

/// Whatever went through the queue is gone when it is done; only the logs are left, for their time, and who is at work.
#[tokio::test]
async fn nothing_stays_in_redis() {
    let cluster = ClusterOptions::default().own_engines().set("TROUPE_EVENTS__LOG_TTL", "5s").start().await;
    let users = join_all((0..10).map(|n| cluster.client(n % 2))).await;
    let ask = async |user: &troupe_tests::Client| {
        let conversation = user.conversation("demo").await;
        for n in 0..20 {
            user.ask(&conversation, &format!("Question {n}")).await;
        }
    };
    join_all(users.iter().map(ask)).await;
    let is_log = |key: &String| key.contains(":log:");
    // The worker sets of two tiers, and the counters of what has gone through the queue of the one; and what
    // providers did: when they spoke last, and for each minute of the last hours the counters.
    let lasts = |key: &String| ["}:workers", "}:pushed", "}:finished"].iter().any(|kind| key.ends_with(kind));
    let is_count = |key: &String| key.contains(":providers:");
    let is_allowed = |key: &String| is_log(key) || lasts(key) || is_count(key);
    within("an end of the tasks", async { while !keys(&cluster).await.iter().all(is_allowed) {} }).await;
    let logs: Vec<_> = keys(&cluster).await.into_iter().filter(is_log).collect();
    assert!(!logs.is_empty(), "no log is left to be looked at");
    for log in logs {
        // Or it has gone since: -2.
        let ttl = redis::from_redis_value::<i64>(cluster.redis(&["PTTL", &log]).await).unwrap();
        assert!(ttl == -2 || (0..=5_000).contains(&ttl), "{log} has a time to live of {ttl}");
    }
    within("an end of the logs", async { while keys(&cluster).await.iter().any(is_log) {} }).await;
    let left: Vec<_> = keys(&cluster).await.into_iter().filter(|key| !is_count(key)).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    cluster.assert_quiet().await;
}
