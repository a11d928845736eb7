//! How often anybody may call: counted in Redis for all servers together, by each alone while Redis is away; and by
//! whom.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_core::{
    adapters::{
        limiters::{FallbackLimiter, LocalLimiter},
        redis::{RedisHandle, RedisLimiter},
    },
    config::Live,
    ports::{Limit, Limiter},
    quota::Quota,
};
use troupe_tests::{Answer, Client, Cluster, ClusterOptions, Signal, client::PASSWORD, within};

use crate::operations::admin::admin;

const ME: &str = "/api/v1/auth/me";

fn limited() -> ClusterOptions {
    ClusterOptions::default().workers(0).set("TROUPE_RATE_LIMITS__ENABLED", "true")
}

/// One proxy in front, so that a test can come from any address.
fn behind_a_proxy() -> ClusterOptions {
    limited().set("TROUPE_SERVER__TRUSTED_PROXIES", "127.0.0.1")
}

async fn from(client: &Client, address: &str, path: &str) -> Answer {
    client.answer(client.call(Method::GET, path).header("x-forwarded-for", address)).await
}

async fn sign_in_from(client: &Client, address: &str, email: &str) -> Answer {
    let body = json!({"email": email, "password": "wrong horse"});
    client.answer(client.call(Method::POST, "/api/v1/auth/login").header("x-forwarded-for", address).json(&body)).await
}

/// What a refused call must be told.
fn refused(answer: &Answer, limit: &str) {
    assert_eq!(answer.problem(429)["code"], "rate_limited");
    assert_eq!(answer.body["retryable"], true);
    assert!(answer.body["detail"].as_str().unwrap().contains(limit), "{}", answer.text);
    let seconds: u64 = answer.header("retry-after").parse().expect("whole seconds");
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    assert!(answer.header("ratelimit").contains(&format!("\"{limit}\";r=0;")), "{:?}", answer.headers);
}

