//! What a run amounts to: what was executed, which hypercalls were made, what became of the page table. Gathered here
//! once; `words` says it, the JSON file holds it, `page` draws it.
//!
//! The names of the fields are those of the JSON file, which `docs/statistics.md` describes.

mod columns;
mod emulation;
mod words;

use std::time::Duration;

use hpt::{Counts, Histogram, Survey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::hypercall::{Counted, Tally};
use crate::machine::Machine;
use crate::waits::Waited;

pub(crate) use emulation::{Emulation, OfCache, Profile};
pub(crate) use words::{duration, percent};

/// What the form of the JSON file is called: one more whenever a field goes or means something else.
const VERSION: u32 = 1;

/// All of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statistics {
    /// Of the form of this. One more whenever a field goes or means something else; new ones may come at any time.
    pub(crate) version: u32,
    /// Since the machine was made.
    pub(crate) seconds: f64,
    /// Instructions by processor, when it last left the guest; those that the guest never started are not in it.
    pub(crate) instructions: Vec<Instructions>,
    /// `None`: exits were not counted.
    pub(crate) exits: Option<Exits>,
    /// Work of emulated processors, when somebody last called them out of the guest or they slept. `None`: there are none.
    pub(crate) emulation: Option<Emulation>,
    /// `None`: blocks were not counted, or the run is not over.
    pub(crate) profile: Option<Profile>,
    /// `None`: hypercalls were not timed.
    pub(crate) hypercalls: Option<Hypercalls>,
    /// What processors waited for memory that was taken away or copied.
    pub(crate) withheld: Withheld,
    /// The table as it is.
    pub(crate) table: Occupancy,
    /// What was done to it.
    pub(crate) changes: Changes,
}

/// What one processor has executed.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Instructions {
    pub(crate) processor: usize,
    pub(crate) executed: u64,
    /// How long it ran, in the guest and in hypercalls, by the clock on the wall. `None`: nobody looked.
    pub(crate) ran_seconds: Option<f64>,
    /// Of it, what the host gave to the thread that ran it; while it runs, up to its last sleep.
    pub(crate) cpu_seconds: Option<f64>,
    /// Millions of instructions for each of `ran_seconds`.
    pub(crate) mips: Option<f64>,
    /// Millions of instructions for each of `cpu_seconds`. `None`: it is running.
    pub(crate) cpu_mips: Option<f64>,
}

/// Why processors left the guest, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Exits {
    pub(crate) hypercalls: u64,
    /// Somebody wanted the processor's attention.
    pub(crate) attention: u64,
    /// It needed memory that was withheld.
    pub(crate) withheld: u64,
    /// It loaded from an address that is no memory.
    pub(crate) device_loads: u64,
    /// It stored to an address that is no memory.
    pub(crate) device_stores: u64,
    /// It could neither go on nor take an interrupt.
    pub(crate) checkstops: u64,
}

/// The hypercalls that were made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hypercalls {
    /// How long the processors ran, in the guest and in hypercalls.
    pub(crate) processor_seconds: f64,
    /// The calls, the costliest first.
    pub(crate) calls: Vec<Call>,
}

/// One of them.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// Of the processors' time.
    pub(crate) share: f64,
    /// How long one took at most.
    pub(crate) longest_seconds: f64,
    /// How long they took, each.
    pub(crate) took_ns: Distribution,
}

/// Waits of processors for memory that was withheld from them.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Withheld {
    pub(crate) wait_ns: Distribution,
    /// The sum of those waits.
    pub(crate) waited_seconds: f64,
    /// The longest time that a processor got no further: more than its longest wait if it had to wait again at once.
    pub(crate) longest_delay_seconds: f64,
}

/// How full the table is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Occupancy {
    /// log2 of its bytes.
    pub(crate) order: u32,
    pub(crate) entries: u64,
    pub(crate) valid: u64,
    pub(crate) bolted: u64,
    /// Valid entries in the group of their page's second hash.
    pub(crate) secondary: u64,
    /// How many groups have 0 to 8 valid entries.
    pub(crate) groups_by_valid_entries: [u64; 9],
    /// Valid entries by page size.
    pub(crate) sizes: Vec<SizeOfPages>,
    /// Share of valid entries in parts of the table, in order.
    #[serde(skip)]
    pub(crate) heat: Vec<f32>,
}

/// Valid entries of one page size.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SizeOfPages {
    /// Bytes of the segment's pages.
    pub(crate) base_bytes: u64,
    /// Bytes that an entry maps.
    pub(crate) actual_bytes: u64,
    pub(crate) entries: u64,
}

