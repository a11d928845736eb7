//! A gate in a script: it holds the script back until the test lets it on.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::within;

/// Holds a script back: each release lets it take one step past the gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<GateState>);

#[derive(Debug)]
struct GateState {
    permits: Semaphore,
    arrivals: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(GateState { permits: Semaphore::new(0), arrivals: watch::Sender::new(0) }))
    }

    /// Lets so many arrivals pass, now or later.
    pub fn release(&self, arrivals: usize) {
        self.0.permits.add_permits(arrivals);
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.0.permits.close();
    }

    /// Waits until a script has come to the gate for the so-manieth time.
    pub async fn reached(&self, arrivals: usize) {
        let mut seen = self.0.arrivals.subscribe();
        let what = format!("arrival {arrivals} at the provider's gate");
        _ = within(&what, seen.wait_for(|count| *count >= arrivals)).await;
    }

    pub(crate) async fn pass(&self) {
        self.0.arrivals.send_modify(|count| *count += 1);
        if let Ok(permit) = self.0.permits.acquire().await {
            permit.forget();
        }
    }
}
