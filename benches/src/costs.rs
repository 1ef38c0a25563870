//! What a guest of KVM-PR pays on a POWER host: for the page table's hypercalls, answered by pteg and by KVM's own handlers on
//! the same table; and for booting, with pteg and with QEMU.
//!
//! The guest program `hypercall_costs` times its calls itself. `cargo xtask power-host bench` runs it, and the boots, in turns, and
//! keeps what was said, round behind round, in one file for each side; here the two are compared.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::statistics::Samples;
use crate::table::Table;

/// What an operation cost in one round.
#[derive(Debug, PartialEq)]
struct Cost<'a> {
    /// The host; empty if nobody said.
    host: &'a str,
    operation: &'a str,
    /// Microseconds; seconds of a [`BOOT`].
    cost: f64,
}

/// The operation that is not a hypercall: from the start of a program to the first word of its guest's first process.
const BOOT: &str = "boot";

/// Compares what was said in the files `theirs`, where KVM or QEMU did it, and `ours`.
pub fn measure(theirs: &Path, ours: &Path) -> Result<Report> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|source| Error::io("reading", path, source));
    let (theirs_said, ours_said) = (read(theirs)?, read(ours)?);
    let costs = |said, path: &Path| {
        let costs = costs(said);
        if costs.is_empty() {
            return Err(Error::NoCosts { path: path.to_owned() });
        }
        Ok(costs)
    };
    Ok(compare(&costs(&theirs_said, theirs)?, &costs(&ours_said, ours)?))
}

/// The lines `cost NAME TICKS per OPS`, by the last `clock HZ` before each, and `boot SECONDS`; both on the last `host NAME`. Other
/// lines are not looked at.
fn costs(said: &str) -> Vec<Cost<'_>> {
    let (mut host, mut clock_hz) = ("", None);
    let mut costs = Vec::new();
    for line in said.lines() {
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["host", name] => host = name,
            ["clock", hz] => clock_hz = hz.parse::<f64>().ok(),
            ["cost", operation, ticks, "per", count] => {
                let numbers = (clock_hz, ticks.parse::<f64>(), count.parse::<f64>());
                if let (Some(hz), Ok(ticks), Ok(count)) = numbers {
                    let cost = ticks / hz * 1e6 / count;
                    costs.push(Cost { host, operation, cost });
                }
            }
            [BOOT, seconds] => {
                let operation = BOOT;
                costs.extend(seconds.parse().ok().map(|cost| Cost { host, operation, cost }));
            }
            _ => {}
        }
    }
    costs
}

fn compare(theirs: &[Cost<'_>], ours: &[Cost<'_>]) -> Report {
    let mut rounds = 0;
    let mut markdown = String::new();
    let both = || ours.iter().chain(theirs);
    for host in distinct(both().map(|cost| cost.host)) {
        let mut table = |operations: Vec<&str>, their_name: &str, what: &str| {
            let columns = ["pteg", their_name].map(str::to_owned).to_vec();
            let mut table = Table::comparing_first("operation", columns);
            for operation in operations {
                let samples = |costs: &[Cost<'_>]| -> Vec<f64> {
                    let of_it = costs
                        .iter()
                        .filter(|cost| cost.host == host && cost.operation == operation);
                    of_it.map(|cost| cost.cost).collect()
                };
                let (ours, theirs) = (samples(ours), samples(theirs));
                rounds = rounds.max(ours.len());
                let samples: [Samples; 2] = [ours, theirs].map(Samples::from_iter);
                table.rows.push((operation.to_owned(), samples.into()));
            }
            if !table.rows.is_empty() {
                let on = if host.is_empty() {
                    String::new()
                } else {
                    format!(" on {host}")
                };
                markdown += &format!("**{what}{on}**\n\n{}\n", table.markdown());
            }
        };
        let here = both().filter(|cost| cost.host == host);
        let (boots, calls) = distinct(here.map(|cost| cost.operation))
            .into_iter()
            .partition(|&operation| operation == BOOT);
        table(
            calls,
            "KVM's handlers",
            "Microseconds for an operation, by the guest's clock,",
        );
        table(boots, "QEMU", "Seconds until a guest's first process is up,");
    }
    Report {
        rounds,
        markdown,
        picture: None,
    }
}

/// Each once, in the order in which they come.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "pteg: something\r\nguest program hypercall_costs, little-endian\r\nclock 512000000\r\n\
                        cost null 51200 per 100\r\ncost read 102400 per 100\r\nVERDICT hypercall_costs: pass\r\n";

    #[test]
    fn lines_of_costs_are_read_and_others_are_not() {
        let cost = |operation, cost| Cost {
            host: "",
            operation,
            cost,
        };
        assert_eq!(costs(OURS), [cost("null", 1.0), cost("read", 2.0)]);
        for said in [
            "cost null 1 per 1",
            "clock 5\ncost null one per 1",
            "clock 5\ncost null 1 of 1",
            "",
        ] {
            assert_eq!(costs(said), [], "{said}");
        }
    }

    #[test]
    fn the_costs_of_both_are_compared_round_by_round() {
        let ours = [OURS, OURS].concat();
        let kernel = "clock 1000000\ncost null 200 per 100\nclock 1000000\ncost null 400 per 100\n";
        let report = compare(&costs(kernel), &costs(&ours));
        assert_eq!(report.rounds, 2);
        let rows: Vec<&str> = report.markdown.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            rows,
            [
                "| operation | pteg             | KVM's handlers   | pteg / KVM's handlers |",
                "|-----------|------------------|------------------|-----------------------|",
                "| null      | 1.00 (1.00–1.00) | 3.00 (2.00–4.00) | 0.33 (0.25–0.50)      |",
                "| read      | 2.00 (2.00–2.00) | –                | –                     |",
            ]
        );
    }

    #[test]
    fn each_host_has_its_tables_and_boots_have_their_own() {
        let ours = ["host a\n", OURS, "host b\n", OURS, "boot 3.00\n"].concat();
        let theirs = "host b\nboot 2.00\n";
        assert_eq!(
            costs(theirs),
            [Cost {
                host: "b",
                operation: "boot",
                cost: 2.0
            }]
        );
        let report = compare(&costs(theirs), &costs(&ours));
        assert_eq!(report.rounds, 1);
        let titles: Vec<&str> = report.markdown.lines().filter(|line| line.starts_with("**")).collect();
        assert_eq!(
            titles,
            [
                "**Microseconds for an operation, by the guest's clock, on a**",
                "**Microseconds for an operation, by the guest's clock, on b**",
                "**Seconds until a guest's first process is up, on b**",
            ]
        );
        assert!(
            report
                .markdown
                .contains("| boot      | 3.00 (3.00–3.00) | 2.00 (2.00–2.00) | 1.50 (1.50–1.50) |")
        );
    }

    #[test]
    fn a_file_without_costs_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let Err(error) = measure(file.path(), file.path()) else {
            panic!("there is nothing to compare")
        };
        assert!(
            error.to_string().starts_with(&file.path().display().to_string()),
            "{error}"
        );
        assert!(measure(Path::new("/nonexistent"), file.path()).is_err());
    }
}
