//! What is counted at each port: by one processor alone, so that counting costs no more than an addition.

use std::iter::Sum;
use std::ops::AddAssign;

use crate::Unmapped;
use crate::histogram::Histogram;
use crate::shadow::Grace;
use crate::sync::Statistic;

/// One counter. Only its port's processor adds; anybody may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(Statistic);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        // Not one step: nobody else adds.
        self.0.set(self.0.get().wrapping_add(more));
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.get()
    }
}

/// The largest of some numbers in the making.
#[derive(Debug, Default)]
pub(crate) struct Highest(Statistic);

impl Highest {
    pub(crate) fn add(&self, value: u64) {
        // Not one step: nobody else adds.
        self.0.set(self.0.get().max(value));
    }

    pub(crate) fn read(&self) -> Peak {
        Peak(self.0.get())
    }
}

/// The largest of some numbers: the sum of two is the larger one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peak(pub u64);

impl AddAssign for Peak {
    fn add_assign(&mut self, other: Self) {
        *self = (*self).max(other);
    }
}

/// A histogram in the making.
#[derive(Debug)]
pub(crate) struct Counted([Counter; Histogram::BUCKETS]);

impl Default for Counted {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Counted {
    pub(crate) fn add(&self, value: u64) {
        self.0[Histogram::bucket_of(value)].add(1);
    }

    pub(crate) fn read(&self) -> Histogram {
        Histogram {
            buckets: std::array::from_fn(|bucket| self.0[bucket].read()),
        }
    }
}

/// Declares the counters of a port and the sums that people read, which have the same names.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident: $counter:ident => $sum:ident,)*) => {
        /// Counters of one port.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: $counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.read(),)* }
            }
        }

        /// Sums of counters over all ports.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: $sum,)*
        }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counts! {
    /// Entries that were added.
    entered: Counter => u64,
    /// Of them, those in the group of the secondary hash.
    entered_secondary: Counter => u64,
    /// Entries that found no free slot.
    group_full: Counter => u64,
    /// Entries that were removed, by whatever call.
    removed: Counter => u64,
    /// Of them, those that went on the condition of a mask (andcond): to make room for others.
    evicted: Counter => u64,
    /// Entries whose protection was changed.
    protected: Counter => u64,
    /// Entries of which R or C was cleared.
    cleared: Counter => u64,
    /// Changes that no processor had to hear of, because R told that none had used the entry.
    untouched: Counter => u64,
    /// Grace periods: calls of [`Shadow::invalidate`](crate::Shadow::invalidate) and
    /// [`Shadow::quiesce`](crate::Shadow::quiesce).
    graces: Counter => u64,
    /// Of them, those that concerned no processor.
    nobody: Counter => u64,
    /// Sum of [`Grace::left_alone`].
    left_alone: Counter => u64,
    /// Sum of [`Grace::posted`].
    posted: Counter => u64,
    /// Sum of [`Grace::kicked`].
    kicked: Counter => u64,
    /// Sum of [`Grace::joined`].
    joined: Counter => u64,
    /// Batches that were flushed before they were complete because the host was out of memory.
    flushed_early: Counter => u64,
    /// Flushes by ranges of real addresses or of everything: calls of [`Shadow::flush`](crate::Shadow::flush), which follow a
    /// grace period of their own.
    flushes: Counter => u64,
    /// Of them, those with [`Grace::by_errand`].
    errands: Counter => u64,
    /// Sum of [`Grace::discarded`].
    discarded: Counter => u64,
    /// Grace periods and flushes that made all processors drop everything: [`Grace::flushed_all`].
    flushed_all: Counter => u64,
    /// Changes that share a grace period.
    batch_sizes: Counted => Histogram,
    /// Length in ns of the grace periods that waited for a processor.
    waits_ns: Counted => Histogram,
    /// Their sum in ns.
    waited_ns: Counter => u64,
    /// Tables that took the place of another.
    resizes: Counter => u64,
    /// Pairs of entries for one page that the duplicate check found.
    duplicates: Counter => u64,
    /// Calls of [`Unmapper::unmap`](crate::Unmapper::unmap).
    unmaps: Counter => u64,
    /// Sum of [`Unmapped::entries`](crate::Unmapped::entries).
    unmapped: Counter => u64,
    /// Sum of [`Unmapped::untouched`](crate::Unmapped::untouched).
    unmapped_untouched: Counter => u64,
    /// Sum of [`Unmapped::steps`](crate::Unmapped::steps).
    unmap_steps: Counter => u64,
    /// Sum of [`Unmapped::flushes`](crate::Unmapped::flushes), which are among the grace periods above.
    unmap_flushes: Counter => u64,
    /// Unmappings that made all processors drop everything.
    unmapped_all: Counter => u64,
    /// The longest step of all unmappings in ns.
    longest_unmap_step_ns: Highest => Peak,
}

impl Counters {
    /// An unmapping has ended, or was abandoned.
    pub(crate) fn note_unmapped(&self, done: &Unmapped) {
        self.unmapped.add(done.entries);
        self.unmapped_untouched.add(done.untouched);
        self.unmap_steps.add(done.steps);
        self.unmap_flushes.add(done.flushes);
        self.unmapped_all.add(u64::from(done.everything));
        let longest = u64::try_from(done.longest_step.as_nanos()).unwrap_or(u64::MAX);
        self.longest_unmap_step_ns.add(longest);
    }

    /// A batch of `size` changes had this grace period, with a flush or without.
    pub(crate) fn note(&self, size: usize, grace: &Grace) {
        self.graces.add(1);
        self.nobody
            .add(u64::from(grace.posted + grace.kicked + grace.joined == 0));
        self.left_alone.add(u64::from(grace.left_alone));
        self.batch_sizes.add(size as u64);
        self.note_asked(grace);
    }

    /// There was this flush after a grace period.
    pub(crate) fn note_flush(&self, flush: &Grace) {
        self.flushes.add(1);
        self.errands.add(u64::from(flush.by_errand));
        self.note_asked(flush);
    }

    fn note_asked(&self, grace: &Grace) {
        self.posted.add(u64::from(grace.posted));
        self.kicked.add(u64::from(grace.kicked));
        self.joined.add(u64::from(grace.joined));
        self.discarded.add(u64::from(grace.discarded));
        self.flushed_all.add(u64::from(grace.flushed_all));
        if let Some(waited) = grace.waited {
            let ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
            self.waits_ns.add(ns);
            self.waited_ns.add(ns);
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_grace_period_is_counted_with_all_that_it_asked() {
        let counters = Counters::default();
        counters.note(
            3,
            &Grace {
                left_alone: 5,
                posted: 4,
                kicked: 2,
                joined: 1,
                waited: Some(Duration::from_nanos(1500)),
                ..Grace::default()
            },
        );
        counters.note(1, &Grace::default());
        let counts = counters.read();
        assert_eq!((counts.graces, counts.nobody), (2, 1));
        assert_eq!((counts.left_alone, counts.posted), (5, 4));
        assert_eq!((counts.kicked, counts.joined), (2, 1));
        assert_eq!((counts.batch_sizes.count(), counts.waits_ns.count()), (2, 1));
        assert_eq!(counts.waits_ns.buckets[10], 1);
    }

    #[test]
    fn sums_are_of_all_ports() {
        let ports: [Counters; 3] = std::array::from_fn(|_| Counters::default());
        for (more, port) in (1..).zip(&ports) {
            port.entered.add(more);
            port.batch_sizes.add(more);
        }
        let sum: Counts = ports.iter().map(Counters::read).sum();
        assert_eq!((sum.entered, sum.batch_sizes.count()), (6, 3));
    }
}
