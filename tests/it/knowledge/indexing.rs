//! What a persona knows by its owner's answers: found soon after they are final, and no longer than they are.

use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;
use troupe_tests::{Cluster, within};

use crate::{
    cluster,
    interview::answers::{owner, put, questions},
    interview::import::{csv, import, rows},
    knowledge::documents::find,
    small_cluster,
};

/// Once nothing is left to be indexed.
async fn indexed(cluster: &Cluster) {
    within("the indexing of what has changed", async {
        while cluster.count("jobs where kind = 'index'").await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn contents(cluster: &Cluster, query: &str) -> Vec<String> {
    find(cluster, "nan", query).await.into_iter().map(|found| found.content).collect()
}

#[tokio::test]
async fn a_hundred_and_seventeen_imported_answers_are_found() {
    let cluster = cluster().await;
    let user = owner(&cluster, "nan").await;
    let begun = std::time::Instant::now();
    import(&user, "text/csv", "", csv(&rows(117))).await.expect(200);
    let imported = begun.elapsed();
    indexed(&cluster).await;
    eprintln!("117 answers were imported after {imported:?} and could be found after {:?}", begun.elapsed());
    assert_eq!(cluster.count("passages").await, 117);
    for number in 1..=117 {
        let found = find(&cluster, "nan", &format!("\"number {number}\"")).await;
        assert_eq!(found.len(), 1, "the answer to question {number}");
        assert_eq!(found[0].content, format!("What of number {number}?\n\nIt is {number}, and\nit \"is\" so"));
        assert_eq!(found[0].place.headings, [format!("What of number {number}?")]);
    }
    // Again, with one row changed: only that one is indexed anew.
    let mut changed = rows(117);
    changed[4] = changed[4].replace("It is 5", "It was a herring");
    import(&user, "text/csv", "", csv(&changed)).await.expect(200);
    indexed(&cluster).await;
    let made_anew = "select count(*) from passages where created_at > (select max(written_at) from responses)";
    assert_eq!((cluster.number(made_anew).await, cluster.count("passages").await), (1, 117));
    assert_eq!(contents(&cluster, "herring").await, ["What of number 5?\n\nIt was a herring, and\nit \"is\" so"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_answer_is_known_as_long_as_it_is_final() {
    let cluster = small_cluster().await;
    let user = owner(&cluster, "nan").await;
    let question = questions(&user, 1).await.remove(0);
    let path = format!("/api/v1/personas/nan/responses/{question}");
    put(&user, "nan", &question, "The marmalade was bitter.", "draft").await.expect(201);
    indexed(&cluster).await;
    assert!(contents(&cluster, "marmalade").await.is_empty(), "a draft");
    put(&user, "nan", &question, "The marmalade was bitter.", "final").await.expect(200);
    indexed(&cluster).await;
    let found = find(&cluster, "nan", "bitter marmalade").await.remove(0);
    assert!(found.content.ends_with("?\n\nThe marmalade was bitter."), "{}", found.content);
    assert!(found.content.starts_with(&found.place.headings[0]), "the question stands above it");
    assert_eq!(contents(&cluster, "earliest remember").await, [found.content], "it is found by its question too");

    // What is no longer known is gone with the call.
    put(&user, "nan", &question, "The marmalade was bitter.", "draft").await.expect(200);
    assert_eq!(cluster.count("passages").await, 0);
    let long = (0..100).map(|n| format!("Chapter {n} is about the sea.")).collect::<Vec<_>>().join(" ");
    put(&user, "nan", &question, &long, "final").await.expect(200);
    indexed(&cluster).await;
    assert!(cluster.count("passages").await > 1);
    let last = find(&cluster, "nan", "\"chapter 99\"").await.remove(0);
    assert_eq!(last.place.headings.len(), 1, "each passage tells its question");
    assert_eq!(user.delete(&path).await.status, 204);
    assert_eq!(cluster.count("passages").await, 0);
    user.post(&format!("{path}/restore"), &Value::Null).await.expect(200);
    indexed(&cluster).await;
    assert_eq!(contents(&cluster, "\"chapter 99\"").await.len(), 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn many_changes_at_once_end_with_what_was_said_last() {
    let cluster = cluster().await;
    let user = owner(&cluster, "nan").await;
    let asked = questions(&user, 4).await;
    let path = |question: &str| format!("/api/v1/personas/nan/responses/{question}");
    for round in 0..15 {
        let there = user.at(cluster.server(round % 2));
        let calls = asked.iter().enumerate().map(async |(number, question)| match (number + round) % 4 {
            0 => there.answer(there.call(Method::DELETE, &path(question))).await,
            1 => put(&there, "nan", question, &format!("Draft {round}."), "draft").await,
            _ => put(&there, "nan", question, &format!("Round {round} of many."), "final").await,
        });
        for answer in join_all(calls).await {
            assert!([200, 201, 204, 404].contains(&answer.status.as_u16()), "{}", answer.text);
        }
    }
    for question in &asked {
        put(&user, "nan", question, "The last word.", "final").await;
    }
    indexed(&cluster).await;
    assert_eq!((contents(&cluster, "last word").await.len(), cluster.count("passages").await), (4, 4));
    assert_eq!(user.delete("/api/v1/personas/nan").await.status, 204);
    assert_eq!(cluster.count("passages").await + cluster.count("jobs where kind = 'index'").await, 0);
    assert!(!cluster.logs().contains("deadlock"), "nobody waits for each other");
    cluster.assert_quiet().await;
}
