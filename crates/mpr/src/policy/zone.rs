//! The time of day of this machine.
//!
//! Not `localtime`: its zone is that of the variable `TZ`, and whoever starts a program would set the clock that
//! rules go by.

use mpr_core::policy::Moment;
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use tz::TimeZone;

/// The machine's time zone.
const FILE: &str = "/etc/localtime";
/// The biggest file there is has a few KiB.
const BIGGEST: u64 = 1 << 20;

/// The time; `None` where the machine's zone cannot be told. Without a zone, a machine's time is UTC.
#[must_use]
pub fn now() -> Option<Moment> {
    static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();
    let zone = ZONE.get_or_init(|| match bytes() {
        Ok(bytes) => TimeZone::from_tz_data(&bytes).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(TimeZone::utc()),
        Err(_) => None,
    });
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    moment(zone.as_ref()?, i64::try_from(since).ok()?)
}

fn bytes() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(FILE)?.take(BIGGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the clock shows in `zone` so many seconds after 1970 began.
fn moment(zone: &TimeZone, since: i64) -> Option<Moment> {
    const DAY: i64 = 24 * 60 * 60;
    let offset = zone.find_local_time_type(since).ok()?.ut_offset();
    let shown = since.checked_add(offset.into())?;
    // 1970 began on a Thursday.
    let weekday = u8::try_from((shown.div_euclid(DAY) + 3).rem_euclid(7)).ok()?;
    let minute = u16::try_from(shown.rem_euclid(DAY) / 60).ok()?;
    Some(Moment { weekday, minute })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_that_of_the_zone() {
        let at = |zone: &TimeZone, since| {
            let Moment { weekday, minute } = moment(zone, since).unwrap();
            (weekday, minute / 60, minute % 60)
        };
        let utc = TimeZone::utc();
        assert_eq!(at(&utc, 0), (3, 0, 0));
        // 2026-11-26 was a Thursday.
        assert_eq!(at(&utc, 1_795_651_200), (3, 0, 0));
        assert_eq!(at(&utc, 1_795_651_200 - 60), (2, 23, 59));
        let west = TimeZone::fixed(-5 * 3600).unwrap();
        assert_eq!(at(&west, 1_795_651_200), (2, 19, 0));
    }

    #[test]
    fn this_machine_has_a_time() {
        let Moment { weekday, minute } = now().unwrap();
        assert!(weekday < 7 && minute < 1440);
    }
}
