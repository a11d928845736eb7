//! A mailer behind a circuit breaker: a mail server that fails or hangs is not called for a while, and e-mails wait.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use troupe_core::{adapters::service_breaker::ServiceBreaker, circuit_breaker::BreakerSettings, clock::Clock};

use super::{Email, Mailer, NotSent};

pub(super) struct BreakerMailer<M> {
    inner: M,
    breaker: ServiceBreaker,
}

impl<M: Mailer> BreakerMailer<M> {
    pub(super) fn new(inner: M, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self { inner, breaker: ServiceBreaker::new("mail server", settings, clock) }
    }
}

#[async_trait]
impl<M: Mailer> Mailer for BreakerMailer<M> {
    async fn send(&self, email: &Email) -> Result<(), NotSent> {
        let permit = self.breaker.admit().map_err(NotSent::BreakerOpen)?;
        let result = self.inner.send(email).await;
        match &result {
            Ok(()) => permit.succeed(),
            // The e-mail is at fault, and some of it is found without a call.
            Err(NotSent::Refused(_)) => permit.release(),
            Err(NotSent::Failed(_) | NotSent::BreakerOpen(_)) => permit.fail(None),
        }
        result
    }

    fn unavailable_for(&self) -> Option<Duration> {
        self.breaker.open_for()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use chrono::{DateTime, TimeDelta, Utc};
    use futures::FutureExt;
    use parking_lot::Mutex;
    use troupe_core::{adapters::service_breaker::BreakerOpen, config::Config, ids::UserId};

    use super::*;

    struct SetClock(Mutex<DateTime<Utc>>);

    impl Clock for SetClock {
        fn now(&self) -> DateTime<Utc> {
            *self.0.lock()
        }
    }

    /// Answers as scripted, and after that well.
    struct ScriptedMailer(Mutex<VecDeque<Result<(), NotSent>>>);

    #[async_trait]
    impl Mailer for ScriptedMailer {
        async fn send(&self, _: &Email) -> Result<(), NotSent> {
            self.0.lock().pop_front().unwrap_or(Ok(()))
        }
    }

    struct Scene {
        clock: Arc<SetClock>,
        mailer: BreakerMailer<ScriptedMailer>,
    }

    impl Scene {
        /// Two failures open it, for five seconds at first.
        fn new(script: impl IntoIterator<Item = Result<(), NotSent>>) -> Self {
            let mut settings = Config::from_sources(None, []).unwrap().mail;
            settings.breaker_failures = 2;
            let clock = Arc::new(SetClock(Mutex::new(DateTime::UNIX_EPOCH)));
            let inner = ScriptedMailer(Mutex::new(script.into_iter().collect()));
            Self { mailer: BreakerMailer::new(inner, (&settings).into(), clock.clone()), clock }
        }

        fn send(&self) -> Result<(), NotSent> {
            let (to, subject, text) = <_>::default();
            self.mailer.send(&Email { user: UserId::new(), to, subject, text }).now_or_never().expect("an answer")
        }

        fn advance(&self, seconds: i64) {
            *self.clock.0.lock() += TimeDelta::seconds(seconds);
        }
    }

    fn failed() -> Result<(), NotSent> {
        Err(NotSent::Failed("as scripted".to_owned()))
    }

    fn refused() -> Result<(), NotSent> {
        Err(NotSent::Refused("as scripted".to_owned()))
    }

    fn open(seconds: u64) -> Result<(), NotSent> {
        Err(NotSent::BreakerOpen(BreakerOpen { retry_after: Duration::from_secs(seconds) }))
    }

    #[test]
    fn failures_open_it_and_a_probe_closes_it() {
        let scene = Scene::new([failed(), failed(), failed()]);
        assert_eq!((scene.send(), scene.mailer.unavailable_for()), (failed(), None));
        assert_eq!((scene.send(), scene.send()), (failed(), open(5)));
        scene.advance(1);
        assert_eq!((scene.send(), scene.mailer.unavailable_for()), (open(4), Some(Duration::from_secs(4))));
        scene.advance(4);
        assert_eq!(scene.mailer.unavailable_for(), None, "half-open");
        assert_eq!((scene.send(), scene.send()), (failed(), open(10)), "the probe failed");
        scene.advance(10);
        assert_eq!((scene.send(), scene.send()), (Ok(()), Ok(())));
    }

    #[test]
    fn what_is_refused_says_nothing_about_the_mail_server() {
        let scene = Scene::new([refused(), refused(), refused(), failed(), failed(), refused()]);
        for _ in 0..3 {
            assert_eq!(scene.send(), refused());
        }
        assert_eq!((scene.send(), scene.send(), scene.send()), (failed(), failed(), open(5)));
        scene.advance(5);
        assert_eq!((scene.send(), scene.send()), (refused(), Ok(())), "the next one is the probe");
    }
}
