//! `pteg`: launches ppc64 (PAPR, "pseries") guests and owns their hashed page table.
//!
//! This crate is the program: what the user says (`cli`, `config_file`, `config`), what the guest finds when it starts
//! (`boot`), what it may ask for (`hypercall`, `rtas`), the threads that run its processors (`carriers`, `vcpu`,
//! `accel`) and the terminal in front of it (`terminal`). The table, the devices and the software
//! processor are crates of their own.

mod accel;
mod balloon;
mod bell;
mod boot;
mod carriers;
mod cli;
mod config;
mod config_file;
mod conformance;
mod control;
mod ctl;
mod disks;
mod dma;
mod doctor;
mod guest_run;
mod host;
mod hypercall;
mod ignored;
mod images;
mod machine;
mod memory;
mod nets;
mod offer;
mod page;
mod pause;
mod pci;
mod peers;
mod processors;
mod random;
mod reset;
mod root_disk;
mod rtas;
mod run;
mod second_console;
mod shares;
mod size;
mod socket;
mod sources;
#[cfg(test)]
mod started;
mod stop;
mod stress;
mod sync;
mod terminal;
#[cfg(test)]
mod test_machine;
mod upkeep;
mod vcpu;
mod virtio;
mod waits;

use std::process::ExitCode;

fn main() -> ExitCode {
    terminal::restore_on_panic();
    match cli::parse() {
        Ok(command) => report(command.run()),
        Err(answer) => answer.print(),
    }
}

/// Says on stderr why the program failed, as `pteg: what: cause`.
fn report(result: Result<ExitCode, run::Error>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    terminal::say(&format!("pteg: {}", run::said(&error)));
    error.exit_code()
}
