//! Hedging: a call whose first token is later than usual ([`super::first_token_latency`]) gets a rival, the next
//! candidate's call, and the first token wins. Bounded by a budget of its own.

use tokio::time::sleep_until;

use super::{Failover, call::ProviderCall};
use crate::providers::{
    chat_model::Chunk,
    failure::{Failure, consequence},
};

impl Failover {
    /// The first chunk: of this call, or, where that is later than its p95, of a hedged call of the next candidate as
    /// well.
    pub(super) async fn first_chunk(&mut self, mut call: ProviderCall) -> (ProviderCall, Result<Chunk, Failure>) {
        let usual = call.candidate.endpoint.first_token_latency.p95();
        let (Some(usual), true, true) = (usual, self.text.is_empty(), !self.candidates.is_empty()) else {
            let chunk = call.next().await;
            return (call, chunk);
        };
        let late = call.began + usual;
        tokio::select! {
            biased;
            chunk = call.next() => return (call, chunk),
            () = sleep_until(late) => {}
        }
        let hedge = if self.chain.hedges.withdraw() { self.start_call(true).await } else { None };
        let Some(mut hedge) = hedge else {
            let chunk = call.next().await;
            return (call, chunk);
        };
        tracing::debug!(endpoint = call.candidate.endpoint.name, "slower than usual: hedging with the next provider");
        let (winner, loser, chunk) = tokio::select! {
            chunk = call.next() => (call, hedge, chunk),
            chunk = hedge.next() => (hedge, call, chunk),
        };
        match chunk {
            Ok(chunk) => {
                loser.outrun();
                (winner, Ok(chunk))
            }
            Err(failure) => {
                winner.fail(&failure);
                self.retryable |= consequence(failure.outcome).retryable;
                self.last_failure = Some(failure);
                let mut remaining = loser;
                let chunk = remaining.next().await;
                (remaining, chunk)
            }
        }
    }
}
