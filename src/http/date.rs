//! Dates as HTTP writes them (RFC 9110 §5.6.7), and as a log does.

use core::fmt;
use core::time::Duration;

/// A moment, written as `Sun, 06 Nov 1994 08:49:37 GMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDate {
    seconds: u64,
}

impl HttpDate {
    /// The moment so long after 1970-01-01 UTC; the year 9999 at the latest.
    #[must_use]
    pub fn from_unix_time(since: Duration) -> Self {
        let seconds = since.as_secs().min(LAST_SECOND);
        HttpDate { seconds }
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds / 86_400, self.seconds % 86_400);
        let (year, month, day) = date(days);
        let name = |names: &[&'static str], place: u64| {
            let place = usize::try_from(place).ok();
            place
                .and_then(|place| names.get(place).copied())
                .unwrap_or_default()
        };
        let (weekday, month) = (name(&WEEKDAYS, days % 7), name(&MONTHS, month));
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

/// A moment to the millisecond, written as `1994-11-06T08:49:37.000Z` (RFC 3339
/// §5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    seconds: u64,
    millis: u32,
}

impl Timestamp {
    /// The moment so long after 1970-01-01 UTC; the year 9999 at the latest.
    #[must_use]
    pub fn from_unix_time(since: Duration) -> Self {
        Timestamp {
            seconds: since.as_secs().min(LAST_SECOND),
            millis: since.subsec_millis(),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timestamp { seconds, millis } = *self;
        let (year, month, day) = date(seconds / 86_400);
        let month = month + 1;
        let second = seconds % 86_400;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// Year, month from 0 and day from 1 of a day counted from 1970-01-01.
///
/// Counted in years that begin with March, a leap day is the last of its year,
/// and in eras of 400 years, which all have as many days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on months have 153 days in five of them.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, month, day)
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// From the first of March of the year 0.
const DAYS_TO_1970: u64 = 719_468;

const DAYS_OF_ERA: u64 = 146_097;

/// 9999-12-31T23:59:59Z: four digits are all there are for a year.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn dates_are_those_of_another_library() {
        // All days to the end of the year 2400, each at another time.
        for day in 0..157_420 {
            let time = Duration::from_secs(day * 86_400 + day * 7_919 % 86_400);
            let expected = httpdate::fmt_http_date(UNIX_EPOCH + time);
            assert_eq!(HttpDate::from_unix_time(time).to_string(), expected);
        }
    }

    #[test]
    fn timestamps_sort_as_text() {
        for (millis, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_009, "1994-11-06T08:49:37.009Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (u64::MAX, "9999-12-31T23:59:59.615Z"),
        ] {
            let time = Timestamp::from_unix_time(Duration::from_millis(millis));
            assert_eq!(time.to_string(), written);
        }
    }

    #[test]
    fn year_has_four_digits() {
        let end = "Fri, 31 Dec 9999 23:59:59 GMT";
        assert_eq!(HttpDate::from_unix_time(Duration::MAX).to_string(), end);
    }
}
