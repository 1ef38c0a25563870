//! `cargo xtask zoo`: mistakes of hypervisors, planted one after another in a copy of the sources (`xtask/zoo.txt`); `pteg stress` must find
//! each within a minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::mutants::list::{self, Mutant};
use crate::mutants::scratch::Scratch;
use crate::output::say;
use crate::step::seconds;
use crate::workspace::Workspace;

/// The list, and that which it refers to, from the root of the workspace.
const LIST: &str = "xtask/zoo.txt";
const MUTANTS: &str = "hpt/mutants.txt";

/// How long pteg looks for a mistake, by the guests' clocks.
const SECONDS: &str = "60";

/// The exit status of a pteg that has found something.
const FOUND: i32 = 1;

/// A mistake that is planted.
struct Mistake {
    change: Mutant,
    /// It shows where processors take turns, which end in the midst of calls and walks. Processors on threads of their own are hardly ever there.
    in_turns: bool,
}

/// What a run of `pteg stress` came to.
enum Looked {
    /// It found something; what.
    Found(String),
    /// It found nothing.
    Nothing,
}

/// Plants the mistakes called `names`, or all, and looks for each.
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
    let mistakes = wanted(workspace, names)?;
    let scratch = Scratch::new(workspace, "zoo")?;
    say("    without any mistake first");
    let pteg = build(&scratch)?;
    for in_turns in [false, true] {
        if let Looked::Found(what) = look(&pteg, "10", in_turns)? {
            return Err(format!("pteg stress finds something without any mistake: {what}"));
        }
    }
    let width = mistakes
        .iter()
        .map(|mistake| mistake.change.name.len())
        .max()
        .unwrap_or(0);
    let (mut found, mut missed) = (0, Vec::new());
    for (n, Mistake { change, in_turns }) in mistakes.iter().enumerate() {
        let original = scratch.read(&change.file)?;
        scratch.write(&change.file, &change.apply(&original)?)?;
        let built = build(&scratch);
        let began = Instant::now();
        let looked = built.and_then(|pteg| look(&pteg, SECONDS, *in_turns));
        scratch.write(&change.file, &original)?;
        let took = seconds(began.elapsed());
        let fate = match looked {
            Ok(Looked::Found(what)) => {
                found += 1;
                let shrunk = if *in_turns { " with making it short" } else { "" };
                format!("found in {took}{shrunk}: {what}")
            }
            Ok(Looked::Nothing) => {
                missed.push(&*change.name);
                format!("NOT FOUND in {took}")
            }
            Err(why) => {
                missed.push(&*change.name);
                format!("NOT TRIED: {why}")
            }
        };
        say(&format!(
            "[{:>2}/{}] {:width$}  {fate}",
            n + 1,
            mistakes.len(),
            change.name
        ));
    }
    let not_found = match missed.as_slice() {
        [] => String::new(),
        names => format!("; NOT FOUND: {}", names.join(", ")),
    };
    say(&format!(
        "xtask: {found} of {} mistakes found{not_found}",
        mistakes.len()
    ));
    Ok(missed.is_empty())
}

/// The mistakes of these names, or all.
fn wanted(workspace: &Workspace, names: &[&str]) -> Result<Vec<Mistake>, String> {
    let read = |list: &str| {
        fs::read_to_string(workspace.root().join(list)).map_err(|error| format!("reading {list}: {error}"))
    };
    let mut all = parse(&read(LIST)?, &read(MUTANTS)?)?;
    if let Some(name) = names.iter().find(|name| all.iter().all(|it| it.change.name != **name)) {
        let known: Vec<_> = all.iter().map(|it| &*it.change.name).collect();
        return Err(format!("there is no mistake `{name}`; there are {}", known.join(", ")));
    }
    if !names.is_empty() {
        all.retain(|it| names.contains(&&*it.change.name));
    }
    Ok(all)
}

/// The list `zoo`, which refers to `mutants`; those come first.
fn parse(zoo: &str, mutants: &str) -> Result<Vec<Mistake>, String> {
    let named = |word: &str| -> Vec<&str> { zoo.lines().filter_map(|line| line.strip_prefix(word)).collect() };
    let (like, turns) = (named("like "), named("turns "));
    let is_own = |line: &&str| !line.starts_with("like ") && !line.starts_with("turns ");
    let own: Vec<&str> = zoo.lines().filter(is_own).collect();
    let mut all = list::parse(mutants).map_err(|error| format!("{MUTANTS}: {error}"))?;
    let is_missing = |name: &&&str| all.iter().all(|mutant| mutant.name != **name);
    if let Some(name) = like.iter().chain(&turns).find(is_missing) {
        return Err(format!("{LIST}: {MUTANTS} has no mutant `{name}`"));
    }
    all.retain(|mutant| like.contains(&&*mutant.name) || turns.contains(&&*mutant.name));
    all.extend(list::parse(&own.join("\n")).map_err(|error| format!("{LIST}: {error}"))?);
    let mistake = |change: Mutant| Mistake {
        in_turns: turns.contains(&&*change.name),
        change,
    };
    Ok(all.into_iter().map(mistake).collect())
}

/// Builds pteg from the copy as it is.
fn build(scratch: &Scratch<'_>) -> Result<PathBuf, String> {
    let mut cargo = scratch.cargo("build", &["build", "--locked", "--package", "vmm"]);
    let output = cargo.output().map_err(|error| format!("starting cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "building pteg failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(scratch.built("build", "debug/pteg"))
}

/// Runs `pteg stress` for so many seconds, and, with processors `in_turns`, for as long as it makes short what it has found.
fn look(pteg: &Path, seconds: &str, in_turns: bool) -> Result<Looked, String> {
    let threads: &[_] = if in_turns { &["--threads", "1"] } else { &[] };
    let output = Command::new(pteg)
        .args(["stress", "--accel", "emulated", "--seed", "1", "--seconds", seconds])
        .args(threads)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("starting {}: {error}", pteg.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find_map(|line| line.split_once("FOUND "));
    match (output.status.code(), found) {
        (Some(0), None) => Ok(Looked::Nothing),
        (Some(FOUND), Some((_, what))) => Ok(Looked::Found(what.to_owned())),
        _ => Err(format!("pteg stress ended with {}", output.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes a file that mistakes are planted in brings them along.
    #[test]
    fn each_mistake_changes_what_stands_in_its_file() {
        let workspace = Workspace::of_process();
        let all = wanted(&workspace, &[]).unwrap();
        assert!(all.len() >= 20, "{}", all.len());
        for Mistake { change, .. } in all {
            let text = fs::read_to_string(workspace.root().join(&change.file)).unwrap();
            let changed = change
                .apply(&text)
                .unwrap_or_else(|why| panic!("{}: {why}", change.name));
            assert_ne!(changed.trim_end(), text.trim_end(), "{}", change.name);
        }
    }

    #[test]
    fn what_is_like_a_mutant_must_be_one() {
        const MUTANTS: &str =
            "mutant one\nin x\nwhy y\n- a\nmutant two\nin x\nwhy y\n- a\nmutant three\nin x\nwhy y\n- a\n";
        let all = parse("like two\nturns three\nmutant own\nin x\nwhy y\n- a\n", MUTANTS).unwrap();
        let names: Vec<_> = all.iter().map(|it| (&*it.change.name, it.in_turns)).collect();
        assert_eq!(names, [("two", false), ("three", true), ("own", false)]);
        for zoo in ["like four\n", "turns four\n"] {
            assert!(parse(zoo, MUTANTS).err().unwrap().contains("four"));
        }
    }
}
