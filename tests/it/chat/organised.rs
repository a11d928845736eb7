//! Conversations that are pinned, archived, filed, temporary, exported and searched.

use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, ClusterOptions, within};

use crate::{cluster, small_cluster};

async fn titles(user: &Client, query: &str) -> Vec<String> {
    let listed = user.get(&format!("/api/v1/conversations{query}")).await.expect(200);
    let title = |item: &Value| item["title"].as_str().unwrap_or_default().to_owned();
    listed["items"].as_array().expect("items").iter().map(title).collect()
}

async fn open(user: &Client, title: &str) -> String {
    let body = json!({"persona": "demo", "title": title});
    let created = user.post("/api/v1/conversations", &body).await.expect(201);
    format!("/api/v1/conversations/{}", created["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn conversations_are_pinned_archived_and_filed() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let (sea, hill, town) = (open(&user, "Sea").await, open(&user, "Hill").await, open(&user, "Town").await);
    let pinned = user.patch(&sea, &json!({"pinned": true, "folder": " Places "})).await.expect(200);
    assert!(pinned["pinned_at"].is_string());
    assert_eq!(pinned["folder"], "Places");
    let told = socket.wait_for("a word of it", |event| event["type"] == "conversation.updated").await;
    assert_eq!(told["conversation"], pinned);
    user.patch(&hill, &json!({"folder": "Places"})).await.expect(200);
    user.patch(&town, &json!({"archived": true, "folder": "Places"})).await.expect(200);

    assert_eq!(titles(&user, "").await, ["Hill", "Sea"]);
    assert_eq!(titles(&user, "?pinned=true").await, ["Sea"]);
    assert_eq!(titles(&user, "?pinned=false").await, ["Hill"]);
    assert_eq!(titles(&user, "?archived=true").await, ["Town"]);
    assert_eq!(titles(&user, "?folder=Places&limit=1").await, ["Hill"]);
    let folders = user.get("/api/v1/conversations/folders").await.expect(200);
    assert_eq!(folders["items"], json!([{"name": "Places", "conversations": 2}]));

    let cleared = user.patch(&sea, &json!({"pinned": false, "folder": null})).await.expect(200);
    assert_eq!((&cleared["pinned_at"], &cleared["folder"]), (&Value::Null, &Value::Null));
    let kept = user.patch(&sea, &json!({"title": "The sea"})).await.expect(200);
    assert_eq!(kept["title"], "The sea");
    for (body, field) in [
        (json!({"folder": ""}), "folder"),
        (json!({"folder": "x".repeat(61)}), "folder"),
        (json!({"title": ""}), "title"),
    ] {
        assert_eq!(user.patch(&sea, &body).await.problem(422)["errors"][0]["field"], field);
    }
    user.delete(&sea).await.expect(204);
    socket.wait_for("a word of its end", |event| event["type"] == "conversation.deleted").await;
}

#[tokio::test]
async fn a_temporary_conversation_leaves_nothing_behind() {
    let options = ClusterOptions::default()
        .set("TROUPE_HOUSEKEEPING__INTERVAL", "100ms")
        .set("TROUPE_HOUSEKEEPING__PAUSE", "1ms");
    let cluster = Cluster::start(options).await;
    let user = cluster.client(0).await;
    let persona =
        json!({"slug": "nan", "name": "Nan", "system_prompt": "Be kind.", "visibility": "public", "remembers": true});
    user.post("/api/v1/personas", &persona).await.expect(201);
    let body = json!({"persona": "nan", "temporary": true});
    let created = user.post("/api/v1/conversations", &body).await.expect(201);
    assert_eq!(created["temporary"], true);
    let id = created["id"].as_str().expect("an id");
    user.ask(id, "My name is Zebulon.").await;
    assert_eq!(titles(&user, "").await, Vec::<String>::new());
    assert_eq!(found(&user, "Zebulon").await, Vec::<String>::new());
    // In a lasting one the same is remembered, and by then the temporary one's reply is long over.
    let lasting = user.conversation("nan").await;
    user.ask(&lasting, "My name is Barnabas.").await;
    let facts = within("a memory", async {
        loop {
            let listed = user.get("/api/v1/personas/nan/memories").await.expect(200);
            if listed["items"].as_array().is_some_and(|items| !items.is_empty()) {
                return listed.to_string();
            }
        }
    })
    .await;
    assert!(facts.contains("Barnabas") && !facts.contains("Zebulon"), "{facts}");

    let age = format!(
        "with aged as (update conversations set created_at = now() - interval '25 hours' where id = '{id}' returning id),
             older as (update messages set created_at = now() - interval '25 hours' where conversation_id = '{id}' returning id)
         select count(*) from aged"
    );
    assert_eq!(cluster.number(&age).await, 1);
    within("its end", async {
        while cluster.number(&format!("select count(*) from conversations where id = '{id}'")).await > 0 {}
    })
    .await;
    assert_eq!(user.messages(&lasting).await.len(), 2);
}

/// What a search finds: the hits among its pieces, marked.
async fn found(user: &Client, words: &str) -> Vec<String> {
    let call = user.call(reqwest::Method::GET, "/api/v1/search/messages").query(&[("q", words)]);
    let listed = user.answer(call).await.expect(200);
    let excerpt = |item: &Value| {
        let piece = |piece: &Value| {
            let text = piece["text"].as_str().expect("text");
            if piece["hit"] == true { format!("[{text}]") } else { text.to_owned() }
        };
        item["excerpt"].as_array().expect("pieces").iter().map(piece).collect::<String>()
    };
    listed["items"].as_array().expect("items").iter().map(excerpt).collect()
}

/// Has a worker put all messages into the index, as it does once they have settled.
async fn index_all(cluster: &Cluster) {
    let older =
        "with older as (update messages set id = overlay(id::text placing '0190' from 1 for 4)::uuid returning id)
                 select count(*) from older";
    let messages = cluster.number(older).await;
    let due = "with due as (update schedules set last_run = now() - interval '1 day' where name = 'index_messages' returning name)
               select count(*) from due";
    within("the index", async {
        while cluster.number("select count(*) from message_words").await < messages {
            cluster.number(due).await;
        }
    })
    .await;
}

#[tokio::test]
async fn messages_are_found_by_their_words() {
    let cluster = small_cluster().await;
    let (user, stranger) = (cluster.client(0).await, cluster.client(0).await);
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "Where do gulls sleep?").await;
    user.ask(&conversation, "And the Größe of a \u{e000}wave\u{e001}?").await;
    stranger.ask(&stranger.conversation("demo").await, "Gulls again").await;

    let has = |found: Vec<String>, text: &str| found.iter().any(|found| found.starts_with(text));
    assert!(has(found(&user, "gulls").await, "Where do [gulls] sleep"), "before it is in the index");
    // Newer ones in a temporary conversation, or in a fork of it, take no place on a page.
    let temporary = json!({"persona": "demo", "temporary": true});
    let temporary = user.post("/api/v1/conversations", &temporary).await.expect(201);
    let temporary = temporary["id"].as_str().expect("an id");
    let secret = user.send(temporary, "Secret gulls").await.request;
    user.reply(&secret).await;
    let fork =
        user.post(&format!("/api/v1/conversations/{temporary}/fork"), &json!({"until": secret})).await.expect(201);
    assert_eq!(fork["temporary"], true);
    let page = user.get("/api/v1/search/messages?q=gulls&limit=1").await.expect(200);
    assert_eq!(page["items"][0]["conversation"]["id"], json!(conversation));
    for of in [temporary, fork["id"].as_str().expect("an id")] {
        user.delete(&format!("/api/v1/conversations/{of}")).await.expect(204);
    }
    index_all(&cluster).await;
    assert!(has(found(&user, "gulls").await, "Where do [gulls] sleep"), "by the index");
    assert!(has(found(&user, "GUL").await, "Where do [gulls] sleep"), "the last word may be a beginning");
    assert!(found(&user, "sleep gulls").await.iter().any(|text| text.contains("[gulls]")), "in any order");
    assert!(found(&user, "größe").await.iter().any(|text| text.contains("[Größe] of a wave")), "marks are ours alone");
    assert!(found(&user, "again").await.is_empty(), "nobody finds what others have written");
    assert!(found(&user, "gulls zebra").await.is_empty());
    for odd in ["' & | ! ( ) :* \\", "<->", "gulls'", "\\'", "a:b & c"] {
        found(&user, odd).await;
    }
    let path = "/api/v1/search/messages?q=gulls&limit=1";
    let first = user.get(path).await.expect(200);
    let next = first["next"].as_str().expect("question and reply");
    let second = user.get(&format!("{path}&after={next}")).await.expect(200);
    assert_ne!(first["items"][0]["message_id"], second["items"][0]["message_id"]);
    assert_eq!(first["items"][0]["conversation"]["id"], json!(conversation));
    assert_eq!(user.get("/api/v1/search/messages?q=").await.problem(422)["errors"][0]["field"], "q");
    assert_eq!(user.get("/api/v1/search/messages?q=%00").await.problem(422)["errors"][0]["field"], "q");
}

#[tokio::test]
async fn an_export_is_the_chosen_path() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let request = user.send(&conversation, "# Hello").await.request;
    let reply = user.reply(&request).await;
    let path = format!("/api/v1/conversations/{conversation}");
    user.patch(&path, &json!({"title": "Letters"})).await.expect(200);
    let file = user.get(&format!("{path}/export")).await;
    assert_eq!(
        file.header("content-disposition"),
        format!("attachment; filename=\"conversation-{conversation}.json\"")
    );
    let file = file.expect(200);
    assert_eq!((&file["conversation"]["title"], &file["messages"][1]["content"]), (&json!("Letters"), &json!(reply)));
    let call = user.call(reqwest::Method::GET, &format!("{path}/export?format=markdown"));
    let text = call.send().await.expect("an answer").text().await.expect("text");
    assert!(text.starts_with("# Letters\n\n**You**, ") && text.contains("\n\n# Hello\n\n**Ada**, "), "{text}");
    cluster.client(1).await.get(&format!("{path}/export")).await.problem(404);
    user.get(&format!("{path}/export?format=pdf")).await.problem(422);
}
