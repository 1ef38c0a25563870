//! `cargo xtask power-host`: a POWER host with KVM-PR, emulated where there is no real one, and what is done on it.
//!
//! `toolchain` builds for it, `kernel` makes its kernel, `packages` brings the programs that both need, `arguments` says what
//! the user wants, and `figures` measures. The host itself, and the cases that are tried on it, are the crate `power-host-tests`.

mod arguments;
mod failed;
mod figures;
mod kernel;
mod packages;
mod toolchain;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use guest_images::{Cache, Stderr};
use power_host_tests::{Effort, Host, Machine, Pages, Place, Qemu, Root, Setup};

use self::arguments::{Arguments, Work};
use self::failed::Failed;
use self::packages::{For, see_to};
use self::toolchain::Toolchain;
use crate::output::{Tally, run as run_command, run_tests, say};
use crate::step::{Outcome, Step, run_all};
use crate::workspace::Workspace;

/// The name that a line of the user's has as a script.
const LINE: &str = "line";

/// The command with its arguments.
pub fn command(workspace: &Workspace, arguments: &[&str]) -> ExitCode {
    let arguments = match Arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("xtask: {wrong} (cargo xtask help says more)");
            return ExitCode::from(2);
        }
    };
    let done = match &arguments.work {
        Work::Test(word) => {
            let steps: Vec<Step<'_>> = arguments
                .places
                .iter()
                .map(|&place| {
                    Step::new(step_name(place), move |workspace, tally| {
                        cases(workspace, tally, place, word.as_deref(), arguments.effort)
                    })
                })
                .collect();
            return run_all(workspace, &steps);
        }
        Work::Build => build(workspace, &arguments),
        Work::Shell => shell(workspace, &arguments),
        Work::Run(line) => run(workspace, &arguments, line),
        Work::Bench(word) => figures::bench(workspace, &arguments, word.as_deref()),
    };
    done.unwrap_or_else(|Failed(why)| {
        eprintln!("xtask: power-host: {why}");
        ExitCode::FAILURE
    })
}

/// The cases on the usual host, as a step of the check.
pub fn usual(workspace: &Workspace, tally: &mut Tally) -> Outcome {
    if is_power() {
        return cases(workspace, tally, Place::Native, None, Effort::Usual);
    }
    if std::env::consts::ARCH != "x86_64" {
        return Outcome::Skipped("a POWER host is emulated on x86-64 machines alone, so nothing was tried".to_owned());
    }
    // All at once, so that one round of installing will do; who may not install is not to blame.
    if let Err(Failed(why)) = see_to(&toolchain::needs(workspace, &[For::Kernels, For::Emulation])) {
        return match packages::may_install() {
            true => Outcome::Failed(why),
            false => Outcome::Skipped(format!("{why}, so nothing was tried")),
        };
    }
    let place = Place::Emulated(Machine::PowerNv8, Pages::Small);
    match units(workspace, tally) {
        Ok(Outcome::Passed) => cases(workspace, tally, place, None, Effort::Usual),
        Ok(outcome) => outcome,
        Err(Failed(why)) => Outcome::Failed(why),
    }
}

/// Runs the unit tests of what is compiled for POWER alone, under QEMU as programs by themselves: they need no host.
fn units(workspace: &Workspace, tally: &mut Tally) -> Result<Outcome, Failed> {
    let toolchain = Toolchain::new(workspace)?;
    let tests: [&[&str]; 2] = [
        &["test", "--locked", "--package", "kvm-ppc", "--lib"],
        &["test", "--locked", "--package", "vmm", "--bin", "pteg", "accel::kvm"],
    ];
    for arguments in tests {
        match run_tests(&mut toolchain.cargo(workspace, arguments), tally) {
            Outcome::Passed => {}
            outcome => return Ok(outcome),
        }
    }
    Ok(Outcome::Passed)
}

/// Whether there are compilers of C for POWER in either byte order; where we may, they are installed.
pub fn has_compilers() -> bool {
    see_to(&[For::Interface]).is_ok()
}

/// Whether this machine is a POWER host itself.
fn is_power() -> bool {
    std::env::consts::ARCH == "powerpc64" && cfg!(target_endian = "little")
}

fn step_name(place: Place) -> &'static str {
    match place {
        Place::Native => "cases on this host",
        Place::Emulated(Machine::PowerNv8, Pages::Small) => "cases on a POWER8 host with 4K pages",
        Place::Emulated(Machine::PowerNv8, Pages::Large) => "cases on a POWER8 host with 64K pages",
        Place::Emulated(Machine::PowerNv9, Pages::Small) => "cases on a POWER9 host with 4K pages",
        Place::Emulated(Machine::PowerNv9, Pages::Large) => "cases on a POWER9 host with 64K pages",
        Place::Emulated(Machine::PSeries, Pages::Small) => "cases on a nested host with 4K pages",
        Place::Emulated(Machine::PSeries, Pages::Large) => "cases on a nested host with 64K pages",
    }
}

/// Runs the cases of a host as tests.
fn cases(workspace: &Workspace, tally: &mut Tally, place: Place, word: Option<&str>, effort: Effort) -> Outcome {
    match made(workspace, place, "debug", &[]) {
        Ok(Made { pteg, kernel }) => {
            let mut command = workspace.cargo(&[
                "test",
                "--locked",
                "--package",
                "power-host-tests",
                "--test",
                "cases",
                "--",
            ]);
            command
                .args(word)
                .env("PTEG_BIN", pteg)
                .env("PTEG_POWER_HOST", place.to_string());
            if effort == Effort::Long {
                command.env("PTEG_POWER_HOST_LONG", "1");
            }
            if let Some(kernel) = kernel {
                command.env("PTEG_POWER_HOST_KERNEL", kernel);
            }
            run_tests(&mut command, tally)
        }
        Err(Failed(why)) => Outcome::Failed(why),
    }
}

