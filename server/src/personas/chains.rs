//! Chains of links, as personas and tiers may have them: each link must be one, and lead somewhere.
//!
//! Somewhere is a provider and a key of this server's configuration, so servers and workers have to be told of the same
//! ones.

use troupe_core::{
    config::{Providers, known},
    model::{Change, providers::Link},
};

use crate::http::extract::validation::Checks;

const MAX_LINKS: usize = 10;
const MAX_MODELS: usize = 100;

/// The chain as it is stored. An empty one is none.
pub(crate) fn checked_chain(
    checks: &mut Checks,
    providers: &Providers,
    chain: Change<Vec<String>>,
) -> Change<Vec<String>> {
    let links = match chain {
        Change::Set(links) if links.is_empty() => return Change::Clear,
        Change::Set(links) => links,
        unset => return unset,
    };
    checks.rule(links.len() <= MAX_LINKS, "chain", format!("must not have more than {MAX_LINKS} links"));
    let mut stored = Vec::with_capacity(links.len());
    for (place, text) in links.iter().enumerate().take(MAX_LINKS) {
        match checked_link(providers, text) {
            Ok(link) => stored.push(link.to_string()),
            Err(fault) => _ = checks.rule(false, &format!("chain[{place}]"), fault),
        }
    }
    Change::Set(stored)
}

/// The providers and models that a tier allows, as they are stored. An empty list allows all.
pub(crate) fn checked_models(
    checks: &mut Checks,
    providers: &Providers,
    models: Change<Vec<String>>,
) -> Change<Vec<String>> {
    let models = match models {
        Change::Set(models) if models.is_empty() => return Change::Clear,
        Change::Set(models) => models,
        unset => return unset,
    };
    checks.rule(models.len() <= MAX_MODELS, "models", format!("must not be more than {MAX_MODELS}"));
    let mut stored = Vec::with_capacity(models.len());
    for (place, text) in models.iter().enumerate().take(MAX_MODELS) {
        match checked_link(providers, text) {
            Ok(link) if link.key.is_none() => stored.push(link.to_string()),
            Ok(_) => {
                _ = checks.rule(false, &format!("models[{place}]"), "must not name a key: with any key it is the same");
            }
            Err(fault) => _ = checks.rule(false, &format!("models[{place}]"), fault),
        }
    }
    Change::Set(stored)
}

fn checked_link(providers: &Providers, text: &str) -> Result<Link, String> {
    let link: Link = text.parse().map_err(|bad| format!("{bad}"))?;
    known(providers, &link).map_err(|unknown| unknown.to_string())?;
    Ok(link)
}
