//! What a listener hears of a reply, when, and what it leaves behind.

use serde_json::{Value, json};
use troupe_core::wav::Wav;
use troupe_tests::{Client, Gate, Script, Signal, speaker::SpeechMood, within};

use super::{assert_says, hear, hear_with, with_speaker};

const REPLY: &str = "The lamp is lit. Dr. Grey climbs 9.5 metres! Then **he** waits";
const SENTENCES: [&str; 3] = ["The lamp is lit.", "Dr. Grey climbs 9.5 metres!", "Then he waits"];

/// A reply that has ended, with three sentences.
async fn replied(user: &Client, provider: &troupe_tests::ScriptedProvider, question: &str) -> String {
    provider.on(question, [Script::text(REPLY)]);
    let sent = user.send(&user.conversation("demo").await, question).await;
    user.reply(&sent.request).await;
    sent.request
}

#[tokio::test]
async fn a_reply_is_spoken_while_it_is_still_being_written() {
    let (speaker, options) = with_speaker().await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on(
        "Speak",
        [Script::gated(["The lamp is lit. Dr", ". Grey climbs 9.5 metres! Then", " **he** waits"], &gate)],
    );
    let sent = user.send(&user.conversation("demo").await, "Speak").await;
    gate.release(1);
    gate.reached(2).await;
    // On the other server, too.
    let elsewhere = user.at(cluster.server(1));
    for listener in [&user, &elsewhere] {
        assert_says(&hear(listener, &sent.request, 1).await.sound(), SENTENCES[0]);
    }
    let path = format!("/api/v1/requests/{}", sent.request);
    let so_far = user.get(&format!("{path}/sentences")).await.expect(200);
    assert_eq!(
        so_far,
        json!({"whole": false, "sentences": [{"sentence": 1, "start": 0, "end": 16, "text": SENTENCES[0]}]})
    );
    let early = hear_with(&user, &format!("{path}/speech/2"), &[]).await;
    assert_eq!((early.status.as_u16(), early.header("retry-after")), (202, "1"));
    assert_eq!(user.get(&format!("{path}/speech")).await.problem(409)["code"], "reply_unfinished");
    let heard = json!({"sentence": 1});
    assert_eq!(user.post(&format!("{path}/heard"), &heard).await.problem(409)["code"], "reply_unfinished");

    // Whoever waits hears the next as soon as it is there, and learns of the end.
    let request = sent.request.clone();
    let (second, third, fourth, ()) =
        tokio::join!(hear(&user, &request, 2), hear(&elsewhere, &request, 3), hear(&user, &request, 4), async {
            gate.open();
        });
    assert_says(&second.sound(), SENTENCES[1]);
    assert_says(&third.sound(), SENTENCES[2]);
    assert_eq!((fourth.status.as_u16(), fourth.bytes.len()), (204, 0));
    let mut uttered = speaker.texts();
    uttered.sort();
    assert_eq!(uttered, [SENTENCES[1], SENTENCES[0], SENTENCES[2]], "each is spoken once");

    let sentences = user.get(&format!("{path}/sentences")).await.expect(200);
    assert_eq!(sentences["whole"], true);
    let characters: Vec<_> = REPLY.chars().collect();
    let pieces = sentences["sentences"].as_array().unwrap().iter().map(|sentence| {
        let place = |name: &str| usize::try_from(sentence[name].as_u64().unwrap()).unwrap();
        characters[place("start")..place("end")].iter().collect::<String>()
    });
    assert_eq!(pieces.collect::<Vec<_>>(), [SENTENCES[0], SENTENCES[1], "Then **he** waits"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_reply_is_heard_as_a_whole_and_in_parts() {
    let (speaker, options) = with_speaker().await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let request = replied(&user, &cluster.provider, "Whole").await;
    let path = format!("/api/v1/requests/{request}/speech");
    let whole = hear_with(&user, &format!("{path}?wait=20"), &[]).await;
    let mut parts = Vec::new();
    for sentence in 1..=3 {
        parts.push(hear(&user, &request, sentence).await.sound());
    }
    assert_eq!(whole.sound(), Wav::join(parts).unwrap(), "without a gap, and without an overlap");
    assert_eq!(speaker.uttered().len(), 3, "what was spoken is kept");

    // As players ask.
    let part = hear_with(&user, &path, &[("range", "bytes=44-99")]).await;
    assert_eq!((part.status.as_u16(), &part.bytes[..]), (206, &whole.bytes[44..100]));
    assert_eq!(part.header("content-range"), format!("bytes 44-99/{}", whole.bytes.len()));
    assert_eq!(part.header("content-type"), "audio/wav");
    let beyond = hear_with(&user, &path, &[("range", "bytes=99999999-")]).await;
    assert_eq!((beyond.status.as_u16(), beyond.bytes.len()), (416, 0));
    let first = hear(&user, &request, 1).await;
    let known = hear_with(&user, &format!("{path}/1"), &[("if-none-match", first.header("etag"))]).await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));

    let known = hear_with(&user, &path, &[("if-none-match", whole.header("etag"))]).await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));

    // Nobody else's business.
    let other = cluster.client(0).await;
    for path in [path.clone(), format!("{path}/1"), format!("/api/v1/requests/{request}/sentences")] {
        assert_eq!(other.get(&path).await.problem(404)["code"], "not_found");
    }
    for wrong in ["0", "1001", "-1", "x"] {
        assert_eq!(user.get(&format!("{path}/{wrong}")).await.problem(404)["code"], "not_found", "{wrong}");
    }
    let fault = user.get(&format!("{path}/1?wait=x")).await;
    assert_eq!(fault.problem(422)["code"], "invalid");
}

