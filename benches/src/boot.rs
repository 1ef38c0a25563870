//! The boot benchmark: Debian's kernels to a first process, which does a fixed amount of work and powers off.

mod tables;

use guest_images::{Cache, Image, Prepared, Stderr};

use crate::contender::{Contender, Guest, Programs};
use crate::error::{Error, Result};
use crate::guest::{AT_INIT, PARTS, workload};
use crate::process::Running;
use crate::procfs::{self, Resident};
use crate::report::Report;
use crate::rounds::Results;

const CONTENDERS: [Contender; 3] = [Contender::Pteg, Contender::Qemu, Contender::QemuWithoutSlof];

/// What is booted.
struct Boot {
    name: &'static str,
    image: &'static str,
    processors: u32,
}

const BOOTS: [Boot; 4] = [
    Boot {
        name: "6.1, 64 KiB pages",
        image: "debian",
        processors: 1,
    },
    Boot {
        name: "6.12, 4 KiB pages",
        image: "debian:6.12",
        processors: 1,
    },
    Boot {
        name: "6.12, 64 KiB pages",
        image: "debian:6.12-64k",
        processors: 1,
    },
    Boot {
        name: "6.1, 64 KiB pages, 4 processors",
        image: "debian",
        processors: 4,
    },
];

/// On the console when the kernel has begun.
const AT_KERNEL: &str = "[    0.";

/// One run.
struct Run {
    /// Processor seconds of the host when the first process started.
    to_init: f64,
    /// Those of each part of the work.
    parts: [f64; PARTS.len()],
    /// All.
    to_end: f64,
    /// Memory when the first process started.
    resident: Resident,
    /// Instructions that the guest executed, if they were counted.
    instructions: Option<u64>,
    /// Which kernel it was.
    kernel: String,
}

/// Measures `rounds` boots of each.
pub fn measure(programs: &Programs, rounds: usize) -> Result<Report> {
    let contenders = programs.present(&CONTENDERS);
    let cache = Cache::from_environment()?;
    let mut all = Vec::new();
    for boot in &BOOTS {
        let image = Image::by_name(boot.image).expect("these are images");
        let prepared = image.prepare(&cache, &Stderr::new(), &workload())?;
        let command = |contender| programs.command(contender, &guest(boot, &prepared));
        for &contender in &contenders {
            // Warms up: from now on all that is read is in the host's memory.
            Running::start(contender.name(), command(contender))?.wait_for(AT_KERNEL)?;
        }
        let what = format!("boot of {}", boot.name);
        let runs = Results::measure(&what, rounds, &contenders, |contender| {
            run(contender, command(contender))
        })?;
        all.push((boot.name, runs));
    }
    Ok(Report {
        rounds,
        markdown: tables::markdown(&contenders, &all),
        picture: Some(tables::chart(&contenders, &all).svg()?),
    })
}

fn guest<'a>(boot: &Boot, prepared: &'a Prepared) -> Guest<'a> {
    Guest {
        kernel: &prepared.kernel,
        initrd: Some(&prepared.initrd),
        append: &prepared.append,
        processors: boot.processors,
        boot_rom: None,
        is_counted: true,
    }
}

fn run(contender: Contender, command: std::process::Command) -> Result<Run> {
    let mut running = Running::start(contender.name(), command)?;
    running.wait_for(AT_INIT)?;
    let to_init = procfs::cpu_time(running.id())?.as_secs_f64();
    let resident = Resident::of(running.id())?;
    let mut parts = [0.0; PARTS.len()];
    let mut before = to_init;
    for (part, (_, done)) in parts.iter_mut().zip(PARTS) {
        running.wait_for(done)?;
        let now = procfs::cpu_time(running.id())?.as_secs_f64();
        *part = now - before;
        before = now;
    }
    let ended = running.wait_for_end()?;
    let kernel = ended
        .console
        .split_once("Linux version ")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(Run {
        to_init,
        parts,
        to_end: ended.cpu_time.as_secs_f64(),
        resident,
        instructions: match contender {
            Contender::Pteg => Some(executed(&ended.stderr)?),
            Contender::Qemu | Contender::QemuWithoutSlof | Contender::SecondQemu => None,
        },
        kernel: kernel.unwrap_or("a kernel that does not say its version").to_owned(),
    })
}

/// The number in pteg's line `pteg: instructions executed: 1340000000 (processor 0: …)`.
fn executed(stderr: &str) -> Result<u64> {
    let number = stderr.lines().find_map(|line| {
        let rest = line.strip_prefix("pteg: instructions executed: ")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    number.ok_or_else(|| Error::Unreadable {
        what: "pteg's count of instructions",
        text: stderr.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_instructions_is_read() {
        let stderr = "pteg: something else\npteg: instructions executed: 42 (processor 0: 40, processor 2: 2)\n";
        assert_eq!(executed(stderr).unwrap(), 42);
        assert!(executed("pteg: instructions executed: many").is_err());
    }

    #[test]
    fn every_boot_is_of_an_image() {
        for boot in &BOOTS {
            Image::by_name(boot.image).unwrap();
        }
    }
}
