//! Whether a process can do its work: what its parts say when they are asked.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

/// Something that the process depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub name: &'static str,
    /// Whether the process can do nothing without it.
    pub needed: bool,
    pub answers: bool,
}

/// A part of the process that knows how it is.
#[async_trait]
pub trait Part: Send + Sync {
    /// Asks what it depends on, in a bounded time and by connections that no other work uses.
    async fn dependencies(&self) -> Vec<Dependency>;

    /// Brings metrics up to date that cost a query, before a scrape.
    async fn refresh(&self) {}
}

/// The parts of a process, which come as they start. Clones share them.
#[derive(Clone, Default)]
pub struct Wellbeing(Arc<Mutex<Vec<Arc<dyn Part>>>>);

/// All of a process, as asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub dependencies: Vec<Dependency>,
    /// Whether it has started, and everything that is needed answers.
    pub ready: bool,
}

impl Wellbeing {
    /// Adds a part that has started.
    pub fn add(&self, part: Arc<dyn Part>) {
        self.0.lock().push(part);
    }

    pub async fn report(&self) -> Report {
        let parts = self.0.lock().clone();
        let mut dependencies: Vec<Dependency> = Vec::new();
        for part in &parts {
            for found in part.dependencies().await {
                match dependencies.iter_mut().find(|known| known.name == found.name) {
                    Some(known) => {
                        known.needed |= found.needed;
                        known.answers &= found.answers;
                    }
                    None => dependencies.push(found),
                }
            }
        }
        let ready = !parts.is_empty() && dependencies.iter().all(|found| found.answers || !found.needed);
        Report { dependencies, ready }
    }

    pub async fn refresh(&self) {
        let parts = self.0.lock().clone();
        for part in parts {
            part.refresh().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<Dependency>);

    #[async_trait]
    impl Part for Fixed {
        async fn dependencies(&self) -> Vec<Dependency> {
            self.0.clone()
        }
    }

    fn dependency(name: &'static str, needed: bool, answers: bool) -> Dependency {
        Dependency { name, needed, answers }
    }

    async fn ready(parts: &[&[Dependency]]) -> bool {
        let wellbeing = Wellbeing::default();
        for part in parts {
            wellbeing.add(Arc::new(Fixed(part.to_vec())));
        }
        wellbeing.report().await.ready
    }

    #[tokio::test]
    async fn it_is_ready_when_all_that_is_needed_answers() {
        let (postgres, redis) = (dependency("postgres", true, true), dependency("redis", false, false));
        assert!(!ready(&[]).await, "nothing has started yet");
        assert!(ready(&[&[postgres.clone(), redis.clone()]]).await);
        let needed = dependency("redis", true, false);
        assert!(!ready(&[&[postgres.clone(), redis], &[postgres, needed]]).await);
    }
}
