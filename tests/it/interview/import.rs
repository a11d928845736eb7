//! Responses that come in by the hundred, go out, and come in again.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Cluster, ClusterOptions};

use crate::{
    cluster_without_workers,
    interview::answers::{owner, questions},
    small_cluster,
};

const RESPONSES: &str = "/api/v1/personas/nan/responses";

pub(crate) async fn import(user: &Client, content_type: &str, query: &str, body: impl Into<reqwest::Body>) -> Answer {
    let path = format!("{RESPONSES}/import?{query}");
    user.answer(user.call(Method::POST, &path).header("content-type", content_type).body(body)).await
}

/// Questions, responses and versions, and what the index must be told.
async fn stored(cluster: &Cluster) -> [i64; 4] {
    [
        cluster.count("questions").await,
        cluster.count("responses").await,
        cluster.count("response_versions").await,
        cluster.count("jobs where kind = 'index'").await,
    ]
}

/// So many rows of CSV, each with a line end and quotes in it.
pub(crate) fn rows(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("What of number {n}?,\"It is {n}, and\nit \"\"is\"\" so\",final\r\n")).collect()
}

pub(crate) fn csv(rows: &[String]) -> String {
    format!("question,content,status\r\n{}", rows.concat())
}

/// How many rows were imported, changed, unchanged and refused.
fn counts(report: &Value) -> [u64; 4] {
    ["imported", "changed", "unchanged", "refused_rows"].map(|count| report[count].as_u64().expect("a count"))
}

