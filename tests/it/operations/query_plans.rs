//! How PostgreSQL goes about our statements when the tables are big: never through the whole of one, nor through the
//! whole of an index, whatever its statistics remember.

use std::{fs, path::Path};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use troupe_db::PLANNING;
use troupe_tests::ClusterOptions;

/// Some hundred thousand rows, most of them history, as in a system that has run for a while.
const FILL: &str = "
    insert into users (id, email, name, password_hash)
        select gen_random_uuid(), n || '@example.com', 'n', 'h' from generate_series(1, 5000) n;
    insert into personas (id, slug, name, system_prompt, owner_id)
        select gen_random_uuid(), 'p' || row_number() over (), 'n', 's', id from users;
    insert into conversations (id, user_id, persona_id)
        select gen_random_uuid(), u.id, (select id from personas where slug = 'demo') from users u, generate_series(1, 4);
    insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at)
        select gen_random_uuid(), c.id, c.user_id, 'free', 'c', 'completed', 1, now()
        from conversations c, generate_series(1, 5);
    insert into requests (id, conversation_id, user_id, tier, correlation_id, status, attempt, finished_at, error)
        select gen_random_uuid(), c.id, c.user_id, 'free', 'c', 'failed', 1, now() - interval '1 hour', '{}' from conversations c;
    insert into messages (id, conversation_id, request_id, turn, role, content)
        select gen_random_uuid(), conversation_id, id, position, role, 'words'
        from requests, unnest(array['user', 'assistant']) role where status = 'completed';
    insert into attempts (request_id, number, worker, started_at, outcome)
        select id, 1, 'w', now(), 'retried' from requests where status = 'completed';
    insert into socket_tickets (digest, user_id, expires_at, identity)
        select sha256(email::bytea), id, now() + interval '1 hour', '{}' from users;
    insert into idempotency_keys (user_id, key, fingerprint) select u.id, n, '' from users u, generate_series(1, 4) n;
    insert into spending (scope, subject, day, spent)
        select 'user', u.id::text, current_date - n, 1 from users u, generate_series(1, 20) n;
    insert into questions (id, owner_id, category, text)
        select gen_random_uuid(), u.id, 'own', 'question ' || n from users u, generate_series(1, 4) n;
    insert into responses (id, persona_id, question_id, content, status, version)
        select gen_random_uuid(), p.id, q.id, 'words', 'final', 2 from personas p join questions q on q.owner_id = p.owner_id;
    insert into response_versions (response_id, version, content, status, written_at)
        select id, 1, 'words', 'draft', now() from responses;
    insert into daily_questions (persona_id, question_id, asked_on)
        select persona_id, question_id, current_date - (row_number() over (partition by persona_id))::int from responses;
    insert into jobs (kind, key, payload) select 'index', 'response:' || id, '{}' from responses;
    insert into documents (id, persona_id, media_type, size, digest, status, content, outline)
        select gen_random_uuid(), id, 'text/plain', 1, sha256(n::text::bytea), 'ready', 'words', '[]' from personas, generate_series(1, 2) n;
    insert into passages (id, persona_id, source_kind, source_id, ordinal, place, content, language, search)
        select gen_random_uuid(), persona_id, 'document', id, n, '{}', 'words ' || n || id, 'english',
            to_tsvector('english', 'lamp w' || n || ' v' || left(id::text, 4))
        from documents, generate_series(1, 10) n;
    insert into jobs (kind, key, payload, due_at)
        select 'index', 'document:' || id, '{}', now() + interval '1 hour' from documents;
    insert into jobs (kind, status, finished_at, error) select 'password_reset', 'failed', now(), 'e' from documents;
    insert into feedback (request_id, persona_id, rating, note, share)
        select r.id, c.persona_id, case when r.position % 3 = 0 then 'down' else 'up' end, 'n', r.position % 2 = 0
        from requests r join conversations c on c.id = r.conversation_id where r.status = 'completed';
    insert into memories (id, user_id, persona_id, fact, request_id)
        select gen_random_uuid(), c.user_id, c.persona_id, 'fact ' || r.position, r.id
        from requests r join conversations c on c.id = r.conversation_id where r.status = 'completed';
    insert into embeddings (digest, model, vector) select digest, 'm', '' from passages;
    insert into vector_versions (persona_id) select id from personas;
    insert into persona_avatars (persona_id, digest, content_type, bytes, width, height)
        select id, repeat('0', 64), 'image/png', '', 1, 1 from personas;
    insert into persona_cards (persona_id, card) select id, '{}' from personas;
    insert into persona_lorebooks (persona_id, book) select id, '{}' from personas;
    insert into lore_receipts (request_id, conversation_id, turn, branch, attempt, receipt, state)
        select id, conversation_id, position, 0, 1, '[]', '{}' from requests where status = 'completed';
    insert into audit_subjects (user_id) select id from users;
    insert into audit_entries (position, at, actor_kind, actor_subject, target_subject, verb, hash)
        select row_number() over (), now(), 'user', id, id, 'sign_in', sha256('x') from audit_subjects, generate_series(1, 4);
    insert into audit_details (position, part, subject, salt, details)
        select position, part, actor_subject, uuid_send(gen_random_uuid()), '{}' from audit_entries, unnest(array['origin', 'change']) part;
    insert into jobs (user_id, kind, status, finished_at, expires_at)
        select u.id, 'export', 'done', now(), now() + interval '1 hour' from users u, generate_series(1, 4);
    insert into export_parts (job_id, attempt, number, content)
        select id, 0, n, '' from jobs, generate_series(0, 2) n where kind = 'export';
    analyze;
