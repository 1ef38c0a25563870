//! `cargo xtask programs`: Debian's own programs in a guest, among them the suites that take minutes.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use guest_images::workload::{Programs, Verdict};
use guest_images::{Cache, Image, Stderr};

use crate::output::{Tally, run as run_command, say};
use crate::step::{Outcome, seconds};
use crate::watched::{Line, watch};
use crate::workspace::Workspace;

/// The guest says something every ten seconds of its own; one that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    image: &'a str,
    processors: &'a str,
    names: Vec<&'a str>,
    /// For pteg itself.
    flags: &'a [&'a str],
}

/// Runs them.
pub fn run(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let (wanted, programs) = match parse(arguments) {
        Ok(both) => both,
        Err(wrong) => {
            eprintln!("xtask: {wrong} (cargo xtask help says more)");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    match in_guest(workspace, &wanted, &programs) {
        Ok(()) => {
            say(&format!("xtask: programs: ok, {}", seconds(began.elapsed())));
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(&format!("xtask: programs: FAILED, {}: {why}", seconds(began.elapsed())));
            ExitCode::FAILURE
        }
    }
}

fn parse<'a>(arguments: &'a [&'a str]) -> Result<(Wanted<'a>, Programs), String> {
    let mut wanted = Wanted {
        image: "debian:6.12-64k",
        processors: "1",
        names: Vec::new(),
        flags: &[],
    };
    let mut rest = arguments;
    while let Some((&argument, after)) = rest.split_first() {
        rest = after;
        let mut value = || {
            let (&value, after) = rest.split_first().ok_or(format!("`{argument}` needs a value"))?;
            rest = after;
            Ok::<_, String>(value)
        };
        match argument {
            "--image" => wanted.image = value()?,
            "--smp" => wanted.processors = value()?,
            "--" => {
                wanted.flags = rest;
                break;
            }
            flag if flag.starts_with('-') => return Err(format!("`{flag}` is not a flag of programs")),
            name => wanted.names.push(name),
        }
    }
    Image::by_name(wanted.image).map_err(|error| error.to_string())?;
    let at_once = wanted
        .processors
        .parse()
        .ok()
        .filter(|processors| (1..=256).contains(processors));
    let at_once = at_once.ok_or_else(|| format!("`{}` is not a number of processors", wanted.processors))?;
    let programs = Programs::named(&wanted.names, at_once).map_err(|name| {
        let names: Vec<_> = Programs::names().collect();
        format!("there is no program `{name}`; there are {}", names.join(", "))
    })?;
    Ok((wanted, programs))
}

/// The memory that is enough for all programs, unless the `flags` say how much there is to be.
fn memory(flags: &[&str]) -> &'static [&'static str] {
    if flags.iter().any(|flag| *flag == "--mem" || flag.starts_with("--mem=")) {
        &[]
    } else {
        &["--mem", "2G"]
    }
}

/// Runs the guest to its end; what was wrong.
fn in_guest(workspace: &Workspace, wanted: &Wanted<'_>, programs: &Programs) -> Result<(), String> {
    let words = |error: guest_images::Error| error.to_string();
    let mut build = workspace.cargo(&["build", "--release", "--locked", "--package", "vmm"]);
    if let Outcome::Failed(why) = run_command(&mut build, &mut Tally::default()) {
        return Err(format!("building pteg: {why}"));
    }
    let image = Image::by_name(wanted.image).map_err(|error| error.to_string())?;
    let cache = Cache::from_environment().map_err(words)?;
    let prepared = image
        .prepare(&cache, &Stderr::new(), &programs.options())
        .map_err(words)?;
    let mut pteg = Command::new(workspace.target().join("release/pteg"));
    pteg.args(["run", "--smp", wanted.processors])
        .args(memory(wanted.flags))
        .args(wanted.flags)
        .args(["--append", &format!("quiet {}", prepared.append)])
        .arg("--kernel")
        .arg(&prepared.kernel)
        .arg("--initrd")
        .arg(&prepared.initrd);
    let mut verdict = None;
    let ended = watch(&mut pteg, PATIENCE, |line| {
        let (Line::Guest(line) | Line::Pteg(line)) = line;
        say(&format!("    {line}"));
        match Programs::classify(&line) {
            Verdict::Failed => verdict = Some(Verdict::Failed),
            Verdict::Passed => verdict = verdict.or(Some(Verdict::Passed)),
            Verdict::Progress | Verdict::Other => {}
        }
        Ok(())
    });
    let status = ended
        .map_err(|error| format!("running pteg: {error}"))?
        .ok_or_else(|| format!("nothing was said for {}: it hangs", seconds(PATIENCE)))?;
    match verdict {
        _ if !status.success() => Err(format!("pteg ended with {status}")),
        Some(Verdict::Passed) => Ok(()),
        Some(_) => Err("what failed is said above".to_owned()),
        None => Err("the guest ended without a verdict".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_flags_are_understood() {
        let (wanted, programs) = parse(&["gcc", "--smp", "4", "sqlite", "--", "--threads", "2"]).unwrap();
        assert_eq!((wanted.processors, programs.at_once), ("4", 4));
        assert_eq!(wanted.names, ["gcc", "sqlite"]);
        assert_eq!(wanted.flags, ["--threads", "2"]);
    }

    #[test]
    fn memory_is_as_the_user_says_and_said_once() {
        assert_eq!(memory(&["--threads", "2"]), ["--mem", "2G"]);
        for flags in [&["--mem", "4G"][..], &["--threads", "2", "--mem=4G"]] {
            assert!(memory(flags).is_empty(), "{flags:?}");
        }
    }

    #[test]
    fn wrong_words_are_told() {
        for (arguments, wrong) in [
            (
                &["fortran"][..],
                "there is no program `fortran`; there are python-more, ",
            ),
            (&["--smp", "0"], "`0` is not a number of processors"),
            (&["--image", "plan9"], "there is no image `plan9`"),
            (&["--fast"], "`--fast` is not a flag"),
            (&["--smp"], "`--smp` needs a value"),
        ] {
            let told = parse(arguments).unwrap_err();
            assert!(told.starts_with(wrong), "{told}");
        }
    }
}