/// What a host needs.
struct Made {
    pteg: PathBuf,
    /// Of an emulated host.
    kernel: Option<PathBuf>,
}

/// Makes what `place` needs, with `pteg` of a profile of cargo's, built with `more`.
fn made(workspace: &Workspace, place: Place, profile: &str, more: &[&'static str]) -> Result<Made, Failed> {
    // `PROGRAMS`.
    let mut arguments = vec!["build", "--locked", "--package", "vmm", "--package", "tests", "--bins"];
    if profile == "release" {
        arguments.push("--release");
    }
    arguments.extend(more);
    let (mut command, results, kernel) = match place {
        Place::Native if !is_power() => {
            return Err(Failed(
                "this is not a POWER host: without --native, one is emulated".to_owned(),
            ));
        }
        Place::Native => (workspace.cargo(&arguments), workspace.target().join(profile), None),
        Place::Emulated(_, pages) => {
            let kernel = kernel::prepare(pages)?;
            let toolchain = Toolchain::new(workspace)?;
            let command = toolchain.cargo(workspace, &arguments);
            (command, toolchain.results(profile), Some(kernel))
        }
    };
    say("    building pteg for the host");
    match run_command(&mut command, &mut Tally::default()) {
        Outcome::Passed => Ok(Made {
            pteg: results.join("pteg"),
            kernel,
        }),
        _ => Err(Failed(
            "pteg could not be built for the host; the errors are above".to_owned(),
        )),
    }
}

fn build(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode, Failed> {
    for &place in &arguments.places {
        let Made { pteg, kernel } = made(workspace, place, "debug", &[])?;
        if kernel.is_some() {
            Qemu::of(&Cache::from_environment()?, &Stderr::new())?;
        }
        say(&format!("{place}: {}", pteg.display()));
        if let Some(kernel) = kernel {
            say(&format!("{place}: {}", kernel.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An emulated host as the user wants it, and the beginning of its root file system.
fn emulated(
    workspace: &Workspace,
    arguments: &Arguments,
    (machine, pages): (Machine, Pages),
    profile: &str,
    more: &[&'static str],
) -> Result<(Setup, Root), Failed> {
    let made = made(workspace, Place::Emulated(machine, pages), profile, more)?;
    let kernel = made.kernel.expect("an emulated host has one");
    let qemu = Qemu::of(&Cache::from_environment()?, &Stderr::new())?;
    let mut setup = Setup::new(qemu, machine, kernel);
    setup.processors = arguments.processors.unwrap_or(setup.processors);
    setup.memory_mib = arguments.memory_mib.unwrap_or(setup.memory_mib);
    setup.disk.clone_from(&arguments.disk);
    let mut root = Root::new(&made.pteg)?;
    for (path, name) in &arguments.files {
        root.copy(path, &format!("root/{name}"))?;
    }
    Ok((setup, root))
}

fn shell(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let cache = Cache::from_environment()?;
    let Place::Emulated(machine, pages) = arguments.places[0] else {
        let Made { pteg, .. } = made(workspace, Place::Native, "debug", &[])?;
        return Ok(native("exec ${SHELL:-sh}", &pteg)?);
    };
    let (setup, mut root) = emulated(workspace, arguments, (machine, pages), "debug", &[])?;
    root.interactive();
    let packed = root.pack(&cache, &Stderr::new())?;
    let status = setup.at_terminal(&packed).status()?;
    Ok(ExitCode::from(u8::from(!status.success())))
}

/// Runs a line on every host that is wanted, and shows what it prints. The exit status is that of the first that fails.
fn run(workspace: &Workspace, arguments: &Arguments, line: &str) -> Result<ExitCode, Failed> {
    let cache = Cache::from_environment()?;
    let mut worst = 0;
    for &place in &arguments.places {
        let Place::Emulated(machine, pages) = place else {
            let Made { pteg, .. } = made(workspace, place, "debug", &[])?;
            return Ok(native(line, &pteg)?);
        };
        let (setup, mut root) = emulated(workspace, arguments, (machine, pages), "debug", &[])?;
        root.script(LINE, line);
        let packed = root.pack(&cache, &Stderr::new())?;
        say(&format!("    booting {place}"));
        let mut host = Host::boot(&setup, &packed)?;
        let ran = host.run(LINE, arguments.patience, say)?;
        for line in &ran.kernel {
            eprintln!("the host's kernel: {line}");
        }
        let status = ran.status.unwrap_or(1);
        worst = if worst == 0 { status } else { worst };
        host.power_off()?;
    }
    Ok(ExitCode::from(u8::try_from(worst).unwrap_or(1)))
}

/// Runs a line on this machine, with the user's terminal and `pteg` in `PATH`.
fn native(line: &str, pteg: &std::path::Path) -> Result<ExitCode, std::io::Error> {
    let mut path = pteg.parent().unwrap_or(pteg).as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let status = Command::new("sh").args(["-c", line]).env("PATH", path).status()?;
    Ok(ExitCode::from(
        status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
    ))
}
