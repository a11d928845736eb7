//! Prints the table of docs/PROVIDERS.md: what a user sees of each failure, what it costs and how long it takes.
//!
//! `cargo build --workspace --bins --test it`, then
//! `cargo test --workspace --test it -- --ignored --nocapture failure_table`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{
    Client, Cluster, ClusterOptions, Script, ScriptedProvider, Socket,
    provider::{Fault, Finish, default_reply},
    transcript::types,
};

use crate::operations::admin::admin;

const BEGINNING: &str = "A beginning of four words ";

fn before_the_first_word() -> Vec<(&'static str, Script)> {
    let role = || Script::chunks([""]);
    vec![
        ("nothing fails", Script::text(&default_reply("?"))),
        ("429, rate limit", Script::too_many(5)),
        ("429, no quota left", Script::fault(Fault::OutOfQuota)),
        ("402, no credit", Script::fault(Fault::NoCredit)),
        ("401, bad key", Script::fault(Fault::BadKey)),
        ("404, no such model", Script::fault(Fault::NoSuchModel)),
        ("400, the call is wrong", Script::error(400)),
        ("400, prompt too long", Script::fault(Fault::TooLong)),
        ("400, prompt filtered", Script::fault(Fault::Filtered)),
        ("500", Script::error(500)),
        ("503, overloaded", Script::fault(Fault::Overloaded)),
        ("connection closed unanswered", Script::hang_up()),
        ("no answer (limit 1 s)", Script::silence()),
        ("no first word (limit 1 s)", role().then_stall()),
        ("stream cut", role().then_cut()),
        ("stream unreadable", role().then_malformed()),
        ("error in the stream", role().then_error_chunk()),
        ("an end without a word", role()),
        ("all withheld", role().ending(Finish::Filtered)),
        ("a refusal", Script::text("I would rather not.").ending(Finish::Declined)),
    ]
}

fn in_mid_reply() -> Vec<(&'static str, Script)> {
    let begun = || Script::text(BEGINNING);
    vec![
        ("stream cut", begun().then_cut()),
        ("no next word (limit 1 s)", begun().then_stall()),
        ("stream unreadable", begun().then_malformed()),
        ("error in the stream", begun().then_error_chunk()),
        ("an end without a reason", begun().then_just_ends()),
        ("the rest withheld", begun().ending(Finish::Filtered)),
        ("the most tokens said", begun().ending(Finish::Length)),
    ]
}

/// A failing provider of its own for each row: what one row does to its key is nothing to the next.
struct Stage {
    cluster: Cluster,
    failing: ScriptedProvider,
    user: Client,
    socket: Socket,
}

impl Stage {
    async fn set(rows: usize) -> (Self, ScriptedProvider) {
        let (failing, second) = (ScriptedProvider::start().await, ScriptedProvider::start().await);
        let mut options = ClusterOptions::default()
            .servers(1)
            .workers(1)
            .set("TROUPE_MODELS__FIRST_TOKEN_TIMEOUT", "1s")
            .set("TROUPE_MODELS__TOKEN_GAP_TIMEOUT", "1s")
            .set("TROUPE_MODELS__PRICES_REFRESH", "100ms")
            // Every other reply here needs a second try.
            .set("TROUPE_MODELS__RETRY_SHARE", "1");
        let names = (0..rows)
            .map(|row| (format!("ROW{row}"), failing.base_url()))
            .chain([("SECOND".to_owned(), second.base_url())]);
        for (name, base) in names {
            for (key, value) in
                [("FORMAT", "openai"), ("BASE_URL", &base), ("MODEL", "m"), ("CONTINUES", "yes"), ("KEYS__MAIN", "k")]
            {
                options = options.set(&format!("TROUPE_PROVIDERS__{name}__{key}"), value);
            }
        }
        let cluster = options.start().await;
        let admin = admin(&cluster).await;
        for name in (0..rows).map(|row| format!("row{row}")).chain(["second".to_owned()]) {
            let call = admin.call(Method::PUT, &format!("/api/v1/admin/prices/{name}"));
            admin.answer(call.json(&json!({"prompt_price": 1, "completion_price": 4}))).await.expect(204);
        }
        let user = cluster.client(0).await;
        let socket = user.socket().await;
        (Self { cluster, failing, user, socket }, second)
    }

    async fn row(&self, row: usize, when: &str, (failure, script): (&str, Script), wish: &str) -> (Duration, f64) {
        let question = format!("Row {row}");
        self.failing.on(&question, [script]);
        let slug = format!("row-{row}");
        let persona = json!({"slug": slug, "name": slug, "system_prompt": "You are brief.", "when_cut": wish,
            "chain": [format!("row{row}"), "second"]});
        self.user.post("/api/v1/personas", &persona).await.expect(201);
        let conversation = self.user.conversation(&slug).await;
        let began = Instant::now();
        let sent = self.user.send(&conversation, &question).await;
        let end = self.socket.ended(&sent.request).await;
        let took = began.elapsed();
        let request = self.user.request(&sent.request).await;
        let tries = request["tries"].as_array().expect("tries");
        let cost: f64 = tries.iter().filter_map(|tried| tried["cost"].as_f64()).sum();
        let outcomes: Vec<_> = tries.iter().filter_map(|tried| tried["outcome"].as_str()).collect();
        let seen = seen(&self.socket.events(&sent.request), &end);
        println!(
            "| {failure} | {when} | {wish} | {seen} | {} | {} | {cost:.6} |",
            took.as_millis(),
            outcomes.join(", ")
        );
        (took, cost)
    }
}

fn seen(events: &[Value], end: &Value) -> String {
    let reset = if types(events).contains(&"reply.reset") { "the beginning taken back, " } else { "" };
    match (end["type"].as_str(), end["incomplete"].as_str()) {
        (Some("reply.completed"), None) => format!("{reset}a whole reply"),
        (Some("reply.completed"), Some(why)) => format!("{reset}the reply ends there (`incomplete: {why}`)"),
        _ => format!("{reset}`{}`", end["error"]["code"].as_str().unwrap_or("?")),
    }
}

#[tokio::test]
#[ignore = "it prints a table and judges nothing"]
async fn failure_table() {
    let (before, mid) = (before_the_first_word(), in_mid_reply());
    let (stage, _second) = Stage::set(before.len() + 3 * mid.len()).await;
    println!("| failure | when | when_cut | what the user saw | ms | tries | cost |");
    println!("| --- | --- | --- | --- | ---: | --- | ---: |");
    let mut row = 0;
    for case in before {
        stage.row(row, "before", case, "restart").await;
        row += 1;
    }
    for case in mid {
        for wish in ["restart", "continue", "stop"] {
            stage.row(row, "after", case.clone(), wish).await;
            row += 1;
        }
    }
    stage.cluster.assert_quiet_but_for(&["does not accept its key"]).await;
}
