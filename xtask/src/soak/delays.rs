//! The longest delays of the guest's processors during a soak with `--upkeep`, as pteg measured them, and what they may be.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// No processor may be held up for longer, whether it waits for memory that is withheld or is in a hypercall.
///
/// What it waits for is bounded: that 16 MiB are given back to the host (a piece of a discard), that all processors have left the guest
/// and a bit is set for each page of memory (the beginning of a dump), that 256 KiB are copied into a file; or, in a hypercall, that
/// processors leave the guest. Each takes milliseconds of work. The rest is the host's: a soak has twice as many threads as a small host has
/// processors, each of which may be the one that is waited for, and a disk that the dump is written to. So the bound is a second: far above what
/// the host adds, far below what Linux complains about (its watchdogs: ten seconds and more), and no wait that goes with the size of
/// memory, or that is only ended by a timeout, stays below it unnoticed.
const BOUND: Duration = Duration::from_secs(1);

/// What `--stats-json` has written says of it: a line, and what is wrong.
pub(super) fn judge(file: &Path) -> Result<(String, Vec<String>), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let statistics = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    judge_statistics(&statistics).ok_or_else(|| failed(&"not the statistics of a run whose hypercalls were timed"))
}

fn judge_statistics(statistics: &Value) -> Option<(String, Vec<String>)> {
    let withheld = &statistics["withheld"];
    let delay = withheld["longest_delay_seconds"].as_f64()?;
    let waits = withheld["wait_ns"]["count"].as_u64()?;
    let waited = withheld["waited_seconds"].as_f64()?;
    let calls = statistics["hypercalls"]["calls"].as_array()?;
    let calls: Option<Vec<(&str, f64)>> = calls
        .iter()
        .map(|call| Some((call["name"].as_str()?, call["longest_seconds"].as_f64()?)))
        .collect();
    let (name, longest) = calls?.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let bound = BOUND.as_secs_f64();
    let line = format!(
        "delays: a processor got no further for {delay:.6} s at most, as memory was withheld ({waits} waits, {waited:.3} s in all); the longest \
         hypercall was {name}, {longest:.6} s; the bound is {bound:.0} s"
    );
    let mut wrong = Vec::new();
    if delay > bound {
        wrong.push(format!(
            "a processor was held up for {delay:.3} s by memory that was withheld"
        ));
    }
    if longest > bound {
        wrong.push(format!("{name} took {longest:.3} s"));
    }
    if waits == 0 {
        wrong.push("no processor ever waited for memory: nothing was tried".to_owned());
    }
    Some((line, wrong))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statistics(waits: u64, delay: f64, call: f64) -> Value {
        json!({
            "withheld": { "wait_ns": { "count": waits }, "waited_seconds": 2.0, "longest_delay_seconds": delay },
            "hypercalls": { "calls": [
                { "name": "H_ENTER", "longest_seconds": call },
                { "name": "H_REMOVE", "longest_seconds": 0.001 },
            ] },
        })
    }

    #[test]
    fn a_delay_above_the_bound_is_wrong_whatever_caused_it() {
        let (line, wrong) = judge_statistics(&statistics(3, 0.25, 0.5)).unwrap();
        assert!(
            line.contains("0.250000 s at most") && line.contains("H_ENTER, 0.500000 s"),
            "{line}"
        );
        assert_eq!(wrong, [""; 0]);
        let wrong = |waits, delay, call| judge_statistics(&statistics(waits, delay, call)).unwrap().1;
        assert!(wrong(3, 1.5, 0.5)[0].contains("1.500 s"));
        assert!(wrong(3, 0.5, 1.5)[0].contains("H_ENTER took"));
        assert!(wrong(0, 0.0, 0.5)[0].contains("nothing was tried"));
        assert_eq!(judge_statistics(&json!({})), None);
    }
}
