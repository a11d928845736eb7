//! What a persona would draw on, as its owner can look it up.

use serde_json::{Value, json};
use troupe_tests::{Answer, Client};

use crate::{
    interview::answers::{items, owner, put, questions, texts},
    knowledge::retrieval::{known, options, teach},
};

const PATH: &str = "/api/v1/personas/nan/knowledge/search";
const ANSWERS: [(&str, &str); 4] = [
    ("Where did you grow up?", "In a lighthouse on the cape, by the sea."),
    ("Who kept the light?", "My father wound the lamp of the lighthouse every four hours."),
    ("What did you eat?", "Kippers and porridge, and an orange at Christmas."),
    ("What did you read?", "The almanac, by the light of a candle."),
];

async fn search(user: &Client, query: &[(&str, &str)]) -> Answer {
    user.answer(user.call(reqwest::Method::GET, PATH).query(query)).await
}

async fn found(user: &Client, q: &str) -> Vec<Value> {
    let found = search(user, &[("q", q)]).await.expect(200);
    found["passages"].as_array().expect("passages").clone()
}

/// The answers that are found by their words, the best first.
async fn by_words(user: &Client, q: &str) -> Vec<String> {
    let mut found = found(user, q).await;
    found.retain(|passage| passage["keyword_rank"].is_number());
    found.sort_by_key(|passage| passage["keyword_rank"].as_u64());
    texts(&found, "/source_id")
}