/// How often a command was run in Redis.
async fn ran(cluster: &Cluster, command: &str) -> u64 {
    let stats: String = redis::from_redis_value(cluster.redis(&["INFO", "commandstats"]).await).unwrap();
    let line =
        stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")).map(str::to_owned));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

fn limit(name: &'static str, subject: &str, calls: u32, window: Duration) -> Limit {
    Limit { name, subject: subject.to_owned(), quota: Quota { calls, window } }
}

/// What every limiter does.
async fn contract(name: &str, limiter: &dyn Limiter) {
    let hour = Duration::from_hours(1);
    let admit = async |together: &str, limits: &[Limit]| {
        within(name, limiter.admit(together, limits)).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    // So many at once, and then none: for as long as one takes to be regained.
    let three = [limit("calls", "", 3, hour)];
    for left in [2, 1, 0] {
        let verdict = admit("ada", &three).await;
        assert_eq!((verdict.refused, three[0].quota.remaining(verdict.owed[0])), (None, left), "{name}");
    }
    for _ in 0..3 {
        let refused = admit("ada", &three).await.refused.expect("a refusal");
        let wait = Duration::from_mins(19)..=Duration::from_mins(20);
        assert!(refused.limit == 0 && wait.contains(&refused.retry_after), "{name}: {refused:?}");
    }
    // Somebody else, something else and another subject of the same are counted by themselves.
    for (together, limits) in [
        ("grace", limit("calls", "", 3, hour)),
        ("ada", limit("chat", "", 3, hour)),
        ("ada", limit("calls", "x", 3, hour)),
    ] {
        assert_eq!(admit(together, &[limits]).await.refused, None, "{name}");
    }
    // All or none: what one limit refuses no other counts.
    let both = [limit("wide", "", 10, hour), limit("narrow", "", 1, hour)];
    assert_eq!(admit("both", &both).await.refused, None);
    for _ in 0..3 {
        let verdict = admit("both", &both).await;
        assert_eq!(verdict.refused.map(|refused| refused.limit), Some(1), "{name}");
        assert_eq!(both[0].quota.remaining(verdict.owed[0]), 9, "{name}: a refused call was counted");
    }
    // What is paid back may be used again.
    let quick = [limit("quick", "", 2, Duration::from_millis(400))];
    while admit("quick", &quick).await.refused.is_none() {}
    within("a call to be regained", async { while admit("quick", &quick).await.refused.is_some() {} }).await;
    // However many come at the same moment.
    let crowd = [limit("crowd", "", 20, hour)];
    let verdicts = join_all((0..60).map(|_| admit("crowd", &crowd))).await;
    assert_eq!(verdicts.iter().filter(|verdict| verdict.refused.is_none()).count(), 20, "{name}");
    // A quota that becomes narrower counts at once, and nobody waits for longer than it takes to regain one.
    assert_eq!(admit("changed", &[limit("calls", "", 100, hour)]).await.refused, None);
    for _ in 0..5 {
        admit("changed", &[limit("calls", "", 10, hour)]).await;
    }
    let narrow = [limit("calls", "", 2, Duration::from_mins(2))];
    let refused = admit("changed", &narrow).await.refused.expect("a refusal");
    assert!(refused.retry_after <= Duration::from_mins(1), "{name}: {refused:?}");
}

#[tokio::test]
async fn every_limiter_does_what_is_asked_of_it() {
    let cluster = ClusterOptions::default().own_engines().servers(0).workers(0).start().await;
    let redis = RedisHandle::connect(&Live::fixed(cluster.config())).await.unwrap();
    let in_redis = Arc::new(RedisLimiter::new(redis, Duration::from_secs(5)));
    contract("in Redis", &*in_redis).await;
    contract("local", &LocalLimiter::default()).await;
    cluster.redis(&["FLUSHALL"]).await;
    contract("one standing in for the other", &FallbackLimiter::new(in_redis.clone())).await;
    // Nothing is kept for longer than something is owed.
    let keys: Vec<String> = redis::from_redis_value(cluster.redis(&["KEYS", "*limits*"]).await).unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let left: i64 = redis::from_redis_value(cluster.redis(&["PTTL", &key]).await).unwrap();
        assert!((-2..=3_600_000).contains(&left) && left != -1, "{key} stays for {left} ms");
    }
    // All that one call is counted by lies in one slot of a cluster: that of what is in the braces.
    let both: Vec<String> = redis::from_redis_value(cluster.redis(&["KEYS", "*both*"]).await).unwrap();
    assert!(both.len() == 2 && both.iter().all(|key| key.starts_with("{troupe:limits:both}:")), "{both:?}");
}

/// One script call for each call, however many limits apply; none for what is refused again, for what is free, or where
/// all is off.
#[tokio::test]
async fn a_call_asks_redis_once() {
    let mut cluster =
        limited().own_engines().servers(1).set("TROUPE_RATE_LIMITS__SIGN_IN_ACCOUNT", "6 per 1h").start().await;
    let user = cluster.client(0).await;
    let before = ran(&cluster, "evalsha").await;
    for _ in 0..10 {
        let answer = user.get(ME).await;
        assert!(answer.header("ratelimit").starts_with("\"calls\";r="), "{:?}", answer.headers);
        assert_eq!(answer.header("ratelimit-policy"), "\"calls\";q=300;w=60");
    }
    assert_eq!(ran(&cluster, "evalsha").await - before, 10, "one for each");
    // Two limits at once: by account and by address.
    for attempt in 0..5 {
        let body = json!({"email": "nobody@example.com", "password": "wrong horse"});
        let answer = user.with_token("").post("/api/v1/auth/login", &body).await;
        answer.problem(401);
        assert_eq!(answer.header("ratelimit").matches("r=").count(), 2, "{attempt}: {:?}", answer.headers);
    }
    assert_eq!(ran(&cluster, "evalsha").await - before, 15, "one for each");
    for path in ["/health", "/ready", "/", "/docs", "/openapi.json"] {
        assert_eq!(user.get(path).await.header("ratelimit"), "", "{path}");
    }
    assert_eq!(ran(&cluster, "evalsha").await - before, 15, "none for what is free");

    cluster.set("TROUPE_RATE_LIMITS__ENABLED", "false");
    let off = cluster.add_server().await;
    let answer = user.at(cluster.server(off)).get(ME).await;
    assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""));
    assert_eq!(ran(&cluster, "evalsha").await - before, 15, "none where all is off");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn servers_share_a_limit_and_addresses_do_not() {
    let cluster = behind_a_proxy().set("TROUPE_RATE_LIMITS__ANONYMOUS", "4 per 1h").start().await;
    let clients = [0, 1].map(|server| Client::anonymous(cluster.server(server)));
    for client in clients.iter().cycle().take(4) {
        from(client, "1.1.1.1", ME).await.problem(401);
    }
    for client in &clients {
        refused(&from(client, "1.1.1.1", ME).await, "anonymous");
        // Wrong credentials are none, and an address that is made up before that of the proxy is nothing.
        refused(&from(&client.with_token("made-up"), "1.1.1.1", ME).await, "anonymous");
        refused(&from(client, "7.7.7.7, 1.1.1.1", "/api/v1/nowhere").await, "anonymous");
    }
    from(&clients[0], "2.2.2.2", ME).await.problem(401);
    // A network of IPv6 is one caller, the next is another.
    for host in 1..=4 {
        from(&clients[0], &format!("2001:db8:1:1::{host}"), ME).await.problem(401);
    }
    refused(&from(&clients[1], "2001:db8:1:1::9", ME).await, "anonymous");
    from(&clients[1], "2001:db8:1:2::1", ME).await.problem(401);

    // Where no proxy is trusted, everybody is who they are.
    let cluster = limited().servers(1).set("TROUPE_RATE_LIMITS__ANONYMOUS", "2 per 1h").start().await;
    let client = Client::anonymous(cluster.server(0));
    from(&client, "1.1.1.1", ME).await.problem(401);
    from(&client, "2.2.2.2", ME).await.problem(401);
    refused(&from(&client, "3.3.3.3", ME).await, "anonymous");
    cluster.assert_quiet().await;
}

