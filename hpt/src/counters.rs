//! What is counted at each port: by one processor alone, so that counting costs no more than an addition.

use std::iter::Sum;
use std::ops::AddAssign;

use crate::sync::Statistic;

/// Counters of one port. Only its processor adds; anybody may read.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) entered: Counter,
    pub(crate) resizes: Counter,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(Statistic);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        // Not one step: nobody else adds.
        self.0.set(self.0.get().wrapping_add(more));
    }

    fn read(&self) -> u64 {
        self.0.get()
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            entered: self.entered.read(),
            resizes: self.resizes.read(),
        }
    }
}

/// Sums of counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that were added.
    pub entered: u64,
    /// Tables that were put in the place of another.
    pub resizes: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.entered += other.entered;
        self.resizes += other.resizes;
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}
