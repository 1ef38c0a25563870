//! The command line of `pteg ctl`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::upkeep::LONGEST_WATCH;

/// The arguments of `pteg ctl`.
#[derive(Debug, Args)]
pub(crate) struct CtlArgs {
    /// Control socket of the run: the path that pteg run --control was given
    pub(crate) vm: PathBuf,

    /// Say it as JSON, as it came
    ///
    /// Say the answer as JSON, as it came from the run, for programs. Metrics have a form of their own, and are not said so.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the run is, and whether it runs
    #[command(after_help = "Example:\n  pteg ctl vm.sock info")]
    Info,

    /// Stop all processors until the run is resumed
    ///
    /// Stop all processors of the guest until the run is resumed. With emulated processors the guest's time stands still
    /// meanwhile; under KVM it goes on with the host's. A run that is paused already stays so.
    #[command(after_help = "Example:\n  pteg ctl vm.sock pause")]
    Pause,

    /// Let a paused run go on
    #[command(after_help = "Example:\n  pteg ctl vm.sock resume")]
    Resume,

    /// Ask the guest to shut down
    ///
    /// Ask the guest to shut down, as the power button of a machine does. It does what it is set up to do: Linux runs /sbin/poweroff. Whether
    /// it does, and when, is its own affair.
    #[command(after_help = "Example:\n  pteg ctl vm.sock powerdown")]
    Powerdown,

    /// Start the machine anew, as a reset button does
    ///
    /// Start the machine anew, as a reset button does. The guest is not asked: what it has not written to its disks is lost.
    #[command(after_help = "Example:\n  pteg ctl vm.sock reset")]
    Reset,

    /// End the run, as Ctrl-A X does
    #[command(after_help = "Example:\n  pteg ctl vm.sock stop")]
    Stop,

    /// Statistics of the run and its hashed page table
    #[command(after_help = "Example:\n  pteg ctl vm.sock hpt")]
    Hpt,

    /// All counters, as Prometheus reads them
    #[command(after_help = "Example:\n  pteg ctl vm.sock metrics")]
    Metrics,

    /// How large the guest's balloon is, or is to be
    ///
    /// Say how much memory the guest has given away into its balloon, and what it says of the rest; or have it give or take, until SIZE is in
    /// the balloon. The guest does that when it comes to it, and as far as it can. For runs with --balloon.
    #[command(
        after_help = "Examples:\n  pteg ctl vm.sock balloon\n  pteg ctl vm.sock balloon 512M\n  pteg ctl vm.sock balloon 0"
    )]
    Balloon {
        /// Memory that is to be in it: bytes, or with K, M, G or T, or in hex
        #[arg(value_parser = size)]
        size: Option<u64>,
    },

    /// Give guest memory back to the host
    ///
    /// Give ranges of guest memory back to the host: of them what the guest has said it has no use for. It reads as zero
    /// afterwards.
    #[command(after_help = "Example:\n  pteg ctl vm.sock discard 0x10000000+64K 1G+16M")]
    Discard {
        /// Ranges of real addresses, whole pages of 4K: a first address and a length, each in bytes or with K, M, G or T, or in hex
        #[arg(required = true, value_name = "START+LENGTH")]
        ranges: Vec<RangeArg>,
        /// Also what the guest still uses: it loses what is there
        #[arg(long)]
        force: bool,
    },

    /// Take all translations of a range from the processors
    ///
    /// Take all translations of ranges of guest memory from the processors, which find them again. Nothing else
    /// changes: it is for measuring.
    #[command(after_help = "Example:\n  pteg ctl vm.sock unmap 0+1G")]
    Unmap {
        /// Ranges of real addresses, whole pages of 4K: a first address and a length, each in bytes or with K, M, G or T, or in hex
        #[arg(required = true, value_name = "START+LENGTH")]
        ranges: Vec<RangeArg>,
    },

    /// Which pages the guest has stored to
    ///
    /// Say which pages the guest has stored to since this was last asked, or else since --start.
    #[command(
        after_help = "Examples:\n  pteg ctl vm.sock dirty --start\n  pteg ctl vm.sock dirty\n  pteg ctl vm.sock dirty --stop"
    )]
    Dirty {
        /// Note stores from here on
        #[arg(long, conflicts_with = "stop")]
        start: bool,
        /// Note them no longer
        #[arg(long)]
        stop: bool,
    },

    /// Who first stores to each page of a range
    ///
    /// Say who first stores to each page of the ranges: the real address, the processor and its instruction, and when. Each page
    /// is watched until its first access. It ends after some seconds, or when all pages were touched; Ctrl-C ends it without
    /// an answer. Under KVM only with --loads, and in pages of the host: an access to one is told for each page of 4K in it.
    #[command(after_help = "Example:\n  pteg ctl vm.sock watch 0x10000000+64K --seconds 60")]
    Watch {
        /// Ranges of real addresses, whole pages of 4K: a first address and a length, each in bytes or with K, M, G or T, or in hex
        #[arg(required = true, value_name = "START+LENGTH")]
        ranges: Vec<RangeArg>,
        /// Loads and fetches as well
        #[arg(long)]
        loads: bool,
        /// For how long: seconds, at most 3600
        #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, allow_negative_numbers = true)]
        seconds: f64,
        /// How many accesses are said, at most 65536; the others are counted
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        most: usize,
    },

    /// Write all memory to a file, as it is at one moment
    ///
    /// Write all memory to a new file, as it is at one moment, while the guest runs; under KVM it must be paused. A byte's place in
    /// the file is its real address; what is zero is a hole.
    #[command(after_help = "Example:\n  pteg ctl vm.sock dump guest.dump")]
    Dump {
        /// File to be made
        path: PathBuf,
    },
}

