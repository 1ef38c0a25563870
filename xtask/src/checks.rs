//! The steps. Cheap ones come first, so that a slip shows early.

use std::process::Stdio;

use crate::output::{Tally, run, run_tests, say};
use crate::step::{Outcome, Step};
use crate::workspace::Workspace;
use crate::{fuzz, miri, power_host, tools};

/// Which steps are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// What reads the sources.
    Lint,
    /// The tests of the crates.
    Unit,
    /// The tests of the program.
    Guest,
    /// The models.
    Loom,
    /// The tests of the page table under Miri.
    Miri,
}

/// What a step does.
type Run = fn(&Workspace, &mut Tally) -> Outcome;

/// The steps of a selection, in order.
pub fn steps(selection: Selection) -> Vec<Step<'static>> {
    let all: [(Option<Selection>, &str, Run); 10] = [
        (Some(Selection::Lint), "format", format),
        (Some(Selection::Lint), "clippy", clippy),
        (Some(Selection::Lint), "documentation", documentation),
        (Some(Selection::Lint), "dependencies", dependencies),
        (Some(Selection::Unit), "tests of the crates", unit),
        (Some(Selection::Guest), "tests of the program", guest),
        (Some(Selection::Loom), "models", loom),
        (Some(Selection::Miri), "Miri", miri::run),
        // Alone these are commands with arguments.
        (None, "fuzzing", fuzz::short),
        (None, "POWER host", power_host::usual),
    ];
    all.into_iter()
        .filter(|(part, ..)| selection == Selection::All || Some(selection) == *part)
        .map(|(_, name, run)| Step::new(name, run))
        .collect()
}

/// The workspaces: the program's, and those of the fuzz targets.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "hpt/fuzz/Cargo.toml", "devices/fuzz/Cargo.toml"];

fn format(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    match missing(workspace, "fmt", "rustfmt") {
        Some(skipped) => skipped,
        None => {
            let mut outcome = Outcome::Passed;
            for manifest in MANIFESTS {
                let how = ["fmt", "--all", "--manifest-path", manifest, "--check", "--", "-l"];
                if let Outcome::Failed(_) = run(&mut workspace.cargo(&how), tally) {
                    let right =
                        format!("the files above: `cargo fmt --all --manifest-path {manifest}` puts them right");
                    outcome = Outcome::Failed(right);
                }
            }
            outcome
        }
    }
}

fn clippy(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    if let Some(skipped) = missing(workspace, "clippy", "clippy") {
        return skipped;
    }
    run(
        &mut workspace.cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
        tally,
    )
}

/// The step without the rustup component `component`, which cargo's `command` is part of.
fn missing(workspace: &Workspace, command: &str, component: &str) -> Option<Outcome> {
    let mut version = workspace.cargo(&[command, "--version"]);
    let there = version
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    (!there).then(|| {
        let why = format!("{component} is not installed, so nothing was checked: `rustup component add {component}`");
        Outcome::Skipped(why)
    })
}

fn documentation(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    let mut command = workspace.cargo(&[
        "doc",
        "--locked",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    run(command.env("RUSTDOCFLAGS", "-D warnings"), tally)
}

fn dependencies(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    match tools::cargo_deny(workspace, tally) {
        // The database of advisories is a git repository elsewhere: `docs/testing.md`.
        Ok(deny) => {
            for manifest in MANIFESTS {
                let how = [
                    "--manifest-path",
                    manifest,
                    "--locked",
                    "check",
                    "licenses",
                    "bans",
                    "sources",
                ];
                let outcome = run(&mut workspace.command(&deny, &how), tally);
                if !matches!(outcome, Outcome::Passed) {
                    return outcome;
                }
            }
            Outcome::Passed
        }
        Err(why) => Outcome::Skipped(why),
    }
}

fn unit(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    let qemu = match tools::qemu_user() {
        Ok(qemu) => qemu,
        Err(why) => return Outcome::Failed(why),
    };
    say(&format!("    instructions are compared with {}", qemu.display()));
    let mut command = workspace.cargo(&[
        "test",
        "--locked",
        "--workspace",
        "--exclude",
        "tests",
        "--no-fail-fast",
    ]);
    // Without them the tests say what they skipped.
    if power_host::has_compilers() {
        command.env("PTEG_KVM_ABI", "1");
    }
    run_tests(command.env("PTEG_QEMU_USER", qemu), tally)
}

fn guest(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    let built = run(&mut workspace.cargo(&["build", "--locked", "--package", "vmm"]), tally);
    if !matches!(built, Outcome::Passed) {
        return built;
    }
    let mut command = workspace.cargo(&["test", "--locked", "--package", "tests", "--no-fail-fast"]);
    run_tests(command.env("PTEG_BIN", workspace.target().join("debug/pteg")), tally)
}

fn loom(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    // A directory of its own: other flags would rebuild everything, here and in the next run.
    let target = workspace.target().join("loom");
    let packages = ["hpt", "devices", "kvm-ppc", "vmm-models"].map(|package| ["--package", package]);
    let mut command = workspace.cargo(&["test", "--locked", "--release", "--test", "*loom*", "--no-fail-fast"]);
    command
        .args(packages.as_flattened())
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", "--cfg loom -D warnings");
    run_tests(&mut command, tally)
}
