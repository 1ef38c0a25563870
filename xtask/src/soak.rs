//! `cargo xtask soak`: a Linux guest changes its mappings on all processors for as long as one likes, while pteg checks
//! itself and the guest. What it says is shown as it comes; at the end there is a verdict.

mod client;
mod delays;
mod ledger;
mod track;
mod upkeep;
mod watch;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use guest_images::workload::{Said, Soak};
use guest_images::{Cache, Image, Stderr};

use crate::output::{Tally, run as run_command, say};
use crate::step::{Outcome, seconds};
use crate::watched::{Line, watch};
use crate::workspace::Workspace;
use delays::Probe;
use upkeep::Upkeep;

/// The guest says something every ten seconds; one that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What pteg looks for, and what it says at the end when there was nothing.
const CHECKS: [(&str, &str); 2] = [
    ("--check-duplicates", "pteg: the guest mapped a page twice: never"),
    (
        "--check-walkers",
        "pteg: a processor held what the table does not say: never",
    ),
];

/// Name of the file with pteg's statistics.
const STATISTICS: &str = "statistics";

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    minutes: u64,
    image: &'a str,
    processors: &'a str,
    resize: bool,
    /// Host threads work on the guest's memory meanwhile.
    upkeep: bool,
    /// For pteg itself.
    flags: &'a [&'a str],
}

