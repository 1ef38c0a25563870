//! Measures pteg beside `qemu-system-ppc64`: the same guests, in turns, and what both needed.
//!
//! - `contender` knows how each is started, `process` watches it, `procfs` asks the system what it used;
//!   `guest` is what the guests do, `network` what is at the other end of their networks.
//! - `boot`, `start`, `alone` (the page table without a guest), `unmap`, `device`, `disk`, `io`, `login`, `linux`, `stress` and `hvbench` are the benchmarks; `rounds` gives
//!   the contenders their turns, `pinning` keeps a thread on one processor. `costs` and `kvm_unmap` compare what
//!   was measured on POWER hosts.
//! - `statistics`, `table`, `chart`, `host` and `report` say what came out.
//!
//! `cargo xtask bench` builds pteg and runs this. No figure is judged here: that is for people.

#![forbid(unsafe_code)]

mod alone;
mod boot;
mod chart;
mod cli;
mod contender;
mod costs;
mod device;
mod disk;
mod error;
mod guest;
mod host;
mod hvbench;
mod io;
mod kvm_unmap;
mod linux;
mod login;
mod network;
mod pinning;
mod process;
mod procfs;
mod report;
mod rounds;
mod start;
mod statistics;
mod stress;
mod table;
mod unmap;

use std::error::Error as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Benchmark, Cli};
use crate::contender::{Contender, Programs, QEMU};
use crate::error::Result;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let selection = match cli.selection() {
        Ok(selection) => selection,
        Err(why) => {
            eprintln!("benches: {why}");
            return ExitCode::from(2);
        }
    };
    match measure(&cli, &selection) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut line = format!("benches: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                line += &format!(": {error}");
                cause = error.source();
            }
            eprintln!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli, selection: &[Benchmark]) -> Result<()> {
    let programs = Programs::find(cli.second_qemu.clone());
    if programs.present(&[Contender::Qemu]).is_empty() {
        eprintln!(
            "benches: SKIPPED: QEMU, as there is no {QEMU} in PATH, so nothing is compared: \
             `apt install qemu-system-ppc` brings it"
        );
    }
    let rounds = usize::from(cli.runs);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    for &benchmark in selection {
        let host = host::description(&programs)?;
        let report = match benchmark {
            Benchmark::Boot => boot::measure(&programs, rounds)?,
            Benchmark::Start => start::measure(&programs, rounds)?,
            Benchmark::Table => alone::measure(rounds)?,
            Benchmark::Unmap => unmap::measure(rounds)?,
            Benchmark::Device => device::measure(rounds)?,
            Benchmark::Disk => disk::measure(rounds)?,
            Benchmark::Io => io::measure(&programs, rounds)?,
            Benchmark::Login => login::measure(&programs, rounds)?,
            Benchmark::Linux => linux::measure(&programs, rounds)?,
            Benchmark::Stress => stress::measure(&programs, rounds)?,
            Benchmark::Hvbench => match &cli.hvbench {
                Some(guest) => hvbench::measure(&programs, rounds, guest, cli.scale)?,
                None => continue,
            },
            Benchmark::Costs => match &*cli.costs {
                [kernel, ours] => costs::measure(kernel, ours)?,
                _ => continue,
            },
            Benchmark::KvmUnmap => match &cli.kvm_unmap {
                Some(said) => kvm_unmap::measure(said)?,
                None => continue,
            },
        };
        let text = format!("Rounds: {}. {host}\n\n{}", report.rounds, report.markdown);
        print(&format!("# {}\n\n{text}\n", benchmark.name()));
        if cli.write {
            if let Some(picture) = &report.picture {
                report::write(&directory.join(benchmark.picture()), picture)?;
            }
            report::write_section(&directory.join("README.md"), benchmark.name(), &text)?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tables are what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
