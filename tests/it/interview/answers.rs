//! The interview: questions, and answers with their history.

use std::collections::HashSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Cluster};

use crate::{cluster, cluster_without_workers, small_cluster};

pub(crate) const NOBODY: &str = "00000000-0000-7000-8000-00000000000f";

/// A user with a persona of their own.
pub(crate) async fn owner(cluster: &Cluster, slug: &str) -> Client {
    let owner = cluster.client(0).await;
    let persona = json!({"slug": slug, "name": "Nan", "system_prompt": "You are kind.", "visibility": "public"});
    owner.post("/api/v1/personas", &persona).await.expect(201);
    owner
}

pub(crate) async fn put(user: &Client, slug: &str, question: &str, content: &str, status: &str) -> Answer {
    let path = format!("/api/v1/personas/{slug}/responses/{question}");
    user.answer(user.call(Method::PUT, &path).json(&json!({"content": content, "status": status}))).await
}

pub(crate) fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().expect("items").clone()
}

pub(crate) fn texts(values: &[Value], pointer: &str) -> Vec<String> {
    values.iter().map(|value| value.pointer(pointer).and_then(Value::as_str).expect("text").to_owned()).collect()
}

/// The ids of the first questions.
pub(crate) async fn questions(user: &Client, count: usize) -> Vec<String> {
    let page = user.get(&format!("/api/v1/questions?limit={count}")).await.expect(200);
    texts(&items(&page), "/id")
}

/// What the index must still be told of: (source, how often it was marked again). No worker takes any of it.
async fn index_work(cluster: &Cluster) -> Vec<(String, i32)> {
    let work =
        "select split_part(key, ':', 2), attempt from jobs where kind = 'index' and key like 'response:%' order by 1";
    sqlx::query_as(work).fetch_all(&cluster.db).await.unwrap()
}

