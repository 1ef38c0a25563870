//! What `pteg run --stats-json` says of a run, as far as it is shown. The names of its fields are here and nowhere else.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

/// How long the processors ran, in the guest and in hypercalls, without sleep; in seconds.
const PROCESSOR_SECONDS: &str = "/hypercalls/processor_seconds";
/// The hypercalls, and of each its name, how often it was made, and how long it took in all.
const CALLS: &str = "/hypercalls/calls";
const NAME: &str = "/name";
const COUNT: &str = "/count";
const SECONDS: &str = "/seconds";
/// Entries that were removed, and other changes that take something from who holds a translation.
const REMOVED: &str = "/changes/removed";
const PROTECTED: &str = "/changes/protected";
const CLEARED: &str = "/changes/cleared";
/// Those of them that no processor had to hear of.
const UNTOUCHED: &str = "/changes/untouched";
/// Grace periods; processors that were made to leave the guest in them, and those that another had made to.
const GRACE_PERIODS: &str = "/changes/grace_periods";
const KICKED: &str = "/changes/kicked";
const JOINED: &str = "/changes/joined";
/// What was waited for processors, in all.
const WAITED: &str = "/changes/waited_seconds";

/// Calls that take translations away.
const TAKING_AWAY: [&str; 6] = [
    "H_REMOVE",
    "H_BULK_REMOVE",
    "H_BLOCK_REMOVE",
    "H_PROTECT",
    "H_CLEAR_REF",
    "H_CLEAR_MOD",
];

/// Sums of a run, or the difference of two.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Statistics {
    /// What the processors ran, in the guest and in hypercalls.
    pub(super) processor_seconds: f64,
    /// Of it, in hypercalls.
    pub(super) hypercall_seconds: f64,
    /// Of it, in those that take translations away.
    pub(super) taking_away_seconds: f64,
    /// How many of those there were.
    pub(super) taking_away_calls: f64,
    /// Of their time, what was waited for processors.
    pub(super) waited_seconds: f64,
    pub(super) removed: f64,
    /// Removed, protected or cleared.
    pub(super) changed: f64,
    pub(super) untouched: f64,
    pub(super) grace_periods: f64,
    pub(super) kicked: f64,
    pub(super) joined: f64,
}

impl Statistics {
    /// What the file at `path` says.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| Error::io("reading", path, source))?;
        let statistics = serde_json::from_str(&text).ok().as_ref().and_then(Self::parse);
        statistics.ok_or(Error::Unreadable {
            what: "pteg's statistics",
            text,
        })
    }

    fn parse(all: &Value) -> Option<Self> {
        let number = |value: &Value, name: &str| value.pointer(name)?.as_f64();
        let mut statistics = Self {
            processor_seconds: number(all, PROCESSOR_SECONDS)?,
            waited_seconds: number(all, WAITED)?,
            removed: number(all, REMOVED)?,
            changed: number(all, REMOVED)? + number(all, PROTECTED)? + number(all, CLEARED)?,
            untouched: number(all, UNTOUCHED)?,
            grace_periods: number(all, GRACE_PERIODS)?,
            kicked: number(all, KICKED)?,
            joined: number(all, JOINED)?,
            ..Self::default()
        };
        for call in all.pointer(CALLS)?.as_array()? {
            let (name, seconds) = (call.pointer(NAME)?.as_str()?, number(call, SECONDS)?);
            statistics.hypercall_seconds += seconds;
            if TAKING_AWAY.contains(&name) {
                statistics.taking_away_seconds += seconds;
                statistics.taking_away_calls += number(call, COUNT)?;
            }
        }
        Some(statistics)
    }

    /// What came after `boot`, which is that of another run that did no more than that.
    pub(super) fn since(&self, boot: &Self) -> Self {
        Self {
            processor_seconds: self.processor_seconds - boot.processor_seconds,
            hypercall_seconds: self.hypercall_seconds - boot.hypercall_seconds,
            taking_away_seconds: self.taking_away_seconds - boot.taking_away_seconds,
            taking_away_calls: self.taking_away_calls - boot.taking_away_calls,
            waited_seconds: self.waited_seconds - boot.waited_seconds,
            removed: self.removed - boot.removed,
            changed: self.changed - boot.changed,
            untouched: self.untouched - boot.untouched,
            grace_periods: self.grace_periods - boot.grace_periods,
            kicked: self.kicked - boot.kicked,
            joined: self.joined - boot.joined,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
        "instructions": [{"processor": 0, "executed": 5}],
        "hypercalls": {"processor_seconds": 8.0, "calls": [
            {"name": "H_ENTER", "count": 10, "seconds": 0.5, "share": 0.0625},
            {"name": "H_BLOCK_REMOVE", "count": 2, "seconds": 0.25, "share": 0.03125}]},
        "changes": {"removed": 16, "protected": 3, "cleared": 1, "untouched": 5, "grace_periods": 4, "kicked": 2,
            "joined": 1, "waited_seconds": 0.125}
    }"#;

    #[test]
    fn what_is_shown_is_read() {
        let statistics = Statistics::parse(&serde_json::from_str(TEXT).unwrap()).unwrap();
        let expected = Statistics {
            processor_seconds: 8.0,
            hypercall_seconds: 0.75,
            taking_away_seconds: 0.25,
            taking_away_calls: 2.0,
            waited_seconds: 0.125,
            removed: 16.0,
            changed: 20.0,
            untouched: 5.0,
            grace_periods: 4.0,
            kicked: 2.0,
            joined: 1.0,
        };
        assert_eq!(statistics, expected);
        assert_eq!(statistics.since(&statistics), Statistics::default());
        assert_eq!(statistics.since(&Statistics::default()), statistics);
    }

    #[test]
    fn statistics_that_lack_a_field_are_refused() {
        for field in ["processor_seconds", "untouched", "kicked", "waited_seconds", "seconds"] {
            let text = TEXT.replace(&format!("\"{field}\""), "\"other\"");
            assert_eq!(
                Statistics::parse(&serde_json::from_str(&text).unwrap()),
                None,
                "{field}"
            );
        }
    }
}
