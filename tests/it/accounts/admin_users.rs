//! The first admin, and what admins do with users and tiers.

use std::{
    collections::HashSet,
    ffi::OsStr,
    io::{Seek, Write},
};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, ClusterOptions, Process, client::PASSWORD, provider::default_reply, socket::End};

use crate::{
    accounts::passwords::{operate, signs_in},
    operations::admin::{admin, see},
    small_cluster,
};

const USERS: &str = "/api/v1/admin/users";
const TIERS: &str = "/api/v1/admin/tiers";

async fn one_server() -> Cluster {
    ClusterOptions::default().servers(1).workers(0).start().await
}

fn id(user: &Client) -> &str {
    user.user["id"].as_str().expect("an id")
}

fn emails(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|user| user["email"].as_str().expect("an address")).collect()
}

async fn role_of(cluster: &Cluster, email: &str) -> String {
    let role = sqlx::query_scalar("select role from users where email = $1").bind(email);
    role.fetch_one(&cluster.db).await.expect("an account")
}

#[tokio::test]
async fn the_configured_admin_is_there_from_the_start_and_stays_as_it_is() {
    let mut cluster = one_server().await;
    let user = cluster.client(0).await;
    cluster.set("TROUPE_ADMIN__EMAIL", "root@example.com");
    cluster.set("TROUPE_ADMIN__PASSWORD", "a password of the operator");
    // Two that start at the same time, as a deployment does.
    let (second, third) = (cluster.add_server().await, cluster.add_server().await);
    let root = Client::sign_in(cluster.server(second), "root@example.com", "a password of the operator").await;
    assert_eq!(root.user["role"], "admin");
    root.get(USERS).await.expect(200);
    let change = json!({"current_password": "a password of the operator", "password": "a password of its own"});
    assert_eq!(root.at(cluster.server(third)).put("/api/v1/auth/password", &change).await.status, 204);

    let fourth = cluster.add_server().await;
    let root = root.at(cluster.server(fourth));
    assert!(signs_in(&root, "a password of its own").await, "a start sets no password of an account that is there");
    assert_eq!(cluster.count("users").await, 2);

    cluster.set("TROUPE_ADMIN__EMAIL", &user.email.to_uppercase());
    let fifth = cluster.add_server().await;
    let user = user.at(cluster.server(fifth));
    user.get(USERS).await.expect(200);
    assert!(signs_in(&user, PASSWORD).await);
    assert_eq!(role_of(&cluster, "root@example.com").await, "admin", "nobody is lowered");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_configured_admin_with_a_common_password_is_told_of_at_the_start() {
    let mut cluster = one_server().await;
    cluster.set("TROUPE_ADMIN__EMAIL", "root@example.com");
    cluster.set("TROUPE_ADMIN__PASSWORD", "iloveyou123");
    let mut refused = operate(&cluster, &[]);
    assert!(!refused.ended().await.success());
    let told = refused.lines().join("\n");
    assert!(told.contains("admin.email") && told.contains("very common") && !told.contains("iloveyou123"), "{told}");
    assert_eq!(cluster.count("users").await, 0);
}

#[tokio::test]
async fn operators_make_admins_on_the_command_line() {
    let cluster = one_server().await;
    let user = cluster.client(0).await;
    let mut made = operate(&cluster, &["admin", "create", "--email", "root@example.com", "--name", "Root"]);
    assert!(made.ended().await.success(), "{}", made.lines().join("\n"));
    let printed = made.lines().join("\n");
    let token = printed.split("/#/reset/").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a link");
    let password = json!({"token": token, "password": "a password of its own"});
    assert_eq!(user.put("/api/v1/auth/password-resets", &password).await.status, 204);
    let root = Client::sign_in(cluster.server(0), "root@example.com", "a password of its own").await;
    assert_eq!((&root.user["role"], &root.user["name"]), (&json!("admin"), &json!("Root")));

    let mut raised = operate(&cluster, &["admin", "create", "--email", &user.email]);
    assert!(raised.ended().await.success());
    assert!(!raised.lines().join("\n").contains("/#/reset/"), "who has a password keeps it");
    user.get(USERS).await.expect(200);
    let mut wrong = operate(&cluster, &["admin", "create", "--email", "no address"]);
    assert!(!wrong.ended().await.success());
    assert_eq!(cluster.count("users").await, 2);

    // Or with a password that is given to the command, and is in no list of processes.
    let arguments = ["admin", "create", "--email", "second@example.com", "--password-stdin"].map(OsStr::new);
    for (password, counts) in [("iloveyou123", false), ("a password from a pipe", true)] {
        let mut input = tempfile::tempfile().unwrap();
        writeln!(input, "{password}").unwrap();
        input.rewind().unwrap();
        let name = "an operator".to_owned();
        let mut made = Process::start_reading(input.into(), "troupe-server", name, &arguments, cluster.environment());
        assert_eq!(made.ended().await.success(), counts, "{}", made.lines().join("\n"));
        assert!(!made.lines().join("\n").contains(password));
    }
    let second = Client::sign_in(cluster.server(0), "second@example.com", "a password from a pipe").await;
    assert_eq!(second.user["role"], "admin");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn admins_find_users_by_address_role_and_tier() {
    let cluster = one_server().await;
    let admin = admin(&cluster).await;
    let accounts = [("ada.lovelace@example.com", "pro"), ("grace+navy@example.org", "free"), ("ada@other.net", "free")];
    for (email, tier) in accounts {
        let account = json!({"email": email, "name": "Somebody", "password": PASSWORD});
        admin.post("/api/v1/auth/register", &account).await.expect(201);
        let update = sqlx::query("update users set tier = $1 where email = $2").bind(tier).bind(email);
        update.execute(&cluster.db).await.unwrap();
    }
    let [lovelace, grace, other] = accounts.map(|(email, _)| email);
    let all = admin.get(USERS).await.expect(200);
    assert_eq!(emails(&all), [other, grace, lovelace, &*admin.email], "the newest first");
    for (query, found) in [
        ("email=ada", vec![other, lovelace]),
        ("email=LOVE", vec![lovelace]),
        ("email=lovelace%40example.com", vec![lovelace]),
        ("email=example.org", vec![grace]),
        ("email=navy", vec![grace]),
        ("email=velace", vec![]),
        ("email=%27%7C%26%3A*", vec![]),
        ("email=ada&tier=pro", vec![lovelace]),
        ("role=admin", vec![&*admin.email]),
        ("role=user&tier=free", vec![other, grace]),
        ("tier=pro", vec![lovelace]),
        ("tier=none", vec![]),
    ] {
        let page = admin.get(&format!("{USERS}?{query}")).await.expect(200);
        assert_eq!(emails(&page), found, "{query}");
    }
    for (filter, most) in [("limit=2", 4), ("email=com&limit=1", 2)] {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("{USERS}?{filter}{next}")).await.expect(200);
            seen.extend(emails(&page).into_iter().map(str::to_owned));
            let Some(after) = page["next"].as_str() else { break };
            next = format!("&after={after}");
        }
        assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (most, most), "{filter}: {seen:?}");
    }
    for (field, query) in [("role", "role=root"), ("tier", "tier=a%00b"), ("limit", "limit=0"), ("after", "after=x")] {
        assert_eq!(admin.get(&format!("{USERS}?{query}")).await.problem(422)["errors"][0]["field"], field);
    }
    assert!(!all.to_string().contains("argon2"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn admins_change_roles_and_tiers_and_sign_people_out() {
    let cluster = one_server().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let path = format!("{USERS}/{}", id(&user));
    assert_eq!(admin.get(&path).await.expect(200), user.user);
    let nobody = format!("{USERS}/00000000-0000-7000-8000-00000000000f");
    for path in [USERS, &path] {
        assert_eq!(user.get(path).await.problem(403)["code"], "forbidden");
    }
    user.patch(&path, &json!({"role": "admin"})).await.problem(403);
    user.post(&format!("{path}/sign-out"), &json!({})).await.problem(403);
    admin.get(&nobody).await.problem(404);
    admin.patch(&nobody, &json!({"role": "admin"})).await.problem(404);
    admin.post(&format!("{nobody}/sign-out"), &json!({})).await.problem(404);
    for (field, change) in [
        ("role", json!({"role": "root"})),
        ("tier", json!({"tier": "gold", "role": "admin"})),
        ("tier", json!({"tier": "a\u{0}b"})),
        ("email", json!({"email": "other@example.com"})),
    ] {
        assert_eq!(admin.patch(&path, &change).await.problem(422)["errors"][0]["field"], field, "{change}");
    }
    assert_eq!(admin.get(&path).await.expect(200), user.user, "nothing was stored");

    let changed = admin.patch(&path, &json!({"tier": "pro"})).await.expect(200);
    assert_eq!((&changed["tier"], &changed["role"]), (&json!("pro"), &json!("user")));
    assert_eq!(admin.patch(&path, &json!({"role": "admin"})).await.expect(200)["role"], "admin");
    user.get(USERS).await.expect(200);
    assert_eq!(admin.patch(&path, &json!({"role": "user"})).await.expect(200)["tier"], "pro");
    user.get(USERS).await.problem(403);

    let socket = user.socket().await;
    let key = json!({"name": "a program", "scopes": ["account:read"]});
    let key = user.post("/api/v1/api-keys", &key).await.expect(201)["key"].as_str().expect("a key").to_owned();
    let program = user.with_token(&key);
    program.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(admin.post(&format!("{path}/sign-out"), &json!({})).await.status, 204);
    user.get("/api/v1/auth/me").await.problem(401);
    program.get("/api/v1/auth/me").await.problem(401);
    assert_eq!(socket.closed().await, End::Code(4001));
    assert!(signs_in(&user, PASSWORD).await, "signed out is not locked out");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn there_is_always_an_admin_left() {
    let cluster = ClusterOptions::default().servers(2).workers(0).start().await;
    let (first, second) = (admin(&cluster).await, cluster.client(1).await);
    let lower = json!({"role": "user"});
    let of = |user: &Client| format!("{USERS}/{}", id(user));
    assert_eq!(first.patch(&of(&first), &lower).await.problem(409)["code"], "last_admin");
    let close = first.call(Method::DELETE, "/api/v1/auth/me").json(&json!({"password": PASSWORD}));
    assert_eq!(first.answer(close).await.problem(409)["code"], "last_admin");
    first.get(USERS).await.expect(200);
    first.patch(&of(&second), &lower).await.expect(200);
    for _ in 0..5 {
        let (mut one, mut other) = (&first, &second);
        if role_of(&cluster, &first.email).await != "admin" {
            (one, other) = (other, one);
        }
        one.patch(&of(other), &json!({"role": "admin"})).await.expect(200);
        // Each lowers the other at the same time.
        let (of_one, of_other) = (of(one), of(other));
        let answers = join_all([one.patch(&of_other, &lower), other.patch(&of_one, &lower)]).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert!(statuses == [200, 409] || statuses == [200, 403], "{statuses:?}");
        assert_eq!(cluster.number("select count(*) from users where role = 'admin'").await, 1);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn tiers_come_and_go_and_none_that_somebody_is_of() {
    let cluster = one_server().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    for (field, tier) in [
        ("name", json!({"name": "Team"})),
        ("name", json!({"name": ""})),
        ("name", json!({"name": "9team"})),
        ("name", json!({"name": "x".repeat(32)})),
        ("queue_weight", json!({"name": "team", "queue_weight": 0})),
        ("calls_per_minute", json!({"name": "team", "calls_per_minute": 0})),
        ("chat_per_minute", json!({"name": "team", "chat_per_minute": 1_000_001})),
        ("chain[0]", json!({"name": "team", "chain": ["gpu"]})),
        ("models[0]", json!({"name": "team", "models": ["gpu/large"]})),
        ("models[1]", json!({"name": "team", "models": ["openai", "openai#default"]})),
    ] {
        assert_eq!(admin.post(TIERS, &tier).await.problem(422)["errors"][0]["field"], field, "{tier}");
    }
    user.post(TIERS, &json!({"name": "team"})).await.problem(403);
    user.delete(&format!("{TIERS}/pro")).await.problem(403);
    assert_eq!(cluster.count("tiers").await, 2);

    let mut team = json!({"name": "team", "queue_weight": 2, "models": ["openai/small", "offline"]});
    team["chat_per_minute"] = json!(25);
    let made = admin.post(TIERS, &team).await.expect(201);
    let mut whole = json!({"name": "team", "queue_weight": 2, "chain": null, "models": ["openai/small", "offline"]});
    (whole["calls_per_minute"], whole["chat_per_minute"]) = (json!(300), json!(25));
    assert_eq!(made, whole);
    assert_eq!(admin.post(TIERS, &team).await.problem(409)["code"], "tier_taken");
    let all = admin.patch(&format!("{TIERS}/team"), &json!({"models": null})).await.expect(200);
    assert_eq!(all["models"], Value::Null);

    admin.patch(&format!("{USERS}/{}", id(&user)), &json!({"tier": "team"})).await.expect(200);
    let path = format!("{TIERS}/team");
    assert_eq!(admin.delete(&path).await.problem(409)["code"], "tier_in_use");
    admin.patch(&format!("{USERS}/{}", id(&user)), &json!({"tier": "free"})).await.expect(200);
    assert_eq!(admin.delete(&path).await.status, 204);
    admin.delete(&path).await.problem(404);
    assert_eq!(admin.delete(&format!("{TIERS}/free")).await.problem(409)["code"], "tier_in_use");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_tier_that_is_added_is_served_without_a_restart() {
    let cluster = small_cluster().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    admin.post(TIERS, &json!({"name": "team"})).await.expect(201);
    admin.patch(&format!("{USERS}/{}", id(&user)), &json!({"tier": "team"})).await.expect(200);
    let sent = user.send(&user.conversation("demo").await, "Is anybody there?").await;
    assert_eq!(admin.delete(&format!("{TIERS}/team")).await.problem(409)["code"], "tier_in_use");
    assert_eq!(user.reply(&sent.request).await, default_reply("Is anybody there?"));
    let listed =
        |queue: &Value| queue["tiers"].as_array().is_some_and(|all| all.iter().any(|one| one["tier"] == "team"));
    see(&admin, "/api/v1/admin/queue", "the new tier's queue", listed).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_tier_is_answered_by_no_model_that_it_does_not_allow() {
    let options = ClusterOptions::default().servers(1).workers(1);
    let cluster = options.set("TROUPE_MODELS__CHAIN", "openai/large, openai/small").start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let asked = |question: &str| {
        let calls = cluster.provider.calls().into_iter().filter(|call| call.question == question);
        calls.map(|call| call.body["model"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "Before").await;
    assert_eq!(asked("Before"), ["large"]);

    let free = format!("{TIERS}/free");
    admin.patch(&free, &json!({"models": ["openai/small"]})).await.expect(200);
    user.ask(&conversation, "Small").await;
    assert_eq!(asked("Small"), ["small"]);
    // What a persona wants is no way around it: its links are passed over, and then the default chain's.
    for (slug, chain) in [("grand", json!(["openai/grand", "openai/small"])), ("grander", json!(["openai/grand"]))] {
        let persona = json!({"slug": slug, "name": "Grand", "system_prompt": "Be grand.", "chain": chain});
        user.post("/api/v1/personas", &persona).await.expect(201);
        user.ask(&user.conversation(slug).await, slug).await;
        assert_eq!(asked(slug), ["small"]);
    }

    admin.patch(&free, &json!({"models": ["anthropic"]})).await.expect(200);
    let sent = user.send(&conversation, "Nobody").await;
    let failed = user.finished(&sent.request).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("no_model_allowed")));
    assert_eq!(asked("Nobody"), Vec::<String>::new());
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_auditor_sees_what_admins_see_and_changes_nothing() {
    let cluster = one_server().await;
    let admin = admin(&cluster).await;
    let auditor = cluster.client(0).await;
    let path = format!("{USERS}/{}", id(&auditor));
    let changed = admin.patch(&path, &json!({"role": "auditor"})).await.expect(200);
    assert_eq!(changed["role"], "auditor");
    for seen in [
        "queue",
        "queue/history",
        "stats",
        "system",
        "users",
        "tiers",
        "prices",
        "budgets",
        "audit",
        "personas",
        "workers",
        "jobs",
    ] {
        auditor.get(&format!("/api/v1/admin/{seen}")).await.expect(200);
    }
    let refused = [
        auditor.patch(&path, &json!({"role": "admin"})).await,
        auditor.post(TIERS, &json!({"name": "mine"})).await,
        auditor.post("/api/v1/admin/personas/demo/hide", &json!({"reason": "no"})).await,
        auditor.post("/api/v1/admin/dead-letters/discard", &json!({"filter": {}})).await,
        auditor.get("/api/v1/admin/services").await,
    ];
    for answer in refused {
        assert_eq!(answer.problem(403)["code"], "forbidden");
    }
    let key = json!({"name": "a script", "scopes": ["operations:read"]});
    auditor.post("/api/v1/api-keys", &key).await.expect(201);
    let key = json!({"name": "a script", "scopes": ["operations:write"]});
    auditor.post("/api/v1/api-keys", &key).await.problem(422);

    admin.patch(&path, &json!({"role": "user"})).await.expect(200);
    auditor.get("/api/v1/admin/queue").await.problem(403);
    cluster.assert_quiet().await;
}