#[tokio::test]
async fn the_owner_sees_what_is_found_and_why() {
    let cluster = options().start().await;
    let user = owner(&cluster, "nan").await;
    let responses = teach(&cluster, &user, "nan", &ANSWERS).await;
    let result = search(&user, &[("q", "Who wound the lamp of the lighthouse?")]).await.expect(200);
    assert_eq!(result["mode"], "hybrid");
    let passages = result["passages"].as_array().unwrap();
    assert_eq!((&passages[0]["source_id"], &passages[0]["source_kind"]), (&json!(responses[1]), &json!("response")));
    assert_eq!(passages[0]["content"], format!("{}\n\n{}", ANSWERS[1].0, ANSWERS[1].1));
    assert_eq!(passages[0]["place"]["headings"], json!([ANSWERS[1].0]));
    assert_eq!((&passages[0]["keyword_rank"], &passages[0]["vector_rank"]), (&json!(1), &json!(1)), "{result}");
    assert!(passages.is_sorted_by(|one, other| one["score"].as_f64() >= other["score"].as_f64()), "{result}");
    for passage in passages {
        assert!(passage["keyword_rank"].is_u64() || passage["vector_rank"].is_u64(), "{passage}");
        assert_eq!(passage["vector_rank"].is_u64(), passage["similarity"].is_f64(), "{passage}");
        let share = |rank: &str| passage[rank].as_f64().map_or(0.0, |rank| 1.0 / (60.0 + rank));
        let score = share("keyword_rank") + share("vector_rank");
        assert!((passage["score"].as_f64().unwrap() - score).abs() < 1e-6, "{passage}");
        assert!(passage["similarity"].as_f64().is_none_or(|likeness| (0.2..=1.0001).contains(&likeness)), "{passage}");
    }
    let mut by_meaning: Vec<_> = passages.iter().filter(|passage| passage["vector_rank"].is_u64()).collect();
    by_meaning.sort_by_key(|passage| passage["vector_rank"].as_u64());
    let likeness = |passage: &&&Value| passage["similarity"].as_f64();
    assert!(by_meaning.iter().is_sorted_by(|one, other| likeness(one) >= likeness(other)), "{result}");
    let one = search(&user, &[("q", "Who wound the lamp of the lighthouse?"), ("limit", "1")]).await.expect(200);
    assert_eq!(one["passages"], json!([passages[0]]));
    let none = search(&user, &[("q", "zymurgy")]).await.expect(200);
    assert_eq!(none, json!({"mode": "none", "passages": []}));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn words_belong_together_or_must_not_be_there() {
    let cluster = options().start().await;
    let user = owner(&cluster, "nan").await;
    let responses = teach(&cluster, &user, "nan", &ANSWERS).await;
    let these = |places: &[usize]| places.iter().map(|place| responses[*place].clone()).collect::<Vec<_>>();
    let sorted = |mut found: Vec<String>| (found.sort(), found).1;
    assert_eq!(sorted(by_words(&user, "lighthouse").await), sorted(these(&[0, 1])));
    assert_eq!(by_words(&user, "\"lamp of the lighthouse\"").await, these(&[1]));
    assert_eq!(by_words(&user, "\"lighthouse of the lamp\"").await, these(&[]));
    assert_eq!(sorted(by_words(&user, "kippers or almanac").await), sorted(these(&[2, 3])));
    let without = search(&user, &[("q", "lighthouse -lamp")]).await.expect(200);
    assert_eq!(without["mode"], "keyword", "meaning was not asked: {without}");
    assert_eq!(texts(without["passages"].as_array().expect("passages"), "/source_id"), these(&[0]), "{without}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_owner_sees_how_far_the_indexing_has_come() {
    let mut cluster = options().workers(0).start().await;
    let user = owner(&cluster, "nan").await;
    let path = "/api/v1/personas/nan/knowledge";
    let row = |(question, content): &(&str, &str)| json!({"question": question, "content": content, "status": "final"});
    let rows = Value::Array(ANSWERS.iter().map(row).collect());
    user.post("/api/v1/personas/nan/responses/import", &rows).await.expect(200);
    let progress = user.get(path).await.expect(200);
    assert_eq!(progress, json!({"passages": 0, "pending": {"sources": 4, "vectors": 0}}));
    cluster.add_worker().await;
    known(&cluster).await;
    let progress = user.get(path).await.expect(200);
    assert_eq!(progress, json!({"passages": 4, "pending": {"sources": 0, "vectors": 0}}));
    let stranger = cluster.client(0).await;
    stranger.get(path).await.problem(404);
    stranger.with_token("").get(path).await.problem(401);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn it_is_for_the_owner_and_bad_questions_are_named() {
    let cluster = options().start().await;
    let user = owner(&cluster, "nan").await;
    let stranger = cluster.client(0).await;
    search(&stranger, &[("q", "lamp")]).await.problem(404);
    search(&user.with_token(""), &[("q", "lamp")]).await.problem(401);
    user.get("/api/v1/personas/nobody/knowledge/search?q=lamp").await.problem(404);
    user.get("/api/v1/personas/demo/knowledge/search?q=lamp").await.problem(404);
    let long = "a".repeat(1_001);
    let bad: [(&str, &[(&str, &str)]); 8] = [
        ("q", &[]),
        ("q", &[("q", "")]),
        ("q", &[("q", "  ")]),
        ("q", &[("q", &long)]),
        ("q", &[("q", "a\0b")]),
        ("limit", &[("q", "lamp"), ("limit", "0")]),
        ("limit", &[("q", "lamp"), ("limit", "51")]),
        ("limit", &[("q", "lamp"), ("limit", "many")]),
    ];
    for (field, query) in bad {
        let answer = search(&user, query).await;
        let problem = answer.problem(422);
        assert!(problem["detail"].as_str().unwrap().contains(field), "{query:?}: {problem}");
    }
    search(&user, &[("q", "lamp"), ("page", "2")]).await.problem(422);
    for fine in ["a", &"é".repeat(1_000), "'; drop table passages; --", "& | ! ()", "\"", "-", "灯台"] {
        search(&user, &[("q", fine), ("limit", "50")]).await.expect(200);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_deleted_is_not_found_from_that_moment() {
    let cluster = options().start().await;
    let user = owner(&cluster, "nan").await;
    let asked = questions(&user, 3).await;
    for (question, about) in asked.iter().zip(["herring", "cod", "whales"]) {
        put(&user, "nan", question, &format!("It had to do with {about} and boats."), "final").await.expect(201);
    }
    known(&cluster).await;
    let there = items(&user.get("/api/v1/personas/nan/responses").await.expect(200));
    assert_eq!(found(&user, "herring and boats").await.len(), there.len());
    let path = |question: &str| format!("/api/v1/personas/nan/responses/{question}");
    assert_eq!(user.delete(&path(&asked[0])).await.status, 204);
    put(&user, "nan", &asked[1], "Nothing of that any more.", "draft").await.expect(200);
    let left = found(&user, "herring and boats").await;
    assert!(matches!(&left[..], [one] if one["content"].as_str().unwrap().contains("whales")), "{left:?}");
    user.post(&format!("{}/restore", path(&asked[0])), &Value::Null).await.expect(200);
    known(&cluster).await;
    assert_eq!(found(&user, "herring and boats").await[0]["content"].as_str().unwrap().matches("herring").count(), 1);
    cluster.assert_quiet().await;
}
