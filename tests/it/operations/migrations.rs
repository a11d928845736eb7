//! Migrations: what older databases get, and that they may take their time.

use sqlx::Executor;
use troupe_tests::{ClusterOptions, within};

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

/// A process that starts while another migrates waits for it, however long that takes.
#[tokio::test]
async fn a_migration_may_take_longer_than_a_statement_may() {
    let options = ClusterOptions::default().servers(1).workers(0);
    let mut cluster = options.set("TROUPE_DATABASE__STATEMENT_TIMEOUT", "1s").start().await;
    let db = cluster.db.clone();
    let mut holder = db.begin().await.unwrap();
    holder.execute("lock table _sqlx_migrations in access exclusive mode").await.unwrap();
    let waits = "
        select pid from pg_stat_activity
        where application_name = 'troupe-server' and wait_event_type = 'Lock' and now() - query_start > interval '1500 ms'";
    let release = async {
        within("a server that waits for the table of migrations", async {
            while sqlx::query(waits).fetch_optional(&db).await.unwrap().is_none() {}
        })
        .await;
        holder.rollback().await.unwrap();
    };
    tokio::join!(release, cluster.add_server());
    cluster.assert_quiet().await;
}

/// What goes back to the version before, or runs beside the next.
#[tokio::test]
async fn a_migration_of_a_later_version_is_left_alone() {
    let mut cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let later = "
        insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a later version', true, '\\x00', 1)";
    cluster.db.execute(later).await.unwrap();
    cluster.servers.remove(0).stop().await;
    cluster.add_server().await;
    assert!(cluster.servers[0].lives());
    assert_eq!(cluster.number("select count(*) from _sqlx_migrations where version = 9999").await, 1);
    cluster.assert_quiet().await;
}
