//! Days in a user's time zone, and streaks of days.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::ApiError;

/// A time zone by its IANA name.
pub(crate) fn zone(name: &str) -> Result<Tz, ApiError> {
    name.parse().map_err(|_| ApiError::field("timezone", "must be the name of a time zone, such as Europe/Berlin"))
}

/// The default time zone.
pub(crate) fn utc() -> String {
    "UTC".to_owned()
}

pub(crate) fn day_of(moment: DateTime<Utc>, zone: Tz) -> NaiveDate {
    moment.with_timezone(&zone).date_naive()
}

/// A streak of consecutive days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub(crate) struct Streak {
    /// Until today, or until yesterday while today is not over.
    pub(crate) current: u32,
    pub(crate) longest: u32,
}

pub(crate) fn streak(days: &BTreeSet<NaiveDate>, today: NaiveDate) -> Streak {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for &day in days {
        let follows = last.is_some_and(|last: NaiveDate| last.succ_opt() == Some(day));
        run = if follows { run + 1 } else { 1 };
        longest = longest.max(run);
        last = Some(day);
    }
    let lasts = last.is_some_and(|last| last + Days::new(1) >= today);
    Streak { current: if lasts { run } else { 0 }, longest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_the_midnight_of_its_zone() {
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!(day_of(moment("2025-07-01T21:59:59Z"), berlin), date("2025-07-01"));
        assert_eq!(day_of(moment("2025-07-01T22:00:00Z"), berlin), date("2025-07-02"));
        // An hour later in winter.
        assert_eq!(day_of(moment("2025-12-01T22:59:59Z"), berlin), date("2025-12-01"));
        assert_eq!(day_of(moment("2025-12-01T23:00:00Z"), berlin), date("2025-12-02"));
        let noon = moment("2025-07-01T11:00:00Z");
        assert_eq!(day_of(noon, zone("Pacific/Kiritimati").unwrap()), date("2025-07-02"));
        assert_eq!(day_of(noon, zone("Etc/GMT+12").unwrap()), date("2025-06-30"));
    }

    #[test]
    fn what_is_no_time_zone_is_refused() {
        for name in ["", "Europe/Nowhere", "Europe/Berlin2", "berlin", "+02:00", "X3", "Europe/Berlin\0"] {
            assert!(zone(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_streak_lasts_until_a_day_has_passed_without() {
        let streak = |days: &[&str], today: &str| {
            let Streak { current, longest } =
                streak(&days.iter().map(|day| date(day)).collect::<BTreeSet<_>>(), date(today));
            (current, longest)
        };
        assert_eq!(streak(&[], "2025-03-02"), (0, 0));
        assert_eq!(streak(&["2025-03-02"], "2025-03-02"), (1, 1));
        assert_eq!(streak(&["2025-02-27", "2025-02-28", "2025-03-01"], "2025-03-02"), (3, 3), "today is not over");
        assert_eq!(streak(&["2025-02-27", "2025-02-28", "2025-03-01"], "2025-03-03"), (0, 3));
        assert_eq!(streak(&["2025-02-26", "2025-02-27", "2025-03-02"], "2025-03-02"), (1, 2));
        // Written where it was tomorrow already.
        assert_eq!(streak(&["2025-03-02", "2025-03-03"], "2025-03-02"), (2, 2));
    }
}
