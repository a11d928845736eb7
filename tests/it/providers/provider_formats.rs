//! Every wire format, from the call to the reply, and in each one every way of a service to fail.

use serde_json::{Value, json};
use troupe_tests::{
    Client, Cluster, ClusterOptions, Script, ScriptedProvider,
    provider::{COMPLETION_TOKENS, Dialect, Fault, Finish, PROMPT_TOKENS, words_of},
};

/// A service that is spoken to in this dialect, with keys `a` to `f`.
async fn with_provider(
    options: ClusterOptions,
    services: &mut Vec<ScriptedProvider>,
    dialect: Dialect,
) -> ClusterOptions {
    let service = ScriptedProvider::start().await;
    let setting = |key: &str| format!("TROUPE_PROVIDERS__{}__{key}", name(dialect).to_uppercase());
    let mut options = options
        .set(&setting("FORMAT"), &name(dialect))
        .set(&setting("BASE_URL"), &service.base_url_for(dialect))
        .set(&setting("MODEL"), "a-model");
    for key in ["A", "B", "C", "D", "E", "F"] {
        options = options.set(&setting(&format!("KEYS__{key}")), &format!("secret-{key}"));
    }
    services.push(service);
    options
}

/// Of the format in the configuration, and of the provider that speaks it.
fn name(dialect: Dialect) -> String {
    format!("{dialect:?}").to_lowercase()
}

/// One server and one worker, and a service for each dialect.
async fn stage(dialects: &[Dialect], chain: &str) -> (Cluster, Vec<ScriptedProvider>) {
    let mut options = ClusterOptions::default()
        .servers(1)
        .workers(1)
        .set("TROUPE_MODELS__CHAIN", chain)
        // Here everything fails, again and again, and is to be tried all the same.
        .set("TROUPE_MODELS__RETRY_SHARE", "1")
        .set("TROUPE_MODELS__BREAKER_FAILURES", "100");
    let mut services = Vec::new();
    for dialect in dialects {
        options = with_provider(options, &mut services, *dialect).await;
    }
    (options.start().await, services)
}

/// What came of a question of its own in a conversation of its own.
async fn asked(user: &Client, question: &str) -> Value {
    let sent = user.send(&user.conversation("demo").await, question).await;
    user.finished(&sent.request).await
}

fn outcomes(request: &Value) -> Vec<&str> {
    let tries = request["tries"].as_array().expect("the tries of a request");
    tries.iter().map(|tried| tried["outcome"].as_str().expect("an outcome")).collect()
}

async fn a_reply_comes(dialect: Dialect) {
    let (cluster, services) = stage(&[dialect], &name(dialect)).await;
    let user = cluster.client(0).await;
    services[0].on("First?", [Script::words(20).with_unknown_fields().torn()]);
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "First?").await;
    let first = user.finished(&sent.request).await;
    assert_eq!(first["reply"]["content"], words_of(20), "{first}");
    assert_eq!(first["usage"]["prompt_tokens"], PROMPT_TOKENS);
    assert_eq!(first["usage"]["completion_tokens"], COMPLETION_TOKENS);
    let tried = &first["tries"][0];
    assert_eq!((&tried["provider"], &tried["key"]), (&json!(name(dialect)), &json!("a")), "{tried}");
    assert_eq!((&tried["model"], &tried["outcome"]), (&json!("a-model"), &json!("completed")));

    user.ask(&conversation, "Second?").await;
    let calls = services[0].calls();
    let roles: Vec<_> = calls[1].messages().into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(calls[1].messages()[1..3], [("user", "First?"), ("assistant", &words_of(20))].map(owned));
    assert!(calls.iter().all(|call| call.key.as_deref() == Some("secret-A")), "{calls:?}");
    assert!(calls.iter().all(|call| call.dialect == dialect), "{calls:?}");
    cluster.assert_quiet().await;
}

fn owned((role, content): (&str, &str)) -> (String, String) {
    (role.to_owned(), content.to_owned())
}

#[tokio::test]
async fn a_reply_comes_by_chat_completions() {
    a_reply_comes(Dialect::OpenAi).await;
}

#[tokio::test]
async fn a_reply_comes_by_anthropics_messages() {
    a_reply_comes(Dialect::Anthropic).await;
}

