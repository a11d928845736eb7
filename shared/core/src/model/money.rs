//! Prices of models, and daily budgets.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Usage;

/// The wildcard: every model of a provider that has no price of its own, or everyone.
pub const ANY: &str = "*";

/// For a million tokens, in the operator's currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    pub prompt_price: f64,
    pub completion_price: f64,
}

impl Rate {
    pub fn of(&self, usage: Usage) -> f64 {
        let (prompt, completion) = (f64::from(usage.prompt_tokens), f64::from(usage.completion_tokens));
        (prompt * self.prompt_price + completion * self.completion_price) / 1e6
    }
}

/// The price of a model, for a million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Price {
    #[schema(example = "openai")]
    pub provider: String,
    /// `*` is every model of the provider that has no price of its own.
    #[schema(example = "gpt-4.1-mini")]
    pub model: String,
    #[schema(example = 0.5)]
    pub prompt_price: f64,
    #[schema(example = 2.0)]
    pub completion_price: f64,
    pub updated_at: DateTime<Utc>,
}

/// The subject of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Scope {
    /// One user; overrides the budget for each user of the tier.
    User,
    /// All users of a tier together.
    Tier,
    /// Each user of a tier.
    TierUser,
    /// All users of a persona.
    Persona,
    Everyone,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::User, Self::Tier, Self::TierUser, Self::Persona, Self::Everyone];

    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tier => "tier",
            Self::TierUser => "tier_user",
            Self::Persona => "persona",
            Self::Everyone => "everyone",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be user, tier, tier_user, persona or everyone")]
pub struct NoScope;

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(name: &str) -> Result<Self, NoScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == name).ok_or(NoScope)
    }
}

/// A daily budget.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Budget {
    pub scope: Scope,
    /// A user's id, a tier's name, a persona's slug (its id, if it is gone), or `*` for everyone.
    #[schema(example = "demo")]
    pub subject: String,
    /// As stored: the cursor of a page.
    #[serde(skip)]
    pub stored_subject: String,
    #[schema(example = 5.0)]
    pub daily_limit: f64,
    /// Today, including reservations of running replies; absent for `tier_user`, where each user has an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent: Option<f64>,
    pub updated_at: DateTime<Utc>,
}

/// The budget of one user.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Allowance {
    /// Null where no budget limits this user alone.
    #[schema(example = 5.0)]
    pub daily_limit: Option<f64>,
    /// Today, including reservations of running replies; counted only while a budget applies.
    pub spent: f64,
    pub renews_at: DateTime<Utc>,
}

/// The end of a budget's day: the next midnight UTC.
pub fn end_of(day: NaiveDate) -> DateTime<Utc> {
    day.succ_opt().unwrap_or(day).and_time(chrono::NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_called_the_same_everywhere() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        assert_eq!("User".parse::<Scope>(), Err(NoScope));
    }

    #[test]
    fn tokens_are_priced_by_the_million() {
        let usage = Usage { prompt_tokens: 1_000, completion_tokens: 500, estimated: false };
        let cost = Rate { prompt_price: 2.0, completion_price: 8.0 }.of(usage);
        assert!((cost - 0.006).abs() < 1e-12, "{cost}");
    }

    #[test]
    fn a_day_ends_with_the_year_too() {
        let day = NaiveDate::from_ymd_opt(2024, 12, 31).unwrap();
        assert_eq!(end_of(day).to_rfc3339(), "2025-01-01T00:00:00+00:00");
    }
}
