//! The audit log as JSON lines, the oldest first, streamed in pages.

use bytes::Bytes;
use futures::{Stream, stream};
use troupe_db::{
    Page, Reads,
    operations::audit::{self, Filter, Order},
};

const PAGE: i64 = 500;

pub(crate) fn lines(reads: Reads, filter: Filter) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
    stream::try_unfold(Some(0), move |after| {
        let (reads, filter) = (reads.clone(), filter.clone());
        async move {
            if after.is_none() {
                return Ok(None);
            }
            let page = Page { after, limit: PAGE };
            let entries = reads.run(|db| audit::list(db, &filter, Order::OldestFirst, page)).await?;
            let next = entries.last().map(|entry| entry.position).filter(|_| entries.len() as i64 == PAGE);
            let line = |entry| serde_json::to_string(entry).unwrap_or_default() + "\n";
            Ok(Some((Bytes::from(entries.iter().map(line).collect::<String>()), next)))
        }
    })
}
