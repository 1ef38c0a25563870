//! What the guest says of a round, line by line: `stress: …`, and its verdict. It is the guest of a hypervisor that may be wrong, so that
//! a line may be anything.

use power::hcall::Hcall;
use serde::{Deserialize, Serialize};

/// Lines of a kind that are kept: as many as a guest has that is right.
const MOST_PROCESSORS: usize = 16;
const MOST_CALLS: usize = Hcall::ALL.len();
const LAST_CALLS: usize = 16;

/// All that a guest has said that matters.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Ticks of its time base in a second.
    ticks_a_second: u64,
    /// At the end, of each processor.
    processors: Vec<Processor>,
    /// At the end, how often each hypercall was made, by its number.
    pub(super) calls: Vec<(u64, u64)>,
    /// What was found.
    pub(super) finding: Option<String>,
    /// The last hypercalls of each processor before that, in words.
    pub(super) last_calls: Vec<String>,
    /// Its verdict, behind the program's name.
    pub(super) verdict: Option<String>,
}

/// What one processor came to.
#[derive(Debug, Default)]
struct Processor {
    operations: u64,
    accesses: u64,
    judged: u64,
    faults: u64,
    ticks: u64,
    in_calls: u64,
}

/// How far a guest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) operations: u64,
    pub(super) calls: u64,
}

/// What came of a round, or of several, all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Work {
    /// Operations: each is some hypercalls or accesses.
    pub(super) operations: u64,
    /// Loads and stores through the table.
    pub(super) accesses: u64,
    /// Of them, those whose outcome was certain beforehand.
    pub(super) judged: u64,
    /// Of all, those that ended in a page fault.
    pub(super) faults: u64,
    /// How long the processors worked, added up.
    pub(super) processor_seconds: f64,
    /// Of it, in hypercalls.
    pub(super) in_hypercalls_seconds: f64,
}

impl Work {
    /// Adds that of another round.
    pub(super) fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.accesses += other.accesses;
        self.judged += other.judged;
        self.faults += other.faults;
        self.processor_seconds += other.processor_seconds;
        self.in_hypercalls_seconds += other.in_hypercalls_seconds;
    }
}

impl Told {
    /// Takes a line; returns how far the guest is, if that is what it says.
    pub(super) fn hear(&mut self, line: &str) -> Option<Reached> {
        if let Some(verdict) = line.strip_prefix("VERDICT stress: ") {
            self.verdict = Some(verdict.to_owned());
            return None;
        }
        let (what, rest) = line.strip_prefix("stress: ")?.split_once(' ')?;
        match what {
            "at" => {
                return Some(Reached {
                    operations: number_after(rest, "operations")?,
                    calls: number_after(rest, "calls")?,
                });
            }
            "processor" if self.processors.len() < MOST_PROCESSORS => self.processors.push(Processor {
                operations: number_after(rest, "operations")?,
                accesses: number_after(rest, "accesses")?,
                judged: number_after(rest, "judged")?,
                faults: number_after(rest, "faults")?,
                ticks: number_after(rest, "ticks")?,
                in_calls: number_after(rest, "in-calls")?,
            }),
            "hypercall" if self.calls.len() < MOST_CALLS => {
                let (number, _) = rest.split_once(' ')?;
                self.calls.push((hexadecimal(number)?, number_after(rest, "times")?));
            }
            "ticks-a-second" => self.ticks_a_second = rest.parse().ok()?,
            "finding" => self.finding = Some(rest.to_owned()),
            "call" if self.last_calls.len() < MOST_PROCESSORS * LAST_CALLS => self
                .last_calls
                .push(call_in_words(rest).unwrap_or_else(|| rest.to_owned())),
            _ => {}
        }
        None
    }

    /// What the processors came to, together.
    pub(super) fn work(&self) -> Work {
        let seconds = |ticks: u64| ticks as f64 / self.ticks_a_second.max(1) as f64;
        let sum = |of: fn(&Processor) -> u64| self.processors.iter().map(of).sum::<u64>();
        Work {
            operations: sum(|processor| processor.operations),
            accesses: sum(|processor| processor.accesses),
            judged: sum(|processor| processor.judged),
            faults: sum(|processor| processor.faults),
            processor_seconds: seconds(sum(|processor| processor.ticks)),
            in_hypercalls_seconds: seconds(sum(|processor| processor.in_calls)),
        }
    }
}

/// The name of hypercall `number` in the manual.
pub(super) fn name(number: u64) -> String {
    Hcall::from_number(number).map_or_else(|| format!("{number:#x}"), |call| call.name().to_owned())
}

