//! The table at the end.

use std::fmt::Write as _;

use super::outcome::Outcome;

/// How many cases of a configuration came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Count {
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let mut count = Self::default();
        outcomes.iter().for_each(|outcome| count.add(outcome));
        count
    }

    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Pass => self.passed += 1,
            Outcome::Fail(_) => self.failed += 1,
            Outcome::Skip(_) => self.skipped += 1,
        }
    }
}

/// A line for each of `rows`, and one for all.
pub(super) fn table(rows: &[(String, Count)]) -> String {
    let mut all = Count::default();
    let mut text = format!("{:16} {:>6} {:>6} {:>6}\n", "", "pass", "FAIL", "skip");
    let mut row = |name: &str, count: &Count| {
        let Count {
            passed,
            failed,
            skipped,
        } = count;
        writeln!(text, "{name:16} {passed:>6} {failed:>6} {skipped:>6}").expect("a text takes everything");
    };
    for (name, count) in rows {
        row(name, count);
        all.passed += count.passed;
        all.failed += count.failed;
        all.skipped += count.skipped;
    }
    if rows.len() > 1 {
        row("all", &all);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up() {
        let outcomes = [
            Outcome::Pass,
            Outcome::Pass,
            Outcome::Fail(String::new()),
            Outcome::Skip(String::new()),
        ];
        let rows = [
            ("le-4k-256m".to_owned(), Count::of(&outcomes)),
            ("le-4k-1t".to_owned(), Count::of(&outcomes[..1])),
        ];
        assert_eq!(
            table(&rows),
            "                   pass   FAIL   skip\n\
             le-4k-256m            2      1      1\n\
             le-4k-1t              1      0      0\n\
             all                   3      1      1\n"
        );
        assert_eq!(table(&rows[..1]).lines().count(), 2);
    }
}
