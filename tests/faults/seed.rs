//! The seed of a run: printed when it begins and when it fails; `TROUPE_FAULTS_SEED` repeats it.
//!
//! It decides what is said, when, to which server, and which fault strikes after which. Real processes decide the rest.

const VARIABLE: &str = "TROUPE_FAULTS_SEED";

pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn choose() -> Self {
        let given = of_environment(VARIABLE).map(|seed| seed.parse().expect("a seed is a whole number"));
        let seed = Self(given.unwrap_or_else(|| u64::from(fastrand::u32(..))));
        eprintln!("{VARIABLE}={}", seed.0);
        seed
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat this run: {VARIABLE}={}", self.0);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own settings, not the system's")]
pub(crate) fn of_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
