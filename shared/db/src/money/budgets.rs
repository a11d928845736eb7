//! Daily budgets and spending: money is reserved before a model is called, and settled when the cost is known.
//!
//! Reservations count as spent, so that concurrent replies cannot spend the same money. If a worker dies in between,
//! the reservation stays spent: a day may end under budget, never over it. Rows are locked in the same order
//! everywhere.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use sqlx::{PgExecutor, PgPool, Result};
use troupe_core::{
    ids::{PersonaId, UserId},
    model::money::{Allowance, Budget, Scope, end_of},
};

use crate::Page;

/// For the rounding errors of sums.
const TOLERANCE: f64 = 1e-9;

/// An account of daily spending.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    pub scope: Scope,
    pub subject: String,
}

/// An account to charge, and its daily limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Purse {
    pub account: Account,
    pub daily_limit: f64,
}

/// A reservation: from all of these purses, or from none.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub amount: f64,
    pub purses: Vec<Purse>,
}

/// The result of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Reserved on this day.
    On(NaiveDate),
    /// Nothing is reserved: the purse at this index has too little left on this day.
    Exhausted { purse: usize, day: NaiveDate },
}

/// A change of an account's spending.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub account: Account,
    pub day: NaiveDate,
    pub amount: f64,
}

/// By scope and subject, after such a pair, with today's spending.
pub async fn list(db: impl PgExecutor<'_>, page: Page<(String, String)>) -> Result<Vec<Budget>> {
    let (scope, subject) = page.after.unwrap_or_default();
    sqlx::query_as!(
        Budget,
        r#"select b.scope as "scope: Scope", coalesce(p.slug, b.subject) as "subject!", b.subject as stored_subject, b.daily_limit,
               case when b.scope <> 'tier_user' then coalesce(s.spent, 0) end as spent, b.updated_at
           from budgets b
           left join personas p on p.id = case when b.scope = 'persona' then b.subject::uuid end
           left join spending s on s.scope = b.scope and s.subject = b.subject and s.day = (now() at time zone 'utc')::date
           where (b.scope, b.subject) > ($1, $2) order by b.scope, b.subject limit $3"#,
        scope,
        subject,
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// All budgets, for workers.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<(Scope, String, f64)>> {
    let rows =
        sqlx::query!(r#"select scope as "scope: Scope", subject, daily_limit from budgets"#).fetch_all(db).await?;
    Ok(rows.into_iter().map(|row| (row.scope, row.subject, row.daily_limit)).collect())
}

/// The share that is spent or reserved today of everyone's budget and of those of tiers: few, whatever the number of
/// users.
pub async fn used(db: impl PgExecutor<'_>) -> Result<Vec<(Scope, String, f64)>> {
    let rows = sqlx::query!(
        r#"select b.scope as "scope: Scope", b.subject,
               coalesce(coalesce(s.spent, 0) / nullif(b.daily_limit, 0), 1) as "used!"
           from budgets b
           left join spending s on s.scope = b.scope and s.subject = b.subject and s.day = (now() at time zone 'utc')::date
           where b.scope in ('everyone', 'tier')"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.scope, row.subject, row.used)).collect())
}

/// Sets a daily budget.
pub async fn set(db: impl PgExecutor<'_>, scope: Scope, subject: &str, daily_limit: f64) -> Result<()> {
    sqlx::query!(
        "insert into budgets (scope, subject, daily_limit) values ($1, $2, $3)
         on conflict (scope, subject) do update set daily_limit = excluded.daily_limit, updated_at = now()",
        scope.name(),
        subject,
        daily_limit,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks a daily budget until the end of the transaction.
pub async fn hold_limit(db: impl PgExecutor<'_>, scope: Scope, subject: &str) -> Result<Option<f64>> {
    sqlx::query_scalar!(
        "select daily_limit from budgets where scope = $1 and subject = $2 for update",
        scope.name(),
        subject,
    )
    .fetch_optional(db)
    .await
}

/// Removes a budget; `false` where there is none.
pub async fn remove(db: impl PgExecutor<'_>, scope: Scope, subject: &str) -> Result<bool> {
    let done = sqlx::query!("delete from budgets where scope = $1 and subject = $2", scope.name(), subject)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The id of the persona with this slug, whatever its visibility.
pub async fn persona(db: impl PgExecutor<'_>, slug: &str) -> Result<Option<PersonaId>> {
    sqlx::query_scalar!(r#"select id as "id: PersonaId" from personas where slug = $1"#, slug).fetch_optional(db).await
}

/// A user's budget and spending of today: by the user's own budget, else by that of each user of the tier, else by the
/// default. `None` where there is no such user.
pub async fn allowance(db: impl PgExecutor<'_>, user: UserId, default_limit: Option<f64>) -> Result<Option<Allowance>> {
    let row = sqlx::query!(
        r#"select today as "today!", coalesce(o.daily_limit, t.daily_limit, $2) as daily_limit, coalesce(s.spent, 0) as "spent!"
           from users u
           cross join lateral (select (now() at time zone 'utc')::date as today) d
           left join budgets o on o.scope = 'user' and o.subject = u.id::text
           left join budgets t on t.scope = 'tier_user' and t.subject = u.tier
           left join spending s on s.scope = 'user' and s.subject = u.id::text and s.day = d.today
           where u.id = $1"#,
        user.as_uuid(),
        default_limit,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Allowance { daily_limit: row.daily_limit, spent: row.spent, renews_at: end_of(row.today) }))
}

/// Reserves in the given order, as far as the budgets allow, on PostgreSQL's current day.
pub async fn reserve(db: &PgPool, wanted: &[Wanted]) -> Result<Vec<Reserved>> {
    let mut transaction = db.begin().await?;
    let (day, mut accounts) = lock(&mut *transaction, wanted).await?;
    let before = accounts.clone();
    let reserved: Vec<_> = wanted
        .iter()
        .map(|wanted| match take(&mut accounts, wanted) {
            Ok(()) => Reserved::On(day),
            Err(purse) => Reserved::Exhausted { purse, day },
        })
        .collect();
    let changed = accounts.into_iter().filter(|(account, spent)| before.get(account) != Some(spent));
    let (changed, spent): (Vec<_>, Vec<_>) = changed.unzip();
    if changed.is_empty() {
        transaction.rollback().await?;
        return Ok(reserved);
    }
    let (scopes, subjects) = columns(changed.iter());
    sqlx::query!(
        "update spending s set spent = w.spent from unnest($1::text[], $2::text[], $3::float8[]) as w (scope, subject, spent)
         where s.scope = w.scope and s.subject = w.subject and s.day = $4",
        &scopes,
        &subjects,
        &spent,
        day,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(reserved)
}

/// Locks the accounts to charge, creating today's rows; returns the spending of each.
async fn lock(db: impl PgExecutor<'_>, wanted: &[Wanted]) -> Result<(NaiveDate, HashMap<Account, f64>)> {
    let accounts: HashSet<_> = wanted.iter().flat_map(|wanted| &wanted.purses).map(|purse| &purse.account).collect();
    let (scopes, subjects) = columns(accounts.into_iter());
    let rows = sqlx::query!(
        r#"insert into spending (scope, subject, day, spent)
           select scope, subject, (now() at time zone 'utc')::date, 0
           from unnest($1::text[], $2::text[]) as w (scope, subject) order by scope collate "C", subject collate "C"
           on conflict (scope, subject, day) do update set spent = spending.spent
           returning scope as "scope: Scope", subject, day, spent"#,
        &scopes,
        &subjects,
    )
    .fetch_all(db)
    .await?;
    let day = rows.first().map(|row| row.day).ok_or(sqlx::Error::RowNotFound)?;
    let account = |scope, subject| Account { scope, subject };
    Ok((day, rows.into_iter().map(|row| (account(row.scope, row.subject), row.spent)).collect()))
}

/// Takes the money from all purses, or from none: the error is the index of the exhausted one.
fn take(spent: &mut HashMap<Account, f64>, wanted: &Wanted) -> std::result::Result<(), usize> {
    let exhausted = |purse: &Purse| {
        let spent = spent.get(&purse.account).copied().unwrap_or_default();
        spent + wanted.amount > purse.daily_limit + TOLERANCE * purse.daily_limit.max(1.0)
    };
    if let Some(purse) = wanted.purses.iter().position(exhausted) {
        return Err(purse);
    }
    for purse in &wanted.purses {
        *spent.entry(purse.account.clone()).or_default() += wanted.amount;
    }
    Ok(())
}

/// Adds to the spending of accounts (or subtracts), on the day of the reservation.
pub async fn record_spending(db: impl PgExecutor<'_>, changes: &[Change]) -> Result<()> {
    let (scopes, subjects) = columns(changes.iter().map(|change| &change.account));
    let (days, amounts): (Vec<_>, Vec<_>) = changes.iter().map(|change| (change.day, change.amount)).unzip();
    sqlx::query!(
        r#"with changes as (
               select scope, subject, day, sum(amount) as amount
               from unnest($1::text[], $2::text[], $3::date[], $4::float8[]) as c (scope, subject, day, amount)
               group by scope, subject, day
           ), locked as materialized (
               select s.scope, s.subject, s.day, c.amount from spending s
               join changes c on c.scope = s.scope and c.subject = s.subject and c.day = s.day
               order by s.scope, s.subject, s.day for update of s
           )
           update spending s set spent = greatest(0, s.spent + l.amount) from locked l
           where s.scope = l.scope and s.subject = l.subject and s.day = l.day"#,
        &scopes,
        &subjects,
        &days,
        &amounts,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn columns<'a>(accounts: impl Iterator<Item = &'a Account>) -> (Vec<String>, Vec<String>) {
    accounts.map(|account| (account.scope.name().to_owned(), account.subject.clone())).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purse(subject: &str, daily_limit: f64) -> Purse {
        Purse { account: Account { scope: Scope::User, subject: subject.to_owned() }, daily_limit }
    }

    #[test]
    fn all_purses_pay_or_none() {
        let mut spent = HashMap::new();
        let wanted = Wanted { amount: 2.0, purses: vec![purse("a", 10.0), purse("b", 3.0)] };
        assert_eq!(take(&mut spent, &wanted), Ok(()));
        assert_eq!(take(&mut spent, &wanted), Err(1));
        assert_eq!(spent[&wanted.purses[0].account].to_bits(), 2f64.to_bits());
    }

    #[test]
    fn a_limit_can_be_spent_to_the_last_fraction_and_no_further() {
        let mut spent = HashMap::new();
        let wanted = Wanted { amount: 0.1, purses: vec![purse("a", 0.3)] };
        assert_eq!([(); 4].map(|()| take(&mut spent, &wanted)), [Ok(()), Ok(()), Ok(()), Err(0)]);
        let nothing = Wanted { amount: 0.1, purses: vec![purse("b", 0.0)] };
        assert_eq!(take(&mut spent, &nothing), Err(0));
    }
}
