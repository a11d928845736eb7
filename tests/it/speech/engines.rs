//! Services that speak: their formats, their failures, and who takes over.

use serde_json::{Value, json};
use troupe_tests::{
    Client, Cluster, ClusterOptions, Script,
    speaker::{ScriptedSpeaker, SpeechFormat, SpeechMood},
};

use super::{assert_says, hear, with_speaker};

const SENTENCE: &str = "The lamp is lit.";

/// A reply of one sentence.
async fn replied(cluster: &Cluster, user: &Client, question: &str) -> String {
    cluster.provider.on(question, [Script::text(SENTENCE)]);
    let sent = user.send(&user.conversation("demo").await, question).await;
    user.reply(&sent.request).await;
    sent.request
}

/// In whatever way one fails, the next speaks the sentence, once.
#[tokio::test]
async fn where_one_service_fails_the_next_speaks() {
    let failures: Vec<SpeechMood> = vec![
        SpeechMood::Refuses(500, json!({"error": {"message": "as scripted"}})),
        SpeechMood::Refuses(429, json!({"error": {"code": "rate_limit"}})),
        SpeechMood::Refuses(401, json!({"detail": {"status": "quota_exceeded", "message": "no credits"}})),
        SpeechMood::Refuses(400, json!({"detail": "this voice is not there"})),
        SpeechMood::Silent,
        SpeechMood::BreaksOff,
        SpeechMood::Babbles("{\"but\": \"this is no sound\"}"),
        SpeechMood::Babbles("<!doctype html><title>502</title>"),
        SpeechMood::Empty,
    ];
    let second = ScriptedSpeaker::start(SpeechFormat::OpenAi).await;
    let mut options = ClusterOptions::default().set("TROUPE_SPEECH__TIMEOUT", "1s");
    let mut firsts = Vec::new();
    for format in SpeechFormat::ALL {
        let first = ScriptedSpeaker::start(format).await;
        let name = format!("first_{}", firsts.len());
        options = first.provider(options, &name, "low");
        firsts.push((format!("{name}/low"), first));
    }
    options = second.provider(options, "second", "high");
    let chain = "first_0, first_1, first_2, second";
    let cluster = options.set("TROUPE_SPEECH__CHAIN", chain).start().await;
    let user = cluster.client(0).await;
    let persona = json!({"slug": "keeper", "name": "Keeper", "system_prompt": "You keep the light."});
    user.post("/api/v1/personas", &persona).await.expect(201);
    let conversation = user.conversation("keeper").await;
    let mut number = 0;
    for (voice, first) in &firsts {
        user.patch("/api/v1/personas/keeper", &json!({ "voice": voice })).await.expect(200);
        // First well: each format is understood.
        for failure in std::iter::once(&SpeechMood::Well).chain(&failures) {
            // A service that fails is left alone for a while: not here.
            for (other, speaker) in &firsts {
                let mood = if other == voice { failure.clone() } else { SpeechMood::Refuses(404, Value::Null) };
                speaker.set_mood(mood);
            }
            number += 1;
            let text = format!("Sentence {number}.");
            cluster.provider.on(&text, [Script::text(&text)]);
            let sent = user.send(&conversation, &text).await;
            user.reply(&sent.request).await;
            assert_says(&hear(&user, &sent.request, 1).await.sound(), &text);
            let times = |speaker: &ScriptedSpeaker| speaker.texts().iter().filter(|uttered| **uttered == text).count();
            let well = matches!(failure, SpeechMood::Well);
            assert_eq!(times(&second), usize::from(!well), "{voice} {failure:?}");
            assert!(times(first) <= 1, "{voice} {failure:?}");
        }
    }
    assert!(second.uttered().iter().all(|uttered| uttered.voice == "high"));
}

