//! What `doctor` looks at in PostgreSQL.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use tokio::time::timeout;
use troupe_core::{
    clock::{Clock, SystemClock},
    config::{Database, PostgresTransport},
    doctor::Finding,
};

use crate::{MIGRATOR, primary::Servers, replica, response_timeout::unanswered};

const MIN_VERSION: i32 = 14;
const TIME_LIMIT: Duration = Duration::from_secs(5);
const REPLICA_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Whoever looks does so because something is wrong: a PostgreSQL that is frozen must not freeze the look.
pub async fn examine(config: &Database, application: &str) -> Vec<Finding> {
    timeout(TIME_LIMIT, look_at_all(config, application)).await.unwrap_or_else(|_| {
        let found = format!("it did not answer within {} s", TIME_LIMIT.as_secs());
        vec![Finding::ill("PostgreSQL", found, "look whether it is frozen, or the way to it is cut")]
    })
}

async fn look_at_all(config: &Database, application: &str) -> Vec<Finding> {
    let connected = async {
        let mut servers = Servers::new(config, application).map_err(|error| error.to_string())?;
        servers.connect().await.map_err(|error| error.to_string())
    };
    let mut db = match connected.await {
        Ok(db) => db,
        Err(error) => {
            return vec![Finding::ill("PostgreSQL", error, "start it, and look at DATABASE_URL (database.url)")];
        }
    };
    let mut findings: Vec<_> = encryption(config).into_iter().collect();
    match look(&mut db, config).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::ill("PostgreSQL", error.to_string(), "look at its log")),
    }
    if config.read_url.is_some() {
        findings.push(look_at_replica(config, application).await);
    }
    findings
}

/// Whether the replica follows. Without it everything works.
async fn look_at_replica(config: &Database, application: &str) -> Finding {
    const ABOUT: &str = "replica";
    let look = async {
        let mut db = replica::connect_to_look(config, application).await?;
        let row = sqlx::query(
            "select pg_is_in_recovery() as follows, current_setting('hot_standby_feedback') = 'on' as feedback",
        )
        .fetch_one(&mut db)
        .await?;
        Ok::<(bool, bool), sqlx::Error>((row.try_get("follows")?, row.try_get("feedback")?))
    };
    let looked = timeout(REPLICA_TIME_LIMIT, look).await;
    match looked.unwrap_or_else(|_| Err(unanswered("it does not answer".to_owned()))) {
        Err(error) => {
            Finding::doubtful(ABOUT, error.to_string(), "start it, and look at database.read_url: the primary is read")
        }
        Ok((false, _)) => {
            let advice = "give database.read_url a standby of database.url: the primary is read";
            Finding::doubtful(ABOUT, "it follows nobody", advice)
        }
        Ok((true, false)) => {
            let advice = "set hot_standby_feedback = on there, or long reads are ended and made again on the primary";
            Finding::doubtful(ABOUT, "it follows, hot_standby_feedback off", advice)
        }
        Ok((true, true)) => Finding::well(ABOUT, "it follows, hot_standby_feedback on"),
    }
}

/// Whether what is sent to a database elsewhere is encrypted.
fn encryption(config: &Database) -> Option<Finding> {
    const ABOUT: &str = "encryption of PostgreSQL";
    let transport = config.transport()?;
    let found = transport.to_string();
    Some(match transport {
        PostgresTransport::Local | PostgresTransport::VerifiedTls => Finding::well(ABOUT, found),
        PostgresTransport::UnverifiedTls => {
            let advice = "sslmode=verify-full also checks who answers; sslrootcert names the authority";
            Finding::doubtful(ABOUT, found, advice)
        }
        PostgresTransport::Plaintext if config.allow_plaintext => {
            Finding::well(ABOUT, format!("{found}: database.allow_plaintext says that the network is private"))
        }
        PostgresTransport::Plaintext => {
            Finding::doubtful(ABOUT, found, "add ?sslmode=verify-full to DATABASE_URL, or set database.allow_plaintext")
        }
    })
}