/// What was done to the table.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Changes {
    pub(crate) entered: u64,
    pub(crate) entered_secondary: u64,
    pub(crate) group_full: u64,
    pub(crate) removed: u64,
    pub(crate) evicted: u64,
    pub(crate) protected: u64,
    pub(crate) cleared: u64,
    /// Changes of entries that no processor had used: nobody had to hear of them.
    pub(crate) untouched: u64,
    pub(crate) grace_periods: u64,
    pub(crate) nobody_concerned: u64,
    /// Processors, summed over the grace periods.
    pub(crate) left_alone: u64,
    pub(crate) posted: u64,
    pub(crate) kicked: u64,
    pub(crate) joined: u64,
    /// Of those that narrow: entries removed, protected, cleared.
    pub(crate) kicks_per_change: f64,
    /// Flushes that follow a grace period of their own, and of them those that a processor did inside the guest.
    pub(crate) flushes: u64,
    pub(crate) errands: u64,
    /// Ranges of real addresses that the others took from all processors, and how often these dropped everything.
    pub(crate) discarded: u64,
    pub(crate) flushed_all: u64,
    pub(crate) flushed_early: u64,
    pub(crate) batch_sizes: Distribution,
    pub(crate) wait_ns: Distribution,
    /// The sum of those waits.
    pub(crate) waited_seconds: f64,
    pub(crate) resizes: u64,
    pub(crate) duplicates: u64,
    /// Requests to take all translations of real addresses away, and the entries that had some; those that no processor had used
    /// are counted apart.
    pub(crate) unmaps: u64,
    pub(crate) unmapped: u64,
    pub(crate) unmapped_untouched: u64,
    pub(crate) unmap_steps: u64,
    pub(crate) unmap_flushes: u64,
    pub(crate) unmapped_all: u64,
    pub(crate) longest_unmap_step_ns: u64,
}

/// How many values were how large, in steps of powers of two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Distribution {
    pub(crate) count: u64,
    /// The value that half of all do not exceed, at most.
    pub(crate) median: Option<u64>,
    pub(crate) percentile_99: Option<u64>,
    pub(crate) most: Option<u64>,
    /// Counts of values from 2^n to 2^(n+1) - 1, 0 with 1; none behind the last.
    pub(crate) log2_counts: Vec<u64>,
}

impl Statistics {
    /// Of `machine` as it is now; the map of its table gets `cells` parts.
    pub(crate) fn gather(machine: &Machine, cells: usize) -> Self {
        let instructions = machine.instructions().into_iter();
        let tally = machine.tally.as_ref();
        let counts = machine.processors.work();
        let executed = machine.executed();
        let sums = executed.as_ref().map(|executed| &executed.sums);
        Self {
            version: VERSION,
            seconds: machine.made.elapsed().as_secs_f64(),
            instructions: instructions
                .map(|(processor, executed)| Instructions::new(processor, executed, tally))
                .collect(),
            exits: tally.map(Tally::exits),
            emulation: counts.as_ref().map(|counts| Emulation::new(counts, sums)),
            profile: executed
                .as_ref()
                .zip(counts.as_ref())
                .map(|(executed, counts)| Profile::new(executed, counts)),
            hypercalls: machine
                .tally
                .as_ref()
                .map(|tally| Hypercalls::new(tally.ran(), &tally.counted())),
            withheld: Withheld::new(&machine.ram.waits().read()),
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

impl Instructions {
    fn new(processor: usize, executed: u64, tally: Option<&Tally>) -> Self {
        let times = tally.map(|tally| tally.times(processor));
        let ran_seconds = times.map(|times| times.ran.as_secs_f64());
        let cpu_seconds = times.map(|times| times.cpu.as_secs_f64());
        let mips = |seconds: &f64| (*seconds > 0.0).then(|| executed as f64 / seconds / 1e6);
        let is_running = times.is_some_and(|times| times.is_running);
        Self {
            processor,
            executed,
            ran_seconds,
            cpu_seconds,
            mips: ran_seconds.as_ref().and_then(mips),
            cpu_mips: cpu_seconds.as_ref().filter(|_| !is_running).and_then(mips),
        }
    }
}

impl Exits {
    /// All of them.
    pub(super) fn all(&self) -> u64 {
        self.hypercalls + self.attention + self.withheld + self.device_loads + self.device_stores + self.checkstops
    }
}

impl Hypercalls {
    fn new(ran: Duration, counted: &[Counted]) -> Self {
        let processor_seconds = ran.as_secs_f64();
        let call = |counted: &Counted| {
            let seconds = counted.time.as_secs_f64();
            Call {
                name: counted.call.name(),
                count: counted.took_ns.count(),
                seconds,
                share: seconds / processor_seconds.max(f64::MIN_POSITIVE),
                longest_seconds: counted.longest.as_secs_f64(),
                took_ns: Distribution::new(&counted.took_ns),
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

impl Withheld {
    fn new(waited: &Waited) -> Self {
        Self {
            wait_ns: Distribution::new(&waited.ns),
            waited_seconds: waited.all.as_secs_f64(),
            longest_delay_seconds: waited.longest_delay.as_secs_f64(),
        }
    }
}

impl Occupancy {
    pub(super) fn new(survey: Survey) -> Self {
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
    pub(super) fn new(counts: &Counts) -> Self {
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
            unmaps: counts.unmaps,
            unmapped: counts.unmapped,
            unmapped_untouched: counts.unmapped_untouched,
            unmap_steps: counts.unmap_steps,
            unmap_flushes: counts.unmap_flushes,
            unmapped_all: counts.unmapped_all,
            longest_unmap_step_ns: counts.longest_unmap_step_ns.0,
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
