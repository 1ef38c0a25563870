//! `cargo xtask`: the project's own chores. `cargo xtask test` runs what continuous integration runs.
//!
//! `checks` says which steps there are, `step` runs them one after another and reports, `output` decides
//! which of a step's lines are shown while it runs, `tools` brings what the steps need and the machine lacks.
//! `fuzz`, `miri` and `power_host` are steps that need more than a line. `bench`, `differential`, `mutants`, `programs`, `soak` and `zoo`
//! are long, and no steps.

mod bench;
mod checks;
mod differential;
mod fuzz;
mod miri;
mod mutants;
mod output;
mod power_host;
mod programs;
mod soak;
mod step;
mod tools;
mod watched;
mod workspace;
mod zoo;

use std::process::ExitCode;

use crate::checks::Selection;
use crate::workspace::Workspace;

const HELP: &str = "\
The project's own chores.

Usage: cargo xtask COMMAND

Commands:
  test   Run everything that continuous integration runs: lint, tests, models. Takes 20 to 40 minutes
         on two processors, most of it building; the first run also fetches Debian packages and cargo-deny
         into the cache directory, and builds a kernel
  lint   Only the formatting, clippy, the documentation and the dependencies
  unit   Only the tests of the crates
  guest  Only the tests that start the program `pteg` with a guest
  loom   Only the models of the lock-free protocols
  miri   Only the tests of the page table under Miri, where a nightly toolchain has it

Long ones, which are part of no check:
  fuzz     [--seconds N | --inputs N] [--keep] [TARGET]: throw random hypercalls at the page table (`hypercalls`), random drivers at
           queues (`queues`), at block devices (`disks`), at network cards and sockets (`packets`), and random accesses at PCI's configuration
           space, BARs and virtio registers (`configuration`). Default: 300 seconds of `hypercalls`; `test` has 15000 inputs of that, the
           same each time, and those that are kept of each. An input that fails is kept, and the last lines say where;
           `--replay FILE` plays it step by step. `--keep` makes the corpus in the tree the smallest set of inputs that reaches
           what all inputs found so far reach
  differential [--cpu power8|power9] [--millions N] [--seed S] [--threads T]: run random programs of all problem-state instructions here and under
           QEMU's user emulation, and compare registers and memory after each. Default: 100 million instructions from seed 1
           on, on as many threads as there are processors. A difference is printed with its seed and the least program
           that shows it; `test` has a million
  mutants  [NAME…]: weaken each memory ordering and each step of the protocols once (the lists are mutants.txt in hpt, vmm and devices),
           and see a test fail each time. Half an hour on two processors
  zoo      [NAME…]: plant mistakes of hypervisors one after another (xtask/zoo.txt), and see `pteg stress` find each within a minute. Half an
           hour on two processors
  soak     [--minutes N] [--image NAME] [--smp N] [--resize] [--upkeep] [-- FLAGS]: a Linux guest forks, execs, maps, protects and
           unmaps on all processors while pteg looks for pages that are mapped twice and for stale translations; with
           --resize it also makes its page table larger and smaller every second; with --upkeep host threads discard, unmap,
           track and dump its memory all the time. FLAGS are for `pteg run`.
           Default: 10 minutes, debian:6.12, 4 processors
  programs [--image NAME] [--smp N] [NAME…] [-- FLAGS]: Debian's own programs in a guest, with known answers: a compiler, suites of
           Python's and OpenSSL's, SQLite, compression. `test` has part of each but of those that take minutes. The first run fetches 100 MiB.
           Default: all of them, debian:6.12-64k, 1 processor
  bench    [NAME…] [FLAGS]: measure pteg beside QEMU. About ten minutes, with nothing else running.
           `cargo xtask bench --help` has the names and flags; benches/README.md has the figures

A POWER host with KVM-PR, which QEMU emulates, or this machine if it is one:
  power-host build|test|shell|run|bench [--machine M] [--pages P] [--native] [--all]
           The first of them brings all that is needed, once: a Rust for POWER, a kernel (five minutes on two
           processors), and, as root, packages of this system's. `test [WORD]` runs the cases of
           tests/power-host, or those whose names have this word in them, and with --long also those that take half an hour; `run -- LINE` runs a line for a shell, with pteg
           in PATH, and exits as that does; `shell` is for a person; `bench [WORD] [--runs N] [--write]` takes the figures,
           or those whose names have this word in them, with pages of either size unless one is given, N rounds (3), and
           puts them into benches/README.md.
           M is powernv8 (the default), powernv9, or pseries, a host that is itself a guest; P is 4k (the default) or 64k;
           --native is this machine without QEMU, --all every host that makes sense
           For run, shell and bench: --smp N, --mem MIB; --file FILE[:NAME] puts a file where the line is run, and
           --patience SECONDS is how long that may take. For run and shell: --disk FILE, a raw image, is /dev/vda there

  help   This page

Environment:
  CARGO_TARGET_DIR  Where to build. Default: target
  PTEG_CACHE        Where images and tools are kept. Default: pteg in XDG_CACHE_HOME or ~/.cache
  PTEG_QEMU_USER    A qemu-ppc64le to compare instructions with. Default: Debian's, which is fetched

Exit status: 0 if every step passed or was skipped (the last line says so), 1 if one failed, 2 for wrong use.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let selection = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => Selection::All,
        ["lint"] => Selection::Lint,
        ["unit"] => Selection::Unit,
        ["guest"] => Selection::Guest,
        ["loom"] => Selection::Loom,
        ["miri"] => Selection::Miri,
        ["help" | "--help" | "-h"] => {
            output::say(HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        ["bench", ref rest @ ..] => return bench::run(&Workspace::of_process(), rest),
        ["differential", ref rest @ ..] => return differential::command(&Workspace::of_process(), rest),
        ["fuzz", ref rest @ ..] => return fuzz::command(&Workspace::of_process(), rest),
        ["power-host", ref rest @ ..] => return power_host::command(&Workspace::of_process(), rest),
        ["programs", ref rest @ ..] => return programs::run(&Workspace::of_process(), rest),
        ["soak", ref rest @ ..] => return soak::run(&Workspace::of_process(), rest),
        ["mutants", ref names @ ..] => return mutants::run(&Workspace::of_process(), names),
        ["zoo", ref names @ ..] => return zoo::run(&Workspace::of_process(), names),
        [] => return wrong_use("a command is missing"),
        [..] => return wrong_use(&format!("`{}` is not a command", arguments.join(" "))),
    };
    let steps = checks::steps(selection);
    step::run_all(&Workspace::of_process(), &steps)
}

fn wrong_use(what: &str) -> ExitCode {
    eprintln!(
        "xtask: {what}: give one of test, lint, unit, guest, loom, miri, fuzz, differential, mutants, zoo, soak, programs, bench, power-host, help (cargo xtask help says more)"
    );
    ExitCode::from(2)
}
