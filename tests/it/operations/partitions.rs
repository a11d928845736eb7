//! The way to partitions by month that docs/SCALING.md describes, taken by a system that runs.

use std::{fs, path::Path};

use reqwest::Method;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use troupe_tests::{Cluster, ClusterOptions, provider::default_reply, within};
use uuid::Uuid;

const MONTH: i64 = 30 * 86_400_000;

/// The statements of one step, as they are in the manual.
fn step(name: &str) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SCALING.md");
    let manual = fs::read_to_string(manual).expect("docs/SCALING.md");
    let (_, rest) = manual.split_once(&format!("<!-- capacity:{name} -->\n```sql\n")).expect("a step");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// The first id of this moment, in milliseconds since 1970.
fn first_id(at: i64) -> Uuid {
    Uuid::from_u128(u128::from(at.unsigned_abs()) << 80)
}

struct Operator {
    db: PgConnection,
    bound: i64,
}

impl Operator {
    fn statements(&self, name: &str) -> String {
        let (from, to) = (first_id(self.bound).to_string(), first_id(self.bound + MONTH).to_string());
        let filled = step(name).replace("$bound", &from).replace("$from", &from);
        filled.replace("$to", &to).replace("$name", "next")
    }

    /// Statement by statement.
    async fn does(&mut self, name: &str) {
        for statement in self.statements(name).split(";\n").filter(|statement| !statement.trim().is_empty()) {
            self.db.execute(AssertSqlSafe(statement)).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// In one transaction, again and again while others hold what it wants.
    async fn comes_to_do(&mut self, name: &str) {
        let statements = self.statements(name);
        within(name, async {
            while let Err(error) = self.db.execute(AssertSqlSafe(statements.as_str())).await {
                self.db.execute("rollback").await.expect("the end of the transaction");
                assert!(error.to_string().contains("lock timeout"), "{name}: {error}");
            }
        })
        .await;
    }
}

async fn now(cluster: &Cluster) -> i64 {
    cluster.number("select (extract(epoch from clock_timestamp()) * 1000)::bigint").await
}

#[tokio::test]
async fn partitions_come_and_go_while_people_write() {
    let cluster = ClusterOptions::default().servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let old = user.conversation("demo").await;
    assert_eq!(user.ask(&old, "Before").await, default_reply("Before"));
    let db = PgConnection::connect_with(&cluster.db.connect_options()).await.expect("a connection");
    let mut operator = Operator { db, bound: now(&cluster).await + 3_000 };
    operator.does("prepare").await;
    operator.comes_to_do("switch").await;
    operator.does("monthly").await;
    operator.does("after").await;
    assert_eq!(cluster.count("messages_first").await, 2);
    within("the next month", async { while now(&cluster).await <= operator.bound {} }).await;

    let new = user.conversation("demo").await;
    assert_eq!(user.ask(&new, "After").await, default_reply("After"));
    assert_eq!(cluster.count("messages_next").await, 2);
    let told: Vec<_> = user.messages(&old).await.into_iter().map(|(_, content)| content).collect();
    assert_eq!(told, ["Before".to_owned(), default_reply("Before")]);

    let words = "insert into message_words select id, position, to_tsvector('simple', content) from messages";
    cluster.db.execute(words).await.expect("words");
    operator.comes_to_do("drop").await;
    assert_eq!((cluster.count("messages").await, cluster.count("message_words").await), (2, 2));
    operator.does("monthly").await;
    assert_eq!(user.ask(&old, "Again").await, default_reply("Again"));
    assert_eq!((cluster.count("messages_first").await, cluster.count("messages_next").await), (2, 2));
    let deleted = user.call(Method::DELETE, &format!("/api/v1/conversations/{old}"));
    user.answer(deleted).await.expect(204);
    assert_eq!((cluster.count("messages").await, cluster.count("message_words").await), (0, 0));
    cluster.assert_quiet().await;
}
