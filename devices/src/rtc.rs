//! The time-of-day clock behind `get-time-of-day` and `set-time-of-day` (LoPAR, RTAS Call Definition,
//! 2.2 and 2.3): the host's clock, in UTC, plus what the guest has set it off by.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use power::rtas::RtasStatus;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// Words of a time of day: year, month (1 to 12), day, hour, minute, second, nanoseconds.
pub type TimeOfDay = [u32; 7];

/// The clock.
pub struct Rtc {
    host: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// The guest's time less the host's.
    offset: Mutex<Duration>,
}

impl Rtc {
    /// A clock that shows the host's time.
    pub fn new() -> Self {
        Self::with_host(SystemTime::now)
    }

    /// A clock that runs by `host`.
    pub fn with_host(host: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            host: Box::new(host),
            offset: Mutex::new(Duration::ZERO),
        }
    }

    /// `get-time-of-day`. The clock has no time to tell after the year 9999.
    pub fn get(&self) -> Result<TimeOfDay, RtasStatus> {
        let offset = *self.offset.lock().expect("nothing panics with the offset locked");
        let now = self.host_time().and_then(|host| host.checked_add(offset));
        let Some(now) = now.filter(|now| now.year() >= 0) else {
            return Err(RtasStatus::HardwareError);
        };
        Ok([
            now.year().cast_unsigned(),
            u32::from(u8::from(now.month())),
            u32::from(now.day()),
            u32::from(now.hour()),
            u32::from(now.minute()),
            u32::from(now.second()),
            now.nanosecond(),
        ])
    }

    /// `set-time-of-day`. A date that the Gregorian calendar does not have is a parameter error.
    pub fn set(&self, time: TimeOfDay) -> RtasStatus {
        let Some(wanted) = from_words(time) else {
            return RtasStatus::ParameterError;
        };
        let Some(host) = self.host_time() else {
            return RtasStatus::HardwareError;
        };
        *self.offset.lock().expect("nothing panics with the offset locked") = wanted - host;
        RtasStatus::Success
    }

    fn host_time(&self) -> Option<OffsetDateTime> {
        let host = (self.host)();
        let since_1970 = match host.duration_since(UNIX_EPOCH) {
            Ok(after) => Duration::try_from(after).ok()?,
            Err(before) => -Duration::try_from(before.duration()).ok()?,
        };
        OffsetDateTime::UNIX_EPOCH.checked_add(since_1970)
    }
}

impl Default for Rtc {
    fn default() -> Self {
        Self::new()
    }
}

fn from_words([year, month, day, hour, minute, second, nanosecond]: TimeOfDay) -> Option<OffsetDateTime> {
    let small = |word: u32| u8::try_from(word).ok();
    let month = Month::try_from(small(month)?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, small(day)?).ok()?;
    let time = Time::from_hms_nano(small(hour)?, small(minute)?, small(second)?, nanosecond).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

#[cfg(test)]
mod tests {
    use std::time;

    use super::*;

    fn at_a_billion_seconds() -> Rtc {
        Rtc::with_host(|| UNIX_EPOCH + time::Duration::new(1_000_000_000, 5))
    }

    #[test]
    fn the_clock_shows_the_hosts_time() {
        assert_eq!(at_a_billion_seconds().get(), Ok([2001, 9, 9, 1, 46, 40, 5]));
    }

    #[test]
    fn a_time_before_1970_is_shown_too() {
        let rtc = Rtc::with_host(|| UNIX_EPOCH - time::Duration::from_secs(1));
        assert_eq!(rtc.get(), Ok([1969, 12, 31, 23, 59, 59, 0]));
    }

    #[test]
    fn what_the_guest_sets_is_what_it_reads() {
        let rtc = at_a_billion_seconds();
        for time in [
            [2024, 2, 29, 23, 59, 59, 999_999_999],
            [1900, 1, 1, 0, 0, 0, 0],
            [9999, 12, 31, 0, 0, 0, 0],
            [0, 1, 1, 0, 0, 0, 0],
        ] {
            assert_eq!(rtc.set(time), RtasStatus::Success, "{time:?}");
            assert_eq!(rtc.get(), Ok(time));
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_a_parameter_error_and_changes_nothing() {
        let rtc = at_a_billion_seconds();
        let before = rtc.get();
        for time in [
            [2023, 2, 29, 0, 0, 0, 0],
            [1900, 2, 29, 0, 0, 0, 0],
            [2024, 13, 1, 0, 0, 0, 0],
            [2024, 0, 1, 0, 0, 0, 0],
            [2024, 4, 31, 0, 0, 0, 0],
            [2024, 1, 0, 0, 0, 0, 0],
            [2024, 1, 257, 0, 0, 0, 0],
            [2024, 1, 1, 24, 0, 0, 0],
            [2024, 1, 1, 0, 60, 0, 0],
            [2024, 1, 1, 0, 0, 60, 0],
            [2024, 1, 1, 0, 0, 0, 1_000_000_000],
            [10_000, 1, 1, 0, 0, 0, 0],
            [u32::MAX, 1, 1, 0, 0, 0, 0],
        ] {
            assert_eq!(rtc.set(time), RtasStatus::ParameterError, "{time:?}");
        }
        assert_eq!(rtc.get(), before);
    }

    #[test]
    fn a_clock_that_runs_past_9999_fails_and_recovers() {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NOW: AtomicU64 = AtomicU64::new(1_000);
        let rtc = Rtc::with_host(|| UNIX_EPOCH + time::Duration::from_secs(NOW.load(Ordering::Relaxed)));
        assert_eq!(rtc.set([9999, 12, 31, 23, 59, 59, 0]), RtasStatus::Success);
        NOW.store(1_001, Ordering::Relaxed);
        assert_eq!(rtc.get(), Err(RtasStatus::HardwareError));
        assert_eq!(rtc.set([2026, 1, 1, 0, 0, 0, 0]), RtasStatus::Success);
        assert_eq!(rtc.get(), Ok([2026, 1, 1, 0, 0, 0, 0]));
    }
}