/// A password is guessed so often, from wherever; and so many passwords are guessed from one address, of whomever.
#[tokio::test]
async fn sign_ins_are_limited_by_account_and_by_address() {
    let cluster = behind_a_proxy()
        .own_engines()
        .servers(1)
        .set("TROUPE_RATE_LIMITS__SIGN_IN_ACCOUNT", "3 per 1h")
        .set("TROUPE_RATE_LIMITS__SIGN_IN_ADDRESS", "5 per 1h")
        .start()
        .await;
    let client = Client::anonymous(cluster.server(0));
    for host in 1..=3 {
        sign_in_from(&client, &format!("1.1.1.{host}"), "ada@example.com").await.problem(401);
    }
    // Before anything else is done: nobody can look at the accounts now.
    let mut lock = cluster.db.begin().await.unwrap();
    sqlx::query("lock table users in access exclusive mode").execute(&mut *lock).await.unwrap();
    for email in ["ada@example.com", " ADA@Example.com "] {
        refused(&sign_in_from(&client, "1.1.1.4", email).await, "sign-in-account");
    }
    lock.rollback().await.unwrap();
    for number in 1..=5 {
        sign_in_from(&client, "2.2.2.2", &format!("{number}@example.com")).await.problem(401);
    }
    refused(&sign_in_from(&client, "2.2.2.2", "6@example.com").await, "sign-in-address");
    let body = json!({"email": "new@example.com", "password": "correct horse", "name": "New"});
    let call = client.call(Method::POST, "/api/v1/auth/register").header("x-forwarded-for", "2.2.2.2").json(&body);
    refused(&client.answer(call).await, "sign-in-address");
    assert_eq!(cluster.count("users").await, 0, "nothing was stored");
    // No e-mail address is in Redis.
    let keys: Vec<String> = redis::from_redis_value(cluster.redis(&["KEYS", "*sign-in*"]).await).unwrap();
    assert!(!keys.is_empty() && keys.iter().all(|key| !key.contains("example")), "{keys:?}");
    cluster.assert_quiet().await;
}

/// Messages are counted by the user's tier, over HTTP and sockets alike. What is over the limit is not stored, and
/// another user's calls are as before.
#[tokio::test]
async fn messages_have_a_limit_of_the_tier_and_nothing_over_it_is_stored() {
    let cluster = limited().start().await;
    let admin = admin(&cluster).await;
    let one = json!({"chat_per_minute": 1, "calls_per_minute": 5000});
    admin.patch("/api/v1/admin/tiers/free", &one).await.expect(200);
    for server in &cluster.servers {
        server.logged("tiers have other limits").await;
    }
    let (user, other) = (cluster.client(0).await, cluster.client(1).await);
    let conversation = user.conversation("demo").await;
    let mut socket = user.socket().await;
    let sent = user.send(&conversation, "The first").await.answer;
    assert_eq!(sent.header("ratelimit-policy"), "\"chat\";q=1;w=60, \"calls\";q=5000;w=60");
    assert!(sent.header("ratelimit").starts_with("\"chat\";r=0;t=60, \"calls\";r="), "{:?}", sent.headers);

    refused(&user.send_waiting(&conversation, "Over HTTP", 0).await, "chat");
    refused(&user.at(cluster.server(1)).send_waiting(&conversation, "At the other server", 0).await, "chat");
    let message =
        json!({"type": "message.send", "ref": "1", "conversation_id": conversation, "content": "Over a socket"});
    socket.send(&message).await;
    let error = socket.wait_for("an error", |frame| frame["type"] == "error").await;
    assert_eq!((&error["error"]["code"], &error["ref"]), (&Value::from("rate_limited"), &Value::from("1")));
    assert_eq!((cluster.count("messages").await, cluster.count("requests").await), (1, 1), "nothing else was stored");
    // Other calls of the same user, and messages of another one.
    user.get(ME).await.expect(200);
    other.send(&other.conversation("demo").await, "Mine").await;
    assert!(cluster.alarms().is_empty());
}