";

/// A backlog that the statistics know nothing of, as after an hour without Redis.
const BACKLOG: &str = "
    insert into requests (id, conversation_id, user_id, tier, correlation_id, due_at)
        select gen_random_uuid(), id, user_id, 'free', 'c', now() + interval '1 hour' from conversations;
";

const BIG: [&str; 29] = [
    "persona_avatars",
    "persona_cards",
    "persona_lorebooks",
    "lore_receipts",
    "audit_subjects",
    "audit_entries",
    "audit_details",
    "jobs",
    "export_parts",
    "documents",
    "passages",
    "idempotency_keys",
    "users",
    "personas",
    "conversations",
    "requests",
    "messages",
    "attempts",
    "socket_tickets",
    "spending",
    "questions",
    "responses",
    "response_versions",
    "daily_questions",
    "feedback",
    "memories",
    "embeddings",
    "vector_work",
    "vector_versions",
];

/// Every statement that the code can make, as .sqlx/ lists them.
fn statements() -> Vec<(String, usize)> {
    let listed = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/db/.sqlx")).expect(".sqlx");
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).expect("a description of a statement");
        let description: Value = serde_json::from_str(&text).expect("JSON");
        let parameters = description["describe"]["parameters"]["Left"].as_array().expect("parameters").len();
        (description["query"].as_str().expect("a statement").to_owned(), parameters)
    };
    listed.map(|entry| read(entry.expect("an entry"))).collect()
}

/// A node of a plan, and whether what is above it stops reading when it has enough: it stands below a limit, and
/// nothing in between must see everything first.
struct Node {
    node: Value,
    bounded: bool,
}

/// The nodes of a statement's plan, made once for all arguments as the pool's connections make them.
async fn plan(connection: &mut PgConnection, statement: &str, parameters: usize) -> Vec<Node> {
    let arguments = vec!["null"; parameters].join(", ");
    let call = if arguments.is_empty() { "asked".to_owned() } else { format!("asked ({arguments})") };
    connection.execute(AssertSqlSafe(format!("prepare asked as {statement}"))).await.unwrap();
    let explain = AssertSqlSafe(format!("explain (format json) execute {call}"));
    let plan: Value = sqlx::query_scalar(explain).fetch_one(&mut *connection).await.unwrap();
    connection.execute("deallocate asked").await.unwrap();
    let (mut nodes, mut next) = (Vec::new(), vec![Node { node: plan[0]["Plan"].clone(), bounded: false }]);
    while let Some(above) = next.pop() {
        next.extend(below(&above));
        nodes.push(above);
    }
    nodes
}