#[tokio::test]
async fn the_bank_is_there_and_own_questions_follow_it() {
    let cluster = small_cluster().await;
    let (user, stranger) = (cluster.client(0).await, cluster.client(0).await);
    let (mut bank, mut after) = (Vec::new(), String::new());
    loop {
        let page = user.get(&format!("/api/v1/questions?limit=30{after}")).await.expect(200);
        bank.extend(items(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert!(bank.len() >= 60, "only {} questions", bank.len());
    assert_eq!(texts(&bank, "/text").into_iter().collect::<HashSet<_>>().len(), bank.len(), "one is there twice");
    let mut categories = texts(&bank, "/category");
    categories.dedup();
    let different: HashSet<_> = categories.iter().cloned().collect();
    assert!(different.len() >= 8 && different.len() == categories.len(), "categories are mixed up: {categories:?}");
    assert!(bank.iter().all(|question| question["own"] == false && question["answer"] == Value::Null));

    let text = "How did you learn to bake bread?";
    let own = user.post("/api/v1/questions", &json!({ "text": text })).await.expect(201);
    assert_eq!((&own["text"], &own["category"], &own["own"]), (&json!(text), &json!("own"), &json!(true)));
    assert_eq!(items(&user.get("/api/v1/questions?mine=true").await.expect(200)), std::slice::from_ref(&own));
    assert_eq!(items(&user.get("/api/v1/questions?limit=100").await.expect(200)).last(), Some(&own));
    assert_eq!(items(&user.get("/api/v1/questions?category=own").await.expect(200)), std::slice::from_ref(&own));
    let beginnings = items(&user.get("/api/v1/questions?category=beginnings").await.expect(200));
    assert_eq!(beginnings, bank.iter().filter(|q| q["category"] == "beginnings").cloned().collect::<Vec<_>>());

    // The same in other letters, and one of the bank's, are there already.
    for text in [" how did you  learn to BAKE bread ", bank[0]["text"].as_str().unwrap()] {
        let again = user.post("/api/v1/questions", &json!({ "text": text })).await;
        assert_eq!(again.problem(409)["code"], "question_exists", "{text}");
    }
    let keyed = async |text: &str| {
        let call = user.call(Method::POST, "/api/v1/questions").header("idempotency-key", "q-1");
        user.answer(call.json(&json!({"text": text, "category": "kitchen"}))).await
    };
    let (first, again) = (keyed("What is in your cellar?").await, keyed("What is in your cellar?").await);
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
    keyed("What else?").await.problem(422);

    // Nobody else sees them, or deletes them.
    assert_eq!(items(&stranger.get("/api/v1/questions?mine=true").await.expect(200)), [] as [Value; 0]);
    stranger.post("/api/v1/questions", &json!({ "text": text })).await.expect(201);
    let path = format!("/api/v1/questions/{}", own["id"].as_str().unwrap());
    stranger.delete(&path).await.problem(404);
    user.delete(&format!("/api/v1/questions/{}", bank[0]["id"].as_str().unwrap())).await.problem(404);
    assert_eq!(user.delete(&path).await.status, 204);
    user.delete(&path).await.problem(404);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn every_version_of_an_answer_is_kept() {
    let cluster = cluster_without_workers().await;
    let owner = owner(&cluster, "nan").await;
    let there = owner.at(cluster.server(1));
    let question = questions(&owner, 1).await.remove(0);
    let path = format!("/api/v1/personas/nan/responses/{question}");
    owner.get(&path).await.problem(404);

    let first = put(&owner, "nan", &question, "The sea, and my aunt.", "draft").await;
    assert_eq!(first.header("etag"), "\"1\"");
    let first = first.expect(201);
    assert_eq!(
        (&first["version"], &first["words"], &first["question"]["id"]),
        (&json!(1), &json!(5), &json!(question))
    );
    assert!(index_work(&cluster).await.is_empty(), "a draft is no knowledge");
    let second = put(&there, "nan", &question, "The sea, and my aunt Mary.", "final").await.expect(200);
    assert_eq!((&second["id"], &second["version"]), (&first["id"], &json!(2)));
    let id = first["id"].as_str().unwrap().to_owned();
    assert_eq!(index_work(&cluster).await, [(id.clone(), 0)]);
    // The same again is no change.
    assert_eq!(put(&owner, "nan", &question, "The sea, and my aunt Mary.", "final").await.expect(200), second);
    put(&owner, "nan", &question, "Only the sea.", "final").await.expect(200);
    put(&owner, "nan", &question, "Only the sea.", "draft").await.expect(200);
    assert_eq!(index_work(&cluster).await, [(id.clone(), 2)], "a change, and that it is no longer known");

    let shown = there.get(&path).await;
    assert_eq!(shown.header("etag"), "\"4\"");
    let shown = shown.expect(200);
    let history: Vec<_> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["version"].clone(), v["content"].clone(), v["status"].clone()))
        .collect();
    let version = |version: i32, content: &str, status: &str| (json!(version), json!(content), json!(status));
    let kept = [
        version(3, "Only the sea.", "final"),
        version(2, "The sea, and my aunt Mary.", "final"),
        version(1, "The sea, and my aunt.", "draft"),
    ];
    assert_eq!(history, kept);
    assert_eq!((&shown["version"], &shown["status"]), (&json!(4), &json!("draft")));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_answer_is_deleted_and_restored() {
    let cluster = cluster_without_workers().await;
    let owner = owner(&cluster, "nan").await;
    let own = owner.post("/api/v1/questions", &json!({"text": "What is in your cellar?"})).await.expect(201);
    let question = own["id"].as_str().unwrap();
    let path = format!("/api/v1/personas/nan/responses/{question}");
    let written = put(&owner, "nan", question, "Coal.", "final").await.expect(201);
    assert_eq!(owner.delete(&path).await.status, 204);
    owner.delete(&path).await.problem(404);
    owner.get(&path).await.problem(404);
    assert_eq!(items(&owner.get("/api/v1/personas/nan/responses").await.expect(200)), [] as [Value; 0]);
    let deleted = items(&owner.get("/api/v1/personas/nan/responses?deleted=true").await.expect(200));
    assert_eq!((deleted.len(), &deleted[0]["id"], deleted[0]["deleted_at"].is_string()), (1, &written["id"], true));
    let id = written["id"].as_str().unwrap().to_owned();
    assert_eq!(index_work(&cluster).await, [(id.clone(), 1)], "it was known, and is not any more");
    // Its question is in use as long as it can be restored.
    assert_eq!(owner.delete(&format!("/api/v1/questions/{question}")).await.problem(409)["code"], "question_in_use");

    let restored = owner.post(&format!("{path}/restore"), &Value::Null).await.expect(200);
    assert_eq!(restored, written);
    assert_eq!(
        owner.post(&format!("{path}/restore"), &Value::Null).await.expect(200),
        written,
        "once more does no harm"
    );
    assert_eq!(index_work(&cluster).await, [(id.clone(), 2)]);

    // Or it is written anew, with its history.
    owner.delete(&path).await;
    let call = owner
        .call(Method::PUT, &path)
        .header("if-match", "\"1\"")
        .json(&json!({"content": "Wine.", "status": "final"}));
    assert_eq!(owner.answer(call).await.problem(412)["code"], "outdated");
    let anew = put(&owner, "nan", question, "Wine.", "final").await.expect(200);
    assert_eq!((&anew["id"], &anew["version"], &anew["deleted_at"]), (&written["id"], &json!(2), &Value::Null));

    // With the persona goes all that was answered for it, with the account everything.
    assert_eq!(owner.delete("/api/v1/personas/nan").await.status, 204);
    assert_eq!((cluster.count("responses").await, cluster.count("response_versions").await), (0, 0));
    let owner = self::owner(&cluster, "again").await;
    let own = owner.post("/api/v1/questions", &json!({"text": "And in your attic?"})).await.expect(201);
    put(&owner, "again", own["id"].as_str().unwrap(), "Bats.", "final").await.expect(201);
    let gone = sqlx::query("delete from users where email = $1").bind(&owner.email).execute(&cluster.db).await.unwrap();
    assert_eq!((gone.rows_affected(), cluster.count("responses").await), (1, 0));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_change_of_what_has_changed_meanwhile_is_refused() {
    let cluster = cluster().await;
    let owner = owner(&cluster, "nan").await;
    let question = questions(&owner, 1).await.remove(0);
    let path = format!("/api/v1/personas/nan/responses/{question}");
    let change = |tag: &'static str, content: String, server: usize| {
        let there = owner.at(cluster.server(server));
        let path = path.clone();
        async move {
            let call = there.call(Method::PUT, &path).header("if-match", tag);
            there.answer(call.json(&json!({"content": content, "status": "draft"}))).await
        }
    };
    assert_eq!(change("\"1\"", "Too early.".into(), 0).await.problem(412)["code"], "outdated");
    put(&owner, "nan", &question, "First.", "draft").await.expect(201);
    // Of many who know the same version, one changes it.
    let answers = join_all((0..8).map(|n| change("\"1\"", format!("Second, by {n}."), n % 2))).await;
    let changed: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!((changed.len(), &changed[0].body["version"]), (1, &json!(2)));
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.problem(412)["code"] == "outdated"));
    change("1", "No tag.".into(), 0).await.problem(422);
    // First answers of all at once are one answer with its versions.
    let question = questions(&owner, 2).await.remove(1);
    let answers = join_all((0..8).map(|n| {
        let there = owner.at(cluster.server(n % 2));
        let question = question.clone();
        async move { put(&there, "nan", &question, &format!("By {n}."), "final").await }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let versions: HashSet<_> = answers.iter().map(|answer| answer.body["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, (1..=8).collect());
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn answers_are_listed_by_pages_and_filters() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let ids = questions(&owner, 100).await;
    for (n, id) in ids.iter().take(12).enumerate() {
        let content = format!("Answer {n}{}", if n == 3 { " with a Lighthouse" } else { "" });
        put(&owner, "nan", id, &content, if n % 2 == 0 { "final" } else { "draft" }).await.expect(201);
    }
    let list = |query: &str| {
        let path = format!("/api/v1/personas/nan/responses?{query}");
        let owner = owner.clone();
        async move { owner.get(&path).await.expect(200) }
    };
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&format!("limit=5{after}")).await;
        all.extend(items(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let mut newest_first = ids[..12].to_vec();
    newest_first.reverse();
    assert_eq!(texts(&all, "/question/id"), newest_first);
    assert_eq!(items(&list("status=draft").await).len(), 6);
    assert_eq!(items(&list("category=family").await).len(), 4);
    assert_eq!(texts(&items(&list("q=LIGHTHOUSE").await), "/content"), ["Answer 3 with a Lighthouse"]);
    assert_eq!(texts(&items(&list("q=front%20door").await), "/content"), ["Answer 1"], "by its question");
    assert_eq!(items(&list("q=100%25_").await), [] as [Value; 0]);
    let open = items(&owner.get("/api/v1/questions?persona=nan&answered=false&limit=100").await.expect(200));
    assert_eq!(texts(&open, "/id"), ids[12..]);
    let answered = items(&owner.get("/api/v1/questions?persona=nan&answered=true").await.expect(200));
    assert_eq!(texts(&answered[..2], "/answer"), ["final", "draft"]);
    for query in ["status=done", "limit=0", "after=x", "colour=red", "q=%00", "deleted=perhaps"] {
        owner.get(&format!("/api/v1/personas/nan/responses?{query}")).await.problem(422);
    }
    for query in ["answered=true", "category=%00", "after=x", "limit=101", "mine=perhaps"] {
        owner.get(&format!("/api/v1/questions?{query}")).await.problem(422);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_interview_is_its_owners_alone() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let stranger = self::owner(&cluster, "other").await;
    let question = questions(&owner, 1).await.remove(0);
    put(&owner, "nan", &question, "Mine.", "final").await.expect(201);
    let own = owner.post("/api/v1/questions", &json!({"text": "Mine?"})).await.expect(201);
    let own = own["id"].as_str().unwrap();
    let row = json!([{"question_id": question, "content": "Yours."}]);
    for slug in ["nan", "demo", "nobody", "N%20o"] {
        let path = format!("/api/v1/personas/{slug}/responses");
        let refused = [
            stranger.get(&path).await,
            stranger.get(&format!("{path}/{question}")).await,
            put(&stranger, slug, &question, "Yours.", "final").await,
            stranger.delete(&format!("{path}/{question}")).await,
            stranger.post(&format!("{path}/{question}/restore"), &Value::Null).await,
            stranger.post(&format!("{path}/import"), &row).await,
            stranger.get(&format!("{path}/export")).await,
            stranger.get(&format!("/api/v1/personas/{slug}/analytics")).await,
            stranger.get(&format!("/api/v1/questions/daily?persona={slug}")).await,
            stranger.get(&format!("/api/v1/questions?persona={slug}")).await,
        ];
        for answer in refused {
            assert_eq!(answer.problem(404)["code"], "not_found", "{slug}");
        }
    }
    // Nor is somebody else's question there to be answered.
    put(&stranger, "other", own, "Yours.", "final").await.problem(404);
    put(&stranger, "other", NOBODY, "Yours.", "final").await.problem(404);
    let report = stranger
        .post("/api/v1/personas/other/responses/import", &json!([{"question_id": own, "content": "Yours."}]))
        .await;
    assert_eq!(report.problem(422)["code"], "import_refused");
    assert_eq!(cluster.count("responses").await, 1);
    assert_eq!(cluster.number("select count(*) from responses where content = 'Mine.'").await, 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_answer_that_is_wrong_is_refused_with_the_field_at_fault() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let question = questions(&owner, 1).await.remove(0);
    let path = format!("/api/v1/personas/nan/responses/{question}");
    for (body, field) in [
        (json!({"status": "final"}), "content"),
        (json!({"content": " \n", "status": "final"}), "content"),
        (json!({"content": "a\0b", "status": "final"}), "content"),
        (json!({"content": "x".repeat(32_769), "status": "final"}), "content"),
        (json!({"content": "c"}), "status"),
        (json!({"content": "c", "status": "done"}), "status"),
        (json!({"content": "c", "status": "final", "version": 1}), "version"),
    ] {
        let answer = owner.answer(owner.call(Method::PUT, &path).json(&body)).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{}", answer.text);
    }
    for (body, field) in [
        (json!({}), "text"),
        (json!({"text": " "}), "text"),
        (json!({"text": "x".repeat(1_001)}), "text"),
        (json!({"text": "q", "category": ""}), "category"),
        (json!({"text": "q", "category": "x".repeat(61)}), "category"),
        (json!({"text": "q", "owner_id": NOBODY}), "owner_id"),
    ] {
        let answer = owner.post("/api/v1/questions", &body).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{}", answer.text);
    }
    assert_eq!(cluster.count("responses").await, 0);
    assert_eq!(cluster.number("select count(*) from questions where owner_id is not null").await, 0);
    let longest = "🌊".repeat(32_768);
    put(&owner, "nan", &question, &longest, "final").await.expect(201);
    cluster.assert_quiet().await;
}
