//! What a model can be trained with: whose it is, what is masked, and that an item never changes its part.

use std::collections::HashSet;

use serde_json::{Value, json};
use troupe_tests::{
    Client, ClusterOptions, Script,
    provider::{Finish, default_reply},
};

use crate::{
    chat::feedback::asked,
    interview::answers::{owner, put, questions},
    small_cluster,
};

async fn rate(user: &Client, request: &str, body: Value) {
    user.post(&format!("/api/v1/requests/{request}/feedback"), &body).await.expect(200);
}

/// The chats that an export holds, as (question, answer); each with the persona's prompt.
async fn chats(owner: &Client, query: &str) -> Vec<(String, String)> {
    let answer = owner.get(&format!("/api/v1/personas/nan/training.jsonl{query}")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/jsonl"), "{}", answer.text);
    assert!(answer.text.is_empty() || answer.text.ends_with('\n'));
    let chat = |line: &str| {
        let chat: Value = serde_json::from_str(line).expect("JSON");
        let said = |at: usize, role: &str| {
            assert_eq!(chat["messages"][at]["role"], role, "{line}");
            chat["messages"][at]["content"].as_str().expect("text").to_owned()
        };
        assert_eq!(chat["messages"].as_array().map(Vec::len), Some(3), "{line}");
        assert_eq!(said(0, "system"), "You are kind.");
        (said(1, "user"), said(2, "assistant"))
    };
    answer.text.lines().map(chat).collect()
}

#[tokio::test]
async fn it_holds_final_answers_and_good_replies_that_are_the_owners_to_have() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let user = cluster.client(0).await;
    assert_eq!(chats(&owner, "").await, []);
    let page = owner.get("/api/v1/questions?limit=3").await.expect(200);
    let question = |n: usize, field: &str| page["items"][n][field].as_str().unwrap().to_owned();
    put(&owner, "nan", &question(0, "id"), "The sea,\nand my \"aunt\" 🌊", "final").await.expect(201);
    put(&owner, "nan", &question(1, "id"), "Not yet.", "draft").await.expect(201);
    put(&owner, "nan", &question(2, "id"), "Never mind.", "final").await.expect(201);
    let path = format!("/api/v1/personas/nan/responses/{}", question(2, "id"));
    assert_eq!(owner.delete(&path).await.status, 204);

    cluster.provider.on("Shared but cut", [Script::text("Half of").ending(Finish::Length)]);
    for (who, text, rating) in [
        (&owner, "Mine", Some(json!({"rating": "up"}))),
        (&owner, "Mine, bad", Some(json!({"rating": "down", "share": true}))),
        (&owner, "Mine, unrated", None),
        (&user, "Kept", Some(json!({"rating": "up"}))),
        (&user, "Shared", Some(json!({"rating": "up", "share": true}))),
        (&user, "Shared but cut", Some(json!({"rating": "up", "share": true}))),
    ] {
        let request = asked(who, "nan", text).await;
        if let Some(rating) = rating {
            rate(who, &request, rating).await;
        }
    }
    let first = (question(0, "text"), "The sea,\nand my \"aunt\" 🌊".to_owned());
    let reply = |text: &str| (text.to_owned(), default_reply(text));
    assert_eq!(chats(&owner, "").await, [first.clone(), reply("Mine"), reply("Shared")]);

    // What was given can be taken back: by another rating, or with the conversation.
    let id: String =
        sqlx::query_scalar("select request_id::text from messages where content = 'Shared' and role = 'user'")
            .fetch_one(&cluster.db)
            .await
            .unwrap();
    rate(&user, &id, json!({"rating": "up"})).await;
    assert_eq!(chats(&owner, "").await, [first.clone(), reply("Mine")]);
    rate(&user, &id, json!({"rating": "up", "share": true})).await;
    let conversation = user.request(&id).await["conversation_id"].as_str().unwrap().to_owned();
    assert_eq!(user.delete(&format!("/api/v1/conversations/{conversation}")).await.status, 204);
    assert_eq!(chats(&owner, "").await, [first, reply("Mine")]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn secrets_and_addresses_are_masked_in_all_parts_of_a_chat() {
    let cluster = small_cluster().await;
    let owner = cluster.client(0).await;
    let key = format!("sk-proj-{}", "a1B2c3D4".repeat(5));
    let persona = json!({"slug": "nan", "name": "Nan", "system_prompt": format!("You are kind. Your key is {key}.")});
    owner.post("/api/v1/personas", &persona).await.expect(201);
    let question = questions(&owner, 1).await.remove(0);
    let answer = format!("Write to nan@example.com, with {key}, card 4111 1111 1111 1111.");
    put(&owner, "nan", &question, &answer, "final").await.expect(201);
    let asked_with = format!("My password is hunter2, and {key}");
    cluster.provider.on(&asked_with, [Script::text("Bearer 0123456789abcdef, is it?")]);
    let request = asked(&owner, "nan", &asked_with).await;
    rate(&owner, &request, json!({"rating": "up"})).await;
    let text = owner.get("/api/v1/personas/nan/training.jsonl").await.text;
    for secret in [key.as_str(), "nan@example.com", "4111", "hunter2", "0123456789abcdef"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    for rest in [
        r#""content":"You are kind. Your key is [masked].""#,
        r#""content":"Write to [e-mail address], with [masked], card [card number].""#,
        r#""content":"My password is [masked], and [masked]""#,
        r#""content":"Bearer [masked], is it?""#,
    ] {
        assert!(text.contains(rest), "{rest} is not in {text}");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_item_stays_in_its_part_when_others_come() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let owner = owner(&cluster, "nan").await;
    let import = async |from: usize, to: usize| {
        let row = |n: usize| json!({"question": format!("Question {n}?"), "content": format!("A{n}")});
        let rows: Value = (from..to).map(row).collect();
        owner.post("/api/v1/personas/nan/responses/import", &rows).await.expect(200);
    };
    let part = async |query: &str| chats(&owner, query).await.into_iter().collect::<HashSet<_>>();
    // More than a page.
    import(0, 120).await;
    let (train, validation) = (part("?part=train").await, part("?part=validation").await);
    assert!(!validation.is_empty() && train.len() > validation.len() && train.is_disjoint(&validation));
    assert_eq!(&train | &validation, part("").await);
    assert_eq!(train.len() + validation.len(), 120);

    import(120, 240).await;
    let (more, held_back) = (part("?part=train").await, part("?part=validation").await);
    assert!(more.is_superset(&train) && held_back.is_superset(&validation));
    assert_eq!(more.len() + held_back.len(), 240);
    // With a greater share items only move to validation.
    let half = part("?part=validation&validation=0.5").await;
    assert!(half.is_superset(&held_back) && half.len() > held_back.len());
    assert_eq!(half.len() + part("?part=train&validation=0.5").await.len(), 240);
    assert!(part("?part=validation&validation=0").await.is_empty());

    let named = owner.get("/api/v1/personas/nan/training.jsonl?part=train").await;
    assert_eq!(named.header("content-disposition"), "attachment; filename=\"nan-train.jsonl\"");
    assert_eq!(named.header("cache-control"), "no-store");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn it_is_the_owners_alone_and_what_is_asked_wrongly_is_refused() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let owner = owner(&cluster, "nan").await;
    let stranger = cluster.client(0).await;
    for (who, slug) in
        [(&stranger, "nan"), (&stranger, "demo"), (&owner, "demo"), (&owner, "nobody"), (&owner, "N%20o")]
    {
        let refused = who.get(&format!("/api/v1/personas/{slug}/training.jsonl")).await;
        assert_eq!(refused.problem(404)["code"], "not_found", "{slug}");
    }
    for query in
        ["part=test", "part=", "validation=0.51", "validation=-0.1", "validation=NaN", "validation=x", "colour=red"]
    {
        owner.get(&format!("/api/v1/personas/nan/training.jsonl?{query}")).await.problem(422);
    }
    cluster.assert_quiet().await;
}
