//! Steps: run one after another, each with its name, its outcome and its seconds; at the end one line.
//!
//! A step that fails does not keep the others from running, so one run tells all that is wrong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::output::{Tally, say};
use crate::workspace::Workspace;

/// Something that can pass, fail, or be impossible here.
pub struct Step<'a> {
    /// What it is called in the report.
    name: &'static str,
    /// Does it.
    run: Run<'a>,
}

/// What a step does.
type Run<'a> = Box<dyn Fn(&Workspace, &mut Tally) -> Outcome + 'a>;

impl<'a> Step<'a> {
    /// What `run` does, called `name` in the report.
    pub fn new(name: &'static str, run: impl Fn(&Workspace, &mut Tally) -> Outcome + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// How a step ended.
pub enum Outcome {
    /// Well.
    Passed,
    /// Badly; why.
    Failed(String),
    /// Not at all: something that it needs is not on this machine, and what to do about that.
    Skipped(String),
}

/// Runs `steps` and reports; the process's exit status.
pub fn run_all(workspace: &Workspace, steps: &[Step<'_>]) -> ExitCode {
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut outcomes = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let title = format!("[{}/{}] {}", n + 1, steps.len(), step.name);
        say(&title);
        let began = Instant::now();
        let outcome = (step.run)(workspace, &mut tally);
        let took = seconds(began.elapsed());
        match &outcome {
            Outcome::Passed => say(&format!("{title}: ok, {took}")),
            Outcome::Failed(why) => say(&format!("{title}: FAILED, {took}: {why}")),
            Outcome::Skipped(why) => say(&format!("{title}: SKIPPED: {why}")),
        }
        outcomes.push((step.name, outcome));
    }
    say(&summary(&outcomes, &tally, start.elapsed()));
    ExitCode::from(u8::from(
        outcomes
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))),
    ))
}

/// The last line.
fn summary(outcomes: &[(&str, Outcome)], tally: &Tally, took: Duration) -> String {
    let names = |is: fn(&Outcome) -> bool| -> Vec<&str> {
        outcomes
            .iter()
            .filter(|(_, outcome)| is(outcome))
            .map(|(name, _)| *name)
            .collect()
    };
    let failed = names(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = names(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let passed = outcomes.len() - failed.len() - skipped.len();
    let mut line = String::from("xtask: ");
    if !failed.is_empty() {
        line += &format!("FAILED: {}; ", failed.join(", "));
    }
    if !skipped.is_empty() {
        line += &format!("SKIPPED: {}; ", skipped.join(", "));
    }
    line + &format!("{passed} of {} steps ok, {tally}, {}", outcomes.len(), seconds(took))
}

/// A time as people say it.
pub fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_what_failed_and_what_was_skipped() {
        let outcomes = [
            ("format", Outcome::Skipped("no rustfmt".into())),
            ("clippy", Outcome::Failed("exit status: 101".into())),
            ("tests", Outcome::Passed),
        ];
        let line = summary(&outcomes, &Tally::default(), Duration::from_secs(125));
        assert_eq!(
            line,
            "xtask: FAILED: clippy; SKIPPED: format; 1 of 3 steps ok, 0 tests passed, 2 min 5 s"
        );
    }
}
