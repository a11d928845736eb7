//! Providers fail, and another one speaks: within the attempt, unseen before the first word, and as the persona wants
//! after it.
//!
//! Every test has its providers under names of its own; the chain is the order in which they are named.

use serde_json::{Value, json};
use troupe_tests::{
    Cluster, ClusterOptions, Gate, Script, ScriptedProvider,
    leaks::PROVIDER_KEY,
    provider::{default_reply, words_of},
    transcript::types,
};

use crate::small_cluster;

/// Providers of these names at scripted services of their own, asked in this order; one server and one worker.
async fn stage(names: &[&str], set: impl Fn(ClusterOptions) -> ClusterOptions) -> (Cluster, Vec<ScriptedProvider>) {
    let mut options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_MODELS__CHAIN", &names.join(", "));
    let mut services = Vec::new();
    for name in names {
        let service = ScriptedProvider::start().await;
        options = with_provider(options, name, &service.base_url());
        services.push(service);
    }
    (set(options).start().await, services)
}

fn with_provider(options: ClusterOptions, name: &str, base_url: &str) -> ClusterOptions {
    let setting = |key: &str| format!("TROUPE_PROVIDERS__{}__{key}", name.to_uppercase());
    options
        .set(&setting("FORMAT"), "openai")
        .set(&setting("BASE_URL"), base_url)
        .set(&setting("MODEL"), &format!("{name}-model"))
        .set(&setting("KEYS__MAIN"), &format!("secret of {name}"))
}

/// What came of each call for a request, in order: (provider, outcome).
async fn tries(cluster: &Cluster, request: &str) -> Vec<(String, String)> {
    let trails: Vec<Option<Value>> =
        sqlx::query_scalar("select trail from attempt_history where request_id = $1::uuid order by number")
            .bind(request)
            .fetch_all(&cluster.db)
            .await
            .expect("the trail of a request");
    let text = |tried: &Value, key: &str| tried[key].as_str().unwrap_or_default().to_owned();
    let tries = trails.iter().flatten().flat_map(|trail| trail.as_array().expect("a list"));
    tries.map(|tried| (text(tried, "provider"), text(tried, "outcome"))).collect()
}

fn pairs<const N: usize>(tries: [(&str, &str); N]) -> Vec<(String, String)> {
    tries.map(|(provider, outcome)| (provider.to_owned(), outcome.to_owned())).to_vec()
}

#[tokio::test]
async fn before_the_first_word_nobody_notices_that_another_one_speaks() {
    let cases = [
        ("Failed", "failed", Script::error(500)),
        ("Overloaded", "failed", Script::error(503)),
        ("No such model", "no_such_model", Script::error(404)),
        ("Cut", "cut", Script::chunks([""]).then_cut()),
        ("Malformed", "malformed", Script::chunks([""]).then_malformed()),
        ("Error in the stream", "failed", Script::chunks([""]).then_error_chunk()),
        ("Empty", "empty", Script::chunks([""])),
        ("Silent", "silent", Script::silence()),
        ("Silent after the role", "silent", Script::chunks([""]).then_stall()),
    ];
    let (cluster, services) =
        stage(&["first", "second"], |options| options.set("TROUPE_MODELS__FIRST_TOKEN_TIMEOUT", "500ms")).await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    for (question, outcome, script) in cases {
        services[0].on(question, [script]);
        let sent = user.send(&user.conversation("demo").await, question).await;
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), default_reply(question), "{question}");
        let events = socket.events(&sent.request);
        assert!(!types(&events).contains(&"reply.reset"), "{question}: {:?}", types(&events));
        assert_eq!(tries(&cluster, &sent.request).await, pairs([("first", outcome), ("second", "completed")]));
        let polled = user.request(&sent.request).await;
        assert_eq!((&polled["attempt"], &polled["provider"]), (&json!(1), &json!("second")), "{question}");
        assert_eq!(polled["model"], "second-model");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_key_that_is_turned_away_rests_and_the_spare_one_speaks() {
    for (script, outcome) in [
        (Script::too_many(3_600), "rate_limited"),
        (Script::error(402), "out_of_money"),
        (Script::error(401), "key_refused"),
    ] {
        let (cluster, services) =
            stage(&["first"], |options| options.set("TROUPE_PROVIDERS__FIRST__KEYS__SPARE", "spare secret")).await;
        let user = cluster.client(0).await;
        services[0].on("Once", [script, Script::words(3)]);
        let conversation = user.conversation("demo").await;
        let once = user.send(&conversation, "Once").await;
        assert_eq!(user.reply(&once.request).await, words_of(3));
        assert_eq!(tries(&cluster, &once.request).await, pairs([("first", outcome), ("first", "completed")]));
        user.ask(&conversation, "Again").await;
        let keys: Vec<_> = services[0].calls().into_iter().map(|call| call.authorization.unwrap()).collect();
        let (main, spare) = ("Bearer secret of first", "Bearer spare secret");
        assert_eq!(keys, [main, spare, spare], "{outcome}: the key that was turned away is left alone");
        cluster.assert_quiet_but_for(&["does not accept its key"]).await;
    }
}

