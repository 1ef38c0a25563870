//! A round of processors that take turns, which is the same each time; and what is found in it, made short: it is run again and again with fewer of
//! its operations, as long as the same is found (delta debugging).
//!
//! An operation that is left out changes no other one's choices, but the turns that come after it fall elsewhere. So what needs two processors to meet
//! in a certain way may be lost with an operation that has no part in it, and what is left is short, not the shortest there is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use guest_images::stress::{Operation, Round};

use super::Error;
use super::round::{Done, Failure, Outcome, Runner};
use super::ticker::Ticker;

/// Operations of a round's first processor.
const OPERATIONS: u32 = 4000;

/// How long a round may take on the host, before it is made shorter.
const PATIENCE: Duration = Duration::from_secs(900);

/// Runs at most: a number, so that the same comes out each time.
const MOST_RUNS: u32 = 200;

/// A round that takes longer is not made shorter, nor is one any more after so long: a run that hangs takes all of it. On a host that is not ten times
/// slower than others [`MOST_RUNS`] comes first.
const MOST_TIME: Duration = Duration::from_secs(600);

/// Operations that are said, of a program that stays longer.
const MOST_SAID: usize = 64;

/// Operations of each processor for each one of the first processor's: others may be ahead of it, and do nothing when they are further.
const AHEAD: u32 = 2;

/// How many operations, which are all left out, the first processor goes on behind the last one, so that the others end theirs.
const GRACE: u32 = 1000;

/// All operations of `round`, whose processors take turns.
fn all(round: &Round) -> Vec<Operation> {
    let each = |number| (0..round.processors).map(move |processor| Operation { number, processor });
    (1..=OPERATIONS * AHEAD).flat_map(each).collect()
}

/// Runs `round`; what is found comes with a short program that finds it as well.
///
/// # Errors
/// A guest could not be run.
pub(super) fn run(runner: &Runner, round: &Round, ticker: &mut Ticker) -> Result<Done, Error> {
    // By the way of a part: what decides whether an operation is wanted takes its instructions, and they are to be the same in both.
    let (part, begun) = (all(round).into_iter().collect(), Instant::now());
    let mut done = runner.run_part(round, part, OPERATIONS, PATIENCE, ticker)?;
    if let Outcome::Failed(failure) = &mut done.outcome
        && begun.elapsed() < MOST_TIME
    {
        failure.program = program_of(runner, round, failure, ticker);
    }
    Ok(done)
}

/// A program that is shorter, and what it finds.
struct Short {
    operations: Vec<Operation>,
    failure: Failure,
}

/// The short program that finds what `failure` says, in lines for people; that it could not be made short is one of them. Whatever goes wrong, or ends
/// pteg, meanwhile: the finding is to be told, however long its program is by then.
fn program_of(runner: &Runner, round: &Round, failure: &Failure, ticker: &mut Ticker) -> Vec<String> {
    let begun = Instant::now();
    let mut runs = 0;
    let short = shrink(all(round), |part| {
        // Of those that hang at most one is waited for.
        let left = MOST_TIME.saturating_sub(begun.elapsed());
        if runs == MOST_RUNS || left.is_zero() {
            return Tried::NoMore;
        }
        runs += 1;
        ticker.shrink(round, part.len(), runs);
        let last = part.last().map_or(0, |operation| operation.number);
        let operations = OPERATIONS.min(last + GRACE);
        let part: BTreeSet<Operation> = part.iter().copied().collect();
        match runner
            .run_part(round, part, operations, left, ticker)
            .map(|done| done.outcome)
        {
            Err(_) => Tried::NoMore,
            Ok(Outcome::Failed(found)) if kind(&found.what) == kind(&failure.what) => Tried::Found(found),
            Ok(_) => Tried::Lost,
        }
    });
    match short {
        None => vec![format!(
            "not shrunk: in {runs} runs of a part of its operations it was not found again"
        )],
        Some(short) => lines(&short, round, runs),
    }
}

/// What came of trying some operations.
enum Tried {
    /// The same was found.
    Found(Failure),
    /// It was not.
    Lost,
    /// There is no other try: enough were made, it takes too long, a guest could not be run, or somebody wants the end.
    NoMore,
}

/// Leaves out of `all` what can be left out: first large parts, then smaller ones, from the end on, as what comes after the finding has no part in
/// it.
fn shrink(all: Vec<Operation>, mut attempt: impl FnMut(&[Operation]) -> Tried) -> Option<Short> {
    let mut short: Option<Short> = None;
    let mut kept = all;
    let mut size = kept.len().div_ceil(2);
    loop {
        let (mut end, before) = (kept.len(), kept.len());
        while end > 0 {
            let start = end.saturating_sub(size);
            let rest = [&kept[..start], &kept[end..]].concat();
            if !rest.is_empty() {
                match attempt(&rest) {
                    Tried::NoMore => return short,
                    Tried::Lost => {}
                    Tried::Found(failure) => {
                        kept.clone_from(&rest);
                        short = Some(Short {
                            operations: rest,
                            failure,
                        });
                    }
                }
            }
            end = start;
        }
        if size == 1 && kept.len() == before {
            return short;
        }
        size = size.div_ceil(2).min(kept.len().div_ceil(2));
    }
}

