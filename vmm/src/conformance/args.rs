//! The command line of `pteg conformance`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use guest_images::conformance::{Configuration, Order, PageSize, SegmentSize};

use crate::cli::{AccelArg, smp};

/// The arguments of `pteg conformance`.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// Only cases with this in their name (may be repeated)
    ///
    /// Run only cases whose full name, as --list has it, has this text in it. May be given several times: one of the texts is enough. Default: all
    /// cases. Example: --filter h_enter/ --filter translation/
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// Only guests of this byte order: big or little
    ///
    /// Run only guests of this byte order: big or little. Default: both. Example: --endian little
    #[arg(long, value_name = "ORDER")]
    endian: Option<Order>,

    /// Only pages of this size: 4K, 64K or 16M
    ///
    /// Run only cases of pages of this size: 4K, 64K or 16M. Cases that have nothing to do with pages are among those of 4K in segments of 256M.
    /// Default: all sizes. Example: --page 64K
    #[arg(long, value_name = "SIZE")]
    page: Option<PageSize>,

    /// Only segments of this size: 256M or 1T
    ///
    /// Run only cases of segments of this size: 256M or 1T. Default: both. Example: --segment 1T
    #[arg(long, value_name = "SIZE")]
    segment: Option<SegmentSize>,

    /// Number of processors of each guest, 1 to 64 [default: 4]
    ///
    /// Number of processors of each guest, from 1 to 64. The first of them goes through the cases, and tells the others what to do in cases of several.
    /// With fewer processors than a case takes it is skipped. Default: 4. Example: --smp 8
    #[arg(long, visible_alias = "vcpus", value_name = "N", default_value_t = 4, hide_default_value = true, value_parser = smp)]
    pub(super) smp: u32,

    /// What runs the processors of pteg's guests [default: auto]
    ///
    /// What runs the processors of pteg's guests, as with pteg run. Default: auto. Example: --accel emulated
    #[arg(long, value_name = "HOW", value_enum, default_value_t = AccelArg::Auto, hide_default_value = true)]
    pub(super) accel: AccelArg,

    /// Seconds that a guest may say nothing [default: 120]
    ///
    /// Seconds that a guest may say nothing: then the case that it is in has failed, and another guest goes on behind it. Default: 120.
    /// Example: --patience 600
    #[arg(long, value_name = "SECONDS", default_value_t = 120, hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..=86400))]
    pub(super) patience: u32,

    /// Write the results to a file as TAP; - is stdout
    ///
    /// File to write the results to as they come, in the Test Anything Protocol, version 14. With - it is stdout, and nothing else is said there.
    /// What the file held before is lost. Default: none. Example: --tap results.tap
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "emit_elf", "against"])]
    pub(super) tap: Option<PathBuf>,

    /// Write the results to a file as JUnit's XML; - is stdout
    ///
    /// File to write the results to at the end, as JUnit's XML: a suite for each byte order, page size and segment size. With - it is stdout, and
    /// nothing else is said there. What the file held before stays until then. Default: none. Example: --junit results.xml
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "emit_elf", "against"])]
    pub(super) junit: Option<PathBuf>,

    /// List the cases, and run none
    ///
    /// List the cases by their full names, each with the section of the manuals that decides, and run none.
    #[arg(long, conflicts_with_all = ["emit_elf", "against"])]
    pub(super) list: bool,

    /// Write the guests' programs into a folder, and run none
    ///
    /// Write the guests' programs into a folder, which is made if it is not there: an ELF file for each byte order, page size and segment size, for other
    /// hypervisors and machines. Each says a line for each case on the console, and powers off. It takes the words exact=1 and from=N on its command line:
    /// docs/conformance.md says more. Default: they are run. Example: --emit-elf programs
    #[arg(long, value_name = "DIR", conflicts_with = "against")]
    pub(super) emit_elf: Option<PathBuf>,

    /// Run the same under another hypervisor, and compare
    ///
    /// Run the same cases under another hypervisor of this machine as well, and say both results of each: qemu is the qemu-system-ppc64 that is first in PATH.
    /// What is known of it is said with the reason. The exit status is that of pteg's own results. Default: none. Example: --against qemu
    #[arg(long, value_name = "WHOM", value_enum)]
    pub(super) against: Option<Against>,
}

/// The values of `--against`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Against {
    /// QEMU, with processors in software
    Qemu,
}

impl ConformanceArgs {
    /// What is to be run.
    pub(super) fn configurations(&self) -> impl Iterator<Item = Configuration> {
        Configuration::all().filter(|configuration| {
            self.endian.is_none_or(|order| order == configuration.order)
                && self.page.is_none_or(|page| page == configuration.page)
                && self.segment.is_none_or(|segment| segment == configuration.segment)
        })
    }

    /// Whether the case of this full name is to be run.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|text| name.contains(text))
    }
}