#[tokio::test]
async fn a_reply_comes_by_plain_json() {
    a_reply_comes(Dialect::Json).await;
}

/// Each fault before the first word: the first key meets it, and the next one gets the reply.
async fn every_fault_is_known_for_what_it_is(dialect: Dialect) {
    let (cluster, services) = stage(&[dialect], &name(dialect)).await;
    let user = cluster.client(0).await;
    let torn_off = if dialect == Dialect::Json { "malformed" } else { "cut" };
    let nothing = || Script::chunks(Vec::<String>::new());
    let cases = [
        ("failed", Script::fault(Fault::Overloaded)),
        ("failed", Script::error(500)),
        ("unreachable", Script::hang_up()),
        ("cut", nothing().then_cut()),
        (torn_off, nothing().then_just_ends()),
        ("malformed", nothing().then_malformed()),
        ("failed", nothing().then_error_chunk()),
        ("empty", nothing()),
        ("no_such_model", Script::fault(Fault::NoSuchModel)),
        ("too_long", Script::fault(Fault::TooLong)),
        ("filtered", Script::fault(Fault::Filtered)),
        ("filtered", nothing().ending(Finish::Filtered)),
        // Each of these takes a key away.
        ("rate_limited", Script::too_many(3_600)),
        ("out_of_money", Script::fault(Fault::NoCredit)),
        ("out_of_money", Script::fault(Fault::OutOfQuota)),
        ("key_refused", Script::fault(Fault::BadKey)),
    ];
    for (n, (outcome, script)) in cases.into_iter().enumerate() {
        let question = format!("Number {n}, {outcome}?");
        services[0].on(&question, [script, Script::words(3)]);
        let request = asked(&user, &question).await;
        assert_eq!(request["reply"]["content"], words_of(3), "{question}: {request}");
        assert_eq!(outcomes(&request), [outcome, "completed"], "{question}");
    }
    cluster.assert_quiet_but_for(&["does not accept its key"]).await;
}

#[tokio::test]
async fn every_fault_in_chat_completions_is_known_for_what_it_is() {
    every_fault_is_known_for_what_it_is(Dialect::OpenAi).await;
}

#[tokio::test]
async fn every_fault_in_anthropics_messages_is_known_for_what_it_is() {
    every_fault_is_known_for_what_it_is(Dialect::Anthropic).await;
}

#[tokio::test]
async fn every_fault_in_plain_json_is_known_for_what_it_is() {
    every_fault_is_known_for_what_it_is(Dialect::Json).await;
}

#[tokio::test]
async fn an_end_is_told_with_its_reason() {
    for dialect in Dialect::ALL {
        let (cluster, services) = stage(&[dialect], &name(dialect)).await;
        let user = cluster.client(0).await;
        for (question, finish, outcome, incomplete) in [
            ("Declined?", Finish::Declined, "refused", Value::Null),
            ("Too long?", Finish::Length, "completed", json!("length")),
        ] {
            services[0].on(question, [Script::words(5).ending(finish)]);
            let request = asked(&user, question).await;
            assert_eq!(request["reply"]["content"], words_of(5), "{dialect:?}: {request}");
            assert_eq!(outcomes(&request), [outcome], "{dialect:?}: {request}");
            assert_eq!(request["incomplete"], incomplete, "{dialect:?}: {request}");
        }
        cluster.assert_quiet().await;
    }
}

#[tokio::test]
async fn a_reply_that_anthropic_goes_on_with_reads_as_one() {
    let (cluster, services) = stage(&[Dialect::OpenAi, Dialect::Anthropic], "openai#a, anthropic").await;
    let change = sqlx::query("update personas set when_cut = 'continue' where slug = 'demo'");
    change.execute(&cluster.db).await.expect("a change of the persona");
    let user = cluster.client(0).await;
    services[0].on("Well?", [Script::chunks(["A beginning 🌊, ", "\n\n"]).then_cut()]);
    services[1].on("Well?", [Script::chunks(["\n", "\nand ", "an end"])]);
    let request = asked(&user, "Well?").await;
    assert_eq!(request["reply"]["content"], "A beginning 🌊, \n\nand an end", "{request}");
    let last = services[1].calls()[0].messages().pop().expect("a prompt");
    assert_eq!(last, owned(("assistant", "A beginning 🌊,")));
    cluster.assert_quiet().await;
}
