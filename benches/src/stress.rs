//! The `stress` benchmark: how much of a guest's time `pteg stress` spends in hypercalls, and how many it makes.
//!
//! pteg alone: other hypervisors fail the stream within its first operations.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::contender::Programs;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::rounds::Results;
use crate::statistics::Samples;
use crate::table::Table;

/// Processors of the guests.
const PROCESSORS: [u64; 4] = [1, 2, 4, 8];

/// Guests of a sample, three seconds each. Those that have fewer processors than they could do not count.
const GUESTS: &str = "6";

/// The first one's seed: the same guests each time.
const SEED: &str = "1";

const COLUMNS: [&str; 4] = [
    "hypercalls a second, of one",
    "hypercalls a second, of all",
    "% of the time in hypercalls",
    "% in accesses, checks, and all else",
];

/// What the guests of a sample did, together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sample {
    hypercalls: f64,
    /// Of all processors.
    seconds: f64,
    in_hypercalls: f64,
}

impl Sample {
    /// One for each of [`COLUMNS`].
    fn figures(self, processors: u64) -> [f64; COLUMNS.len()] {
        let rate = self.hypercalls / self.seconds;
        let share = 100.0 * self.in_hypercalls / self.seconds;
        [rate, rate * processors as f64, share, 100.0 - share]
    }

    /// What `lines` of `pteg stress --json` tell of guests with so many `processors`.
    fn of(lines: &str, processors: u64) -> Result<Self> {
        let mut sample = Self::default();
        for line in lines.lines() {
            sample.add(line, processors).ok_or_else(|| Error::Unreadable {
                what: "a line of pteg stress --json",
                text: line.chars().take(200).collect(),
            })?;
        }
        if sample.seconds == 0.0 {
            return Err(Error::Unreadable {
                what: "what pteg stress --json has of guests with all processors",
                text: lines.chars().take(200).collect(),
            });
        }
        Ok(sample)
    }

    fn add(&mut self, line: &str, processors: u64) -> Option<()> {
        let round: Value = serde_json::from_str(line).ok()?;
        if round["processors"].as_u64()? != processors {
            return Some(());
        }
        let calls = round["hypercalls"].as_object()?.values();
        let counts: Option<Vec<f64>> = calls.map(|call| call["count"].as_f64()).collect();
        self.hypercalls += counts?.iter().sum::<f64>();
        self.seconds += round["work"]["processor_seconds"].as_f64()?;
        self.in_hypercalls += round["work"]["in_hypercalls_seconds"].as_f64()?;
        Some(())
    }
}

/// Measures guests under stress.
pub fn measure(programs: &Programs, rounds: usize) -> Result<Report> {
    let directory = tempfile::tempdir().map_err(|source| Error::io("making", &std::env::temp_dir(), source))?;
    let json = directory.path().join("rounds.json");
    let results = Results::measure("stress", rounds, &PROCESSORS, |processors| {
        stress(programs.pteg(), processors, &json)
    })?;
    let mut table = Table::of_figures("processors", COLUMNS.map(str::to_owned).into());
    for processors in PROCESSORS {
        let rounds = results.of(processors).iter();
        let figures: Vec<_> = rounds.map(|sample| sample.figures(processors)).collect();
        let columns = 0..COLUMNS.len();
        let samples = columns.map(|column| figures.iter().map(|figures| figures[column]).collect::<Samples>());
        table.rows.push((processors.to_string(), samples.collect()));
    }
    Ok(Report {
        rounds,
        markdown: table.markdown(),
        picture: None,
    })
}

fn stress(pteg: &Path, processors: u64, json: &Path) -> Result<Sample> {
    let failed = |source| Error::Run {
        program: pteg.display().to_string(),
        source,
    };
    let mut command = Command::new(pteg);
    command.args(["stress", "--accel", "emulated", "--seed", SEED, "--rounds", GUESTS]);
    command
        .args(["--vcpus", &processors.to_string()])
        .arg("--json")
        .arg(json);
    let output = command.stdin(Stdio::null()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(Error::Failed {
            who: "pteg stress".to_owned(),
            status: output.status,
            said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        });
    }
    let lines = fs::read_to_string(json).map_err(|source| Error::io("reading", json, source))?;
    Sample::of(&lines, processors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_with_as_many_processors_are_added_up() {
        let line = |processors: u64, enters: u64| {
            format!(
                r#"{{"processors":{processors},"hypercalls":{{"H_ENTER":{{"count":{enters}}},"H_READ":{{"count":100}}}},"#
            ) + r#""work":{"processor_seconds":4.0,"in_hypercalls_seconds":1.0}}"#
        };
        let lines = [line(2, 300), line(1, 7), line(2, 500)].join("\n");
        let sample = Sample::of(&lines, 2).unwrap();
        assert_eq!(sample.figures(2), [125.0, 250.0, 25.0, 75.0]);
        // None of them counts.
        assert!(Sample::of(&lines, 8).is_err());
    }

    #[test]
    fn a_line_of_another_kind_is_an_error() {
        for line in ["{", "{}", r#"{"processors":2}"#] {
            assert!(matches!(Sample::of(line, 2), Err(Error::Unreadable { .. })), "{line}");
        }
    }
}
