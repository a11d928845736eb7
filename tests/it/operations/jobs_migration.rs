//! What was under way before there was the table of jobs goes on in it, also while parts of the version before still
//! run.

use std::{fs, path::Path};

use sqlx::{AssertSqlSafe, PgPool};
use troupe_engines::{Durability, Postgres};

/// An export that runs, one that is done, a deletion that waits, and two sources to be indexed.
const BEFORE: &str = "
    insert into users (id, email, name) select ('00000000-0000-7000-8000-00000000000' || n)::uuid, n || '@example.com', 'n'
        from generate_series(1, 4) n;
    insert into account_jobs (id, kind, user_id, status, attempt, step, steps_done, steps, items)
        select id, 'export', id, 'running', 3, 'personas', 1, 7, 5 from users where email like '1@%';
    insert into account_jobs (id, kind, user_id, status, attempt, steps_done, steps, items, finished_at, due_at, expires_at)
        select id, 'export', id, 'done', 2, 7, 7, 9, now(), null, now() + interval '1 day' from users where email like '2@%';
    insert into export_parts (job_id, attempt, number, content) select id, 2, 0, 'zip' from account_jobs where status = 'done';
    insert into account_jobs (id, kind, user_id, steps) select id, 'deletion', id, 0 from users where email like '3@%';
    insert into index_work (source_kind, source_id, persona_id, changes)
        select kind, gen_random_uuid(), p.id, 2 from personas p, unnest(array['response', 'document']) kind where p.slug = 'demo';
";
/// As servers and workers of the version before go on.
const MEANWHILE: &str = "
    insert into account_jobs (id, kind, user_id, steps) select id, 'export', id, 0 from users where email like '4@%';
    insert into index_work (source_kind, source_id, persona_id)
        select 'document', id, (select id from personas where slug = 'demo') from users where email like '4@%'
        on conflict (source_kind, source_id) do update set changes = index_work.changes + 1;
";

async fn run(pool: &PgPool, statements: String) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool).await.unwrap();
}

async fn number(pool: &PgPool, statement: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {statement}"))).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn what_was_under_way_before_there_were_jobs_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(directory.path(), Durability::Throwaway).await.unwrap();
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<_> = fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "0025_jobs.sql" {
            run(&pool, BEFORE.to_owned()).await;
        }
        run(&pool, fs::read_to_string(file).unwrap()).await;
        if name == "0025_jobs.sql" {
            break;
        }
    }
    run(&pool, MEANWHILE.to_owned()).await;
    run(
        &pool,
        MEANWHILE
            .split_once("insert into index_work")
            .map(|(_, mark)| format!("insert into index_work {mark}"))
            .unwrap(),
    )
    .await;

    for (jobs, count) in [
        ("jobs where kind = 'export' and status = 'waiting' and attempt = 3 and key = user_id::text", 1),
        ("jobs where kind = 'export' and status = 'done' and attempt = 2 and key is null and expires_at > now()", 1),
        ("jobs join export_parts p on p.job_id = jobs.id and p.attempt = jobs.attempt", 1),
        ("jobs where kind = 'deletion' and status = 'waiting'", 1),
        ("jobs where kind = 'export' and attempt = 0 and status = 'waiting'", 1),
        ("jobs where kind = 'index' and key = (payload->>'source_kind') || ':' || (payload->>'source_id')", 3),
        ("jobs where kind = 'index' and attempt = 1", 1),
        // A worker of the version before finds nothing, and may not end what it has.
        ("account_jobs where due_at <= now() + interval '1 year'", 0),
        ("account_jobs where status = 'running'", 0),
        ("index_work", 0),
    ] {
        assert_eq!(number(&pool, jobs).await, count, "{jobs}");
    }
    let ids = "jobs where id::text not like '00000000%' and (substr(id::text, 15, 1) <> '7' or id::text > '1')";
    assert_eq!(number(&pool, ids).await, 0, "ids that the database makes are of version 7");
}
