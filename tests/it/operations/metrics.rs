//! What processes show to those who look after them: metrics, health, and what `doctor` says.

use std::{collections::BTreeSet, ffi::OsStr, fs, path::Path, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use troupe_core::metrics::MetricSet;
use troupe_tests::{Cluster, ClusterOptions, Process, within};

use super::admin::admin;

/// The listener of a process, and its name.
struct Observed {
    process: String,
    address: String,
}

fn options() -> ClusterOptions {
    ClusterOptions::default().servers(1).workers(1).processes().set("TROUPE_TELEMETRY__LISTEN", "127.0.0.1:0")
}

/// The listeners of all processes, once they are there.
async fn observed(cluster: &Cluster) -> Vec<Observed> {
    let shown = || {
        let logs = cluster.logs();
        let shown = logs.lines().filter(|line| line.contains("metrics are shown"));
        let observed = |line: &str| {
            let (process, entry) = line.split_once(": ").expect("a process");
            let entry: Value = serde_json::from_str(entry).expect("a line of JSON");
            let address = entry["fields"]["address"].as_str().expect("an address").to_owned();
            Observed { process: process.to_owned(), address }
        };
        shown.map(observed).collect::<Vec<_>>()
    };
    within("the listeners", async {
        loop {
            let found = shown();
            if found.len() == 2 {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn get(observed: &Observed, path: &str) -> (StatusCode, String) {
    let answer = reqwest::get(format!("http://{}{path}", observed.address)).await.expect("an answer");
    (answer.status(), answer.text().await.expect("a text"))
}

/// The metrics of all processes, in one text.
async fn scrape(all: &[Observed]) -> String {
    let mut texts = Vec::new();
    for one in all {
        let (status, text) = get(one, "/metrics").await;
        assert_eq!(status, 200, "{}", one.process);
        assert!(text.ends_with("# EOF\n"), "{text}");
        texts.push(text);
    }
    texts.concat()
}

fn value(text: &str, sample: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().expect("a number")
}

/// The names of the manual's tables.
fn documented() -> BTreeSet<String> {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    let manual = fs::read_to_string(manual).expect("docs/METRICS.md");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn every_metric_is_counted_shown_and_in_the_manual() {
    let cluster = options().start().await;
    let all = observed(&cluster).await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let socket = user.socket().await;
    user.ask(&conversation, "Does it count?").await;
    user.get("/api/v1/nothing-here").await.problem(404);
    let text = scrape(&all).await;
    for (sample, expected) in [
        ("troupe_messages_accepted_total", 1.0),
        ("troupe_sockets_open", 1.0),
        ("troupe_reply_attempts_total{tier=\"free\",outcome=\"completed\"}", 1.0),
        ("troupe_reply_wait_seconds_count{tier=\"free\"}", 1.0),
        ("troupe_reply_first_text_seconds_count{tier=\"free\"}", 1.0),
        ("troupe_reply_duration_seconds_count{tier=\"free\"}", 1.0),
        ("troupe_workers{state=\"active\"}", 1.0),
        ("troupe_queue_waiting_jobs{tier=\"free\"}", 0.0),
        ("troupe_dead_letters", 0.0),
        ("troupe_batch_items_count{batch=\"accept\"}", 1.0),
    ] {
        assert_eq!(value(&text, sample).to_bits(), f64::to_bits(expected), "{sample}");
    }
    for part in [
        "route=\"/api/v1/conversations/{id}/messages\",status_code=\"202\"",
        "route=\"none\",status_code=\"404\"",
        "troupe_postgres_connections{pool=\"troupe-worker\",state=\"max\"}",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    // Those with labels are shown once they have been counted.
    let sets = [troupe_server::metrics::sets(), troupe_worker::metrics::sets(), troupe_db::metrics::sets()];
    let sets = sets.into_iter().flatten().chain(troupe_core::metrics::sets()).chain(troupe_telemetry::metric_sets());
    let declared = sets.flat_map(MetricSet::names).map(|name| (*name).to_owned());
    let shown: BTreeSet<_> = declared.chain(types.map(str::to_owned)).collect();
    let documented = documented();
    assert_eq!(shown.difference(&documented).collect::<Vec<_>>(), [] as [&String; 0], "not in docs/METRICS.md");
    assert_eq!(documented.difference(&shown).collect::<Vec<_>>(), [] as [&String; 0], "only in docs/METRICS.md");
    // No label names a user, a conversation, an address: there would be no end to them.
    for id in [user.user["id"].as_str().expect("an id"), &conversation, &user.email] {
        assert!(!text.contains(id), "{id} is in\n{text}");
    }
    user.get("/metrics").await.problem(404);
    drop(socket);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_worker_is_ready_while_postgres_and_redis_answer() {
    let mut cluster = options().own_engines().start().await;
    let all = observed(&cluster).await;
    let worker = all.iter().find(|one| one.process.contains("worker")).expect("a worker");
    let server = all.iter().find(|one| one.process.contains("server")).expect("a server");
    let ready = async |of: &Observed, expected: u16, body: Value| {
        within("the state", async {
            loop {
                let (status, text) = get(of, "/ready").await;
                if status == expected && serde_json::from_str::<Value>(&text).expect("JSON") == body {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    for of in [worker, server] {
        ready(of, 200, json!({"status": "ok", "postgres": "ok", "redis": "ok"})).await;
    }
    cluster.stop_redis().await;
    ready(worker, 503, json!({"status": "away", "postgres": "ok", "redis": "away"})).await;
    ready(server, 200, json!({"status": "degraded", "postgres": "ok", "redis": "away"})).await;
    assert_eq!(get(worker, "/health").await.0, 200, "it lives");
}

#[tokio::test]
async fn admins_see_what_a_doctor_finds() {
    let cluster = options().start().await;
    let admin = admin(&cluster).await;
    let health = admin.get("/api/v1/admin/health").await.expect(200);
    // The tests' PostgreSQL does not care for power cuts.
    assert_eq!(health["verdict"], "doubtful", "{health}");
    let findings = health["findings"].as_array().expect("findings");
    let of = |about: &str| findings.iter().filter(|finding| finding["about"] == about).collect::<Vec<_>>();
    for about in ["PostgreSQL", "schema", "Redis", "workers", "index", "public address"] {
        assert!(of(about).iter().all(|finding| finding["verdict"] == "well"), "{about}: {health}");
        assert!(!of(about).is_empty(), "{about}: {health}");
    }
    assert_eq!(of("durability")[0]["verdict"], "doubtful", "{health}");
    let providers = health["providers"]["providers"].as_array().expect("providers");
    assert!(providers.iter().any(|provider| provider["provider"] == "openai"), "{health}");
    let user = cluster.client(0).await;
    user.get("/api/v1/admin/health").await.problem(403);
}

#[tokio::test]
async fn calls_get_a_line_in_the_log_without_what_was_said() {
    let cluster = options().set("TROUPE_TELEMETRY__ACCESS_LOG", "1").start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "A secret of mine").await;
    user.finished(&sent.request).await;
    user.get("/api/v1/questions?limit=1&after=another-secret").await;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let of = |line: &Value| line["fields"]["path"] == path && line["fields"]["message"] == "answered";
    let line = cluster.servers[0].logged_where("a line of the call", of).await;
    let fields = &line["fields"];
    assert_eq!((&fields["method"], &fields["status"]), (&json!("POST"), &json!(202)), "{line}");
    assert_eq!(fields["route"], "/api/v1/conversations/{id}/messages", "{line}");
    assert_eq!((&fields["user_id"], &fields["address"]), (&user.user["id"], &json!("127.0.0.1")), "{line}");
    assert!(fields["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    assert!(fields["correlation_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
    let of = |line: &Value| line["fields"]["path"] == "/api/v1/questions" && line["fields"]["message"] == "answered";
    cluster.servers[0].logged_where("a line of the other", of).await;
    assert!(!cluster.logs().contains("secret"), "{}", cluster.logs());
}

async fn run(cluster: &Cluster, binary: &str, command: &str, settings: &[(&str, &str)]) -> (bool, String) {
    let own = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: Vec<_> = cluster.environment().iter().cloned().chain(own).collect();
    let mut process = Process::start(binary, command.to_owned(), &[OsStr::new(command)], &environment);
    (process.ended().await.success(), process.lines().join("\n"))
}

#[tokio::test]
async fn a_doctor_says_what_is_wrong_and_what_to_do() {
    let cluster = options().start().await;
    // A worker takes work before others have heard of it.
    within("a worker that is known", async { while cluster.count("workers").await == 0 {} }).await;
    for binary in ["troupe-server", "troupe-worker"] {
        let (well, said) = run(&cluster, binary, "doctor", &[]).await;
        assert!(well, "{said}");
        for line in ["ok    PostgreSQL: version", "ok    schema: up to date", "ok    Redis: version", "workers: 1"] {
            assert!(said.contains(line), "{binary}: {line} is not in\n{said}");
        }
    }
    let (_, said) = run(&cluster, "troupe-worker", "doctor", &[]).await;
    assert!(said.contains("ok    openai#default: answers"), "{said}");
    let nowhere = [("REDIS_URL", "redis://127.0.0.1:1"), ("TROUPE_REDIS__COMMAND_TIMEOUT", "1s")];
    let (well, said) = run(&cluster, "troupe-worker", "doctor", &nowhere).await;
    assert!(!well && said.contains("FAIL  Redis: connect to Redis"), "{said}");
    assert!(said.contains("→ start it, and look at REDIS_URL"), "{said}");
    let (well, said) = run(&cluster, "troupe-server", "doctor", &[("DATABASE_URL", "postgres://127.0.0.1:1/x")]).await;
    assert!(!well && said.contains("FAIL  PostgreSQL: "), "{said}");
    // It takes calls, and never answers, as one that is frozen.
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("postgres://{}/x", frozen.local_addr().expect("an address"));
    let (well, said) = run(&cluster, "troupe-server", "doctor", &[("DATABASE_URL", &url)]).await;
    assert!(!well && said.contains("FAIL  PostgreSQL: it did not answer within 5 s"), "{said}");
}

#[tokio::test]
async fn probes_can_ask_on_the_command_line() {
    let cluster = options().start().await;
    for one in observed(&cluster).await {
        let binary = if one.process.contains("worker") { "troupe-worker" } else { "troupe-server" };
        let (well, said) = run(&cluster, binary, "health", &[("TROUPE_TELEMETRY__LISTEN", &one.address)]).await;
        assert!(well, "{said}");
    }
    for binary in ["troupe-worker", "troupe-server"] {
        let (well, said) = run(&cluster, binary, "health", &[("TROUPE_TELEMETRY__LISTEN", "127.0.0.1:1")]).await;
        assert!(!well && said.contains("ask 127.0.0.1:1"), "{said}");
    }
}
