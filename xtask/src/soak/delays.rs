//! The longest delays of the guest's processors during a soak with `--upkeep`, as pteg measured them, and what they may be.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No processor may be held up for longer by pteg, whether it waits for memory that is withheld or is in a hypercall.
///
/// What it waits for is bounded: that 16 MiB are given back to the host (a piece of a discard), that all processors have left the guest
/// and a bit is set for each page of memory (the beginning of a dump or a watch), that 256 KiB are copied into a file; or, in a hypercall, that
/// processors leave the guest. Each is milliseconds of work, and some hundred where the host has half as many processors as there are threads and
/// writes the file to a disk. A second is far above that, and far below what Linux complains about (its watchdogs: ten seconds and more); no wait
/// that goes with the size of memory or of the table stays below it.
const BOUND: Duration = Duration::from_secs(1);

/// The one call that is not held to it: it moves every bolted entry to the new table, with all processors outside the guest, and takes as long as there
/// are such entries: some hundred thousand in the soak, which a host that is busy with others moves in seconds.
const BY_SIZE: &str = "H_RESIZE_HPT_COMMIT";

/// The host adds to that what it keeps a thread waiting that could run, as a [`Probe`] has seen it, for each of so many threads that are waited for one
/// after another: the other processors.
const WAITED_FOR: u32 = 4;

/// Sees how long the host keeps a thread waiting that could run.
pub(super) struct Probe {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Probe {
    /// Looks from here on.
    pub(super) fn start() -> Self {
        const NAP: Duration = Duration::from_millis(5);
        let is_over = Arc::<AtomicBool>::default();
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let began = Instant::now();
                thread::sleep(NAP);
                longest = longest.max(began.elapsed().saturating_sub(NAP));
            }
            longest
        });
        Self { is_over, thread }
    }

    /// The longest time until now.
    pub(super) fn finish(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

/// What `--stats-json` has written says of it, on a host that kept a thread waiting for `host`: a line, and what is wrong.
pub(super) fn judge(file: &Path, host: Duration) -> Result<(String, Vec<String>), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let statistics = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    judge_statistics(&statistics, host)
        .ok_or_else(|| failed(&"not the statistics of a run whose hypercalls were timed"))
}

fn judge_statistics(statistics: &Value, host: Duration) -> Option<(String, Vec<String>)> {
    let withheld = &statistics["withheld"];
    let delay = withheld["longest_delay_seconds"].as_f64()?;
    let waits = withheld["wait_ns"]["count"].as_u64()?;
    let waited = withheld["waited_seconds"].as_f64()?;
    let calls = statistics["hypercalls"]["calls"].as_array()?;
    let calls: Option<Vec<(&str, f64)>> = calls
        .iter()
        .map(|call| Some((call["name"].as_str()?, call["longest_seconds"].as_f64()?)))
        .collect();
    let (by_size, calls): (Vec<_>, Vec<_>) = calls?.into_iter().partition(|(name, _)| *name == BY_SIZE);
    let (name, longest) = calls.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let by_size: String = by_size
        .iter()
        .map(|(name, longest)| format!(" but {name}, {longest:.6} s"))
        .collect();
    let bound = (BOUND + WAITED_FOR * host).as_secs_f64();
    let host = host.as_secs_f64();
    let line = format!(
        "delays: a processor got no further for {delay:.6} s at most, as memory was withheld ({waits} waits, {waited:.3} s in all); the longest \
         hypercall was {name}, {longest:.6} s{by_size}; the bound is {bound:.1} s, as the host kept a thread waiting for {host:.3} s"
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
        let (line, wrong) = judge_statistics(&statistics(3, 0.25, 0.5), Duration::ZERO).unwrap();
        assert!(
            line.contains("0.250000 s at most") && line.contains("H_ENTER, 0.500000 s"),
            "{line}"
        );
        assert_eq!(wrong, [""; 0]);
        let judged = |waits, delay, call, host_ms| {
            let host = Duration::from_millis(host_ms);
            judge_statistics(&statistics(waits, delay, call), host).unwrap().1
        };
        assert_eq!(judged(3, 1.5, 1.5, 200), [""; 0]);
        let wrong = |waits, delay, call| judged(waits, delay, call, 100);
        assert!(wrong(3, 1.5, 0.5)[0].contains("1.500 s"));
        assert!(wrong(3, 0.5, 1.5)[0].contains("H_ENTER took"));
        assert!(wrong(0, 0.0, 0.5)[0].contains("nothing was tried"));
        assert_eq!(judge_statistics(&json!({}), Duration::ZERO), None);
    }

    #[test]
    fn the_move_of_a_table_takes_as_long_as_there_are_bolted_entries() {
        let mut statistics = statistics(3, 0.25, 0.5);
        let calls = statistics["hypercalls"]["calls"].as_array_mut().unwrap();
        calls.push(json!({ "name": "H_RESIZE_HPT_COMMIT", "longest_seconds": 5.0 }));
        let (line, wrong) = judge_statistics(&statistics, Duration::ZERO).unwrap();
        assert!(
            line.contains("H_ENTER, 0.500000 s but H_RESIZE_HPT_COMMIT, 5.000000 s;"),
            "{line}"
        );
        assert_eq!(wrong, [""; 0]);
    }
}
