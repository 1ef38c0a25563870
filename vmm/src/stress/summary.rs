//! What all rounds came to, for people.

use std::collections::BTreeMap;
use std::fmt;

use super::round::{Calls, Figures};
use super::said::Work;

/// The sum of rounds.
#[derive(Debug, Default)]
pub(super) struct Summary {
    rounds: u64,
    work: Work,
    hypercalls: BTreeMap<String, Calls>,
}

impl Summary {
    /// Adds a round.
    pub(super) fn add(&mut self, figures: &Figures) {
        self.rounds += 1;
        self.work.add(&figures.work);
        for (name, calls) in &figures.hypercalls {
            let all = self.hypercalls.entry(name.clone()).or_default();
            all.count += calls.count;
            all.seconds += calls.seconds;
            all.longest_seconds = all.longest_seconds.max(calls.longest_seconds);
        }
    }
}

/// A table of the hypercalls, after what all was.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Work {
            operations,
            accesses,
            judged,
            faults,
            processor_seconds,
            in_hypercalls_seconds,
        } = self.work;
        let share = |part: f64, of: f64| if of > 0.0 { 100.0 * part / of } else { 0.0 };
        let s = if self.rounds == 1 { "" } else { "s" };
        writeln!(f, "{} round{s}, nothing found", self.rounds)?;
        writeln!(
            f,
            "{operations} operations; {accesses} accesses, {:.1} % of them with a certain outcome, {faults} page faults",
            share(judged as f64, accesses as f64)
        )?;
        writeln!(
            f,
            "{processor_seconds:.1} s of all processors, {:.1} % in hypercalls and the rest in accesses and checks",
            share(in_hypercalls_seconds, processor_seconds)
        )?;
        write!(
            f,
            "{:24} {:>12} {:>16} {:>12} {:>12}",
            "hypercall", "times", "a second on one", "mean us", "longest us"
        )?;
        for (name, calls) in &self.hypercalls {
            let each = |whole: f64, by: f64| if by > 0.0 { whole / by } else { 0.0 };
            write!(
                f,
                "\n{name:24} {:>12} {:>16.0} {:>12.2} {:>12.1}",
                calls.count,
                each(calls.count as f64, processor_seconds),
                each(calls.seconds * 1e6, calls.count as f64),
                calls.longest_seconds * 1e6
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_added_up_and_divided_by_processors_and_seconds() {
        let figures = |count, longest_seconds| Figures {
            work: Work {
                operations: 10,
                accesses: 20,
                judged: 15,
                faults: 1,
                processor_seconds: 2.0,
                in_hypercalls_seconds: 0.5,
            },
            hypercalls: BTreeMap::from([(
                "H_REMOVE".to_owned(),
                Calls {
                    count,
                    seconds: 0.25,
                    longest_seconds,
                },
            )]),
        };
        let mut summary = Summary::default();
        summary.add(&figures(300, 0.002));
        summary.add(&figures(700, 0.001));
        let said = summary.to_string();
        let words: Vec<&str> = said.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words, ["H_REMOVE", "1000", "250", "500.00", "2000.0"]);
        for text in [
            "2 rounds",
            "20 operations; 40 accesses, 75.0 %",
            "4.0 s of all processors, 25.0 %",
        ] {
            assert!(said.contains(text), "{text} is not in\n{said}");
        }
    }

    #[test]
    fn no_round_at_all_is_no_division_by_zero() {
        assert!(Summary::default().to_string().contains("0 rounds"));
    }
}
