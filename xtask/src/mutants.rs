//! `cargo xtask mutants`: each memory ordering and each step of a protocol weakened once, in a copy of the
//! sources; a test must fail each time. What is weakened is lists beside the code (`hpt/mutants.txt`, `vmm/mutants.txt`, `devices/mutants.txt`).
//!
//! `list` reads it, `scratch` is the copy, `trial` builds and runs one test there.

pub(crate) mod list;
pub mod scratch;
mod trial;

use std::fmt;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use crate::output::say;
use crate::step::seconds;
use crate::workspace::Workspace;

use list::{Mutant, Test};
use scratch::Scratch;
use trial::{Trial, Verdict};

/// The lists, from the root of the workspace.
const LISTS: [&str; 3] = ["hpt/mutants.txt", "vmm/mutants.txt", "devices/mutants.txt"];

/// What became of one mutant.
enum Fate {
    /// This test failed, saying this.
    Caught(Test, String),
    /// All its tests passed.
    Survived(String),
    /// It could not be tried; why.
    Invalid(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(test, said) => write!(f, "caught by {}: {said}", test.name),
            Self::Survived(why) => write!(f, "SURVIVED: {why}"),
            Self::Invalid(why) => write!(f, "STALE: {why}"),
        }
    }
}

/// Tries the mutants called `names`, or all.
pub fn run(workspace: &Workspace, names: &[&str]) -> ExitCode {
    match try_run(workspace, names) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(workspace: &Workspace, names: &[&str]) -> Result<bool, String> {
    let mutants = wanted(workspace, names)?;
    let began = Instant::now();
    let scratch = Scratch::new(workspace, "mutants")?;
    check_tests(&scratch, &mutants)?;
    let width = mutants.iter().map(|mutant| mutant.name.len()).max().unwrap_or(0);
    let mut bad = Vec::new();
    for (n, mutant) in mutants.iter().enumerate() {
        let start = Instant::now();
        let fate = fate_of(&scratch, mutant)?;
        let took = seconds(start.elapsed());
        say(&format!(
            "[{:>2}/{}] {:width$}  {fate} ({took})",
            n + 1,
            mutants.len(),
            mutant.name
        ));
        if !matches!(fate, Fate::Caught(..)) {
            say(&format!("        it must be caught: {}", mutant.why));
            bad.push(&*mutant.name);
        }
    }
    let caught = mutants.len() - bad.len();
    let not = if bad.is_empty() {
        String::new()
    } else {
        format!("; NOT CAUGHT: {}", bad.join(", "))
    };
    say(&format!(
        "xtask: {caught} of {} mutants caught{not}, {}",
        mutants.len(),
        seconds(began.elapsed())
    ));
    Ok(bad.is_empty())
}

/// The mutants of these names, or all.
fn wanted(workspace: &Workspace, names: &[&str]) -> Result<Vec<Mutant>, String> {
    let mut all = Vec::new();
    for list in LISTS {
        let path = workspace.root().join(list);
        let text = fs::read_to_string(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
        let mutants = list::parse(&text).map_err(|error| format!("{list}: {error}"))?;
        if let Some(mutant) = mutants.iter().find(|mutant| mutant.tests.is_empty()) {
            return Err(format!("{list}: {}: `by` is missing", mutant.name));
        }
        all.extend(mutants);
    }
    if let Some(name) = names.iter().find(|name| all.iter().all(|mutant| mutant.name != **name)) {
        let known: Vec<_> = all.iter().map(|mutant| &*mutant.name).collect();
        return Err(format!("there is no mutant `{name}`; there are {}", known.join(", ")));
    }
    if !names.is_empty() {
        all.retain(|mutant| names.contains(&&*mutant.name));
    }
    Ok(all)
}

/// Without any mutant each test is there and passes: else its failure would say nothing.
fn check_tests(scratch: &Scratch, mutants: &[Mutant]) -> Result<(), String> {
    let mut tests: Vec<&Test> = mutants.iter().flat_map(|mutant| &mutant.tests).collect();
    tests.sort();
    tests.dedup();
    say(&format!("    {} tests without any mutant first", tests.len()));
    for test in tests {
        match Trial::build(scratch, test)?.run(test)? {
            Verdict::Passed => {}
            Verdict::Failed(said) => return Err(format!("{} fails without any mutant: {said}", test.name)),
            Verdict::TooLong => return Err(format!("{} does not end", test.name)),
            Verdict::Missing => return Err(format!("there is no test {}", test.name)),
        }
    }
    Ok(())
}

/// Applies a mutant, runs its tests until one fails, and takes it back.
fn fate_of(scratch: &Scratch, mutant: &Mutant) -> Result<Fate, String> {
    let original = scratch.read(&mutant.file)?;
    let changed = match mutant.apply(&original) {
        Ok(changed) => changed,
        Err(why) => return Ok(Fate::Invalid(why)),
    };
    scratch.write(&mutant.file, &changed)?;
    let fate = try_tests(scratch, mutant);
    scratch.write(&mutant.file, &original)?;
    fate
}

fn try_tests(scratch: &Scratch, mutant: &Mutant) -> Result<Fate, String> {
    let mut too_long = Vec::new();
    for test in &mutant.tests {
        let Ok(trial) = Trial::build(scratch, test) else {
            return Ok(Fate::Invalid("it does not compile".to_owned()));
        };
        match trial.run(test)? {
            Verdict::Failed(said) => return Ok(Fate::Caught(test.clone(), said)),
            Verdict::TooLong if mutant.may_hang => {
                return Ok(Fate::Caught(test.clone(), "it does not end".to_owned()));
            }
            Verdict::TooLong => too_long.push(&*test.name),
            Verdict::Passed | Verdict::Missing => {}
        }
    }
    Ok(Fate::Survived(if too_long.is_empty() {
        "all its tests pass".to_owned()
    } else {
        format!("no test fails; these do not end: {}", too_long.join(", "))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes a file that mutants are of brings them along.
    #[test]
    fn each_mutant_changes_what_stands_in_its_file() {
        let workspace = Workspace::of_process();
        for mutant in wanted(&workspace, &[]).unwrap() {
            let text = fs::read_to_string(workspace.root().join(&mutant.file)).unwrap();
            let changed = mutant
                .apply(&text)
                .unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
            assert_ne!(changed.trim_end(), text.trim_end(), "{}", mutant.name);
        }
    }
}
