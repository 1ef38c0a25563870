//! What the page table's hypercalls cost a guest on a POWER host: answered by pteg, and by KVM's own handlers on the same
//! table.
//!
//! The guest program `hypercall_costs` times them itself. Who runs it (on an emulated host, which is slow to start, all rounds in
//! one boot) keeps what it said, round behind round, in one file for each way; here the two are compared.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::statistics::Samples;
use crate::table::Table;

/// What an operation cost in one round, in microseconds.
#[derive(Debug, PartialEq)]
struct Cost<'a> {
    operation: &'a str,
    microseconds: f64,
}

/// Compares what `hypercall_costs` said in the files `kernel`, where KVM answered, and `ours`.
pub fn measure(kernel: &Path, ours: &Path) -> Result<Report> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|source| Error::io("reading", path, source));
    let (kernel_said, ours_said) = (read(kernel)?, read(ours)?);
    let costs = |said, path: &Path| {
        let costs = costs(said);
        if costs.is_empty() {
            return Err(Error::NoCosts { path: path.to_owned() });
        }
        Ok(costs)
    };
    Ok(compare(&costs(&kernel_said, kernel)?, &costs(&ours_said, ours)?))
}

/// The lines `cost NAME TICKS per OPS` of one console, by the last `clock HZ` before each. Other lines are not looked at.
fn costs(said: &str) -> Vec<Cost<'_>> {
    let mut clock_hz = None;
    let mut costs = Vec::new();
    for line in said.lines() {
        match *line.split_whitespace().collect::<Vec<_>>() {
            ["clock", hz] => clock_hz = hz.parse::<f64>().ok(),
            ["cost", operation, ticks, "per", count] => {
                let numbers = (clock_hz, ticks.parse::<f64>(), count.parse::<f64>());
                if let (Some(hz), Ok(ticks), Ok(count)) = numbers {
                    costs.push(Cost {
                        operation,
                        microseconds: ticks / hz * 1e6 / count,
                    });
                }
            }
            _ => {}
        }
    }
    costs
}

fn compare(kernel: &[Cost<'_>], ours: &[Cost<'_>]) -> Report {
    let columns = ["pteg", "KVM's handlers"].map(str::to_owned).to_vec();
    let mut table = Table::comparing_first("operation", columns);
    let mut rounds = 0;
    for operation in operations(kernel, ours) {
        let samples = |costs: &[Cost<'_>]| -> Vec<f64> {
            let of_it = costs.iter().filter(|cost| cost.operation == operation);
            of_it.map(|cost| cost.microseconds).collect()
        };
        let (ours, kernel) = (samples(ours), samples(kernel));
        rounds = rounds.max(ours.len());
        let samples: [Samples; 2] = [ours, kernel].map(Samples::from_iter);
        table.rows.push((operation.to_owned(), samples.into()));
    }
    Report {
        rounds,
        markdown: format!(
            "Microseconds for an operation, by the guest's clock.\n\n{}",
            table.markdown()
        ),
        picture: None,
    }
}

/// Every operation of either, in the order of the first round that has it.
fn operations<'a>(kernel: &[Cost<'a>], ours: &[Cost<'a>]) -> Vec<&'a str> {
    let mut operations = Vec::new();
    for cost in ours.iter().chain(kernel) {
        if !operations.contains(&cost.operation) {
            operations.push(cost.operation);
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "pteg: something\r\nguest program hypercall_costs, little-endian\r\nclock 512000000\r\n\
                        cost null 51200 per 100\r\ncost read 102400 per 100\r\nVERDICT hypercall_costs: pass\r\n";

    #[test]
    fn lines_of_costs_are_read_and_others_are_not() {
        let cost = |operation, microseconds| Cost {
            operation,
            microseconds,
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
        let rows: Vec<&str> = report.markdown.lines().skip(2).collect();
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