/// A count of bytes.
fn size(text: &str) -> Result<u64, String> {
    number(text).ok_or_else(|| "give a number of bytes, such as 512M or 0".to_owned())
}

/// How long a watch may be.
fn seconds(text: &str) -> Result<f64, String> {
    let longest = LONGEST_WATCH.as_secs_f64();
    let seconds = text.parse().ok().filter(|&seconds| seconds > 0.0 && seconds <= longest);
    seconds.ok_or_else(|| format!("give a number of seconds above 0 and no more than {longest}"))
}

/// A range as a user writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RangeArg {
    start: u64,
    length: u64,
}

impl FromStr for RangeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "give START+LENGTH, such as 0x10000000+64K or 1G+16M".to_owned();
        let (start, length) = text.split_once('+').ok_or_else(wrong)?;
        let (start, length) = (number(start).ok_or_else(wrong)?, number(length).ok_or_else(wrong)?);
        match start.checked_add(length) {
            Some(_) if length > 0 => Ok(Self { start, length }),
            Some(_) => Err("it has no bytes; give START+LENGTH, such as 1G+16M".to_owned()),
            None => Err("it ends behind 2^64; give START+LENGTH, such as 1G+16M".to_owned()),
        }
    }
}

/// A count of bytes: in hex, or with a unit.
fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hex.then(|| u64::from_str_radix(hex, 16).ok())?;
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KIB" => 10,
        "M" | "MIB" => 20,
        "G" | "GIB" => 30,
        "T" | "TIB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_first_address_and_a_length() {
        for (text, start, length) in [
            ("0+4096", 0, 4096),
            ("0x10000000+64K", 0x1000_0000, 64 << 10),
            ("1G+16M", 1 << 30, 16 << 20),
            ("0xFF000+0x1000", 0xff000, 0x1000),
            ("4g+1gib", 4 << 30, 1 << 30),
        ] {
            assert_eq!(text.parse(), Ok(RangeArg { start, length }), "{text}");
        }
    }

    #[test]
    fn seconds_are_a_number_that_a_watch_may_last() {
        for (text, number) in [("1", 1.0), ("0.25", 0.25), ("3600", 3600.0), ("1e-3", 0.001)] {
            assert_eq!(seconds(text), Ok(number), "{text}");
        }
        for text in ["nan", "NaN", "inf", "-inf", "0", "-0", "-1", "3600.1", "1e9", "ten", ""] {
            let said = seconds(text).unwrap_err();
            assert!(said.contains("above 0 and no more than 3600"), "{text}: {said}");
        }
    }

    #[test]
    fn anything_else_is_told_what_a_range_is() {
        for text in [
            "",
            "+",
            "1G",
            "1G+",
            "+1G",
            "1G-2G",
            "0x+1",
            "0x1g+1",
            "1X+1",
            "1+0",
            "1+1+1",
            "-1+1",
            "0x-1+1",
            "99999999999G+1",
            "0xffffffffffffffff+1",
            "18446744073709551616+1",
            "1 +1",
            "x",
        ] {
            let said = text.parse::<RangeArg>().unwrap_err();
            assert!(said.contains("START+LENGTH"), "{text}: {said}");
        }
    }
}
