//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures pteg beside QEMU
///
/// Runs the same guests with pteg and with qemu-system-ppc64, in turns, and prints what both needed. It takes about
/// half an hour; the machine should have nothing else to do.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask bench", after_help = EXAMPLES)]
pub struct Cli {
    /// What to measure [default: all but hvbench, costs and kvm-unmap]
    ///
    /// What to measure. Default: all, hvbench, costs and kvm-unmap only if --hvbench, --costs and --kvm-unmap are given.
    #[arg(value_name = "NAME")]
    pub benchmarks: Vec<Benchmark>,

    /// Rounds that count [default: 5]
    ///
    /// How many rounds count; each contender runs once in a round. What is read from disk is read once before the
    /// first. Default: 5.
    #[arg(long, value_name = "N", default_value_t = 5, hide_default_value = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: u16,

    /// Put the results into benches/README.md
    ///
    /// Put the results into benches/README.md, and the pictures beside it, in the place of those that are there.
    /// Default: only print them.
    #[arg(long)]
    pub write: bool,

    /// Directory of the bare-metal benchmark guest
    ///
    /// Directory with the bare-metal benchmark guest that hvbench measures: payload-le.elf, payload-be.elf, and
    /// bootrom.bin for QEMU. Default: none, and hvbench cannot be measured. Example: --hvbench guests/hvbench
    #[arg(long, value_name = "DIR")]
    pub hvbench: Option<PathBuf>,

    /// Another QEMU for hvbench
    ///
    /// QEMU of another version, which hvbench measures beside that in PATH. Default: none. Example:
    /// --second-qemu /opt/qemu-7.2/bin/qemu-system-ppc64
    #[arg(long, value_name = "PROGRAM")]
    pub second_qemu: Option<PathBuf>,

    /// What was said on a POWER host
    ///
    /// What was said on a POWER host, in two files: by KVM's own handlers and QEMU, and by pteg. cargo xtask power-host bench
    /// makes them. Default: none, and costs cannot be compared. Example: --costs theirs.txt ours.txt
    #[arg(long, value_names = ["THEIRS", "OURS"], num_args = 2)]
    pub costs: Vec<PathBuf>,

    /// What was said of unmapping on a POWER host
    ///
    /// What was said on a POWER host while memory was taken from a guest's processors: a file that cargo xtask power-host bench makes.
    /// Default: none, and kvm-unmap cannot be compared. Example: --kvm-unmap unmapping.txt
    #[arg(long, value_name = "FILE")]
    pub kvm_unmap: Option<PathBuf>,

    /// How much that guest does, in percent [default: 25]
    ///
    /// How much the bare-metal guest does, in percent of its usual amount; four times as much where several processors work at
    /// once, as they take a while to come together. Default: 25. Example: --scale 100
    #[arg(long, value_name = "PERCENT", default_value_t = 25, hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub scale: u32,
}

const EXAMPLES: &str = "Examples:\n  cargo xtask bench\n  cargo xtask bench boot --runs 1\n  cargo xtask bench --write";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// Debian's kernels to a first process, fixed work, power-off
    Boot,
    /// Process start to first guest instruction
    Start,
    /// The page table's calls alone, without a guest
    Table,
    /// Taking ranges of memory from the processors that use them
    Unmap,
    /// Loads and stores of a device's registers
    Device,
    /// The way of a request through a block device
    Disk,
    /// Disk and networks of a guest, by fio and iperf3
    Io,
    /// A whole Debian on a disk: start to login and to ssh
    Login,
    /// What Linux asks of the page table, and what it costs
    Linux,
    /// How many hypercalls pteg stress makes, and the share of its checks
    Stress,
    /// Single operations, by a bare-metal guest
    Hvbench,
    /// The page table's hypercalls on a POWER host: pteg's beside KVM's own
    Costs,
    /// Taking memory from the processors of a POWER host: pteg's way beside others
    KvmUnmap,
}

