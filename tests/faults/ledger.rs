//! What PostgreSQL says of every request, in one look: the truth that everything else is held against.

use std::collections::HashMap;

use sqlx::Row;
use troupe_tests::Cluster;

/// A request with its question and its reply.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) conversation: String,
    pub(crate) status: String,
    pub(crate) attempt: i32,
    /// Attempts of which there is a record.
    pub(crate) recorded: i64,
    pub(crate) question: String,
    /// The replies: one, if all is well and it did not fail.
    pub(crate) replies: Vec<Reply>,
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) id: String,
    pub(crate) content: String,
    /// The order of being stored.
    pub(crate) position: i64,
}

impl Entry {
    pub(crate) fn is_final(&self) -> bool {
        ["completed", "failed", "cancelled"].contains(&&*self.status)
    }
}

/// Every request, in the order of being accepted.
pub(crate) async fn read(cluster: &Cluster) -> Vec<Entry> {
    let replies = sqlx::query(
        "select request_id::text, id::text, content, position from messages where role = 'assistant' order by position",
    );
    let mut by_request: HashMap<String, Vec<Reply>> = HashMap::new();
    for row in replies.fetch_all(&cluster.db).await.expect("the replies") {
        let reply = Reply { id: row.get(1), content: row.get(2), position: row.get(3) };
        by_request.entry(row.get(0)).or_default().push(reply);
    }
    let requests = sqlx::query(
        "select r.id::text, r.user_id::text, r.conversation_id::text, r.status, r.attempt, q.content, \
         (select count(*) from attempt_history a where a.request_id = r.id) \
         from requests r join messages q on q.request_id = r.id and q.role = 'user' order by r.position",
    );
    let requests = requests.fetch_all(&cluster.db).await.expect("the requests");
    let entry = |row: &sqlx::postgres::PgRow| Entry {
        id: row.get(0),
        user: row.get(1),
        conversation: row.get(2),
        status: row.get(3),
        attempt: row.get(4),
        question: row.get(5),
        recorded: row.get(6),
        replies: by_request.get(row.get::<&str, _>(0)).cloned().unwrap_or_default(),
    };
    requests.iter().map(entry).collect()
}
