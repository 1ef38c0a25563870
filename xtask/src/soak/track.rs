//! The thread that tracks stores during a soak with `--upkeep`: starts, harvests and stops the log, and holds each harvest against a
//! [`Ledger`]. Every few seconds it pauses the run and compares all memory.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ledger::{Counts, Ledger, MOST_OWED, PAGE};
use super::upkeep::{Ask, Asked, End, GUEST, Random};

/// Between two comparisons of all memory.
const COMPARISON: Duration = Duration::from_secs(10);

/// Harvests until the log is stopped and started again.
const HARVESTS: u64 = 200;

/// Before a harvest so many runs of so many pages are looked at: half of them where something was stored to last, half anywhere.
const RUNS: u64 = 32;
const RUN: u64 = 64;

/// Works until the run is over.
pub(super) fn track(ask: &mut Ask, random: &mut Random) -> Asked<()> {
    let mut tracker = Tracker {
        ledger: Ledger::new(ask.memory(false)?, GUEST),
        ask,
        random,
        harvests: 0,
        harvested: 0,
        comparisons: 0,
    };
    let end = loop {
        if let Err(end) = tracker.one_log() {
            break end;
        }
    };
    let note = tracker.note();
    ask.done.notes.push(note);
    Err(end)
}

struct Tracker<'a> {
    ask: &'a mut Ask,
    random: &'a mut Random,
    ledger: Ledger,
    harvests: u64,
    harvested: u64,
    comparisons: u64,
}

impl Tracker<'_> {
    /// Starts the log, harvests it many times, and stops it.
    fn one_log(&mut self) -> Asked<()> {
        self.dirty("start")?;
        self.ledger.begin().map_err(|error| unreadable(&error))?;
        let mut compared = Instant::now();
        let mut recent = Vec::new();
        for _ in 0..HARVESTS {
            recent = self.look_and_harvest(&recent)?;
            if compared.elapsed() > COMPARISON {
                self.compare_all()?;
                compared = Instant::now();
            }
            thread::sleep(Duration::from_micros(self.random.below(20_000)));
        }
        self.dirty("stop").map(drop)
    }

    /// Asks for this; nobody else does, so there is no conflict.
    fn dirty(&mut self, action: &str) -> Asked<Value> {
        let answer = self.ask.post("/v1/dirty", &json!({ "action": action }))?;
        answer.ok_or_else(|| End::Wrong(format!("{action}: a conflict with nobody")))
    }

    /// Looks at some pages, then harvests: what was stored to.
    fn look_and_harvest(&mut self, recent: &[Range<u64>]) -> Asked<Vec<Range<u64>>> {
        let mut changed = BTreeSet::new();
        for run in 0..RUNS {
            let first = match recent.get(self.random.below(recent.len() as u64) as usize) {
                Some(range) if run % 2 == 0 => range.start / PAGE,
                _ => self.random.below(self.ledger.pages()),
            };
            let pages = first..(first + RUN).min(self.ledger.pages());
            changed.append(&mut self.ledger.look(pages).map_err(|error| unreadable(&error))?);
        }
        let ranges = self.harvest()?;
        let lost = self
            .ledger
            .harvested(changed, &ranges)
            .map_err(|error| unreadable(&error))?;
        self.judge(&lost, "two harvests")?;
        Ok(ranges)
    }

    fn harvest(&mut self) -> Asked<Vec<Range<u64>>> {
        let answer = self.dirty("harvest")?;
        self.harvests += 1;
        let range = |range: &Value| {
            let start = range["start"].as_u64()?;
            Some(start..start + range["length"].as_u64()?)
        };
        let ranges: Option<Vec<_>> = answer["harvest"]["ranges"]
            .as_array()
            .and_then(|all| all.iter().map(range).collect());
        let ranges = ranges.ok_or_else(|| End::Wrong(format!("not a harvest: {answer}")))?;
        // What is discarded above is stored to as well.
        let ranges: Vec<_> = ranges.into_iter().filter(|range| range.start < GUEST).collect();
        let pages = |range: &Range<u64>| (range.end.min(GUEST) - range.start) / PAGE;
        self.harvested += ranges.iter().map(pages).sum::<u64>();
        Ok(ranges)
    }

    /// Nobody stores while the run is paused: after a harvest all is as in the ledger.
    fn compare_all(&mut self) -> Asked<()> {
        self.ask.post("/v1/pause", &json!({}))?;
        let compared = self.compare_paused();
        self.ask.post("/v1/resume", &json!({}))?;
        compared
    }

    fn compare_paused(&mut self) -> Asked<()> {
        let ranges = self.harvest()?;
        let lost = self
            .ledger
            .harvested(BTreeSet::new(), &ranges)
            .map_err(|error| unreadable(&error))?;
        self.judge(&lost, "two harvests, the second while paused")?;
        let differ = self
            .ledger
            .look(0..self.ledger.pages())
            .map_err(|error| unreadable(&error))?;
        self.comparisons += 1;
        self.judge(&differ.into_iter().collect::<Vec<_>>(), "a harvest while paused")
    }

    fn judge(&self, lost: &[u64], by: &str) -> Asked<()> {
        if let Some(first) = lost.first() {
            let (count, real) = (lost.len(), first * PAGE);
            return Err(End::Wrong(format!(
                "pages that were stored to and are missing after {by}: {count}, the first of them at {real:#x}"
            )));
        }
        if self.ledger.counts.owed > MOST_OWED {
            return Err(End::Wrong(format!(
                "{} pages came a harvest late",
                self.ledger.counts.owed
            )));
        }
        Ok(())
    }

    fn note(&self) -> String {
        let Self {
            harvests,
            harvested,
            comparisons,
            ..
        } = self;
        let Counts { looked_at, found, owed } = self.ledger.counts;
        format!(
            "{harvests} harvests of {harvested} pages; {looked_at} pages looked at, {found} of them stored to and in the harvest, {owed} in the \
             one after it; all memory compared {comparisons} times while paused"
        )
    }
}

fn unreadable(error: &io::Error) -> End {
    End::Wrong(format!("the memory file: {error}"))
}