#[tokio::test]
async fn text_stands_until_the_next_one_speaks_and_is_taken_back_then() {
    let (cluster, services) = stage(&["first", "second"], |options| options).await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    services[0].on("Well?", [Script::text("A beginning 🌊 ").then_wait(&gate).then_cut()]);
    let second = Gate::new();
    services[1].on("Well?", [Script::gated(["Another ", "one"], &second)]);
    let sent = user.send(&user.conversation("demo").await, "Well?").await;
    socket.shown(&sent.request, "A beginning 🌊 ").await;
    gate.open();
    second.reached(1).await;
    let so_far = socket.events(&sent.request);
    assert!(!types(&so_far).contains(&"reply.reset"), "nothing is taken back for nothing: {so_far:?}");
    second.open();
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "Another one");
    let kinds = socket.events(&sent.request);
    assert_eq!(types(&kinds).iter().filter(|kind| **kind == "reply.reset").count(), 1);
    assert_eq!(tries(&cluster, &sent.request).await, pairs([("first", "cut"), ("second", "completed")]));
    cluster.assert_quiet().await;
}

async fn when_cut(cluster: &Cluster, wish: &str) {
    let change = sqlx::query("update personas set when_cut = $1 where slug = 'demo'").bind(wish);
    change.execute(&cluster.db).await.expect("a change of the persona");
}