/// A flood that is refused costs Redis nothing, and is nothing to anybody else.
#[tokio::test]
async fn a_flood_of_one_users_is_that_users_own() {
    let cluster = limited().own_engines().servers(1).start().await;
    let (flooding, calm) = (cluster.client(0).await, cluster.client(0).await);
    let pro = sqlx::query("update users set tier = 'pro' where email = $1").bind(&calm.email);
    pro.execute(&cluster.db).await.unwrap();
    let calm = Client::sign_in(cluster.server(0), &calm.email, PASSWORD).await;
    sqlx::query("update tiers set calls_per_minute = 1 where name = 'free'").execute(&cluster.db).await.unwrap();
    cluster.servers[0].logged("tiers have other limits").await;
    let flood = async || join_all((0..200).map(|_| flooding.get(ME))).await;
    let through = |answers: &[Answer]| answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(through(&flood().await), 1);
    let before = ran(&cluster, "evalsha").await;
    let (second, mine) = tokio::join!(flood(), join_all((0..10).map(|_| calm.get(ME))));
    for answer in mine {
        answer.expect(200);
    }
    for answer in &second {
        refused(answer, "calls");
    }
    assert_eq!(ran(&cluster, "evalsha").await - before, 10, "what is refused again asks nobody");
    cluster.assert_quiet().await;
}

/// Redis is killed: calls go on and are still limited, with what was counted before; when it is back it counts again.
#[tokio::test]
async fn a_server_counts_by_itself_while_redis_is_away() {
    let options = behind_a_proxy().own_engines().servers(1).set("TROUPE_RATE_LIMITS__ANONYMOUS", "6 per 1h");
    let mut cluster = options.set("TROUPE_RATE_LIMITS__TIMEOUT", "500ms").start().await;
    let client = Client::anonymous(cluster.server(0));
    for _ in 0..2 {
        from(&client, "1.1.1.1", ME).await.problem(401);
    }
    for (round, signal, address, left) in [(1, Signal::Stop, "1.1.1.1", 4), (2, Signal::Kill, "2.2.2.2", 6)] {
        cluster.freeze_redis(signal);
        let mut passed = 0;
        while from(&client, address, ME).await.status == 401 {
            passed += 1;
            assert!(passed <= 6, "nobody counts");
        }
        assert_eq!(passed, left, "{signal:?}");
        assert_eq!(logged(&cluster, "by this server alone"), round, "{signal:?}");
        refused(&from(&client, address, ME).await, "anonymous");
        if signal == Signal::Stop {
            cluster.freeze_redis(Signal::Continue);
        } else {
            cluster.restart_redis().await;
        }
        within("Redis to count again", async {
            let mut host = 0u16;
            while logged(&cluster, "together with other servers again") < round {
                host += 1;
                from(&client, &format!("3.{round}.{}.{}", host / 256, host % 256), ME).await.problem(401);
            }
        })
        .await;
        let before = ran(&cluster, "evalsha").await;
        from(&client, &format!("4.4.4.{round}"), ME).await.problem(401);
        assert!(ran(&cluster, "evalsha").await > before);
        // What was counted meanwhile is not forgotten by it.
        refused(&from(&client, address, ME).await, "anonymous");
    }
    assert!(cluster.alarms().is_empty());
}

/// How often the server has logged these words.
fn logged(cluster: &Cluster, words: &str) -> usize {
    cluster.servers[0].lines().iter().filter(|line| line.contains(words)).count()
}