#[tokio::test]
async fn a_hundred_and_seventeen_responses_come_in_with_one_call() {
    let cluster = cluster_without_workers().await;
    let user = owner(&cluster, "nan").await;
    let before = stored(&cluster).await;
    let report = import(&user, "text/csv", "", csv(&rows(117))).await.expect(200);
    assert_eq!(
        (counts(&report), &report["rows"], &report["questions_made"]),
        ([117, 0, 0, 0], &json!(117), &json!(117))
    );
    assert_eq!(stored(&cluster).await, [before[0] + 117, 117, 0, 117]);
    let all = user.get(&format!("{RESPONSES}?limit=100")).await.expect(200);
    assert_eq!(all["items"][0]["content"], "It is 117, and\nit \"is\" so");
    let mine = user.get("/api/v1/questions?mine=true&limit=2").await.expect(200);
    assert_eq!(
        (&mine["items"][0]["text"], &mine["items"][1]["text"]),
        (&json!("What of number 1?"), &json!("What of number 2?"))
    );

    // The same again, in whatever letters and format, changes nothing.
    let again = import(&user, "text/csv", "", csv(&rows(117)).replace("What of", " WHAT  of")).await.expect(200);
    assert_eq!((counts(&again), &again["questions_made"]), ([0, 0, 117, 0], &json!(0)));
    let jsonl = user.get(&format!("{RESPONSES}/export?format=jsonl")).await.text;
    assert_eq!(counts(&import(&user, "application/x-ndjson", "", jsonl).await.expect(200)), [0, 0, 117, 0]);
    assert_eq!(stored(&cluster).await, [before[0] + 117, 117, 0, 117]);
    assert_eq!(cluster.number("select max(attempt)::bigint from jobs").await, 0);

    // What differs is a new version.
    let mut changed = rows(117);
    changed[5] = changed[5].replace("it \"\"is\"\"", "it was");
    changed[6] = changed[6].replace("final", "draft");
    assert_eq!(counts(&import(&user, "text/csv", "", csv(&changed)).await.expect(200)), [0, 2, 115, 0]);
    assert_eq!(stored(&cluster).await, [before[0] + 117, 117, 2, 117]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_goes_out_comes_in_again_as_it_was() {
    let cluster = small_cluster().await;
    let user = owner(&cluster, "nan").await;
    let bank = questions(&user, 2).await;
    let awkward = ["a,b;\"c\"\r\nd\re\n", " =1+1\t", "🌊\u{feff}\u{2028}é", "\"", "\\n"];
    let mut sent: Vec<_> = awkward.iter().enumerate().map(|(n, content)| json!({"question": format!("Own \"{n}\", is it?"), "category": "a, \"b\"", "content": content})).collect();
    sent.push(json!({"question_id": bank[0], "content": "By its id.", "status": "draft"}));
    sent.push(json!({"question_id": bank[1], "question": "The id goes before this text", "content": "So."}));
    // More than a page of an export.
    sent.extend((0..250).map(|n| json!({"question": format!("Number {n}"), "content": format!("Content {n}")})));
    let body = Value::Array(sent).to_string();
    let count = 257;
    assert_eq!(counts(&import(&user, "application/json", "", body).await.expect(200)), [count, 0, 0, 0]);
    let told = |answer: &Answer| serde_json::from_str::<Vec<Value>>(&answer.text).expect("an array");
    let exported = user.get(&format!("{RESPONSES}/export")).await;
    assert_eq!(exported.header("content-disposition"), "attachment; filename=\"nan-responses.json\"");
    let original = told(&exported);
    assert_eq!(original.len() as u64, count);
    assert_eq!(original.iter().take(5).map(|row| row["content"].as_str().unwrap()).collect::<Vec<_>>(), awkward);

    // By every format into another persona, and from there out again.
    for (n, (format, content_type)) in
        [("json", "application/json"), ("jsonl", "application/jsonl"), ("csv", "text/csv; charset=utf-8")]
            .into_iter()
            .enumerate()
    {
        let persona = json!({"slug": format!("copy-{n}"), "name": "Copy", "system_prompt": "You are a copy."});
        user.post("/api/v1/personas", &persona).await.expect(201);
        let there = format!("/api/v1/personas/copy-{n}/responses");
        let exported = user.get(&format!("{RESPONSES}/export?format={format}")).await;
        assert_eq!(exported.header("content-type"), content_type);
        let call = user.call(Method::POST, &format!("{there}/import")).header("content-type", content_type);
        let report = user.answer(call.body(exported.text.clone())).await.expect(200);
        assert_eq!((counts(&report), &report["questions_made"]), ([count, 0, 0, 0], &json!(0)), "{format}");
        assert_eq!(told(&user.get(&format!("{there}/export")).await), original, "{format}");
        assert_eq!(user.get(&format!("{there}/export?format={format}")).await.text, exported.text);
    }
    // Somebody else's ids are strange: the texts make questions of their own.
    let stranger = cluster.client(0).await;
    stranger
        .post("/api/v1/personas", &json!({"slug": "far", "name": "Far", "system_prompt": "You are far."}))
        .await
        .expect(201);
    let report = stranger.post("/api/v1/personas/far/responses/import", &Value::Array(original)).await.expect(200);
    assert_eq!((counts(&report), &report["questions_made"]), ([count, 0, 0, 0], &json!(count - 2)));
    user.get(&format!("{RESPONSES}/export?format=xml")).await.problem(422);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_broken_file_leaves_nothing_stored() {
    let cluster =
        ClusterOptions::default().servers(1).workers(0).set("TROUPE_SERVER__MAX_IMPORT", "300000").start().await;
    let user = owner(&cluster, "nan").await;
    let before = stored(&cluster).await;
    let mut quote = rows(150);
    quote[116] = "What of number 117?,\"It is 117,final\r\n".to_owned();
    let bare = rows(116).concat() + "What of number 117?,It \"is\" 117,final\r\n";
    let mut blank = rows(150);
    blank[116] = "What of number 117?, ,final\r\n".to_owned();
    let twice = [rows(117), vec!["WHAT OF NUMBER 3,else,final\r\n".to_owned()]].concat();
    let cases = [
        ("a quote that is not closed", csv(&quote), "row 117, content"),
        ("a quote in the middle", csv(&[bare]), "row 117, content"),
        ("a blank one", csv(&blank), "row 117, content"),
        ("one that answers what another does", csv(&twice), "row 118, question"),
        ("too few fields", csv(&[rows(116).concat(), "What of number 117?\r\n".to_owned()]), "row 117"),
        ("a zero", csv(&[rows(116).concat(), "q,a\0b,final\r\n".to_owned()]), "row 117, content"),
    ];
    for (name, body, field) in cases {
        let answer = import(&user, "text/csv", "", body).await;
        let problem = answer.problem(422);
        assert_eq!(
            (&problem["code"], &problem["errors"][0]["field"]),
            (&json!("import_refused"), &json!(field)),
            "{name}: {}",
            answer.text
        );
        assert!(problem["detail"].as_str().unwrap().contains(field), "{name}: {}", answer.text);
    }
    let jsonl = "{\"question\":\"q\",\"content\":\"c\"}\n".to_owned() + "{\"question\":\n";
    assert_eq!(import(&user, "application/jsonl", "", jsonl).await.problem(422)["errors"][0]["field"], "row 2");
    let unknown = json!([{"question_id": "00000000-0000-7000-8000-00000000000f", "content": "c"}]).to_string();
    assert_eq!(
        import(&user, "application/json", "", unknown).await.problem(422)["errors"][0]["field"],
        "row 1, question_id"
    );

    let mut latin1 = csv(&rows(3)).into_bytes();
    latin1[40] = 0xe9;
    let told = import(&user, "text/csv", "", latin1).await;
    assert!(told.problem(422)["detail"].as_str().unwrap().contains("byte 40"), "{}", told.text);
    assert_eq!(import(&user, "application/json", "", "[{").await.problem(400)["code"], "malformed_json");
    import(&user, "application/json", "", "{}").await.problem(422);
    import(&user, "text/csv", "", "").await.problem(422);
    import(&user, "text/csv", "", "question,answer\nq,a\n").await.problem(422);
    import(&user, "text/csv", "mode=perhaps", csv(&rows(1))).await.problem(422);
    assert_eq!(import(&user, "application/pdf", "", "%PDF").await.problem(415)["code"], "unsupported_media_type");
    assert_eq!(import(&user, "text/csv", "", "x".repeat(300_001)).await.problem(413)["code"], "body_too_large");
    import(&user, "application/jsonl", "", "{}\n".repeat(5_001)).await.problem(422);
    assert_eq!(stored(&cluster).await, before, "nothing was stored");
    // What the content type does not say, the caller may.
    assert_eq!(
        counts(&import(&user, "application/octet-stream", "format=csv", csv(&rows(2))).await.expect(200)),
        [2, 0, 0, 0]
    );
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn row_by_row_the_good_ones_are_stored_and_the_bad_ones_told() {
    let cluster = small_cluster().await;
    let user = owner(&cluster, "nan").await;
    let mut some = rows(20);
    some[3] = "What of number 4?,,final\r\n".to_owned();
    some[9] = "What of number 10?,ten,finished\r\n".to_owned();
    some[15] = "What of number 16?,\"sixteen,final\r\n".to_owned();
    let report = import(&user, "text/csv", "mode=row_by_row", csv(&some)).await.expect(200);
    // Where a row after a broken quote begins cannot be known.
    assert_eq!((counts(&report), &report["rows"]), ([13, 0, 0, 3], &json!(16)));
    let refused: Vec<_> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["row"].clone(), fault["line"].clone(), fault["column"].clone()))
        .collect();
    let fault = |row: i32, line: i32, column: &str| (json!(row), json!(line), json!(column));
    assert_eq!(refused, [fault(4, 8, "content"), fault(10, 19, "status"), fault(16, 30, "content")]);
    assert_eq!(cluster.count("responses").await, 13);

    let lines = [
        "{\"question\":\"a\",\"content\":\"1\"}",
        "nonsense",
        "",
        "{\"question\":\"A?\",\"content\":\"1\"}",
        "{\"question\":\"b\",\"content\":\"2\",\"x\":1}",
        "{\"question\":\"c\",\"content\":\"3\"}",
    ];
    let report = import(&user, "application/jsonl", "mode=row_by_row", lines.join("\n")).await.expect(200);
    assert_eq!(counts(&report), [2, 0, 1, 2], "{report}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_import_made_again_under_its_key_is_answered_as_the_first_time() {
    let cluster = small_cluster().await;
    let user = owner(&cluster, "nan").await;
    let call = async |body: String| {
        let call = user.call(Method::POST, &format!("{RESPONSES}/import")).header("idempotency-key", "i-1");
        user.answer(call.header("content-type", "text/csv").body(body)).await
    };
    // What was refused took no key.
    call("question,content\nq,\n".to_owned()).await.problem(422);
    let first = call(csv(&rows(5))).await;
    let again = call(csv(&rows(5))).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed"), &again.body), (200, "true", &first.body));
    assert_eq!(counts(&first.body), [5, 0, 0, 0]);
    assert_eq!(call(csv(&rows(6))).await.problem(422)["code"], "idempotency_key_reused");
    assert_eq!(cluster.count("responses").await, 5);
    cluster.assert_quiet().await;
}
