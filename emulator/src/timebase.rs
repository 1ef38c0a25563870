//! The time base: 512 MHz, from the host's clock, one for all processors. It can be made to stand still while no
//! processor runs; afterwards it goes on where it stood.
//!
//! Or it is counted: it stands always, and whoever runs the processors moves it, by a tick for each instruction. Then no clock of the host's
//! has a part in what the guest does.
//!
//! `offset` is one word, so that a reading never mixes two states:
//!
//! | bit 0, the most significant | bits 1 to 63 |
//! |---|---|
//! | 0: it runs | ticks for which it has stood still in all, to be taken from the host's |
//! | 1: it stands | the ticks at which it stands |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Ticks in a second.
pub const TICKS_PER_SECOND: u64 = 512_000_000;

/// It stands; beyond the ticks of five centuries.
const STANDS: u64 = 1 << 63;

/// A clock that all processors of a partition share; its clones are the same clock.
#[derive(Clone, Debug)]
pub struct Timebase {
    start: Instant,
    offset: Arc<AtomicU64>,
    is_counted: bool,
}

impl Default for Timebase {
    fn default() -> Self {
        Self::new()
    }
}

impl Timebase {
    /// A time base that reads 0 now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            offset: Arc::default(),
            is_counted: false,
        }
    }

    /// A time base that reads 0 until it is moved: by [`Self::advance`], or by [`Self::skip_to`].
    pub fn counted() -> Self {
        Self {
            offset: Arc::new(AtomicU64::new(STANDS)),
            is_counted: true,
            ..Self::new()
        }
    }

    /// Whether it is moved, and not the host's.
    #[inline]
    pub fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Moves a counted one by so many ticks, to 2^63 - 1 at most: there a guest that has slept for centuries finds its end. For one caller at a time.
    pub fn advance(&self, ticks: u64) {
        debug_assert!(self.is_counted, "the host's clock goes by itself");
        let moved = self.now().saturating_add(ticks).min(!STANDS);
        self.offset.store(STANDS | moved, Ordering::Relaxed);
    }

    /// What a counted one reads now, as a moment to compare others with.
    pub fn instant(&self) -> Instant {
        self.start + Self::duration(self.now())
    }

    /// Moves a counted one on to the moment `to`, if that is still to come.
    pub fn skip_to(&self, to: Instant) {
        // Rounded up: at `to`, and not just before it.
        let ns = to.saturating_duration_since(self.start).as_nanos();
        let ticks = u64::try_from((ns * 64).div_ceil(125)).unwrap_or(!STANDS);
        self.advance(ticks.saturating_sub(self.now()));
    }

    /// Ticks since the start, without those for which it has stood still.
    #[inline]
    pub fn now(&self) -> u64 {
        // Before the host's clock is read: an offset that is younger than the reading would take away time that had not
        // passed then.
        let offset = self.offset.load(Ordering::Acquire);
        if offset & STANDS != 0 {
            return offset & !STANDS;
        }
        self.host().saturating_sub(offset)
    }

    /// From here on it reads what it reads now. For one caller at a time, while no processor runs: one that is reading it
    /// at this moment may read more.
    pub fn stand_still(&self) {
        if self.offset.load(Ordering::Relaxed) & STANDS == 0 {
            self.offset.store(self.now() | STANDS, Ordering::Release);
        }
    }

    /// From here on it goes on where it stood. For one caller at a time, as [`Self::stand_still`].
    pub fn go_on(&self) {
        let stood = self.offset.load(Ordering::Relaxed);
        if stood & STANDS != 0 && !self.is_counted {
            self.offset
                .store(self.host().saturating_sub(stood & !STANDS), Ordering::Release);
        }
    }

    /// How long `ticks` are.
    pub fn duration(ticks: u64) -> Duration {
        Duration::new(ticks / TICKS_PER_SECOND, (ticks % TICKS_PER_SECOND * 125 / 64) as u32)
    }

    fn host(&self) -> u64 {
        let elapsed = self.start.elapsed();
        // 512 ticks in a microsecond: 64 in 125 ns.
        elapsed.as_secs() * TICKS_PER_SECOND + u64::from(elapsed.subsec_nanos()) * 64 / 125
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_512_million_ticks() {
        assert_eq!(Timebase::duration(TICKS_PER_SECOND), Duration::from_secs(1));
        assert_eq!(Timebase::duration(64), Duration::from_nanos(125));
    }

    #[test]
    fn a_counted_one_moves_only_when_it_is_moved() {
        let timebase = Timebase::counted();
        let clone = timebase.clone();
        let begun = timebase.instant();
        clone.advance(1000);
        timebase.stand_still();
        timebase.go_on();
        assert_eq!((timebase.now(), timebase.is_counted()), (1000, true));
        let endless = Timebase::counted();
        for _ in 0..3 {
            endless.advance(u64::MAX);
            assert_eq!(endless.now(), !STANDS, "it stands at its end, and is not the host's");
        }
        // What has passed is no aim; and any moment is reached, though a tick is no whole number of nanoseconds.
        clone.skip_to(begun);
        assert_eq!(timebase.now(), 1000);
        for ns in 2000..2200 {
            let to = begun + Duration::from_nanos(ns);
            clone.skip_to(to);
            assert!(
                timebase.instant() >= to && Timebase::duration(timebase.now() - 1) < Duration::from_nanos(ns),
                "{ns}"
            );
        }
    }

    #[test]
    fn it_stands_still_and_goes_on_where_it_stood() {
        let timebase = Timebase::new();
        let clone = timebase.clone();
        for _ in 0..3 {
            let before = timebase.now();
            timebase.stand_still();
            timebase.stand_still();
            let stands = clone.now();
            assert!(stands >= before);
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(clone.now(), stands);
            let went_on = Instant::now();
            clone.go_on();
            clone.go_on();
            let now = timebase.now();
            let most = u64::try_from(went_on.elapsed().as_micros() + 1).unwrap() * 512;
            assert!((stands..=stands + most).contains(&now), "{stands} {now}");
        }
    }
}
