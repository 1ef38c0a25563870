//! What pteg counted at moments of a round (`pteg run --stats-series`), as far as it is recorded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Milliseconds from one moment to the next.
pub(super) const EVERY_MS: u32 = 250;

/// What was counted since the start of the round, and how full the table was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// Since the start.
    pub(super) seconds: f64,
    /// Made by all processors.
    pub(super) hypercalls: u64,
    /// Entries removed, protected, or cleared of a mark.
    pub(super) changed: u64,
    /// Of them, those that no processor had used: nothing was flushed.
    pub(super) untouched: u64,
    /// Processors that a flush made leave the guest, summed.
    pub(super) kicked: u64,
    /// Processors that a flush did not concern, summed.
    pub(super) left_alone: u64,
    /// How many groups have 0 to 8 valid entries.
    pub(super) groups_by_valid_entries: [u64; 9],
    /// Share of valid entries in equal parts of the table, in order.
    pub(super) heat: Vec<f32>,
}

impl Moment {
    /// Those that the file of `--stats-series` has; what makes no sense there is passed over.
    pub(super) fn all(series: &str) -> Vec<Self> {
        let line = |line: &str| Self::of(&serde_json::from_str(line).ok()?);
        series.lines().filter_map(line).collect()
    }

    fn of(line: &Value) -> Option<Self> {
        let changes = &line["changes"];
        let count = |name: &str| changes[name].as_u64();
        let heat = line["heat"].as_array()?.iter().filter_map(Value::as_f64);
        Some(Self {
            seconds: line["seconds"].as_f64()?,
            hypercalls: line["hypercalls"].as_u64()?,
            changed: count("removed")? + count("protected")? + count("cleared")?,
            untouched: count("untouched")?,
            kicked: count("kicked")?,
            left_alone: count("left_alone")?,
            groups_by_valid_entries: serde_json::from_value(line["table"]["groups_by_valid_entries"].clone()).ok()?,
            // No more digits than a picture shows.
            heat: heat.map(|share| (share * 1e4).round() as f32 / 1e4).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_moment_and_half_a_line_is_none() {
        let line = r#"{"version":1,"seconds":0.5,"hypercalls":9,"changes":{"removed":3,"protected":2,"cleared":1,"untouched":4,
            "kicked":5,"left_alone":6},"table":{"groups_by_valid_entries":[1,0,0,0,0,0,0,0,2]},"heat":[0.123456,1.0]}"#
            .replace('\n', "");
        let expected = Moment {
            seconds: 0.5,
            hypercalls: 9,
            changed: 6,
            untouched: 4,
            kicked: 5,
            left_alone: 6,
            groups_by_valid_entries: [1, 0, 0, 0, 0, 0, 0, 0, 2],
            heat: vec![0.1235, 1.0],
        };
        let half = &line[..line.len() / 2];
        assert_eq!(Moment::all(&format!("{line}\n{{}}\n\n{half}")), [expected]);
    }
}