#[tokio::test]
async fn a_persona_may_want_the_next_one_to_go_on() {
    let (cluster, services) =
        stage(&["first", "second"], |options| options.set("TROUPE_PROVIDERS__SECOND__CONTINUES", "yes")).await;
    when_cut(&cluster, "continue").await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    services[0].on("Well?", [Script::text("The lamp is ").then_cut()]);
    // Which question it is asked is the last of the user's: the same.
    services[1].on("Well?", [Script::text("lit at dusk.")]);
    let sent = user.send(&user.conversation("demo").await, "Well?").await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "The lamp is lit at dusk.");
    assert!(!types(&socket.events(&sent.request)).contains(&"reply.reset"));
    let asked = services[1].calls_of("Well?")[0].messages();
    assert_eq!(asked.last(), Some(&("assistant".to_owned(), "The lamp is ".to_owned())));
    assert_eq!(tries(&cluster, &sent.request).await, pairs([("first", "cut"), ("second", "completed")]));

    // One that cannot go on begins anew.
    services[1].on("And then?", [Script::text("It burns ").then_cut()]);
    services[0].on("And then?", [Script::error(500), Script::text("All of it.")]);
    let sent = user.send(&user.conversation("demo").await, "And then?").await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "All of it.");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn going_on_survives_one_that_fails_one_that_has_nothing_to_add_and_one_that_will_not() {
    let (cluster, services) =
        stage(&["first", "second", "third"], |options| options.set("TROUPE_PROVIDERS__THIRD__CONTINUES", "yes")).await;
    when_cut(&cluster, "continue").await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let cases = [
        ("Fails", Script::text("lit at dusk."), "The lamp is lit at dusk.", "completed", false),
        ("Nothing", Script::chunks([""]), "The lamp is ", "completed", false),
    ];
    for (question, third, whole, outcome, reset) in cases {
        services[0].on(question, [Script::text("The lamp is ").then_cut()]);
        services[1].on(question, [Script::error(500)]);
        services[2].on(question, [third]);
        let sent = user.send(&user.conversation("demo").await, question).await;
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), whole, "{question}");
        assert_eq!(types(&socket.events(&sent.request)).contains(&"reply.reset"), reset, "{question}");
        let expected = pairs([("first", "cut"), ("second", "failed"), ("third", outcome)]);
        assert_eq!(tries(&cluster, &sent.request).await, expected, "{question}");
    }
    services[0].on("Will not", [Script::text("The lamp is ").then_cut()]);
    services[1].on("Will not", [Script::error(500)]);
    services[2].on("Will not", [Script::error(400), Script::text("All of it.")]);
    let sent = user.send(&user.conversation("demo").await, "Will not").await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "All of it.");
    let roles = |call: usize| services[2].calls_of("Will not")[call].messages().last().map(|(role, _)| role.clone());
    assert_eq!((roles(0).as_deref(), roles(1).as_deref()), (Some("assistant"), Some("user")));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_persona_may_want_the_reply_left_as_it_stands() {
    let (cluster, services) = stage(&["first", "second"], |options| options).await;
    when_cut(&cluster, "stop").await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    services[0].on("Well?", [Script::text("The lamp is ").then_cut()]);
    let sent = user.send(&user.conversation("demo").await, "Well?").await;
    let end = socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "The lamp is ");
    assert_eq!(end["type"], "reply.completed");
    let incomplete: Option<String> = sqlx::query_scalar("select incomplete from requests where id = $1::uuid")
        .bind(&*sent.request)
        .fetch_one(&cluster.db)
        .await
        .unwrap();
    assert_eq!(incomplete.as_deref(), Some("cut"));
    assert!(services[1].calls().is_empty());
    // Before the first word there is nothing to leave.
    services[0].on("And then?", [Script::error(500)]);
    assert_eq!(user.ask(&user.conversation("demo").await, "And then?").await, default_reply("And then?"));
    assert_eq!(services[1].calls().len(), 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_call_that_is_at_fault_itself_is_made_once() {
    let (cluster, services) = stage(&["first", "second"], |options| options).await;
    let user = cluster.client(0).await;
    services[0].on("Bad", [Script::error(400)]);
    let sent = user.send(&user.conversation("demo").await, "Bad").await;
    assert_eq!(user.finished(&sent.request).await["status"], "failed");
    assert_eq!((services[0].calls().len(), services[1].calls().len()), (1, 0));
    assert_eq!(tries(&cluster, &sent.request).await, pairs([("first", "bad_call")]));
    cluster.assert_quiet().await;
}

/// Both workers leave a provider alone that has failed often enough, until one call finds that it is well.
#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_by_all_until_a_probe_finds_it_well() {
    let options = |options: ClusterOptions| {
        options.workers(2).set("TROUPE_MODELS__BREAKER_FAILURES", "5").set("TROUPE_MODELS__BREAKER_PAUSE", "3s")
    };
    let (cluster, services) = stage(&["first", "second"], options).await;
    let user = cluster.client(0).await;
    services[0].by_habit(|_, _| Script::error(500));
    let ask = async |n: usize| {
        let question = format!("Question {n}");
        assert_eq!(user.ask(&user.conversation("demo").await, &question).await, default_reply(&question));
    };
    let mut asked = 0;
    // At most so many by each of the two before the news is out.
    while cluster.worker_log("a provider is not asked for a while").is_empty() {
        assert!(asked < 10, "{asked} failures opened nothing");
        ask(asked).await;
        asked += 1;
    }
    let news = cluster.redis(&["HGET", &format!("{}:providers", cluster.redis_prefix()), "first#main"]).await;
    assert!(!matches!(news, redis::Value::Nil), "the others are told");
    cluster
        .worker_logged("the news at the other worker", |entry| {
            entry["fields"]["message"] == "another worker tells of a provider" && entry["fields"]["rests"] == true
        })
        .await;
    let calls = services[0].calls().len();
    for n in 100..104 {
        ask(n).await;
    }
    assert_eq!(services[0].calls().len(), calls, "it is left alone");
    services[0].by_habit(|question, _| Script::text(&default_reply(question)));
    let mut n = 200;
    while services[0].calls().len() == calls {
        ask(n).await;
        n += 1;
    }
    cluster.worker_logged("a probe", |entry| entry["fields"]["message"] == "a provider is well again").await;
    cluster.assert_quiet().await;
}

