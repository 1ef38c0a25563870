//! What a run amounts to: what was executed, which hypercalls were made, what became of the page table. Gathered here
//! once; `words` says it, the JSON file holds it, `page` draws it.
//!
//! The names of the fields are those of the JSON file.

mod words;

use std::time::Duration;

use hpt::{Counts, Histogram, Survey};
use serde::Serialize;

use crate::hypercall::Counted;
use crate::machine::Machine;

pub(super) use words::{duration, percent};

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    /// Since the machine was made.
    pub(super) seconds: f64,
    /// Instructions by processor; those that the guest never started are not in it. Known at the end only.
    pub(super) instructions: Vec<Instructions>,
    /// `None`: hypercalls were not timed.
    pub(super) hypercalls: Option<Hypercalls>,
    /// The table as it is.
    pub(super) table: Occupancy,
    /// What was done to it.
    pub(super) changes: Changes,
}

/// What one processor has executed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Instructions {
    pub(super) processor: usize,
    pub(super) executed: u64,
}

/// The hypercalls that were made.
#[derive(Debug, Serialize)]
pub(super) struct Hypercalls {
    /// How long the processors ran, in the guest and in hypercalls.
    pub(super) processor_seconds: f64,
    /// The calls, the costliest first.
    pub(super) calls: Vec<Call>,
}

/// One of them.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) seconds: f64,
    /// Of the processors' time.
    pub(super) share: f64,
}

/// How full the table is.
#[derive(Debug, Serialize)]
pub(super) struct Occupancy {
    /// log2 of its bytes.
    pub(super) order: u32,
    pub(super) entries: u64,
    pub(super) valid: u64,
    pub(super) bolted: u64,
    /// Valid entries in the group of their page's second hash.
    pub(super) secondary: u64,
    /// How many groups have 0 to 8 valid entries.
    pub(super) groups_by_valid_entries: [u64; 9],
    /// Valid entries by page size.
    pub(super) sizes: Vec<SizeOfPages>,
    /// Share of valid entries in parts of the table, in order.
    #[serde(skip)]
    pub(super) heat: Vec<f32>,
}

/// Valid entries of one page size.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct SizeOfPages {
    /// Bytes of the segment's pages.
    pub(super) base_bytes: u64,
    /// Bytes that an entry maps.
    pub(super) actual_bytes: u64,
    pub(super) entries: u64,
}

/// What was done to the table.
#[derive(Debug, Default, Serialize)]
pub(super) struct Changes {
    pub(super) entered: u64,
    pub(super) entered_secondary: u64,
    pub(super) group_full: u64,
    pub(super) removed: u64,
    pub(super) evicted: u64,
    pub(super) protected: u64,
    pub(super) cleared: u64,
    /// Changes of entries that no processor had used: nobody had to hear of them.
    pub(super) untouched: u64,
    pub(super) grace_periods: u64,
    pub(super) nobody_concerned: u64,
    /// Processors, summed over the grace periods.
    pub(super) left_alone: u64,
    pub(super) posted: u64,
    pub(super) kicked: u64,
    pub(super) joined: u64,
    /// Of those that narrow: entries removed, protected, cleared.
    pub(super) kicks_per_change: f64,
    /// Flushes that follow a grace period of their own, and of them those that a processor did inside the guest.
    pub(super) flushes: u64,
    pub(super) errands: u64,
    /// Ranges of real addresses that the others took from all processors, and how often these dropped everything.
    pub(super) discarded: u64,
    pub(super) flushed_all: u64,
    pub(super) flushed_early: u64,
    pub(super) batch_sizes: Distribution,
    pub(super) wait_ns: Distribution,
    /// The sum of those waits.
    pub(super) waited_seconds: f64,
    pub(super) resizes: u64,
    pub(super) duplicates: u64,
}

/// How many values were how large, in steps of powers of two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Distribution {
    pub(super) count: u64,
    /// The value that half of all do not exceed, at most.
    pub(super) median: Option<u64>,
    pub(super) percentile_99: Option<u64>,
    pub(super) most: Option<u64>,
    /// Counts of values from 2^n to 2^(n+1) - 1, 0 with 1; none behind the last.
    pub(super) log2_counts: Vec<u64>,
}