/// The number behind the word `name` in `text`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    text.split(' ').skip_while(|word| *word != name).nth(1)?.parse().ok()
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// `of processor P in operation O: NUMBER ARGUMENT… = STATUS WORD…` with the number's name, and the status as people write it.
fn call_in_words(text: &str) -> Option<String> {
    let (place, call) = text.strip_prefix("of ")?.split_once(": ")?;
    let (asked, answered) = call.split_once(" = ")?;
    let (number, arguments) = asked.split_once(' ')?;
    let (status, words) = answered.trim_end().split_once(' ')?;
    let status = match hexadecimal(status)?.cast_signed() {
        NOT_YET => "not answered".to_owned(),
        status => status.to_string(),
    };
    let number = hexadecimal(number)?;
    let (takes, gives) = registers(number);
    let first = |words: &str, count| {
        words
            .split(' ')
            .take(count)
            .fold(String::new(), |all, word| all + " " + word)
    };
    Some(format!(
        "{place}: {}{} = {status}{}",
        name(number),
        first(arguments, takes),
        first(words, gives)
    ))
}

/// From r4 on, how many registers hypercall `number` takes, and in how many of those that the guest has noted it answers.
fn registers(number: u64) -> (usize, usize) {
    match Hcall::from_number(number) {
        Some(Hcall::Enter) => (4, 1),
        Some(Hcall::Remove) => (3, 2),
        Some(Hcall::Protect) => (3, 0),
        Some(Hcall::Read) => (2, 2),
        Some(Hcall::ClearRef | Hcall::ClearMod) => (2, 1),
        Some(Hcall::BulkRemove) => (8, 4),
        Some(Hcall::ResizeHptPrepare | Hcall::ResizeHptCommit) => (2, 0),
        _ => (9, 4),
    }
}

/// What the guest writes down as the status of a call that it has begun.
const NOT_YET: i64 = 0x7777;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_all_processors_are_added_up() {
        let mut told = Told::default();
        for line in [
            "guest program stress, big-endian",
            "stress: at 1000 ms: operations 7 calls 5 accesses 9",
            "stress: processor 0: operations 10 accesses 20 judged 15 faults 3 ticks 512 in-calls 256 hash 0x12",
            "stress: processor 1: operations 1 accesses 2 judged 2 faults 1 ticks 512 in-calls 0 hash 0x0",
            "stress: hypercall 0x4 times 3",
            "stress: hypercall 0x124 times 4",
            "stress: ticks-a-second 512",
            "VERDICT stress: pass",
        ] {
            let reached = told.hear(line);
            let at = Reached {
                operations: 7,
                calls: 5,
            };
            assert_eq!(reached, line.contains("1000 ms").then_some(at), "{line}");
        }
        assert_eq!(told.verdict.as_deref(), Some("pass"));
        assert_eq!(told.calls, [(4, 3), (0x124, 4)]);
        let expected = Work {
            operations: 11,
            accesses: 22,
            judged: 17,
            faults: 4,
            processor_seconds: 2.0,
            in_hypercalls_seconds: 0.5,
        };
        assert_eq!(told.work(), expected);
    }

    #[test]
    fn a_finding_comes_with_the_calls_before_it() {
        let mut told = Told::default();
        told.hear("stress: finding by processor 1 in operation 12 of page 0.7: C after a store expected 0x80 got 0x0");
        told.hear("stress: call of processor 1 in operation 11: 0x4 0x80000000 0x10 0x0 0xa 0xb = 0xfffffffffffffff9 0x1 0x2 0x3 ");
        told.hear("stress: call of processor 0 in operation 9: 0x14 0x0 0x10 0xa = 0x7777 0x1 0x2 ");
        assert_eq!(
            told.finding.as_deref(),
            Some("by processor 1 in operation 12 of page 0.7: C after a store expected 0x80 got 0x0")
        );
        assert_eq!(
            told.last_calls,
            [
                "processor 1 in operation 11: H_REMOVE 0x80000000 0x10 0x0 = -7 0x1 0x2",
                "processor 0 in operation 9: H_CLEAR_REF 0x0 0x10 = not answered 0x1"
            ]
        );
    }

    #[test]
    fn lines_that_make_no_sense_are_passed_over() {
        let mut told = Told::default();
        for line in [
            "",
            "stress:",
            "stress: ",
            "stress: processor",
            "stress: processor x: operations",
            "stress: hypercall 4 times 3",
            "stress: call x",
        ] {
            assert_eq!(told.hear(line), None, "{line}");
        }
        assert!(told.calls.is_empty() && told.finding.is_none() && told.verdict.is_none());
        assert_eq!(told.work(), Work::default());
        assert_eq!(told.last_calls, ["x"]);
    }
}