#[tokio::test]
async fn what_nobody_can_speak_is_said_so_and_can_be_asked_for_again() {
    let (speaker, options) = with_speaker().await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let request = replied(&cluster, &user, "Fail").await;
    speaker.set_mood(SpeechMood::Refuses(500, json!({"error": "as scripted"})));
    let path = format!("/api/v1/requests/{request}/speech/1?wait=20");
    let failed = user.get(&path).await;
    assert_eq!(failed.problem(503)["code"], "speech_unavailable");
    assert_eq!(failed.problem(503)["retryable"], true);
    assert_eq!(
        user.get(&format!("/api/v1/requests/{request}/speech?wait=20")).await.problem(503)["code"],
        "speech_unavailable"
    );
    speaker.set_mood(SpeechMood::Well);
    assert_says(&hear(&user, &request, 1).await.sound(), SENTENCE);
}

#[tokio::test]
async fn nobody_waits_for_a_service_that_is_left_alone() {
    let (speaker, options) = with_speaker().await;
    let options = options.set("TROUPE_MODELS__BREAKER_FAILURES", "1").set("TROUPE_MODELS__BREAKER_PAUSE", "1m");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let request = replied(&cluster, &user, "Alone").await;
    speaker.set_mood(SpeechMood::Refuses(500, json!({"error": "as scripted"})));
    let failed = user.get(&format!("/api/v1/requests/{request}/speech/1?wait=20")).await;
    assert_eq!(failed.problem(503)["code"], "speech_unavailable");
    let called = speaker.uttered().len();
    assert!((1..=2).contains(&called), "once by each worker at most, and not {called} times");
}

#[tokio::test]
async fn where_nothing_speaks_that_is_said() {
    let cluster = ClusterOptions::default()
        .without("OPENAI_API_KEY")
        .set("TROUPE_PROVIDERS__OPENAI__SPEECH_MODEL", "")
        .start()
        .await;
    let user = cluster.client(0).await;
    assert_eq!(user.get("/api/v1/voices").await.expect(200), json!({"items": [], "default": null}));
    let request = replied(&cluster, &user, "Silence").await;
    let path = format!("/api/v1/requests/{request}/speech/1");
    assert_eq!(user.get(&path).await.problem(503)["code"], "no_voice");
    let sentences = user.get(&format!("/api/v1/requests/{request}/sentences")).await.expect(200);
    assert_eq!(sentences["sentences"][0]["text"], SENTENCE);
}

#[tokio::test]
async fn speech_costs_what_its_characters_cost_and_ends_with_the_budget() {
    let (speaker, options) = with_speaker().await;
    let cluster = options.set("TROUPE_MODELS__PRICES_REFRESH", "100ms").start().await;
    let user = cluster.client(0).await;
    let request = replied(&cluster, &user, "Costly").await;
    sqlx::query(
        "insert into prices (provider, model, prompt_price, completion_price) values ('speaker', '*', 1000000, 0)",
    )
    .execute(&cluster.db)
    .await
    .unwrap();
    sqlx::query("insert into budgets (scope, subject, daily_limit) values ('user', $1, 20)")
        .bind(user.user["id"].as_str().unwrap())
        .execute(&cluster.db)
        .await
        .unwrap();
    let id = user.user["id"].as_str().unwrap();
    let spent = || cluster.number("select coalesce(sum(spent), 0)::bigint from spending where scope = 'user'");
    troupe_tests::within("a price that is known", async {
        while spent().await == 0 {
            hear(&user, &request, 1).await;
            sqlx::query("delete from audio_cache").execute(&cluster.db).await.unwrap();
        }
    })
    .await;
    assert_eq!(spent().await, 16, "{id} pays one for each character");
    // Once more would be more than there is.
    let before = speaker.uttered().len();
    let path = format!("/api/v1/requests/{request}/speech/1?wait=20");
    assert_eq!(user.get(&path).await.problem(503)["code"], "speech_unavailable");
    assert_eq!(speaker.uttered().len(), before, "nobody is asked");
}
