//! What a maker is shown of a prompt is what a model is told.

use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, ClusterOptions};

use super::characters::{card, import, told};
use crate::{
    interview::answers::{items, texts},
    knowledge::retrieval::teach,
    small_cluster,
};

/// The sections of a prompt, as kind and text.
async fn inspect(user: &Client, slug: &str, body: &Value) -> (Value, Vec<(String, String)>) {
    let shown = user.post(&format!("/api/v1/personas/{slug}/inspect"), body).await.expect(200);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let sections = shown["sections"].as_array().expect("sections").iter();
    let sections = sections.map(|section| (text(&section["kind"]), text(&section["text"]))).collect();
    (shown, sections)
}

/// The same as a model is told it: the system prompt first, then messages.
fn as_told(shown: &Value) -> Vec<(String, String)> {
    let mut told = vec![("system".to_owned(), String::new())];
    let mut before = "";
    for section in shown["sections"].as_array().expect("sections") {
        let field = |name: &str| section[name].as_str().expect("text");
        let (kind, text) = (field("kind"), field("text"));
        if !["persona", "examples", "note", "memory", "passage"].contains(&kind) {
            told.push((field("role").to_owned(), text.to_owned()));
            continue;
        }
        // What is known is a line each.
        let gap = match before {
            "" => "",
            "note" => "\n",
            before if before == kind => "\n",
            _ => "\n\n",
        };
        told[0].1.extend([gap, text]);
        before = kind;
    }
    told
}

#[tokio::test]
async fn what_is_shown_is_what_is_sent() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let persona = json!({"slug": "nan", "name": "Nan", "system_prompt": "You are {{char}}.", "remembers": true,
        "greetings": ["Good day."], "example_dialogue": "<START>\nHm.", "post_history": "Stay kind."});
    user.post("/api/v1/personas", &persona).await.expect(201);
    for fact in ["I like tea", "I have a dog"] {
        user.post("/api/v1/personas/nan/memories", &json!({"fact": fact})).await.expect(201);
    }
    teach(&cluster, &user, "nan", &[("Where is the lighthouse?", "On the cape, by the sea.")]).await;
    let question = "Who kept the lighthouse on the cape?";
    let (shown, sections) = inspect(&user, "nan", &json!({"question": question})).await;
    let kinds: Vec<_> = sections.iter().map(|(kind, _)| kind.as_str()).collect();
    let expected =
        ["persona", "examples", "note", "memory", "memory", "note", "passage", "greeting", "question", "instructions"];
    assert_eq!(kinds, expected);
    assert_eq!(shown["sections"][6]["title"], "Where is the lighthouse?");
    let tokens = shown["sections"].as_array().unwrap().iter().map(|section| section["tokens"].as_u64().unwrap());
    assert_eq!(shown["total_tokens"].as_u64().unwrap(), tokens.sum::<u64>());
    assert_eq!((&shown["left_out"], &shown["lore"]), (&json!(0), &json!([])));

    let conversation = user.conversation("nan").await;
    user.ask(&conversation, question).await;
    assert_eq!(as_told(&shown), told(&cluster, question));

    // In a conversation what was said is before the question.
    let next = json!({"question": "And who came after?", "conversation_id": conversation});
    let (shown, _) = inspect(&user, "nan", &next).await;
    user.ask(&conversation, "And who came after?").await;
    assert_eq!(as_told(&shown), told(&cluster, "And who came after?"));
    assert_eq!(user.messages(&conversation).await.len(), 4, "an inspection is no message");
    assert_eq!(
        cluster.number("select count(*) from jobs where kind = 'prompt_inspection'").await,
        0,
        "nothing is kept"
    );

    let stranger = cluster.client(0).await;
    stranger.post("/api/v1/personas/nan/inspect", &json!({"question": question})).await.problem(404);
    user.post("/api/v1/personas/demo/inspect", &json!({"question": question})).await.problem(404);
    let theirs = json!({"question": question, "conversation_id": stranger.conversation("demo").await});
    user.post("/api/v1/personas/nan/inspect", &theirs).await.problem(404);
    let empty = user.post("/api/v1/personas/nan/inspect", &json!({"question": ""})).await;
    assert_eq!(empty.problem(422)["errors"][0]["field"], "question");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn lore_is_shown_with_its_reasons_and_leaves_no_trace() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    import(&user, "ada", card().to_string()).await.expect(201);
    let (shown, sections) = inspect(&user, "ada", &json!({"question": "Tell me of the ENGINE."})).await;
    let lore: Vec<_> = sections.iter().filter(|(kind, _)| kind == "lore").map(|(_, text)| text.as_str()).collect();
    assert_eq!(lore, ["It stays.", "The Engine weaves.", "Looms are loud."]);
    assert_eq!(
        texts(&items(&json!({"items": shown["lore"]})), "/reason"),
        ["key", "key_in_entry", "no_key", "key_does_not_compile", "key"]
    );
    assert_eq!(cluster.count("lore_receipts").await, 0);
    // What stays for a turn does not stay by an inspection.
    let (shown, _) = inspect(&user, "ada", &json!({"question": "And else?"})).await;
    assert_eq!(shown["lore"][4]["reason"], "no_key");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn without_a_worker_it_is_said_and_nothing_stays() {
    let cluster = Cluster::start(ClusterOptions::default().servers(1).workers(0)).await;
    let user = cluster.client(0).await;
    let persona = json!({"slug": "nan", "name": "Nan", "system_prompt": "You are kind."});
    user.post("/api/v1/personas", &persona).await.expect(201);
    let refused = user.post("/api/v1/personas/nan/inspect", &json!({"question": "Hm?"})).await;
    assert_eq!(refused.problem(503)["code"], "unavailable");
    assert_eq!(cluster.count("jobs").await, 0);
}
