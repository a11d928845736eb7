//! A person's data: the file of all of it, and the end of all of it, whoever dies meanwhile.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Acquire, Executor};
use troupe_tests::{
    Answer, Client, Cluster, ClusterOptions, client::PASSWORD, provider::default_reply, socket::End, within,
};

use crate::{
    chat::{avatars, feedback::asked},
    interview::answers::{owner, put, questions},
    operations::admin::{admin, see},
    small_cluster, small_cluster_of_processes,
};

const EXPORTS: &str = "/api/v1/auth/me/exports";

fn id(job: &Value) -> &str {
    job["id"].as_str().expect("an id")
}

/// An export of the caller's, once it is done.
async fn exported(user: &Client) -> Value {
    let answer = user.post(EXPORTS, &json!({})).await;
    let path = answer.header("location").to_owned();
    let job = answer.expect(202);
    assert_eq!(path, format!("{EXPORTS}/{}", id(&job)));
    assert_eq!((&job["kind"], &job["status"], &job["items"]), (&json!("export"), &json!("waiting"), &json!(0)));
    see(user, &path, "the end of an export", |job| job["status"] == "done").await
}

/// The files of a zip that was taken away.
async fn files(user: &Client, job: &Value) -> BTreeMap<String, Vec<u8>> {
    let call = user.call(Method::GET, &format!("{EXPORTS}/{}/content", id(job)));
    let response = within("the file of an export", call.send()).await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/zip".parse().unwrap())
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let bytes = within("the bytes of an export", response.bytes()).await.expect("bytes");
    assert_eq!(bytes.len(), length);
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    (0..zip.len())
        .map(|n| {
            let mut file = zip.by_index(n).expect("a file");
            let mut content = Vec::new();
            file.read_to_end(&mut content).expect("its content");
            (file.name().expect("a name").into_owned(), content)
        })
        .collect()
}

fn read(files: &BTreeMap<String, Vec<u8>>, name: &str) -> Value {
    let content = files.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", files.keys()));
    serde_json::from_slice(content)
        .unwrap_or_else(|error| panic!("{name}: {error}: {}", String::from_utf8_lossy(content)))
}

async fn upload(owner: &Client, slug: &str, content_type: &str, body: Vec<u8>) -> String {
    let call =
        owner.call(Method::POST, &format!("/api/v1/personas/{slug}/documents")).header("content-type", content_type);
    id(&owner.answer(call.body(body)).await.expect(201)).to_owned()
}

/// A person with everything that there is.
async fn person(cluster: &Cluster) -> Client {
    let person = owner(cluster, "nan").await;
    person.patch("/api/v1/personas/nan", &json!({"visibility": "public", "remembers": true})).await.expect(200);
    avatars::put(&person, "nan", avatars::picture(8, 8, ImageFormat::Jpeg)).await.expect(200);
    let question = questions(&person, 1).await.remove(0);
    put(&person, "nan", &question, "The first version", "draft").await.expect(201);
    put(&person, "nan", &question, "The second \"version\" 🌊", "final").await.expect(200);
    let rows = json!([{"question": "A question of my own?", "content": "Yes, mine."}]);
    person.post("/api/v1/personas/nan/responses/import", &rows).await.expect(200);
    upload(&person, "nan", "text/plain", b"The lamp is in the attic.".to_vec()).await;
    let request = asked(&person, "demo", "How are you?").await;
    let rating = json!({"rating": "up", "note": "Well said"});
    person.post(&format!("/api/v1/requests/{request}/feedback"), &rating).await.expect(200);
    person.post("/api/v1/personas/nan/memories", &json!({"fact": "I like rain"})).await.expect(201);
    person
}

