//! The machine that the figures are from.

use std::fs;
use std::thread;

use crate::contender::{Contender, MEMORY, Programs};
use crate::error::Result;

/// One sentence about the machine and the programs.
pub fn description(programs: &Programs) -> Result<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let release = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let mut versions = vec![programs.version(Contender::Pteg)?.unwrap_or_default()];
    let qemu = programs.version(Contender::Qemu)?;
    versions.push(qemu.unwrap_or_else(|| "no QEMU was there".to_owned()));
    let second = programs.version(Contender::SecondQemu)?;
    versions.extend(second.map(|it| format!("second QEMU: {it}")));
    Ok(format!(
        "Guests have {MEMORY} of memory. Host: {}, {} processors, Linux {}, load {} before the first round. \
         {}.",
        model(&cpuinfo),
        thread::available_parallelism().map_or(1, usize::from),
        release.trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
        versions.join("; "),
    ))
}

/// The processors' name.
fn model(cpuinfo: &str) -> &str {
    let value = |name| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim())
    };
    // x86 and others; POWER.
    value("model name")
        .or_else(|| value("cpu\t"))
        .unwrap_or("unknown processor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_name_is_found() {
        assert_eq!(
            model("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Fast CPU @ 2 GHz\n"),
            "Fast CPU @ 2 GHz"
        );
        assert_eq!(
            model("processor\t: 0\ncpu\t\t: POWER8 (raw), altivec supported\n"),
            "POWER8 (raw), altivec supported"
        );
        assert_eq!(model(""), "unknown processor");
    }
}
