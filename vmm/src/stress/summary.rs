//! What all rounds came to, for people.

use std::collections::BTreeMap;
use std::fmt;

use super::plain;
use super::ranges::Taken;
use super::record::Record;
use super::round::Calls;
use super::said::Work;

/// The sum of rounds.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) rounds: u64,
    /// Those of them that have found something.
    pub(super) found: u64,
    /// Whether the processors of any took turns: nobody knows then how long they had.
    pub(super) has_turns: bool,
    /// Of the others.
    pub(super) work: Work,
    pub(super) hypercalls: BTreeMap<String, Calls>,
    pub(super) taken: Taken,
}

impl Summary {
    /// Adds a round.
    pub(super) fn add(&mut self, record: &Record) {
        self.rounds += 1;
        self.found += u64::from(record.finding.is_some());
        self.has_turns |= record.turns;
        if let Some(work) = &record.work {
            self.work.add(work);
        }
        if let Some(taken) = &record.taken {
            self.taken.add(taken);
        }
        for (name, calls) in record.hypercalls.iter().flatten() {
            self.hypercalls.entry(name.clone()).or_default().add(calls);
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
        write!(f, "{} round{s}, ", self.rounds)?;
        match self.found {
            0 => writeln!(f, "nothing found"),
            found => writeln!(f, "{found} of them FOUND something"),
        }?;
        writeln!(
            f,
            "{operations} operations; {accesses} accesses, {:.1} % of them with a certain outcome, {faults} page faults",
            share(judged as f64, accesses as f64)
        )?;
        let Taken {
            unmaps,
            entries,
            harvests,
            longest_seconds,
        } = self.taken;
        if unmaps > 0 {
            writeln!(
                f,
                "{unmaps} times translations of ranges were taken from the processors, {entries} entries; {harvests} logs of stores; {longest_seconds:.1} s at most"
            )?;
        }
        if self.has_turns {
            writeln!(
                f,
                "processors took turns, by a clock that counts instructions: no time of theirs is told"
            )?;
        } else {
            writeln!(
                f,
                "{processor_seconds:.1} s of all processors, {:.1} % in hypercalls and the rest in accesses and checks",
                share(in_hypercalls_seconds, processor_seconds)
            )?;
        }
        write!(
            f,
            "{:24} {:>12} {:>16} {:>12} {:>12}",
            "hypercall", "times", "a second on one", "mean us", "longest us"
        )?;
        for (name, calls) in &self.hypercalls {
            let each = |whole: f64, by: f64| if by > 0.0 { whole / by } else { 0.0 };
            let rate = if self.has_turns {
                "-".to_owned()
            } else {
                format!("{:.0}", each(calls.count as f64, processor_seconds))
            };
            write!(
                f,
                "\n{:24} {:>12} {rate:>16} {:>12.2} {:>12.1}",
                plain(name),
                calls.count,
                each(calls.seconds * 1e6, calls.count as f64),
                calls.longest_seconds * 1e6
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn rounds_are_added_up_and_divided_by_processors_and_seconds() {
        let mut summary = Summary::default();
        summary.add(&record(1, Ok(300)));
        summary.add(&record(2, Ok(700)));
        let said = summary.to_string();
        let words: Vec<&str> = said.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words, ["H_REMOVE", "1000", "250", "500.00", "2000.0"]);
        for text in [
            "2 rounds",
            "20 operations; 40 accesses, 75.0 %",
            "4.0 s of all processors, 25.0 %",
            "10 times translations of ranges were taken from the processors, 100 entries; 4 logs of stores",
        ] {
            assert!(said.contains(text), "{text} is not in\n{said}");
        }
    }

    #[test]
    fn what_a_clock_of_instructions_says_is_no_time() {
        let mut summary = Summary::default();
        summary.add(&record(1, Ok(300)));
        let mut turns = record(2, Ok(700));
        turns.turns = true;
        summary.add(&turns);
        let said = summary.to_string();
        let words: Vec<&str> = said.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words, ["H_REMOVE", "1000", "-", "500.00", "2000.0"]);
        assert!(
            said.contains("took turns") && !said.contains("of all processors"),
            "{said}"
        );
    }

    #[test]
    fn rounds_that_have_found_something_are_counted_and_add_nothing_else() {
        let mut summary = Summary::default();
        summary.add(&record(1, Ok(300)));
        let before = (summary.work, summary.hypercalls.clone());
        summary.add(&record(2, Err("it")));
        assert_eq!((summary.work, &summary.hypercalls), (before.0, &before.1));
        assert!(
            summary.to_string().starts_with("2 rounds, 1 of them FOUND something\n"),
            "{summary}"
        );
    }

    #[test]
    fn no_round_at_all_is_no_division_by_zero() {
        assert!(Summary::default().to_string().contains("0 rounds"));
    }
}
