//! Migrations: what older databases get.

use sqlx::Executor;
use troupe_tests::ClusterOptions;

/// A database that was left at 24, when there was no 23.
#[tokio::test]
async fn a_number_that_was_left_out_is_applied_later() {
    let mut cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let applied = "select count(*) from _sqlx_migrations where version = 23 and success";
    let index = "select count(*) from pg_indexes where indexname = 'requests_conversation_id_idx'";
    assert_eq!((cluster.number(applied).await, cluster.number(index).await), (1, 1));
    cluster.servers.remove(0).stop().await;
    let back = "drop index requests_conversation_id_idx; delete from _sqlx_migrations where version = 23";
    cluster.db.execute(back).await.unwrap();
    let server = cluster.add_server().await;
    assert_eq!(server, 0, "the one that there is");
    assert_eq!((cluster.number(applied).await, cluster.number(index).await), (1, 1));
}
