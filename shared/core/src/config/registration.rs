//! Registration: who may open an account.

use std::time::Duration;

use serde::Deserialize;

use super::{Mail, duration};

const MAX_INVITATION_TTL: Duration = Duration::from_hours(365 * 24);
const MAX_VERIFICATION_TTL: Duration = Duration::from_hours(30 * 24);

#[derive(Debug, Clone, Deserialize)]
pub struct Registration {
    pub mode: RegistrationMode,
    #[serde(deserialize_with = "duration")]
    pub invitation_ttl: Duration,
    pub verify_email: bool,
    #[serde(deserialize_with = "duration")]
    pub verification_ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationMode {
    /// Anybody.
    Open,
    /// With a code that an admin has made.
    Invited,
    /// Only operators and admins make accounts.
    Closed,
}

impl Registration {
    pub(super) fn check(&self, mail: &Mail, rule: &mut impl FnMut(bool, &str, &str)) {
        let sound = (Duration::from_mins(1)..=MAX_INVITATION_TTL).contains(&self.invitation_ttl);
        rule(sound, "registration.invitation_ttl", "must be from 1m to 365d");
        let sound = (Duration::from_mins(1)..=MAX_VERIFICATION_TTL).contains(&self.verification_ttl);
        rule(sound, "registration.verification_ttl", "must be from 1m to 30d");
        rule(
            !self.verify_email || mail.is_set_up(),
            "registration.verify_email",
            "must be false where no e-mails are sent (mail.url, mail.to_log): nobody could verify an address",
        );
    }
}
