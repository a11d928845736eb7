//! What operators do on the command line, beside serving. Each reads the same configuration, and needs only the
//! database.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Subcommand;
use sqlx::PgPool;
use troupe_core::{
    config::{Config, Live},
    doctor::{self, Verdict},
    model::{
        AccountRole,
        audit::{By, On},
    },
    one_time_link::{LinkPurpose, OneTimeLink},
};
use troupe_db::{
    accounts::{passwords, users},
    operations::{audit, runtime_role},
};
use troupe_telemetry::listener;

use crate::{
    APPLICATION,
    accounts::{
        first_admin::{self, Done, Wanted},
        import_users,
    },
    admin::health,
    auth::passwords::Passwords,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Admins.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Users.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Bring the schema up to date, and give this role of the database what servers and workers need and no more.
    GrantRuntime { role: String },
    /// Bring the schema up to date, whatever `database.migrate` says.
    Migrate,
    /// Look whether everything that a server needs is there and well, and say what to do.
    Doctor,
    /// Ask the server on this machine whether it lives, at `telemetry.listen` or else `server.listen`: for probes.
    Health,
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make an admin of the account with this address, or open one. Prints a link by which its owner sets a password.
    Create {
        #[arg(long)]
        email: String,
        /// Of an account that is opened.
        #[arg(long, default_value = "Admin")]
        name: String,
        /// Read the password from standard input (one line) instead of printing a link.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// Open an account for each line of a file: `{"email", "name", "password_hash", "tier"}`. All of them, or none.
    Import { file: PathBuf },
    /// Print a link by which the owner of an account sets a new password.
    ResetLink {
        #[arg(long)]
        email: String,
    },
}

pub async fn run(command: Command, live: &Live, mut out: impl Write) -> anyhow::Result<()> {
    let config = &*live.now();
    match command {
        Command::Doctor => {
            let verdict = doctor::write(&health::examine(live).await, &mut out)?;
            ensure!(verdict != Verdict::Ill, "something is ill");
            return Ok(());
        }
        Command::Migrate => return Ok(troupe_db::migrate_now(&config.database, APPLICATION).await?),
        Command::Health => return listener::ask_health(config.telemetry.listen.unwrap_or(config.server.listen)).await,
        _ => {}
    }
    let pool = troupe_db::connect(&config.database, APPLICATION).await?;
    match command {
        Command::Doctor | Command::Health | Command::Migrate => {}
        Command::Admin(AdminCommand::Create { email, name, password_stdin }) => {
            let password = password_stdin.then(read_line).transpose()?;
            let wanted = Wanted { email: &email, name: &name, password: password.as_deref() };
            match first_admin::ensure(&pool, &Passwords::new(&config.auth)?, wanted).await? {
                Done::Created(_) if password.is_none() => print_link(&pool, config, &email, &mut out).await?,
                Done::Created(_) => writeln!(out, "{email} has an account now, and is an admin")?,
                Done::Promoted(_) => writeln!(out, "{email} is an admin now, with the password as it was")?,
                Done::Unchanged(_) => writeln!(out, "{email} is an admin already")?,
            }
        }
        Command::Users(UsersCommand::Import { file }) => {
            let content = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            let imported = import_users::import(&pool, &content).await?;
            writeln!(out, "{imported} accounts were imported")?;
        }
        Command::GrantRuntime { role } => grant_runtime(&pool, &role).await?,
        Command::Users(UsersCommand::ResetLink { email }) => print_link(&pool, config, &email, &mut out).await?,
    }
    pool.close().await;
    Ok(())
}

/// Gives a role of the database what servers and workers need, and no more; brings the schema up to date before, unless
/// told otherwise.
async fn grant_runtime(pool: &PgPool, role: &str) -> anyhow::Result<()> {
    runtime_role::grant(pool, role).await.with_context(|| format!("give the role {role} what it needs"))?;
    tracing::info!(role, "may run servers and workers now");
    Ok(())
}

/// As `--make-admin` has always done it: of an account that is there.
pub async fn make_admin(config: &Config, email: &str) -> anyhow::Result<()> {
    let pool = troupe_db::connect(&config.database, APPLICATION).await?;
    let mut transaction = pool.begin().await?;
    let user_id = users::make_admin(&mut *transaction, email.trim()).await?;
    let user_id = user_id.with_context(|| format!("there is no account with the address {email}"))?;
    audit::append(
        &mut *transaction,
        &By::OPERATOR.does("role.changed").on(On::user(user_id)).after(AccountRole::Admin),
    )
    .await?;
    transaction.commit().await?;
    tracing::info!(%user_id, "is an admin now");
    pool.close().await;
    Ok(())
}

async fn print_link(pool: &PgPool, config: &Config, email: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let (link, ttl) =
        (OneTimeLink::new(config, LinkPurpose::ResetPassword).context("make a link")?, config.auth.reset_ttl);
    // An operator may make one after the other.
    let made = passwords::make_link(pool, email.trim(), &link.digest, ttl, Duration::ZERO).await?;
    let made = made.with_context(|| format!("there is no account with the address {email}"))?;
    audit::append(pool, &By::OPERATOR.does("password.link_made").on(On::user(made.id))).await?;
    let ttl = humantime::format_duration(ttl);
    writeln!(out, "a password for {email} is set here, once and within {ttl}: {}", link.address)?;
    Ok(())
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("read a password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