/// Runs it.
pub fn run(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let wanted = match parse(arguments) {
        Ok(wanted) => wanted,
        Err(wrong) => {
            eprintln!("xtask: {wrong} (cargo xtask help says more)");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    match soak(workspace, &wanted) {
        Ok(found) if found.is_empty() => {
            say(&format!("xtask: soak: ok, {}", seconds(began.elapsed())));
            ExitCode::SUCCESS
        }
        Ok(found) => {
            for what in &found {
                say(&format!("    {what}"));
            }
            say(&format!(
                "xtask: soak: FAILED, {}: {} things are wrong",
                seconds(began.elapsed()),
                found.len()
            ));
            ExitCode::FAILURE
        }
        Err(why) => {
            say(&format!("xtask: soak: FAILED: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn parse<'a>(arguments: &'a [&'a str]) -> Result<Wanted<'a>, String> {
    let mut wanted = Wanted {
        minutes: 10,
        image: "debian:6.12",
        processors: "4",
        resize: false,
        upkeep: false,
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
            "--minutes" => {
                let text = value()?;
                let minutes = text.parse().ok().filter(|minutes| (1..=10_000).contains(minutes));
                wanted.minutes = minutes.ok_or_else(|| format!("`{text}` is not a number of minutes"))?;
            }
            "--image" => wanted.image = value()?,
            "--smp" => wanted.processors = value()?,
            "--resize" => wanted.resize = true,
            "--upkeep" => wanted.upkeep = true,
            "--" => {
                wanted.flags = rest;
                break;
            }
            other => return Err(format!("`{other}` is not a flag of soak")),
        }
    }
    Image::by_name(wanted.image).map_err(|error| error.to_string())?;
    Ok(wanted)
}

/// Runs the guest to its end; what was wrong.
fn soak(workspace: &Workspace, wanted: &Wanted<'_>) -> Result<Vec<String>, String> {
    let words = |error: guest_images::Error| error.to_string();
    let mut build = workspace.cargo(&["build", "--release", "--locked", "--package", "vmm"]);
    if let Outcome::Failed(why) = run_command(&mut build, &mut Tally::default()) {
        return Err(format!("building pteg: {why}"));
    }
    let work = Soak {
        seconds: wanted.minutes * 60,
        resize: wanted.resize,
    };
    let image = Image::by_name(wanted.image).map_err(|error| error.to_string())?;
    let cache = Cache::from_environment().map_err(words)?;
    let prepared = image.prepare(&cache, &Stderr::new(), &work.options()).map_err(words)?;
    let mut pteg = Command::new(workspace.target().join("release/pteg"));
    pteg.args(["run", "--stats", "--smp", wanted.processors])
        .args(CHECKS.map(|(flag, _)| flag))
        .args(wanted.flags)
        .arg("--kernel")
        .arg(&prepared.kernel)
        .arg("--initrd")
        .arg(&prepared.initrd);
    let (log, mut file) = log(workspace).map_err(|error| format!("making a file for the console: {error}"))?;
    say(&format!("    all that the guest says goes to {}", log.display()));
    if !wanted.upkeep {
        pteg.args(["--append", &prepared.append]);
        let seen = follow(&mut pteg, &mut file).map_err(|error| format!("running pteg: {error}"))?;
        return Ok(seen.wrong());
    }
    let folder = tempfile::tempdir_in(workspace.target().join("soak"))
        .map_err(|error| format!("making a folder for dumps: {error}"))?;
    let [socket, statistics] = ["socket", STATISTICS].map(|name| folder.path().join(name));
    pteg.args(["--append", &format!("{} {}", prepared.append, upkeep::GUEST_LIMIT)])
        .args(upkeep::MEMORY)
        .arg("--control")
        .arg(&socket)
        .arg("--stats-json")
        .arg(&statistics);
    let probe = Probe::start();
    let threads = Upkeep::start(&socket, folder.path());
    let seen = follow(&mut pteg, &mut file);
    let (lines, mut wrong) = threads.finish();
    lines.iter().for_each(|line| say(&format!("    {line}")));
    wrong.extend(seen.map_err(|error| format!("running pteg: {error}"))?.wrong());
    wrong.extend(upkeep::left_behind(folder.path()));
    match delays::judge(&statistics, probe.finish()) {
        Ok((line, too_long)) => {
            say(&format!("    {line}"));
            wrong.extend(too_long);
        }
        Err(why) => wrong.push(why),
    }
    Ok(wrong)
}

fn log(workspace: &Workspace) -> io::Result<(PathBuf, File)> {
    let directory = workspace.target().join("soak");
    fs::create_dir_all(&directory)?;
    let path = directory.join("console");
    let file = File::create(&path)?;
    Ok((path, file))
}

/// What was seen of a run.
#[derive(Debug, Default)]
struct Seen {
    /// The guest ended well, by its own account.
    healthy: bool,
    trouble: Vec<String>,
    /// What pteg said.
    pteg: Vec<String>,
    /// How pteg ended; nothing if it hung.
    status: Option<String>,
}

impl Seen {
    fn guest(&mut self, line: &str) {
        match Soak::classify(line) {
            Said::Healthy => self.healthy = true,
            Said::Trouble => self.trouble.push(line.to_owned()),
            Said::Progress | Said::Other => {}
        }
    }

    /// Everything that is wrong, one sentence each.
    fn wrong(&self) -> Vec<String> {
        /// More of them say no more.
        const MOST: usize = 10;
        let mut wrong: Vec<String> = self
            .trouble
            .iter()
            .take(MOST)
            .map(|line| format!("the guest said: {line}"))
            .collect();
        if !self.healthy {
            wrong.push("the guest did not say that it is healthy".to_owned());
        }
        for (flag, never) in CHECKS {
            if !self.pteg.iter().any(|line| line == never) {
                let about = never.trim_end_matches("never");
                let said = self.pteg.iter().find(|line| line.starts_with(about));
                wrong.push(
                    said.cloned()
                        .unwrap_or_else(|| format!("pteg said nothing about {flag}")),
                );
            }
        }
        match self.status.as_deref() {
            Some("exit status: 0") => {}
            Some(status) => wrong.push(format!("pteg ended with {status}")),
            None => wrong.push(format!("nothing was said for {}: it hangs", seconds(PATIENCE))),
        }
        wrong
    }
}

/// Runs `pteg` to its end; its words, and the guest's about how far it is, are shown.
fn follow(pteg: &mut Command, file: &mut File) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let ended = watch(pteg, PATIENCE, |line| {
        match line {
            Line::Guest(line) => {
                writeln!(file, "{line}")?;
                if Soak::classify(&line) != Said::Other {
                    say(&format!("    {line}"));
                }
                seen.guest(&line);
            }
            Line::Pteg(line) => {
                say(&format!("    {line}"));
                seen.pteg.push(line);
            }
        }
        Ok(())
    })?;
    seen.status = ended.map(|status| status.to_string());
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_understood_and_those_behind_two_dashes_are_ptegs() {
        let arguments = [
            "--minutes",
            "60",
            "--smp",
            "2",
            "--resize",
            "--upkeep",
            "--",
            "--threads",
            "2",
        ];
        let wanted = parse(&arguments).unwrap();
        assert_eq!((wanted.minutes, wanted.processors, wanted.resize), (60, "2", true));
        assert!(wanted.upkeep);
        assert_eq!(wanted.flags, ["--threads", "2"]);
        assert!(parse(&["--minutes", "0"]).unwrap_err().contains("`0`"));
        assert!(parse(&["--image", "plan9"]).unwrap_err().contains("plan9"));
        assert!(parse(&["--fast"]).unwrap_err().contains("--fast"));
    }

    #[test]
    fn only_a_run_that_says_all_that_it_must_is_well() {
        let well = || Seen {
            healthy: true,
            trouble: Vec::new(),
            pteg: CHECKS.map(|(_, never)| never.to_owned()).into(),
            status: Some("exit status: 0".to_owned()),
        };
        assert_eq!(well().wrong(), [""; 0]);
        let stale = "pteg: a processor held what the table does not say: 3 times";
        let mut seen = well();
        seen.pteg[1] = stale.to_owned();
        assert_eq!(seen.wrong(), [stale]);
        seen.pteg.clear();
        seen.healthy = false;
        seen.status = None;
        seen.guest("[    7.1] BUG: unable to handle");
        assert_eq!(seen.wrong().len(), 5);
    }
}
