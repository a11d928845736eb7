//! Conversations and their messages: lists by pages, renaming, deleting.

use serde_json::{Value, json};
use troupe_tests::{ClusterOptions, Gate, Script, provider::default_reply};

use crate::{cluster, small_cluster};

/// All pages of a list, and how many items each had.
async fn pages(user: &troupe_tests::Client, path: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut items, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = user.get(&format!("{path}?limit={limit}{after}")).await.expect(200);
        let found = page["items"].as_array().expect("items").clone();
        sizes.push(found.len());
        items.extend(found);
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (items, sizes),
        }
        assert!(sizes.len() < 100, "the list does not end");
    }
}

#[tokio::test]
async fn conversations_are_listed_by_pages_the_newest_first() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let stranger = cluster.client(1).await;
    stranger.conversation("demo").await;
    let mut opened = Vec::new();
    for n in 0..25 {
        let body = json!({"persona": "demo", "title": format!("Talk {n}")});
        let created = user.at(cluster.server(n % 2)).post("/api/v1/conversations", &body).await.expect(201);
        assert_eq!(created["title"], format!("Talk {n}"));
        assert_eq!(created["persona"], json!({"slug": "demo", "name": "Ada", "avatar_url": null}));
        opened.insert(0, created);
    }
    for (limit, sizes) in [(10, vec![10, 10, 5]), (25, vec![25]), (24, vec![24, 1]), (100, vec![25]), (1, vec![1; 25])]
    {
        let (listed, pages) = pages(&user, "/api/v1/conversations", limit).await;
        assert_eq!(listed, opened, "limit {limit}");
        assert_eq!(pages, sizes, "limit {limit}");
    }
    let all = user.get("/api/v1/conversations").await.expect(200);
    assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (25, &Value::Null));
    for query in ["limit=0", "limit=101", "limit=-1", "limit=ten", "after=nowhere", "page=2", "limit=5&limit=6"] {
        let answer = user.get(&format!("/api/v1/conversations?{query}")).await;
        assert_eq!(answer.problem(422)["code"], "invalid", "{query}");
    }
    cluster.assert_quiet().await;
}

fn titles(items: &[Value]) -> Vec<&str> {
    items.iter().map(|conversation| conversation["title"].as_str().expect("a title")).collect()
}

#[tokio::test]
async fn conversations_are_listed_by_their_last_message() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let mut opened = Vec::new();
    for title in ["one", "two", "three"] {
        let created = user.post("/api/v1/conversations", &json!({"persona": "demo", "title": title})).await.expect(201);
        assert_eq!(created["last_message_at"], Value::Null);
        opened.push(created);
    }
    let id = |n: usize| opened[n]["id"].as_str().unwrap();
    user.ask(id(0), "Hello").await;
    assert_eq!(titles(&pages(&user, "/api/v1/conversations", 2).await.0), ["one", "three", "two"]);
    user.ask(id(1), "Hello").await;
    assert_eq!(titles(&pages(&user, "/api/v1/conversations", 1).await.0), ["two", "one", "three"]);
    // Another title is no message.
    user.patch(&format!("/api/v1/conversations/{}", id(2)), &json!({"title": "drei"})).await.expect(200);
    let (listed, _) = pages(&user, "/api/v1/conversations", 100).await;
    assert_eq!(titles(&listed), ["two", "one", "drei"]);
    for (place, n) in [(0, 1), (1, 0), (2, 2)] {
        let read = user.get(&format!("/api/v1/conversations/{}", id(n))).await.expect(200);
        assert_eq!(listed[place], read);
        assert!(read["updated_at"].as_str() > opened[n]["updated_at"].as_str(), "{read}");
    }
    let messages = user.get(&format!("/api/v1/conversations/{}/messages", id(1))).await.expect(200);
    assert_eq!(listed[0]["last_message_at"], messages["items"][0]["created_at"]);
    assert_eq!(
        (&listed[0]["updated_at"], &listed[2]["last_message_at"]),
        (&listed[0]["last_message_at"], &Value::Null)
    );
    cluster.assert_quiet().await;
}