#[tokio::test]
async fn an_export_holds_all_that_is_somebodys_and_nothing_that_is_not() {
    let cluster = small_cluster_of_processes().await;
    let (stranger, person) = (cluster.client(0).await, person(&cluster).await);
    asked(&stranger, "nan", "A stranger's question").await;
    stranger.post("/api/v1/personas/nan/memories", &json!({"fact": "A stranger's secret"})).await.expect(201);
    see(&person, "/api/v1/personas/nan/documents", "the document", |page| page["items"][0]["status"] == "ready").await;

    let job = exported(&person).await;
    assert_eq!((&job["steps_done"], &job["step"]), (&job["steps"], &Value::Null));
    assert!(job["items"].as_i64() > Some(10) && job["expires_at"].is_string(), "{job}");
    let files = files(&person, &job).await;
    let names: Vec<_> = files.keys().filter(|name| !name.starts_with("documents/nan/")).collect();
    let expected = [
        "account.json",
        "answers/nan.json",
        "audit.json",
        "avatars/nan.jpg",
        "conversations.json",
        "documents/nan.json",
        "memories.json",
        "personas.json",
        "questions.json",
    ];
    assert_eq!(names, expected);
    let account = read(&files, "account.json");
    assert_eq!((&account["id"], &account["email"]), (&person.user["id"], &json!(person.email)));
    assert_eq!(read(&files, "personas.json")[0]["system_prompt"], "You are kind.");
    assert_eq!(read(&files, "questions.json")[0]["text"], "A question of my own?");
    let answers = read(&files, "answers/nan.json");
    assert_eq!(answers.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&answers[0]["content"], &answers[0]["earlier"][0]["content"]),
        (&json!("The second \"version\" 🌊"), &json!("The first version"))
    );
    assert_eq!((&answers[1]["question"], &answers[1]["earlier"]), (&json!("A question of my own?"), &json!([])));
    let document = read(&files, "documents/nan.json")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(files[&format!("documents/nan/{document}.txt")], b"The lamp is in the attic.");
    let conversations = read(&files, "conversations.json");
    assert_eq!(
        (conversations.as_array().map(Vec::len), &conversations[0]["persona"]["slug"]),
        (Some(1), &json!("demo"))
    );
    let messages = &conversations[0]["messages"];
    assert_eq!(
        (&messages[0]["content"], &messages[1]["content"]),
        (&json!("How are you?"), &json!(default_reply("How are you?")))
    );
    assert_eq!(
        (&messages[0]["request"]["status"], &messages[0]["feedback"]["note"]),
        (&json!("completed"), &json!("Well said"))
    );
    assert!(messages[0]["request"]["usage"]["prompt_tokens"].is_u64(), "{messages}");
    let memories = read(&files, "memories.json");
    assert_eq!((memories.as_array().map(Vec::len), &memories[0]["fact"]), (Some(1), &json!("I like rain")));
    let audit = read(&files, "audit.json");
    let verbs: Vec<_> = audit.as_array().unwrap().iter().map(|entry| entry["verb"].as_str().unwrap()).collect();
    assert_eq!(
        verbs,
        [
            "user.registered",
            "persona.created",
            "persona.changed",
            "persona.changed",
            "answers.imported",
            "document.added",
            "account.export_started"
        ]
    );
    assert!(audit[0]["by_you"] == true && audit[0]["address"] == "127.0.0.1", "{audit}");
    let everything: Vec<u8> = files.values().flatten().copied().collect();
    let everything = String::from_utf8_lossy(&everything);
    for others in ["stranger", stranger.email.as_str(), "argon2", &person.token] {
        assert!(!everything.contains(others), "{others} is in the export");
    }

    // It is its person's alone, and the newest is the one that is kept.
    for path in ["", "/content"] {
        stranger.get(&format!("{EXPORTS}/{}{path}", id(&job))).await.problem(404);
    }
    let second = exported(&person).await;
    person.get(&format!("{EXPORTS}/{}/content", id(&job))).await.problem(404);
    assert_eq!(read(&self::files(&person, &second).await, "account.json"), account);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_export_of_many_pages_and_pieces_is_whole() {
    let cluster = small_cluster_of_processes().await;
    let person = owner(&cluster, "nan").await;
    let fill = "
        insert into conversations (id, user_id, persona_id)
            select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, u.id, p.id
            from users u, personas p, generate_series(1, 230) n where p.slug = 'demo' and u.id = $1;
        ";
    sqlx::query(fill)
        .bind(person.user["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap())
        .execute(&cluster.db)
        .await
        .unwrap();
    let fill = "
        insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
            select gen_random_uuid(), c.id, c.user_id, 'free', 'c', 'completed', 1, now()
            from (select * from conversations order by id limit 2) c, generate_series(1, 500);
        insert into messages (id, conversation_id, request_id, turn, role, content)
            select gen_random_uuid(), conversation_id, id, position, role,
                (select string_agg(gen_random_uuid()::text, '') from generate_series(1, 100) where position > 0)
            from requests, unnest(array['user', 'assistant']) role";
    cluster.db.execute(fill).await.unwrap();
    // Of many pieces, none of which can be packed well.
    let noise: String = (0..120_000u64)
        .fold(String::new(), |noise, n| noise + &format!("{:x} ", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    upload(&person, "nan", "text/plain", noise.clone().into_bytes()).await;
    let job = exported(&person).await;
    assert!(cluster.count("export_parts").await > 3, "{} pieces", cluster.count("export_parts").await);
    let files = files(&person, &job).await;
    let conversations = read(&files, "conversations.json");
    let ids: Vec<_> =
        conversations.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.len() == 230 && ids.is_sorted(), "{}", ids.len());
    let messages: Vec<_> =
        conversations.as_array().unwrap().iter().map(|one| one["messages"].as_array().unwrap().len()).collect();
    assert_eq!((messages[0], messages[1], messages[2], messages[229]), (1_000, 1_000, 0, 0));
    let document = files.keys().find(|name| name.starts_with("documents/nan/")).unwrap();
    assert!(files[document].starts_with(&noise.as_bytes()[..1_000]) && files[document].len() >= noise.trim().len());
    cluster.assert_quiet().await;
}

async fn close(user: &Client, password: &str) -> Answer {
    user.answer(user.call(Method::DELETE, "/api/v1/auth/me").json(&json!({ "password": password }))).await
}

/// Everything that is of this user, by table.
async fn left_of(cluster: &Cluster, user: &str) -> Vec<(&'static str, i64)> {
    let of_personas = format!("persona_id in (select id from personas where owner_id = '{user}')");
    let mut left = Vec::new();
    for (table, condition) in [
        ("users", format!("id = '{user}'")),
        ("personas", format!("owner_id = '{user}'")),
        ("conversations", format!("user_id = '{user}' or {of_personas}")),
        ("requests", format!("user_id = '{user}'")),
        ("messages", format!("request_id in (select id from requests where user_id = '{user}')")),
        ("feedback", of_personas.clone()),
        ("memories", format!("user_id = '{user}' or {of_personas}")),
        ("documents", of_personas.clone()),
        ("passages", of_personas.clone()),
        ("responses", of_personas.clone()),
        ("questions", format!("owner_id = '{user}'")),
        ("idempotency_keys", format!("user_id = '{user}'")),
        ("spending", format!("subject = '{user}'")),
        ("budgets", format!("subject = '{user}'")),
        ("api_keys", format!("user_id = '{user}'")),
        ("sign_ins", format!("user_id = '{user}'")),
        ("jobs", format!("user_id = '{user}' or key = '{user}' or payload::text like '%{user}%'")),
        ("audit_subjects", format!("user_id = '{user}'")),
    ] {
        let count = cluster.count(&format!("{table} where {condition}")).await;
        if count > 0 {
            left.push((table, count));
        }
    }
    left
}

/// How far a deletion is, once this holds.
async fn deletion(anybody: &Client, job: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    see(anybody, &format!("/api/v1/auth/deletions/{}", id(job)), what, holds).await
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_but_entries_that_name_nobody() {
    let cluster = small_cluster_of_processes().await;
    let (admin, stranger, person) = (admin(&cluster).await, cluster.client(0).await, person(&cluster).await);
    let user = id(&person.user).to_owned();
    asked(&stranger, "nan", "A stranger's question").await;
    let kept = asked(&stranger, "demo", "Another question").await;
    exported(&person).await;
    let budget =
        admin.call(Method::PUT, &format!("/api/v1/admin/budgets/user/{user}")).json(&json!({"daily_limit": 3.0}));
    assert_eq!(admin.answer(budget).await.status, 204);
    let socket = person.socket().await;
    let key = json!({"name": "a program", "scopes": ["chat:read"]});
    let key = person.post("/api/v1/api-keys", &key).await.expect(201);
    let program = person.with_token(key["key"].as_str().unwrap());
    program.get("/api/v1/conversations").await.expect(200);
    let subject =
        admin.get(&format!("/api/v1/admin/audit?actor={user}")).await.expect(200)["items"][0]["actor"]["subject"]
            .clone();
    let vectors = "select count(*) from passages p join embeddings e on e.digest = p.digest";
    within("the vectors", async { while cluster.number(vectors).await < 3 {} }).await;

    close(&person, "not the password").await.problem(422);
    close(&Client::anonymous(cluster.server(0)), PASSWORD).await.problem(401);
    let answer = close(&person, PASSWORD).await;
    assert!(answer.header("location").starts_with("/api/v1/auth/deletions/"));
    let job = answer.expect(202);
    // At once.
    assert_eq!(socket.closed().await, End::Code(4001));
    let again = json!({"email": person.email, "password": PASSWORD});
    person.post("/api/v1/auth/login", &again).await.problem(401);
    person.get("/api/v1/auth/me").await.problem(401);
    for caller in [&person, &program] {
        caller.get("/api/v1/conversations").await.problem(401);
    }
    stranger.get("/api/v1/personas/nan").await.problem(404);

    let done =
        deletion(&Client::anonymous(cluster.server(0)), &job, "the end of a deletion", |job| job["status"] == "done")
            .await;
    assert_eq!(done["steps_done"], done["steps"]);
    assert!(done["items"].as_i64() > Some(8), "{done}");
    assert_eq!(left_of(&cluster, &user).await, []);
    within("the vectors' end", async { while cluster.count("vector_work").await > 0 {} }).await;
    assert_eq!(cluster.count("passages").await + cluster.count("embeddings").await, 0);
    assert_eq!(cluster.count("export_parts").await + cluster.count("persona_avatars").await, 0);
    assert_eq!(cluster.count("personas where slug = 'demo'").await, 1, "nobody's persona stays");
    assert_eq!(stranger.request(&kept).await["status"], "completed", "what others said to others stays");
    assert_eq!(cluster.count("conversations").await, 1, "what others said to a deleted persona goes with it");

    // The log is whole, and tells of somebody whom nobody knows.
    let verified = admin.get("/api/v1/admin/audit/verify").await.expect(200);
    assert_eq!(verified["whole"], true, "{verified}");
    let told = admin.get("/api/v1/admin/audit/export").await.text;
    assert!(!told.contains(&user) && !told.contains(&person.email), "{told}");
    let page = admin.get(&format!("/api/v1/admin/audit?actor={}", subject.as_str().unwrap())).await.expect(200);
    let entries = page["items"].as_array().unwrap();
    assert!(
        entries.len() >= 4
            && entries.iter().all(|entry| entry["actor"]["user_id"].is_null() && entry["address"].is_null())
    );
    let ends = admin.get(&format!("/api/v1/admin/audit?about={}&limit=2", subject.as_str().unwrap())).await.expect(200);
    assert_eq!(
        (&ends["items"][0]["verb"], &ends["items"][1]["verb"]),
        (&json!("account.deleted"), &json!("account.closed"))
    );
    // The address is free again.
    let back = json!({"email": person.email, "password": PASSWORD, "name": "Grace"});
    person.post("/api/v1/auth/register", &back).await.expect(201);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_deletion_and_an_export_survive_the_death_of_their_worker() {
    let options = ClusterOptions::default().processes().servers(1).workers(0).set("TROUPE_WORKER__LEASE", "1s");
    let mut cluster =
        options.set("TROUPE_HOUSEKEEPING__BATCH", "1").set("TROUPE_HOUSEKEEPING__PAUSE", "1ms").start().await;
    let (leaver, taker) = (owner(&cluster, "nan").await, owner(&cluster, "gran").await);
    let (user, anybody) = (id(&leaver.user).to_owned(), Client::anonymous(cluster.server(0)));
    for _ in 0..3 {
        leaver.conversation("demo").await;
    }
    let last = leaver.conversation("demo").await;
    let file = taker.post(EXPORTS, &json!({})).await.expect(202);
    taker.post(EXPORTS, &json!({})).await.problem(409);
    let job = close(&leaver, PASSWORD).await.expect(202);
    let waiting = deletion(&anybody, &job, "a deletion", |_| true).await;
    assert_eq!((&waiting["status"], &waiting["items"]), (&json!("waiting"), &json!(0)));

    // Somebody else's hand on what is deleted, and on what is read, keeps the worker in the middle of it.
    let mut connection = cluster.db.acquire().await.unwrap();
    let mut holding = connection.begin().await.unwrap();
    sqlx::query("select from conversations where id = $1::uuid for update")
        .bind(&last)
        .execute(&mut *holding)
        .await
        .unwrap();
    holding.execute("lock table questions in access exclusive mode").await.unwrap();
    cluster.add_workers(2).await;
    // What is told is what was done before the transaction that is under way.
    let under_way = |job: &Value| job["items"].as_i64() >= Some(2);
    deletion(&anybody, &job, "conversations gone", under_way).await;
    let path = format!("{EXPORTS}/{}", id(&file));
    see(&taker, &path, "an export at its questions", |job| {
        job["step"] == "personas" && job["items"].as_i64() >= Some(2)
    })
    .await;
    for worker in 0..2 {
        cluster.workers[worker].kill().await;
    }
    holding.rollback().await.unwrap();
    assert_ne!(deletion(&anybody, &job, "a deletion", |_| true).await["status"], "done");

    cluster.add_worker().await;
    deletion(&anybody, &job, "the end of a deletion", |job| job["status"] == "done").await;
    assert_eq!(left_of(&cluster, &user).await, []);
    let job = see(&taker, &path, "the end of an export", |job| job["status"] == "done").await;
    assert_eq!(read(&files(&taker, &job).await, "personas.json")[0]["slug"], "gran");
    assert_eq!(cluster.number("select count(distinct attempt) from export_parts").await, 1, "only the last attempt's");
    assert!(cluster.number("select min(attempt)::bigint from jobs where kind in ('export', 'deletion')").await > 1);
}

#[tokio::test]
async fn admins_begin_both_for_others_and_see_nothing_of_what_is_in_them() {
    let cluster = small_cluster().await;
    let (admin, person) = (admin(&cluster).await, person(&cluster).await);
    let users = format!("/api/v1/admin/users/{}", id(&person.user));
    let nobody = "/api/v1/admin/users/00000000-0000-7000-8000-00000000000f";
    person.post(&format!("{users}/exports"), &json!({})).await.problem(403);
    assert_eq!(person.delete(&users).await.status, 403);
    admin.post(&format!("{nobody}/exports"), &json!({})).await.problem(404);
    admin.delete(nobody).await.problem(404);

    let begin = || admin.call(Method::POST, &format!("{users}/exports")).header("idempotency-key", "once");
    let job = admin.answer(begin()).await.expect(202);
    let replayed = admin.answer(begin()).await;
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(replayed.expect(202), job);
    let path = format!("{users}/exports/{}", id(&job));
    let done = see(&admin, &path, "the end of an export", |job| job["status"] == "done").await;
    admin.get(&format!("{EXPORTS}/{}/content", id(&job))).await.problem(404);
    assert_eq!(read(&files(&person, &done).await, "account.json")["email"], person.email);

    let job = admin.delete(&users).await.expect(202);
    assert_eq!(admin.delete(&users).await.status, 404);
    person.get("/api/v1/auth/me").await.problem(401);
    deletion(&admin, &job, "the end of a deletion", |job| job["status"] == "done").await;
    assert_eq!(left_of(&cluster, id(&person.user)).await, []);
    let page = admin.get(&format!("/api/v1/admin/audit?actor={}", id(&admin.user))).await.expect(200);
    let verbs: Vec<_> = page["items"].as_array().unwrap().iter().map(|entry| entry["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["account.closed", "account.export_started", "user.registered"]);
    let refused = admin.get("/api/v1/admin/audit?verb=access.refused").await.expect(200);
    let addresses: Vec<_> =
        refused["items"].as_array().unwrap().iter().map(|entry| entry["target"]["id"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["DELETE /api/v1/admin/users/{id}", "POST /api/v1/admin/users/{id}/exports"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn files_are_removed_when_their_time_is_over() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_HOUSEKEEPING__INTERVAL", "400ms");
    let cluster = options.set("TROUPE_RETENTION__EXPORTS", "2s").start().await;
    let person = owner(&cluster, "nan").await;
    let job = person.post(EXPORTS, &json!({})).await.expect(202);
    within("the end of the export", async {
        while cluster.count("jobs where kind = 'export' and status = 'done'").await == 0 {}
    })
    .await;
    within("its removal", async {
        while cluster.count("jobs where kind = 'export'").await + cluster.count("export_parts").await > 0 {}
    })
    .await;
    person.get(&format!("{EXPORTS}/{}", id(&job))).await.problem(404);
    cluster.assert_quiet().await;
}
