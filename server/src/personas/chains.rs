//! Validation of chains and voices of personas and tiers: each must parse, and name a configured provider.
//!
//! The configuration is this server's, so servers and workers must be configured with the same providers.

use troupe_core::{
    config::{Config, Providers, check_link},
    model::{Change, providers::Link},
};

use crate::http::extract::validation::Checks;

const MAX_LINKS: usize = 10;
const MAX_MODELS: usize = 100;

/// The validated chain. An empty one is `None`.
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

/// The providers and models that a tier allows. An empty list allows all.
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

/// The voice must be one that there is.
pub(crate) fn check_voice(checks: &mut Checks, config: &Config, voice: Option<&str>) {
    if let Some(voice) = voice {
        let known = config.speech.voices(&config.providers).iter().any(|known| known.to_string() == voice);
        checks.rule(known, "voice", "is none of the voices of /voices");
    }
}

fn checked_link(providers: &Providers, text: &str) -> Result<Link, String> {
    let link: Link = text.parse().map_err(|bad| format!("{bad}"))?;
    check_link(providers, &link).map_err(|unknown| unknown.to_string())?;
    Ok(link)
}