#[tokio::test]
async fn a_reply_that_begins_anew_is_spoken_anew() {
    let (_speaker, options) = with_speaker().await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let cut = Script::gated(["A first try. Then", " more"], &gate).then_cut();
    cluster.provider.on("Again", [cut, Script::text("Another word. The end")]);
    let sent = user.send(&user.conversation("demo").await, "Again").await;
    gate.release(1);
    gate.reached(2).await;
    let first = hear(&user, &sent.request, 1).await;
    assert_says(&first.sound(), "A first try.");
    gate.open();
    user.reply(&sent.request).await;
    let path = format!("/api/v1/requests/{}/speech/1?wait=20", sent.request);
    let anew = hear_with(&user, &path, &[("if-none-match", first.header("etag"))]).await;
    assert_says(&anew.sound(), "Another word.");
}

#[tokio::test]
async fn what_was_not_heard_is_not_in_the_next_prompt() {
    let (_speaker, options) = with_speaker().await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    cluster.provider.on("Tell me", [Script::text(REPLY)]);
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "Tell me").await;
    user.reply(&sent.request).await;
    let told = async |sentence: usize, question: &str| {
        let path = format!("/api/v1/requests/{}/heard", sent.request);
        user.post(&path, &json!({ "sentence": sentence })).await.expect(204);
        user.ask(&conversation, question).await;
        let call = cluster.provider.calls_of(question).pop().unwrap();
        let mut replies = call.messages().into_iter().filter(|(role, _)| role == "assistant");
        replies.next().unwrap().1
    };
    assert_eq!(told(1, "And?").await, "The lamp is lit.…");
    assert_eq!(told(0, "So?").await, "…");
    assert_eq!(told(3, "Well?").await, REPLY, "it was heard to its end");
    // What is shown stays whole.
    assert_eq!(user.messages(&conversation).await[1].1, REPLY);
    let path = format!("/api/v1/requests/{}/heard", sent.request);
    assert_eq!(user.post(&path, &json!({ "sentence": -1 })).await.problem(422)["code"], "invalid");
    assert_eq!(cluster.client(0).await.post(&path, &json!({ "sentence": 1 })).await.problem(404)["code"], "not_found");
}

#[tokio::test]
async fn a_persona_has_its_voice() {
    let (speaker, options) = with_speaker().await;
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let voices = user.get("/api/v1/voices").await.expect(200);
    assert_eq!(voices["default"], "speaker/calm");
    assert_eq!(voices["items"][1], json!({"id": "speaker/stern", "provider": "speaker", "voice": "stern"}));
    let persona = json!({"slug": "keeper", "name": "Keeper", "system_prompt": "You keep the light."});
    let made = user.post("/api/v1/personas", &persona).await.expect(201);
    assert_eq!(made["voice"], Value::Null);
    let path = "/api/v1/personas/keeper";
    for wrong in ["speaker/loud", "speaker", "nobody/calm", ""] {
        let refused = user.patch(path, &json!({ "voice": wrong })).await;
        assert_eq!(refused.problem(422)["errors"][0]["field"], "voice", "{wrong}");
    }
    cluster.provider.on("Who?", [Script::text("Me.")]);
    let conversation = user.conversation("keeper").await;
    let sent = user.send(&conversation, "Who?").await;
    user.reply(&sent.request).await;
    for (voice, spoken) in [(json!("speaker/stern"), "stern"), (Value::Null, "calm")] {
        assert_eq!(user.patch(path, &json!({ "voice": voice })).await.expect(200)["voice"], voice);
        hear(&user, &sent.request, 1).await.sound();
        assert_eq!(speaker.uttered().pop().unwrap().voice, spoken);
    }
}

#[tokio::test]
async fn what_is_spoken_is_kept_within_bounds() {
    let (_speaker, options) = with_speaker().await;
    let options = options.set("TROUPE_SPEECH__CACHE_BYTES", "1048576").set("TROUPE_HOUSEKEEPING__INTERVAL", "100ms");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let sentences: Vec<_> = (0..8).map(|n| format!("{} {n}.", "Word".repeat(96))).collect();
    cluster.provider.on("Much", [Script::text(&sentences.join(" "))]);
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "Much").await;
    user.reply(&sent.request).await;
    for number in 1..=sentences.len() {
        hear(&user, &sent.request, number).await.sound();
    }
    let bytes = async || cluster.number("select coalesce(sum(size), 0) from audio_cache").await;
    within("a cache within its bounds", async { while bytes().await > 1_048_576 {} }).await;
    assert!(bytes().await > 524_288, "no more than is needed is removed");
    // It is made again.
    assert_says(&hear(&user, &sent.request, 1).await.sound(), &sentences[0]);
    // It goes with its conversation.
    user.delete(&format!("/api/v1/conversations/{conversation}")).await.expect(204);
    assert_eq!(cluster.count("audio_cache").await, 0);
}

#[tokio::test]
async fn a_dead_workers_sentence_is_spoken_by_another() {
    let (speaker, options) = with_speaker().await;
    let options = options.processes().set("TROUPE_WORKER__LEASE", "1s").servers(1).workers(1);
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    let request = replied(&user, &cluster.provider, "Die").await;
    speaker.set_mood(SpeechMood::Silent);
    let listener = async { hear(&user, &request, 1).await.sound() };
    let fault = async {
        speaker.called(1).await;
        cluster.workers[0].signal(Signal::Kill);
        speaker.set_mood(SpeechMood::Well);
        cluster.add_worker().await;
    };
    let (heard, ()) = within("a sentence", async { tokio::join!(listener, fault) }).await;
    assert_says(&heard, SENTENCES[0]);
    assert_eq!(speaker.texts(), [SENTENCES[0]; 2]);
}