/// Nobody may be asked: the request waits for that without using up its attempts.
#[tokio::test]
async fn where_everybody_rests_a_request_waits_for_the_first_to_be_well() {
    let (cluster, services) = stage(&["first"], |options| {
        options
            .set("TROUPE_MODELS__BREAKER_FAILURES", "1")
            .set("TROUPE_MODELS__BREAKER_PAUSE", "200ms")
            .set("TROUPE_WORKER__MAX_ATTEMPTS", "2")
            .set("TROUPE_WORKER__RETRY_BASE", "10ms")
    })
    .await;
    let user = cluster.client(0).await;
    services[0].on("First", [Script::error(500), Script::words(4)]);
    let requests = {
        let first = user.send(&user.conversation("demo").await, "First").await;
        services[0].asked("First", 1).await;
        let mut requests = vec![(first.request, words_of(4))];
        for n in 0..5 {
            let question = format!("Later {n}");
            let sent = user.send(&user.conversation("demo").await, &question).await;
            requests.push((sent.request, default_reply(&question)));
        }
        requests
    };
    for (request, reply) in requests {
        assert_eq!(user.reply(&request).await, reply);
    }
    assert_eq!(services[0].calls().len(), 7, "nobody was asked in vain but once");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_asked_again_in_short() {
    let (cluster, services) = stage(&["first"], |options| options).await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    for n in 0..4 {
        user.ask(&conversation, &format!("Question {n}")).await;
    }
    let too_long =
        r#"{"error":{"code":"context_length_exceeded","message":"too much","type":"invalid_request_error"}}"#;
    services[0].on("Last", [Script::error_with(400, too_long), Script::words(3)]);
    let sent = user.send(&conversation, "Last").await;
    assert_eq!(user.reply(&sent.request).await, words_of(3));
    let said: Vec<_> = services[0].calls_of("Last").iter().map(|call| call.messages().len()).collect();
    assert_eq!(said, [10, 6], "the persona, four turns of two and the question; then two turns less");
    assert_eq!(tries(&cluster, &sent.request).await, pairs([("first", "too_long"), ("first", "completed")]));
    cluster.assert_quiet().await;
}

/// After enough replies it is known what is late; the next provider is asked as well then, and the slow one is not
/// waited for.
#[tokio::test]
async fn where_the_first_word_is_late_the_next_provider_is_asked_as_well() {
    let (cluster, services) =
        stage(&["first", "second"], |options| options.set("TROUPE_MODELS__HEDGE_SHARE", "0.5")).await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    for n in 0..25 {
        user.ask(&conversation, &format!("Question {n}")).await;
    }
    let gate = Gate::new();
    services[0].on("Slow?", [Script::gated(["never ", "heard"], &gate)]);
    let sent = user.send(&conversation, "Slow?").await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), default_reply("Slow?"));
    let mut tries = tries(&cluster, &sent.request).await;
    tries.sort();
    assert_eq!(tries, pairs([("first", "outrun"), ("second", "completed")]));
    gate.open();
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn whom_a_persona_names_is_asked_and_a_tiers_choice_comes_after_it() {
    let (cluster, services) = stage(&["first", "second"], |options| options).await;
    let user = cluster.client(0).await;
    let set = async |table: &str, column: &str, name: &str, chain: &[&str]| {
        let statement = format!("update {table} set chain = $1 where {column} = $2");
        let change = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(chain).bind(name);
        change.execute(&cluster.db).await.expect("a change of the chain");
    };
    let asked = async |question: &str| {
        user.ask(&user.conversation("demo").await, question).await;
        let by = |service: &ScriptedProvider| service.calls_of(question).first().map(|call| call.body["model"].clone());
        services.iter().map(by).collect::<Vec<_>>()
    };
    assert_eq!(asked("By default").await, [Some(json!("first-model")), None]);
    set("tiers", "name", "free", &["second/for-free"]).await;
    assert_eq!(asked("By tier").await, [None, Some(json!("for-free"))]);
    set("personas", "slug", "demo", &["first#main/its-own"]).await;
    assert_eq!(asked("By persona").await, [Some(json!("its-own")), None]);
    cluster.assert_quiet().await;
}

/// No key is ever shown: not in what is stored, told or logged.
#[tokio::test]
async fn keys_stay_secret_when_they_fail() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let message = format!("Incorrect API key provided: {PROVIDER_KEY}");
    let quoted = json!({"error": {"message": message, "type": "invalid_request_error"}}).to_string();
    cluster.provider.on("Who are you?", [Script::error_with(401, &quoted)]);
    let sent = user.send(&user.conversation("demo").await, "Who are you?").await;
    let ended = user.finished(&sent.request).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("provider_failed")));
    assert!(!ended.to_string().contains(PROVIDER_KEY), "{ended}");
    cluster.assert_quiet_but_for(&["does not accept its key"]).await;
}
