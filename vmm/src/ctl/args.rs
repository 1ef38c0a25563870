//! The command line of `pteg ctl`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use serde::Serialize;

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

    /// End the run, as Ctrl-A X does
    #[command(after_help = "Example:\n  pteg ctl vm.sock stop")]
    Stop,

    /// Statistics of the run and its hashed page table
    #[command(after_help = "Example:\n  pteg ctl vm.sock hpt")]
    Hpt,

    /// All counters, as Prometheus reads them
    #[command(after_help = "Example:\n  pteg ctl vm.sock metrics")]
    Metrics,

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