fn below(above: &Node) -> Vec<Node> {
    let bounded = match above.node["Node Type"].as_str().unwrap_or_default() {
        "Limit" => true,
        "Append" | "LockRows" | "Nested Loop" | "Result" | "Subquery Scan" => above.bounded,
        _ => false,
    };
    // The inner side of a loop is read again for each row of the outer one.
    let streamed =
        |node: &Value| ["Outer", "Subquery", "Member"].iter().any(|side| node["Parent Relationship"] == *side);
    let nodes = above.node["Plans"].as_array().cloned().unwrap_or_default();
    nodes.into_iter().map(|node| Node { bounded: bounded && streamed(&node), node }).collect()
}

/// Whether a node reads all of a big table, or all of one of its indexes.
fn reads_everything(Node { node, bounded }: &Node) -> bool {
    if *bounded {
        return false;
    }
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let big = |name: &Value| name.as_str().is_some_and(|name| BIG.iter().any(|table| name.starts_with(table)));
    match kind {
        "Seq Scan" => big(&node["Relation Name"]),
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
            big(&node["Index Name"]) && node["Index Cond"].is_null()
        }
        _ => false,
    }
}

#[tokio::test]
async fn no_statement_reads_the_whole_of_anything_big() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let mut connection = cluster.db.acquire().await.unwrap();
    connection.execute(FILL).await.unwrap();
    connection.execute(BACKLOG).await.unwrap();
    for (setting, value) in PLANNING {
        connection.execute(AssertSqlSafe(format!("set {setting} = {value}"))).await.unwrap();
    }
    let statements = statements();
    assert!(statements.len() >= 25, "only {} statements", statements.len());
    let mut faults = Vec::new();
    for (statement, parameters) in statements {
        if statement.trim_start().to_lowercase().starts_with("lock ") {
            continue;
        }
        let plan = plan(&mut connection, &statement, parameters).await;
        for node in plan.iter().filter(|node| reads_everything(node)) {
            faults.push(format!("{statement}\nreads everything in\n{:#}\n", node.node));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Foreign keys for whose sake nothing is ever looked for in something big: tickets last a minute.
const SMALL: [&str; 1] = ["socket_tickets_user_id_fkey"];

/// What goes with a row that is deleted is looked for by statements of PostgreSQL's own, which are in no list of ours.
#[tokio::test]
async fn no_deletion_reads_the_whole_of_anything_big() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let keys = "
        select c.conname::text from pg_constraint c
        where c.contype = 'f' and c.conrelid::regclass::text = any ($1) and not exists (
            select from pg_index i join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
            where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
              and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname)))
        order by 1";
    let big = BIG.map(str::to_owned).to_vec();
    let without: Vec<String> = sqlx::query_scalar(keys).bind(big).fetch_all(&cluster.db).await.unwrap();
    assert_eq!(without, SMALL, "foreign keys without an index of their columns");
    // The key of conversations is the one that people wait for.
    let mut connection = cluster.db.acquire().await.unwrap();
    connection.execute(FILL).await.unwrap();
    for (setting, value) in PLANNING {
        connection.execute(AssertSqlSafe(format!("set {setting} = {value}"))).await.unwrap();
    }
    let plan = plan(&mut connection, "delete from only requests where $1::uuid = conversation_id", 1).await;
    let faults: Vec<_> = plan.iter().filter(|node| reads_everything(node)).map(|node| &node.node).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}
