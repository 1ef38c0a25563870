//! The time base: 512 MHz, from the host's clock, one for all processors.

use std::time::{Duration, Instant};

/// Ticks in a second.
pub const TICKS_PER_SECOND: u64 = 512_000_000;

/// A clock that all processors of a partition share.
#[derive(Clone, Copy, Debug)]
pub struct Timebase {
    start: Instant,
}

impl Default for Timebase {
    fn default() -> Self {
        Self::new()
    }
}

impl Timebase {
    /// A time base that reads 0 now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Ticks since the start.
    #[inline]
    pub fn now(&self) -> u64 {
        let elapsed = self.start.elapsed();
        // 512 ticks in a microsecond: 64 in 125 ns.
        elapsed.as_secs() * TICKS_PER_SECOND + u64::from(elapsed.subsec_nanos()) * 64 / 125
    }

    /// How long `ticks` are.
    pub fn duration(ticks: u64) -> Duration {
        Duration::new(ticks / TICKS_PER_SECOND, (ticks % TICKS_PER_SECOND * 125 / 64) as u32)
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
}