impl Statistics {
    /// Of `machine` as it is now; the map of its table gets `cells` parts.
    pub(super) fn gather(machine: &Machine, cells: usize) -> Self {
        let instructions = machine.instructions().into_iter();
        Self {
            seconds: machine.made.elapsed().as_secs_f64(),
            instructions: instructions
                .map(|(processor, executed)| Instructions { processor, executed })
                .collect(),
            hypercalls: machine
                .tally
                .as_ref()
                .map(|tally| Hypercalls::new(tally.ran(), &tally.counted())),
            table: Occupancy::new(machine.hpt.table().survey(cells)),
            changes: Changes::new(&machine.hpt.counts()),
        }
    }

    /// As JSON.
    pub(super) fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain data becomes JSON");
        text + "\n"
    }
}

/// `part` of `whole`; nothing of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Hypercalls {
    fn new(ran: Duration, counted: &[Counted]) -> Self {
        let processor_seconds = ran.as_secs_f64();
        let call = |counted: &Counted| {
            let seconds = counted.time.as_secs_f64();
            Call {
                name: counted.call.name(),
                count: counted.count,
                seconds,
                share: seconds / processor_seconds.max(f64::MIN_POSITIVE),
            }
        };
        let mut calls: Vec<Call> = counted.iter().map(call).collect();
        calls.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        Self {
            processor_seconds,
            calls,
        }
    }

    /// All of them: how many, how long, and what share that is.
    pub(super) fn sum(&self) -> (u64, f64, f64) {
        let sums = (0, 0.0, 0.0);
        let add = |(count, seconds, share): (u64, f64, f64), call: &Call| {
            (count + call.count, seconds + call.seconds, share + call.share)
        };
        self.calls.iter().fold(sums, add)
    }
}

impl Occupancy {
    fn new(survey: Survey) -> Self {
        let sizes = survey.by_size.into_iter().filter(|&(_, entries)| entries > 0);
        Self {
            order: survey.order.log2_bytes(),
            entries: survey.entries,
            valid: survey.valid,
            bolted: survey.bolted,
            secondary: survey.secondary,
            groups_by_valid_entries: survey.groups_by_occupancy,
            sizes: sizes
                .map(|(pair, entries)| SizeOfPages {
                    base_bytes: pair.base().bytes(),
                    actual_bytes: pair.actual().bytes(),
                    entries,
                })
                .collect(),
            heat: survey.heat,
        }
    }
}

impl Changes {
    fn new(counts: &Counts) -> Self {
        Self {
            entered: counts.entered,
            entered_secondary: counts.entered_secondary,
            group_full: counts.group_full,
            removed: counts.removed,
            evicted: counts.evicted,
            protected: counts.protected,
            cleared: counts.cleared,
            untouched: counts.untouched,
            grace_periods: counts.graces,
            nobody_concerned: counts.nobody,
            left_alone: counts.left_alone,
            posted: counts.posted,
            kicked: counts.kicked,
            joined: counts.joined,
            kicks_per_change: share(counts.kicked, counts.removed + counts.protected + counts.cleared),
            flushes: counts.flushes,
            errands: counts.errands,
            discarded: counts.discarded,
            flushed_all: counts.flushed_all,
            flushed_early: counts.flushed_early,
            batch_sizes: Distribution::new(&counts.batch_sizes),
            wait_ns: Distribution::new(&counts.waits_ns),
            waited_seconds: counts.waited_ns as f64 / 1e9,
            resizes: counts.resizes,
            duplicates: counts.duplicates,
        }
    }

    /// Changes that took a translation away or narrowed it.
    pub(super) fn narrowing(&self) -> u64 {
        self.removed + self.protected + self.cleared
    }
}

impl Distribution {
    fn new(histogram: &Histogram) -> Self {
        let used = histogram
            .buckets
            .iter()
            .rposition(|&count| count > 0)
            .map_or(0, |last| last + 1);
        Self {
            count: histogram.count(),
            median: histogram.quantile(0.5),
            percentile_99: histogram.quantile(0.99),
            most: histogram.quantile(1.0),
            log2_counts: histogram.buckets[..used].to_vec(),
        }
    }
}
