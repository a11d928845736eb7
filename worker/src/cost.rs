//! What replies cost, by the configured prices, and where the retries of a request must end for it.

use troupe_shared::{config, model::Usage};

/// In a currency of the operator's, for a million tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    prompt_price: f64,
    completion_price: f64,
    /// For all attempts at one request; 0 for no ceiling.
    ceiling: f64,
}

impl Costs {
    pub(crate) fn new(config: &config::Config) -> Self {
        let config::Provider { prompt_price, completion_price, .. } = config.provider;
        Self { prompt_price, completion_price, ceiling: config.worker.max_cost }
    }

    pub(crate) fn of(&self, usage: Usage) -> f64 {
        let (prompt, completion) = (f64::from(usage.prompt_tokens), f64::from(usage.completion_tokens));
        (prompt * self.prompt_price + completion * self.completion_price) / 1e6
    }

    /// Whether an attempt that costs this much more would be too much.
    pub(crate) fn forbid(&self, so_far: f64, more: f64) -> bool {
        self.ceiling > 0.0 && so_far + more > self.ceiling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_of_nothing_is_none() {
        let usage = Usage { prompt_tokens: 1_000, completion_tokens: 500, estimated: false };
        let costs = Costs { prompt_price: 2.0, completion_price: 8.0, ceiling: 0.01 };
        assert!((costs.of(usage) - 0.006).abs() < 1e-12);
        assert!(!costs.forbid(0.003, costs.of(usage)));
        assert!(costs.forbid(0.005, costs.of(usage)));
        assert!(!Costs { ceiling: 0.0, ..costs }.forbid(1e9, 1e9));
    }
}
