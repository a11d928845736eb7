//! The last polled prices and budgets, and which of them apply to a reply. Pure.

use std::collections::HashMap;

use troupe_core::model::money::{ANY, Price, Rate, Scope};
use troupe_db::money::budgets::{Account, Purse};

use super::Spender;

#[derive(Debug, Default)]
pub(crate) struct PriceBook {
    /// By provider and model.
    rates: HashMap<String, HashMap<String, Rate>>,
    /// Daily limits, by scope and subject.
    budgets: HashMap<Scope, HashMap<String, f64>>,
    /// The limit of each user without a user's budget.
    default_limit: Option<f64>,
}

/// A budget that applies to a reply, and the account to charge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limit {
    pub(crate) scope: Scope,
    pub(crate) subject: String,
    pub(crate) purse: Purse,
}

impl PriceBook {
    pub(crate) fn new(prices: Vec<Price>, budgets: Vec<(Scope, String, f64)>, default_limit: Option<f64>) -> Self {
        let mut book = Self { default_limit, ..Self::default() };
        for Price { provider, model, prompt_price, completion_price, .. } in prices {
            book.rates.entry(provider).or_default().insert(model, Rate { prompt_price, completion_price });
        }
        for (scope, subject, daily_limit) in budgets {
            book.budgets.entry(scope).or_default().insert(subject, daily_limit);
        }
        book
    }

    /// The model's own price, else that of all others of its provider.
    pub(crate) fn rate(&self, provider: &str, model: &str) -> Option<Rate> {
        let models = self.rates.get(provider)?;
        models.get(model).or_else(|| models.get(ANY)).copied()
    }

    /// The budgets that apply, the narrowest first: a user's own is reported before that of all.
    pub(crate) fn limits(&self, spender: Spender<'_>) -> Vec<Limit> {
        if self.budgets.is_empty() && self.default_limit.is_none() {
            return Vec::new();
        }
        let user = spender.user.to_string();
        let persona = spender.persona.to_string();
        let own = self.limit(Scope::User, &user, Scope::User, &user);
        [
            own.or_else(|| self.limit(Scope::TierUser, spender.tier, Scope::User, &user))
                .or_else(|| self.default_limit(&user)),
            self.limit(Scope::Persona, &persona, Scope::Persona, &persona),
            self.limit(Scope::Tier, spender.tier, Scope::Tier, spender.tier),
            self.limit(Scope::Everyone, ANY, Scope::Everyone, ANY),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn default_limit(&self, user: &str) -> Option<Limit> {
        let daily_limit = self.default_limit?;
        let account = Account { scope: Scope::User, subject: user.to_owned() };
        Some(Limit { scope: Scope::User, subject: user.to_owned(), purse: Purse { account, daily_limit } })
    }

    /// The budget of a subject, if there is one, for an account that may differ: each user of a tier has their own.
    fn limit(&self, scope: Scope, subject: &str, account_scope: Scope, account: &str) -> Option<Limit> {
        let daily_limit = *self.budgets.get(&scope)?.get(subject)?;
        let account = Account { scope: account_scope, subject: account.to_owned() };
        Some(Limit { scope, subject: subject.to_owned(), purse: Purse { account, daily_limit } })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use troupe_core::ids::{PersonaId, UserId};

    use super::*;

    fn price(provider: &str, model: &str, prompt_price: f64) -> Price {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        Price { provider, model, prompt_price, completion_price: 0.0, updated_at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn a_models_own_price_goes_before_that_of_the_others() {
        let prices = vec![price("openai", "large", 5.0), price("openai", ANY, 1.0), price("xai", "small", 2.0)];
        let book = PriceBook::new(prices, Vec::new(), None);
        let rate = |provider, model| book.rate(provider, model).map(|rate| rate.prompt_price);
        assert_eq!(rate("openai", "large"), Some(5.0));
        assert_eq!(rate("openai", "unheard-of"), Some(1.0));
        assert_eq!(rate("xai", "small"), Some(2.0));
        assert_eq!(rate("xai", "large"), None);
        assert_eq!(rate("nobody", "small"), None);
    }

    /// The applicable budgets, with their accounts.
    fn applying(budgets: &[(Scope, &str, f64)], spender: Spender<'_>) -> Vec<(Scope, Scope, f64)> {
        let budgets = budgets.iter().map(|&(scope, subject, limit)| (scope, subject.to_owned(), limit)).collect();
        let limits = PriceBook::new(Vec::new(), budgets, None).limits(spender);
        limits.into_iter().map(|limit| (limit.scope, limit.purse.account.scope, limit.purse.daily_limit)).collect()
    }

    #[test]
    fn the_default_budget_is_that_of_users_who_have_no_other() {
        let spender = Spender { user: UserId::new(), tier: "free", persona: PersonaId::new() };
        let own = spender.user.to_string();
        let limit = |budgets: &[(Scope, &str, f64)]| {
            let budgets = budgets.iter().map(|&(scope, subject, limit)| (scope, subject.to_owned(), limit)).collect();
            let limits = PriceBook::new(Vec::new(), budgets, Some(0.5)).limits(spender);
            limits.first().map(|limit| (limit.purse.account.clone(), limit.purse.daily_limit))
        };
        let account = Account { scope: Scope::User, subject: own.clone() };
        assert_eq!(limit(&[]), Some((account.clone(), 0.5)));
        assert_eq!(limit(&[(Scope::TierUser, "pro", 9.0), (Scope::Everyone, ANY, 99.0)]), Some((account.clone(), 0.5)));
        assert_eq!(limit(&[(Scope::TierUser, "free", 1.0)]), Some((account.clone(), 1.0)));
        assert_eq!(limit(&[(Scope::TierUser, "free", 1.0), (Scope::User, &own, 3.0)]), Some((account, 3.0)));
    }

    #[test]
    fn a_users_own_budget_goes_instead_of_that_of_each_user_of_the_tier() {
        let (user, persona) = (UserId::new(), PersonaId::new());
        let spender = Spender { user, tier: "free", persona };
        let (own, theirs) = (user.to_string(), persona.to_string());
        let common = [(Scope::TierUser, "free", 1.0), (Scope::Tier, "free", 50.0), (Scope::TierUser, "pro", 9.0)];
        assert_eq!(applying(&common, spender), [(Scope::TierUser, Scope::User, 1.0), (Scope::Tier, Scope::Tier, 50.0)]);
        let all =
            [&common[..], &[(Scope::User, &own, 3.0), (Scope::Persona, &theirs, 7.0), (Scope::Everyone, ANY, 99.0)]];
        assert_eq!(
            applying(&all.concat(), spender),
            [
                (Scope::User, Scope::User, 3.0),
                (Scope::Persona, Scope::Persona, 7.0),
                (Scope::Tier, Scope::Tier, 50.0),
                (Scope::Everyone, Scope::Everyone, 99.0),
            ]
        );
        let others = [(Scope::User, theirs.as_str(), 1.0), (Scope::Persona, &own, 1.0), (Scope::Tier, "pro", 1.0)];
        assert_eq!(applying(&others, spender), []);
    }
}
