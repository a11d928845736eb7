//! What goes by the days of a user: the question of the day, and how far an interview has come.

use std::collections::HashSet;

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{Client, Cluster};

use crate::{
    cluster,
    interview::answers::{owner, put, questions},
    small_cluster,
};

/// The time zone in which it is about noon, so that no midnight comes while a test runs.
async fn noon_zone(cluster: &Cluster) -> String {
    let hour = cluster.number("select extract(hour from now() at time zone 'utc')::bigint").await;
    // West of Greenwich these names have a plus.
    match hour - 12 {
        0 => "Etc/GMT".to_owned(),
        behind if behind > 0 => format!("Etc/GMT+{behind}"),
        ahead => format!("Etc/GMT-{}", -ahead),
    }
}

#[tokio::test]
async fn what_is_asked_today_is_asked_all_day_and_another_thing_tomorrow() {
    let cluster = cluster().await;
    let owner = owner(&cluster, "nan").await;
    let there = owner.at(cluster.server(1));
    let zone = noon_zone(&cluster).await;
    let daily = |user: &Client, zone: &str| {
        let (user, path) =
            (user.clone(), format!("/api/v1/questions/daily?persona=nan&timezone={}", zone.replace('+', "%2B")));
        async move { user.get(&path).await.expect(200) }
    };
    let id = |daily: &Value| daily["question"]["id"].as_str().expect("a question").to_owned();
    // All who ask for the first time get the same.
    let first = join_all((0..8).map(|n| daily(if n % 2 == 0 { &owner } else { &there }, &zone))).await;
    assert_eq!(first.iter().map(id).collect::<HashSet<_>>().len(), 1);
    let today = id(&first[0]);
    put(&owner, "nan", &today, "Answered.", "final").await.expect(201);
    let after = daily(&there, &zone).await;
    assert_eq!(
        (id(&after), &after["question"]["answer"], &after["day"]),
        (today.clone(), &json!("final"), &first[0]["day"])
    );

    // Beyond the date line it is another day, with a question of its own; and here it is still the same one.
    let east = daily(&owner, "Pacific/Kiritimati").await;
    let west = daily(&owner, "Etc/GMT+12").await;
    assert_ne!(east["day"], west["day"]);
    assert_ne!(id(&east), id(&west));
    assert_eq!(id(&daily(&owner, &zone).await), today);
    assert_eq!(daily(&owner, "Pacific/Kiritimati").await, east);

    // A week, though its days lie far apart: each day another one, those first that are not answered.
    let mut asked = HashSet::from([today]);
    sqlx::query("delete from daily_questions where question_id <> $1::uuid")
        .bind(asked.iter().next().unwrap().clone())
        .execute(&cluster.db)
        .await
        .unwrap();
    for _ in 0..7 {
        sqlx::query("update daily_questions set asked_on = asked_on - 100").execute(&cluster.db).await.unwrap();
        let question = id(&daily(&there, &zone).await);
        assert_eq!(id(&daily(&owner, &zone).await), question);
        assert!(asked.insert(question), "asked on two days");
    }
    // When all but one is answered, that one is asked, however lately it was asked before.
    let last = asked.iter().next().unwrap().clone();
    sqlx::query(
        "insert into responses (id, persona_id, question_id, content, status)
         select gen_random_uuid(), p.id, q.id, 'So.', 'final' from personas p, questions q where p.slug = 'nan'
         on conflict do nothing",
    )
    .execute(&cluster.db)
    .await
    .unwrap();
    sqlx::query("delete from responses where question_id = $1::uuid").bind(&last).execute(&cluster.db).await.unwrap();
    sqlx::query("update daily_questions set asked_on = asked_on - 100").execute(&cluster.db).await.unwrap();
    assert_eq!(id(&daily(&owner, &zone).await), last);

    for query in
        ["persona=nan&timezone=Europe/Nowhere", "persona=nan&timezone=", "timezone=UTC", "persona=nan&timezone=UTC%00"]
    {
        owner.get(&format!("/api/v1/questions/daily?{query}")).await.problem(422);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn how_far_it_has_come_is_counted() {
    let cluster = small_cluster().await;
    let owner = owner(&cluster, "nan").await;
    let zone = noon_zone(&cluster).await.replace('+', "%2B");
    let path = format!("/api/v1/personas/nan/analytics?timezone={zone}");
    let none = owner.get(&path).await.expect(200);
    let total = cluster.count("questions").await;
    assert_eq!((&none["total"], &none["answered"], &none["words"]), (&json!(total), &json!(0), &json!(0)));
    assert_eq!((&none["streak"], &none["last_answer_at"]), (&json!({"current": 0, "longest": 0}), &Value::Null));

    let ids = questions(&owner, 9).await;
    put(&owner, "nan", &ids[0], "One two\nthree", "final").await.expect(201);
    put(&owner, "nan", &ids[1], "not counted", "draft").await.expect(201);
    let last = put(&owner, "nan", &ids[8], "four", "final").await.expect(201);
    put(&owner, "nan", &ids[2], "gone", "final").await.expect(201);
    owner.delete(&format!("/api/v1/personas/nan/responses/{}", ids[2])).await;
    let some = owner.get(&path).await.expect(200);
    assert_eq!((&some["answered"], &some["drafts"], &some["words"]), (&json!(2), &json!(1), &json!(4)));
    assert_eq!(some["last_answer_at"], last["written_at"]);
    assert_eq!(some["streak"], json!({"current": 1, "longest": 1}));
    let beginnings = &some["categories"][0];
    assert_eq!(
        (
            &beginnings["category"],
            &beginnings["total"],
            &beginnings["answered"],
            &beginnings["drafts"],
            &beginnings["words"]
        ),
        (&json!("beginnings"), &json!(8), &json!(1), &json!(1), &json!(3))
    );

    // Earlier versions of the two days before, and of four days before a day of rest.
    let ago = async |statement: &str| {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&cluster.db).await.unwrap();
    };
    ago("insert into response_versions select id, 100, content, status, now() - interval '1 day' from responses limit 1").await;
    ago("insert into response_versions select id, 101, content, status, now() - interval '2 days' from responses limit 1").await;
    for n in 4..8 {
        ago(&format!("insert into response_versions select id, {}, content, status, now() - interval '{n} days' from responses limit 1", 98 + n)).await;
    }
    assert_eq!(owner.get(&path).await.expect(200)["streak"], json!({"current": 3, "longest": 4}));
    owner.get("/api/v1/personas/nan/analytics?timezone=Mars/Olympus").await.problem(422);
    cluster.assert_quiet().await;
}