/// Between two pages conversations move up, from below the page and from above, and others are opened.
#[tokio::test]
async fn pages_of_conversations_are_of_one_moment() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let mut opened = Vec::new();
    for n in 0..9 {
        let body = json!({"persona": "demo", "title": n.to_string()});
        let created = user.post("/api/v1/conversations", &body).await.expect(201);
        opened.push(created["id"].as_str().unwrap().to_owned());
    }
    user.ask(&opened[4], "Hello").await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    for moving in [Some(0), Some(8), None, None] {
        let page = user.get(&format!("/api/v1/conversations?limit=3{after}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        seen.extend(titles(items).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
        if let Some(n) = moving {
            user.ask(&opened[n], "Hello again").await;
            user.conversation("demo").await;
        }
    }
    assert_eq!(seen, ["4", "8", "7", "6", "5", "3", "2", "1", "0"]);
    let page = user.get("/api/v1/conversations?limit=4").await.expect(200);
    let first = page["items"].as_array().unwrap().iter().map(|c| c["title"].clone()).collect::<Vec<_>>();
    assert_eq!(first, [Value::Null, json!("8"), Value::Null, json!("0")], "the newest first");
    let id = &opened[0];
    for wrong in [id.clone(), format!("1.{id}"), format!("9223372036854775807.1.{id}"), format!("1.-1.{id}")] {
        user.get(&format!("/api/v1/conversations?after={wrong}")).await.problem(422);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_conversation_can_be_renamed_and_deleted() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let conversation = user.conversation("demo").await;
    let kept = user.conversation("demo").await;
    let sent = user.send(&conversation, "Remember me").await;
    user.reply(&sent.request).await;
    let path = format!("/api/v1/conversations/{conversation}");

    let renamed = there.patch(&path, &json!({"title": "  Über das Meer 🌊 "})).await.expect(200);
    assert_eq!(renamed["title"], "Über das Meer 🌊");
    assert_eq!(user.get(&path).await.expect(200), renamed);

    let deleted = there.delete(&path).await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    user.get(&path).await.problem(404);
    user.delete(&path).await.problem(404);
    user.patch(&path, &json!({"title": "Back"})).await.problem(404);
    user.get(&format!("{path}/messages")).await.problem(404);
    user.get(&format!("/api/v1/requests/{}", sent.request)).await.problem(404);
    user.get(&format!("/api/v1/requests/{}/events", sent.request)).await.problem(404);
    user.post(&format!("{path}/messages"), &json!({"content": "Anybody?"})).await.problem(404);
    assert_eq!((cluster.count("messages").await, cluster.count("requests").await), (0, 0));
    let left = user.get("/api/v1/conversations").await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect::<Vec<_>>(), [kept]);
    cluster.assert_quiet().await;
}

/// The reply that is being written belongs to nobody any more: it stops, and nothing of it is left.
#[tokio::test]
async fn a_conversation_can_be_deleted_while_a_reply_is_written() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    user.send(&conversation, "And then?").await;
    gate.release(1);
    socket.shown(&sent.request, "One ").await;
    assert_eq!(user.delete(&format!("/api/v1/conversations/{conversation}")).await.status, 204);
    gate.open();
    let other = user.conversation("demo").await;
    let elsewhere = user.send(&other, "Elsewhere").await;
    socket.ended(&elsewhere.request).await;
    assert_eq!(socket.transcript(&elsewhere.request).completed(), default_reply("Elsewhere"));
    assert_eq!(socket.frames().iter().filter(|frame| frame.json["type"] == "reply.completed").count(), 1);
    assert!(cluster.provider.calls_of("And then?").is_empty());
    assert_eq!((cluster.count("messages").await, cluster.count("requests").await), (2, 1));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn messages_are_listed_by_pages_the_newest_first() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let mut said = Vec::new();
    for n in 0..7 {
        let question = format!("Question {n}");
        let reply = user.ask(&conversation, &question).await;
        said.splice(0..0, [("assistant", reply), ("user", question)]);
    }
    let path = format!("/api/v1/conversations/{conversation}/messages");
    for (limit, sizes) in [(5, vec![5, 5, 4]), (7, vec![7, 7]), (14, vec![14]), (1, vec![1; 14])] {
        let (listed, pages) = pages(&user, &path, limit).await;
        let listed: Vec<_> =
            listed.iter().map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap().to_owned())).collect();
        assert_eq!(listed, said, "limit {limit}");
        assert_eq!(pages, sizes, "limit {limit}");
    }
    let empty = user.conversation("demo").await;
    let page = user.get(&format!("/api/v1/conversations/{empty}/messages")).await.expect(200);
    assert_eq!(page, json!({"items": [], "next": null, "newer": null}));
    user.get(&format!("{path}?after=nowhere")).await.problem(422);
    cluster.assert_quiet().await;
}

/// A message's name in another's conversation is no place in this one.
#[tokio::test]
async fn a_page_cannot_begin_at_another_users_message() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let stranger = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "Mine").await;
    let theirs = stranger.conversation("demo").await;
    let sent = stranger.send(&theirs, "Theirs").await;
    stranger.reply(&sent.request).await;
    let page = user.get(&format!("/api/v1/conversations/{conversation}/messages?after={}", sent.message)).await;
    let told = page.status.as_u16() == 200 && !page.body["items"].as_array().unwrap().is_empty();
    assert!(!told, "a cursor of another's list tells how it lies in time: {}", page.text);
    cluster.assert_quiet().await;
}

/// Replies of earlier turns are stored after a question that waited behind them; they must not crowd it out of its own
/// prompt.
#[tokio::test]
async fn a_question_that_waited_behind_many_is_still_the_question() {
    let cluster = ClusterOptions::default().workers(1).set("TROUPE_WORKER__HISTORY_MESSAGES", "4").start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("First", [Script::gated(["Well."], &gate)]);
    let first = user.send(&conversation, "First").await;
    gate.reached(1).await;
    let mut waiting = Vec::new();
    for n in 0..6 {
        let question = format!("Waiting {n}");
        waiting.push((user.send(&conversation, &question).await, question));
    }
    gate.open();
    assert_eq!(user.reply(&first.request).await, "Well.");
    for (sent, question) in waiting {
        assert_eq!(user.reply(&sent.request).await, default_reply(&question));
    }
    cluster.assert_quiet().await;
}