/// What `what` says, without where and with which numbers.
fn kind(what: &str) -> &str {
    let of_guest = what.split_once(": ").filter(|_| what.starts_with("by processor "));
    let what = of_guest.map_or(what, |(_, what)| what);
    what.split_once(" expected ").map_or(what, |(what, _)| what)
}

/// The program, a line for each operation and one for each of its last hypercalls; then the other last hypercalls: the guest's own at the end of a
/// stream, and when all meet for a resize.
fn lines(short: &Short, round: &Round, runs: u32) -> Vec<String> {
    let count = short.operations.len();
    let mut lines = vec![format!(
        "shrunk in {runs} runs to {count} operation{}, FOUND {}",
        if count == 1 { "" } else { "s" },
        short.failure.what
    )];
    let mut others: Vec<&String> = short.failure.last_calls.iter().collect();
    let unsaid = count.saturating_sub(MOST_SAID);
    if unsaid > 0 {
        lines.push(format!("  the first {unsaid} operations are not told here"));
    }
    for operation in &short.operations[unsaid..] {
        lines.push(format!("  {operation}: {}", operation.describe(round)));
        let of_it = format!("{operation}: ");
        others.retain(|call| {
            let own = call.strip_prefix(&of_it);
            lines.extend(own.map(|call| format!("    {call}")));
            own.is_none()
        });
    }
    lines.extend(others.iter().map(|call| format!("  besides: {call}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(number: u32) -> Operation {
        Operation { number, processor: 0 }
    }

    fn failure() -> Failure {
        Failure {
            what: "by processor 0 in operation 7 of page 0.1: C after a store expected 0x80 got 0x0".to_owned(),
            last_calls: vec![
                "processor 0 in operation 7: H_REMOVE 0x1 = 0".to_owned(),
                "processor 1 in operation 7: H_READ 0x1 = 0".to_owned(),
            ],
            complaints: String::new(),
            program: Vec::new(),
        }
    }

    #[test]
    fn what_is_needed_stays_and_all_else_goes() {
        let needed = [operation(3), operation(400), operation(4001)];
        let mut runs = 0;
        let short = shrink((1..=8000).map(operation).collect(), |part| {
            runs += 1;
            let has_all = needed.iter().all(|one| part.contains(one));
            if has_all { Tried::Found(failure()) } else { Tried::Lost }
        });
        assert_eq!(short.unwrap().operations, needed);
        assert!(runs < MOST_RUNS, "{runs}");
    }

    #[test]
    fn what_is_found_with_all_alone_is_not_shortened_and_the_bound_is_kept() {
        let all: Vec<_> = (1..=50).map(operation).collect();
        assert!(shrink(all.clone(), |_| Tried::Lost).is_none());
        let mut left = 3;
        let short = shrink(all, |_| {
            left -= 1;
            if left < 0 {
                Tried::NoMore
            } else {
                Tried::Found(failure())
            }
        });
        assert_eq!(short.unwrap().operations.len(), 6);
    }

    #[test]
    fn the_same_is_found_whatever_the_numbers_are() {
        assert_eq!(kind(&failure().what), "C after a store");
        assert_eq!(kind("the guest ended: expected"), "the guest ended: expected");
    }

    #[test]
    fn each_operation_stands_with_its_own_calls() {
        let short = Short {
            operations: vec![operation(7)],
            failure: failure(),
        };
        let lines = lines(&short, &Round::of_seed(1, 1), 9);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines[0].starts_with("shrunk in 9 runs to 1 operation, FOUND by processor 0"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("  processor 0 in operation 7: "), "{lines:?}");
        assert_eq!(lines[2], "    H_REMOVE 0x1 = 0");
        assert_eq!(lines[3], "  besides: processor 1 in operation 7: H_READ 0x1 = 0");
    }

    #[test]
    fn of_a_program_that_stays_long_the_end_is_said() {
        let short = Short {
            operations: (1..=1000).map(operation).collect(),
            failure: Failure {
                last_calls: Vec::new(),
                ..failure()
            },
        };
        let lines = lines(&short, &Round::of_seed(1, 1), 9);
        assert_eq!(lines.len(), 2 + MOST_SAID);
        assert!(lines[1].contains("first 936 operations"), "{lines:?}");
        assert!(lines.last().unwrap().contains("operation 1000: "), "{lines:?}");
    }
}
