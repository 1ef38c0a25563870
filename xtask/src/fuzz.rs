//! `cargo xtask fuzz`: libFuzzer on the fuzz targets of `hpt/fuzz` and `devices/fuzz`, built with the flags that cargo-fuzz would give, on any
//! stable Rust. What it finds on the way is kept below the target directory; `--keep` brings what is new into the corpus
//! beside the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::output::{Tally, run, say};
use crate::step::{self, Outcome, Step};
use crate::workspace::Workspace;

/// A fuzz target.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: &'static str,
    /// The crate that it is about, in whose `fuzz` it is.
    of: &'static str,
}

/// The targets, the usual one first.
const TARGETS: [Target; 5] = [
    Target {
        name: "hypercalls",
        of: "hpt",
    },
    Target {
        name: "disks",
        of: "devices",
    },
    Target {
        name: "queues",
        of: "devices",
    },
    Target {
        name: "configuration",
        of: "devices",
    },
    Target {
        name: "packets",
        of: "devices",
    },
];

/// Inputs in `cargo xtask test`, the kept ones among them: half a minute.
const SHORT: u64 = 15_000;
/// Seconds of the command without `--seconds` and `--inputs`.
const USUAL: u64 = 300;

/// What LLVM's coverage pass is to count; no sanitizer, which a stable compiler does not have.
const COVERAGE: &str = "--cfg fuzzing -D warnings -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// What is compared goes into inputs, where it may stand. Those of `hpt` are choices, hardly a word of a guest's, so it finds nothing there; and sweeps over the
/// table compare so much that an input takes twice as long.
const COMPARES: &str = " -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The compiler's flags for the targets of this crate.
fn flags(of: &str) -> String {
    match of {
        "hpt" => COVERAGE.to_owned(),
        _ => format!("{COVERAGE}{COMPARES}"),
    }
}

/// When to stop looking.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// After so many seconds.
    Seconds(u64),
    /// After so many inputs, those that were there before among them, which are all tried.
    Inputs(u64),
    /// The same, and the new ones are the same each time.
    Same(u64),
}

/// Has glibc keep what is freed, up to 256 MiB, and take more in steps of 16 MiB.
const KEEP_MEMORY: &str =
    "glibc.malloc.trim_threshold=268435456:glibc.malloc.mmap_threshold=33554432:glibc.malloc.top_pad=16777216";

/// What to do with a target.
#[derive(Debug, PartialEq, Eq)]
enum Work {
    /// Look for inputs that fail.
    Look(End),
    /// Play these files, step by step.
    Replay(PathBuf),
    /// Make the kept corpus the smallest that reaches as much as all inputs found so far.
    Keep,
}

/// The inputs that are kept, of every target, and some thousands of the usual one's, the same each time. New ones are looked for on
/// purpose, so that a check that passes passes again.
pub fn short(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    let kept = TARGETS.iter().map(|target| (target, Work::Look(End::Inputs(0))));
    let new = (&TARGETS[0], Work::Look(End::Same(SHORT)));
    for (target, work) in kept.chain([new]) {
        match fuzz(workspace, target, &work, tally) {
            Outcome::Passed => {}
            other => return other,
        }
    }
    Outcome::Passed
}

/// The command with its arguments.
pub fn command(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let (target, work) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(wrong) => {
            eprintln!("xtask: {wrong} (cargo xtask help says more)");
            return ExitCode::from(2);
        }
    };
    let step = Step::new("fuzz", |workspace, tally| fuzz(workspace, target, &work, tally));
    step::run_all(workspace, &[step])
}

fn parse(arguments: &[&str]) -> Result<(&'static Target, Work), String> {
    let mut target = &TARGETS[0];
    let mut work = Work::Look(End::Seconds(USUAL));
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("`{argument}` needs a value"));
        match argument {
            "--seconds" => work = Work::Look(End::Seconds(positive(value()?, "seconds")?)),
            "--inputs" => work = Work::Look(End::Inputs(positive(value()?, "inputs")?)),
            "--replay" => work = Work::Replay(value()?.into()),
            "--keep" => work = Work::Keep,
            name => {
                let known = TARGETS.iter().find(|known| known.name == name);
                target = known.ok_or_else(|| {
                    let names = TARGETS.each_ref().map(|target| target.name).join(", ");
                    format!("`{name}` is not a fuzz target: there are {names}")
                })?;
            }
        }
    }
    Ok((target, work))
}

fn positive(text: &str, of: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is not a number of {of}"))
}