impl Benchmark {
    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Start => "start",
            Self::Table => "table",
            Self::Unmap => "unmap",
            Self::Device => "device",
            Self::Disk => "disk",
            Self::Io => "io",
            Self::Login => "login",
            Self::Linux => "linux",
            Self::Stress => "stress",
            Self::Hvbench => "hvbench",
            Self::Costs => "costs",
            Self::KvmUnmap => "kvm-unmap",
        }
    }

    /// File name of its picture.
    pub fn picture(self) -> &'static str {
        match self {
            Self::Hvbench => "hvbench.svg",
            Self::Unmap => "unmap.svg",
            Self::Boot
            | Self::Start
            | Self::Table
            | Self::Device
            | Self::Disk
            | Self::Io
            | Self::Login
            | Self::Linux
            | Self::Stress
            | Self::Costs
            | Self::KvmUnmap => "results.svg",
        }
    }
}

impl Cli {
    /// What is to be measured, or why that cannot be.
    pub fn selection(&self) -> Result<Vec<Benchmark>, String> {
        let mut selection = self.benchmarks.clone();
        if selection.is_empty() {
            selection.extend([Benchmark::Boot, Benchmark::Start, Benchmark::Table]);
            selection.extend([Benchmark::Unmap, Benchmark::Device, Benchmark::Disk]);
            selection.extend([Benchmark::Io, Benchmark::Login, Benchmark::Linux, Benchmark::Stress]);
            selection.extend(self.hvbench.is_some().then_some(Benchmark::Hvbench));
            selection.extend((!self.costs.is_empty()).then_some(Benchmark::Costs));
            selection.extend(self.kvm_unmap.is_some().then_some(Benchmark::KvmUnmap));
        }
        if selection.contains(&Benchmark::Hvbench) && self.hvbench.is_none() {
            return Err("hvbench needs --hvbench with the directory of its guest".to_owned());
        }
        if selection.contains(&Benchmark::Costs) && self.costs.is_empty() {
            return Err("costs needs --costs with what its guest said, of KVM and of pteg".to_owned());
        }
        if selection.contains(&Benchmark::KvmUnmap) && self.kvm_unmap.is_none() {
            return Err("kvm-unmap needs --kvm-unmap with what was said on a POWER host".to_owned());
        }
        Ok(selection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn selection(arguments: &[&str]) -> Result<Vec<Benchmark>, String> {
        Cli::parse_from(["bench"].iter().chain(arguments)).selection()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
        for benchmark in Benchmark::value_variants() {
            assert_eq!(Benchmark::from_str(benchmark.name(), false), Ok(*benchmark));
        }
    }

    #[test]
    fn the_bare_metal_guest_is_measured_where_it_is() {
        let others = &Benchmark::value_variants()[..10];
        assert_eq!(selection(&[]).unwrap(), others);
        assert!(!others.contains(&Benchmark::Hvbench));
        assert_eq!(
            selection(&["--hvbench", "x"]).unwrap(),
            &Benchmark::value_variants()[..11]
        );
        assert_eq!(selection(&["start"]).unwrap(), [Benchmark::Start]);
        assert!(selection(&["hvbench"]).unwrap_err().contains("--hvbench"));
    }

    #[test]
    fn costs_are_compared_where_they_were_told() {
        let files = ["--costs", "k", "o"];
        assert!(selection(&files).unwrap().contains(&Benchmark::Costs));
        assert_eq!(
            selection(&[&["costs"][..], &files].concat()).unwrap(),
            [Benchmark::Costs]
        );
        assert!(selection(&["costs"]).unwrap_err().contains("--costs"));
        assert!(Cli::try_parse_from(["bench", "--costs", "k"]).is_err());
        assert_eq!(
            selection(&["kvm-unmap", "--kvm-unmap", "f"]).unwrap(),
            [Benchmark::KvmUnmap]
        );
        assert!(selection(&["kvm-unmap"]).unwrap_err().contains("--kvm-unmap"));
    }
}
