//! The audit log as JSON lines, the oldest first, streamed in pages.

use bytes::Bytes;
use futures::{Stream, stream};
use sqlx::PgPool;
use troupe_db::{
    Page,
    operations::audit::{self, Filter, Order},
};

const PAGE: i64 = 500;

pub(crate) fn lines(pool: PgPool, filter: Filter) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
    stream::try_unfold(Some(0), move |after| {
        let (pool, filter) = (pool.clone(), filter.clone());
        async move {
            if after.is_none() {
                return Ok(None);
            }
            let entries = audit::list(&pool, &filter, Order::OldestFirst, Page { after, limit: PAGE }).await?;
            let next = entries.last().map(|entry| entry.position).filter(|_| entries.len() as i64 == PAGE);
            let line = |entry| serde_json::to_string(entry).unwrap_or_default() + "\n";
            Ok(Some((Bytes::from(entries.iter().map(line).collect::<String>()), next)))
        }
    })
}
