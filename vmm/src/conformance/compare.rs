//! Two hypervisors side by side.

use std::io::{self, Write};
use std::process::ExitCode;

use super::known::{self, Known};
use super::outcome::Outcome;
use super::suite::Runner;
use super::summary::{self, Count};
use super::{Error, Plan, status, stopped};

/// What sets two results of a case apart.
enum Difference {
    /// Nothing: both pass, both fail, or one of them has not what the case needs.
    None,
    /// The other one is known to do it otherwise.
    Known(&'static Known),
    /// Nobody has looked into it yet.
    New,
}

impl Difference {
    fn of(name: &str, ours: &Outcome, theirs: &Outcome) -> Self {
        let fails = |outcome: &Outcome| matches!(outcome, Outcome::Fail(_));
        match known::of_qemu(name) {
            _ if fails(ours) == fails(theirs) => Self::None,
            Some(known) if fails(theirs) => Self::Known(known),
            _ => Self::New,
        }
    }
}

/// Runs `plans` under both. The exit status is that of `ours`, or of a signal that was the end.
pub(super) fn run(plans: &[Plan], ours: &Runner, theirs: &Runner) -> Result<ExitCode, Error> {
    let (first, second) = (ours.hypervisor.to_string(), theirs.hypervisor.to_string());
    for (name, runner) in [(&first, ours), (&second, theirs)] {
        let version = runner.hypervisor.version()?;
        writeln!(io::stdout(), "{name}: {version}").map_err(Error::Say)?;
    }
    writeln!(io::stdout(), "\n{first:6} {second:6}").map_err(Error::Say)?;
    let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
    let (mut known, mut new, mut done) = (0_usize, 0_usize, 0_usize);
    let mut interrupted = None;
    for plan in plans {
        let mut results: Vec<Outcome> = Vec::new();
        interrupted = plan.run(ours, &mut |_, outcome| results.push(outcome))?;
        if interrupted.is_some() {
            break;
        }
        let mut others: Vec<Outcome> = Vec::new();
        let mut said = Ok(());
        interrupted = plan.run(theirs, &mut |number, outcome| {
            let difference = Difference::of(plan.cases[number].name(), &results[number], &outcome);
            match difference {
                Difference::None => {}
                Difference::Known(_) => known += 1,
                Difference::New => new += 1,
            }
            if said.is_ok() {
                said = say(
                    plan,
                    number,
                    [(&first, &results[number]), (&second, &outcome)],
                    &difference,
                );
            }
            others.push(outcome);
        })?;
        said.map_err(Error::Say)?;
        rows.push((plan.name.clone(), Count::of(&results)));
        other_rows.push((plan.name.clone(), Count::of(&others)));
        done += others.len();
        if interrupted.is_some() {
            break;
        }
    }
    write!(
        io::stdout(),
        "\n{first}\n{}\n{second}\n{}\n{known} differences that are known, {new} that are new\n",
        summary::table(&rows),
        summary::table(&other_rows)
    )
    .map_err(Error::Say)?;
    if let Some(signal) = interrupted {
        return Ok(stopped(signal, done, plans.iter().map(|plan| plan.cases.len()).sum()));
    }
    Ok(status(&rows))
}

/// A line with both results, and one more for each that did not pass.
fn say(plan: &Plan, number: usize, results: [(&String, &Outcome); 2], difference: &Difference) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let [(_, ours), (_, theirs)] = results;
    let (ours, theirs) = (ours.to_string(), theirs.to_string());
    writeln!(out, "{ours:6} {theirs:6} {}", plan.full_name(number))?;
    for (name, outcome) in results {
        if let Some(why) = outcome.why() {
            writeln!(out, "              {name}: {why}")?;
        }
    }
    let section = plan.cases[number].section();
    match difference {
        Difference::None => Ok(()),
        Difference::Known(known) => writeln!(out, "              known: {} [{section}]", known.what),
        Difference::New => writeln!(out, "              new [{section}]"),
    }
}