fn fuzz(workspace: &Workspace, target: &Target, work: &Work, tally: &mut Tally) -> Outcome {
    let program = match build(workspace, target, tally) {
        Ok(program) => program,
        Err(outcome) => return outcome,
    };
    let kept = workspace.root().join(target.of).join("fuzz/corpus").join(target.name);
    let target = target.name;
    let found = workspace.target().join("fuzz/corpus").join(target);
    let failed = workspace.target().join("fuzz/failed").join(target);
    for directory in [&kept, &found, &failed] {
        if let Err(error) = fs::create_dir_all(directory) {
            return Outcome::Failed(format!("making {}: {error}", directory.display()));
        }
    }
    let mut fuzzer = Command::new(program);
    // The frames are the fuzzer's; the message says enough.
    fuzzer.env("RUST_BACKTRACE", "0");
    // The next input takes as much memory as the last one: it need not go back to the kernel in between.
    fuzzer.env("GLIBC_TUNABLES", KEEP_MEMORY);
    // Else what fails lands in the current directory.
    fuzzer.arg(format!("-artifact_prefix={}/", failed.display()));
    match work {
        Work::Look(end) => {
            let end = match end {
                End::Inputs(inputs) => format!("-runs={inputs}"),
                End::Same(inputs) => {
                    fuzzer.arg("-seed=1");
                    format!("-runs={inputs}")
                }
                End::Seconds(seconds) => format!("-max_total_time={seconds}"),
            };
            if files(&kept).is_empty() {
                return Outcome::Failed(format!("{} has no inputs", kept.display()));
            }
            let before = files(&failed);
            // The first directory is where new inputs go.
            fuzzer.args([&found, &kept]).args([
                &*end,
                "-max_len=1024",
                // Of a machine that is busy with other things.
                "-timeout=300",
                "-rss_limit_mb=1024",
                "-print_final_stats=1",
                "-reload=0",
            ]);
            match run(&mut fuzzer, tally) {
                Outcome::Failed(why) => Outcome::Failed(match files(&failed).difference(&before).next() {
                    Some(file) => format!(
                        "{why}; the input is {0}: `cargo xtask fuzz {target} --replay {0}` plays it step by step",
                        file.display()
                    ),
                    None => why,
                }),
                outcome => outcome,
            }
        }
        Work::Replay(file) => {
            // Its words are what the user wants to see.
            match fuzzer.arg(file).env("PTEG_FUZZ_STEPS", "1").status() {
                Ok(status) if status.success() => Outcome::Passed,
                Ok(status) => Outcome::Failed(status.to_string()),
                Err(error) => Outcome::Failed(format!("starting the fuzzer: {error}")),
            }
        }
        Work::Keep => keep(fuzzer, &kept, &found, tally),
    }
}

/// Makes `kept` the smallest set of inputs that reaches every branch that those of `kept` and `found` reach.
fn keep(mut fuzzer: Command, kept: &Path, found: &Path, tally: &mut Tally) -> Outcome {
    let smallest = found.with_extension("smallest");
    let moved = || -> std::io::Result<()> {
        fs::remove_dir_all(kept)?;
        fs::create_dir_all(kept)?;
        for file in files(&smallest) {
            fs::copy(&file, kept.join(file.file_name().unwrap_or_default()))?;
        }
        fs::remove_dir_all(&smallest)
    };
    let _ = fs::remove_dir_all(&smallest);
    if let Err(error) = fs::create_dir_all(&smallest) {
        return Outcome::Failed(format!("making {}: {error}", smallest.display()));
    }
    // Branches alone: with counts and compared values there would be a thousand files.
    fuzzer
        .args(["-set_cover_merge=1", "-use_counters=0", "-use_cmp=0"])
        .args([&smallest, kept, found]);
    match run(&mut fuzzer, tally) {
        Outcome::Passed => match moved() {
            Ok(()) => {
                say(&format!("    {} inputs in {}", files(kept).len(), kept.display()));
                Outcome::Passed
            }
            Err(error) => Outcome::Failed(format!("replacing {}: {error}", kept.display())),
        },
        outcome => outcome,
    }
}

/// The fuzzer's program.
fn build(workspace: &Workspace, target: &Target, tally: &mut Tally) -> Result<PathBuf, Outcome> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if !answers(&mut Command::new(compiler)) {
        let why = "there is no C++ compiler, which libFuzzer is built with, so nothing was tried: install g++";
        return Err(Outcome::Skipped(why.to_owned()));
    }
    // Named, so that build scripts, which have no libFuzzer in them, are built without the coverage flags.
    let Some(host) = host(workspace) else {
        return Err(Outcome::Failed("rustc does not say what this machine is".to_owned()));
    };
    let directory = workspace.target().join("fuzz");
    let Target { name: target, of } = *target;
    let manifest = workspace.root().join(of).join("fuzz/Cargo.toml");
    let mut cargo = workspace.cargo(&["build", "--release", "--locked", "--target", &host, "--bin", target]);
    cargo
        .arg("--manifest-path")
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &directory)
        .env("RUSTFLAGS", flags(of));
    match run(&mut cargo, tally) {
        Outcome::Passed => Ok(directory.join(host).join("release").join(target)),
        outcome => Err(outcome),
    }
}

fn answers(program: &mut Command) -> bool {
    program
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The compiler's own target, as `x86_64-unknown-linux-gnu`.
fn host(workspace: &Workspace) -> Option<String> {
    let output = workspace.command("rustc", &["-vV"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}

/// The files of a directory.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return BTreeSet::new();
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_any_order_are_understood() {
        assert_eq!(parse(&[]), Ok((&TARGETS[0], Work::Look(End::Seconds(USUAL)))));
        assert_eq!(
            parse(&["--seconds", "7", "hypercalls"]),
            Ok((&TARGETS[0], Work::Look(End::Seconds(7))))
        );
        assert_eq!(
            parse(&["hypercalls", "--replay", "x"]),
            Ok((&TARGETS[0], Work::Replay("x".into())))
        );
        for target in &TARGETS {
            assert_eq!(parse(&[target.name]), Ok((target, Work::Look(End::Seconds(USUAL)))));
        }
        assert_eq!(
            parse(&["--inputs", "10000000", "queues"]),
            Ok((&TARGETS[2], Work::Look(End::Inputs(10_000_000))))
        );
        assert!(parse(&["--seconds", "0"]).unwrap_err().contains("`0`"));
        assert!(parse(&["--inputs", "many"]).unwrap_err().contains("`many`"));
        assert!(parse(&["--seconds"]).unwrap_err().contains("needs a value"));
        assert!(parse(&["nothing"]).unwrap_err().contains("hypercalls"));
    }
}
