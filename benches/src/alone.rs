//! The `table` benchmark: the page table by itself, without a guest. Each call that a guest makes of it, on one
//! thread and on two that use different groups, and what the processors' translations add to a change.
//!
//! - `machine` is a table with processors around it that are idle in one way or another; `work` is what is
//!   measured; `team` lets threads begin together and takes the time.
//!
//! The figures are medians of loops over fixed work with the clock read at both ends, in rounds, as all figures here. A
//! framework for benchmarks of functions would choose the work and judge the spread by itself, but has no rounds in which
//! everything has its turn, no two threads at once, and no time that does not count between two that do.

mod machine;
mod team;
mod work;

use crate::error::Result;
use crate::pinning;
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

pub use machine::Map;
use machine::{Holders, Machine, Place};
use work::Work;

/// How many times as many rounds as of a boot: one is short.
const TIMES: usize = 4;

/// Operations of a sample, and of one in which each waits for a processor.
const OPERATIONS: usize = 1 << 18;
const OPERATIONS_WITH_WAIT: usize = 1 << 13;

/// What is measured in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    work: Work,
    place: Place,
    holders: Holders,
    threads: usize,
}

impl Case {
    /// One thread, and nobody has translations.
    fn plain(work: Work, place: Place) -> Self {
        Self {
            work,
            place,
            holders: Holders::Nobody,
            threads: 1,
        }
    }

    fn operations(&self) -> usize {
        match self.holders {
            Holders::Inside => OPERATIONS_WITH_WAIT,
            _ => OPERATIONS,
        }
    }
}

/// A column of a table of cases: its name, and the case of a row.
type Column = (&'static str, fn(Work) -> Case);

const PLAIN: [Column; 2] = [
    ("random groups", |work| Case::plain(work, Place::Random)),
    ("few groups", |work| Case::plain(work, Place::Few)),
];

const FLUSHING: [Column; 4] = [
    ("nobody", |work| held_by(work, Holders::Nobody)),
    ("4 elsewhere", |work| held_by(work, Holders::Elsewhere)),
    ("4 outside", |work| held_by(work, Holders::Outside)),
    ("1 inside", |work| held_by(work, Holders::Inside)),
];

const TOGETHER: [Column; 2] = [
    ("1 thread", |work| Case::plain(work, Place::Random)),
    ("2 threads", |work| Case {
        threads: 2,
        ..Case::plain(work, Place::Random)
    }),
];

fn held_by(work: Work, holders: Holders) -> Case {
    Case {
        holders,
        ..Case::plain(work, Place::Few)
    }
}

/// Measures all of it.
pub fn measure(rounds: usize) -> Result<Report> {
    let rounds = rounds * TIMES;
    let processors = pinning::allowed()?;
    if processors.len() < 2 {
        eprintln!(
            "benches: SKIPPED: two threads at once and processors inside the guest, as there is one processor only"
        );
    }
    let is_possible = |case: &Case| processors.len() > 1 || (case.threads == 1 && case.holders != Holders::Inside);
    let mut cases = Vec::new();
    for (works, columns) in [
        (&Work::PLAIN[..], &PLAIN[..]),
        (&Work::FLUSHING, &FLUSHING),
        (&Work::TOGETHER, &TOGETHER),
    ] {
        let all = works
            .iter()
            .flat_map(|&work| columns.iter().map(move |(_, case)| case(work)));
        for case in all.filter(is_possible) {
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
    }
    let machines = Holders::ALL.map(|holders| (holders, Machine::new(holders, Map::Absent)));
    let results = Results::measure("table", rounds, &cases, |case: Case| {
        let (_, machine) = machines
            .iter()
            .find(|(holders, _)| *holders == case.holders)
            .expect("there is one for each");
        Ok(team::sample(machine, &case, &processors))
    })?;
    let plain = table(
        Table::of_figures("operation", names(&PLAIN)),
        &Work::PLAIN,
        &PLAIN,
        &results,
    );
    let flushing = table(
        Table::of_figures("operation", names(&FLUSHING)),
        &Work::FLUSHING,
        &FLUSHING,
        &results,
    );
    let together = Table {
        ratios: vec![(0, 1)],
        ..Table::of_figures("operation", names(&TOGETHER))
    };
    let together = table(together, &Work::TOGETHER, &TOGETHER, &results);
    Ok(Report {
        rounds,
        markdown: format!(
            "**Nanoseconds for an operation, one thread, nobody to be told**\n\n{plain}\n\
             **Nanoseconds for an operation in few groups, by who may hold translations**\n\n{flushing}\n\
             **Nanoseconds for an operation in random groups, by all threads together**\n\n{together}"
        ),
        picture: None,
    })
}

/// Nanoseconds for an entry that comes and goes, in `random` groups or few, as the first table has it.
pub fn pair(random: bool, map: Map, processors: &[usize]) -> f64 {
    let place = if random { Place::Random } else { Place::Few };
    let case = Case::plain(Work::Pair, place);
    team::sample(&Machine::new(Holders::Nobody, map), &case, processors)
}

fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|(name, _)| (*name).to_owned()).collect()
}

fn table(mut table: Table, works: &[Work], columns: &[Column], results: &Results<f64, Case>) -> String {
    for &work in works {
        let row = columns
            .iter()
            .map(|(_, case)| results.of(case(work)).iter().copied().collect::<Samples>());
        table.rows.push((work.to_string(), row.collect()));
    }
    table.markdown()
}