async fn look(db: &mut PgConnection, config: &Database) -> sqlx::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let began = SystemClock.now();
    let row = sqlx::query(
        "select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
                clock_timestamp() as now, current_setting('max_connections')::int as max_connections,
                current_setting('synchronous_commit') as synchronous_commit, current_setting('fsync') as fsync,
                (select rolsuper from pg_roles where rolname = current_user) as superuser",
    )
    .fetch_one(&mut *db)
    .await?;
    let took = SystemClock.now() - began;
    let ours = began + took / 2;
    let (version, number): (String, i32) = (row.try_get("version")?, row.try_get("number")?);
    findings.push(if number / 10_000 < MIN_VERSION {
        Finding::ill("PostgreSQL", format!("version {version}"), "14 or later is needed")
    } else {
        Finding::well("PostgreSQL", format!("version {version}, answered in {} ms", took.num_milliseconds()))
    });
    findings.push(Finding::of_clock("PostgreSQL", row.try_get::<DateTime<Utc>, _>("now")?, ours));
    let max: i32 = row.try_get("max_connections")?;
    let ours = config.max_connections;
    let found = format!("{ours} of its {max} connections by each process");
    findings.push(if i64::from(ours) * 4 > i64::from(max) {
        let advice = "raise max_connections, or lower database.max_connections: all processes together must fit";
        Finding::doubtful("connections", found, advice)
    } else {
        Finding::well("connections", found)
    });
    let (synchronous, fsync): (String, String) = (row.try_get("synchronous_commit")?, row.try_get("fsync")?);
    findings.push(if fsync == "on" && synchronous != "off" {
        Finding::well("durability", format!("fsync {fsync}, synchronous_commit {synchronous}"))
    } else {
        let found = format!("fsync {fsync}, synchronous_commit {synchronous}");
        Finding::doubtful("durability", found, "what was accepted can be lost in a crash: set both to on")
    });
    if row.try_get::<Option<bool>, _>("superuser")?.unwrap_or_default() {
        let advice = "give servers and workers a role of their own: troupe-server grant-runtime";
        findings.push(Finding::doubtful("role", "a superuser", advice));
    }
    findings.push(schema(db).await?);
    if findings.iter().all(|finding| finding.about != "schema" || finding.advice.is_none()) {
        findings.extend(work(db).await?);
    }
    Ok(findings)
}

/// Whether the schema is the one that this version was built with.
async fn schema(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *db).await?;
    if !exists {
        return Ok(Finding::ill("schema", "there is none", "start a server or a worker once, which makes it"));
    }
    let applied: Vec<(i64, Vec<u8>, bool)> =
        sqlx::query_as("select version, checksum, success from _sqlx_migrations order by version")
            .fetch_all(db)
            .await?;
    let applied: BTreeMap<_, _> =
        applied.into_iter().map(|(version, sum, success)| (version, (sum, success))).collect();
    let ours: BTreeMap<_, _> = MIGRATOR.iter().map(|migration| (migration.version, &migration.checksum)).collect();
    let missing = ours.keys().filter(|version| !applied.contains_key(version)).count();
    let newer = applied.keys().filter(|version| !ours.contains_key(version)).count();
    let changed = ours.iter().any(|(version, sum)| applied.get(version).is_some_and(|(found, _)| found[..] != sum[..]));
    let broken = applied.values().any(|(_, success)| !success);
    let last = applied.keys().next_back().copied().unwrap_or_default();
    Ok(if broken || changed {
        let found = if broken { "a migration has failed" } else { "a migration is not what it was" };
        Finding::ill("schema", found, "restore it from a backup, or ask for help with docs/OPERATIONS.md at hand")
    } else if missing > 0 {
        let advice = "start the new version once with database.migrate, or run troupe-server grant-runtime";
        Finding::doubtful("schema", format!("{missing} migrations of this version are not applied"), advice)
    } else if newer > 0 {
        let advice = "another version has migrated it: bring this one up to date";
        Finding::doubtful("schema", format!("{newer} migrations are newer than this version"), advice)
    } else {
        Finding::well("schema", format!("up to date (migration {last})"))
    })
}

/// What should have been done by now.
async fn work(db: &mut PgConnection) -> sqlx::Result<Vec<Finding>> {
    let row = sqlx::query(
        "select (select count(*) from (select from vector_work where due_at < now() - interval '10 minutes' limit 10000) stuck)
                as vectors,
                (select count(*) from (select from jobs where finished_at is null and kind = 'index'
                                        and coalesce(lease_until, due_at) < now() - interval '10 minutes' limit 10000) stuck)
                as sources,
                (select count(*) from workers where alive_until > now()) as workers",
    )
    .fetch_one(db)
    .await?;
    let (vectors, sources): (i64, i64) = (row.try_get("vectors")?, row.try_get("sources")?);
    let workers: i64 = row.try_get("workers")?;
    let index = if vectors + sources > 0 {
        let found = format!("{sources} sources and {vectors} passages wait for more than ten minutes");
        Finding::doubtful("index", found, "look whether workers run, and at the embedder and the vector store")
    } else {
        Finding::well("index", "nothing waits for long")
    };
    let alive = if workers == 0 {
        Finding::doubtful("workers", "none is there", "start troupe-worker: without one nobody replies")
    } else {
        Finding::well("workers", format!("{workers} are there"))
    };
    Ok(vec![index, alive])
}
