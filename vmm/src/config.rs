//! A run as it has been decided: the command line checked against this machine.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use emulator::Compile;
use hpt::Order;
use power::model::Model;

use crate::cli::{AccelArg, CompileArg, IrqchipArg, PanicArg, RunArgs};
use crate::disks::DiskArg;
use crate::machine::{OnPanic, OnReboot, Reactions};
use crate::nets::{NetArg, VsockArg};
use crate::offer::{Feature, Offer};
use crate::shares::ShareArg;
use crate::size::Size;

/// Guest memory comes in steps of the largest page that a guest maps it with: Linux maps a part of a step
/// as a whole one, over the end.
pub(crate) const MEMORY_STEP: Size = Size::from_mib(16);

/// What to start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    /// One of the images, by name.
    Image(String),
    /// A kernel of the user's own.
    Kernel {
        /// ELF file of the kernel.
        kernel: PathBuf,
        /// Initial RAM disk.
        initrd: Option<PathBuf>,
    },
}

impl fmt::Display for Guest {
    /// The name of the image, or the path of the kernel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(name) => f.write_str(name),
            Self::Kernel { kernel, .. } => write!(f, "{}", kernel.display()),
        }
    }
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// What to start.
    pub(crate) guest: Guest,
    /// What the user adds to the kernel's command line.
    pub(crate) append: String,
    /// Size of RAM.
    pub(crate) memory: Size,
    /// Number of processors.
    pub(crate) processors: u32,
    /// Number of threads that carry them.
    pub(crate) threads: u32,
    /// What decides whose turn it is, if they take turns.
    pub(crate) turns: Option<u64>,
    /// Size of the hashed page table.
    pub(crate) order: Order,
    /// Which processors, if the user says so.
    pub(crate) cpu: Option<Model>,
    /// What runs the processors.
    pub(crate) accel: AccelArg,
    /// Which code emulated processors compile.
    pub(crate) compile: Compile,
    /// Whose interrupt controller serves the guest.
    pub(crate) irqchip: IrqchipArg,
    /// Whether the host's kernel answers the hypercalls about the table that it knows.
    #[cfg_attr(not(target_arch = "powerpc64"), expect(dead_code, reason = "there is no KVM for it"))]
    pub(crate) kernel_hcalls: bool,
    /// The largest table that the guest may resize its own to.
    pub(crate) largest_order: Order,
    /// What of the hypercalls is on offer.
    pub(crate) offer: Offer,
    /// Whether to look for pages that the guest maps twice.
    pub(crate) check_duplicates: bool,
    /// Whether to compare what processors remember with the table.
    pub(crate) check_walkers: bool,
    /// Whether to say at the end what was executed, called and changed.
    pub(crate) stats: bool,
    /// Where to write the same as JSON.
    pub(crate) stats_json: Option<PathBuf>,
    /// Where to write a line about the run again and again, and how often.
    pub(crate) stats_series: Option<(PathBuf, Duration)>,
    /// Whether emulated processors count the blocks that they execute.
    pub(crate) profile: bool,
    /// Where to write a page about the table.
    pub(crate) hpt_report: Option<PathBuf>,
    /// What becomes of the run when the guest reboots or dies.
    pub(crate) reactions: Reactions,
    /// The file that has the guest's NVRAM.
    pub(crate) nvram: Option<PathBuf>,
    /// Where other programs may look at the run and act on it.
    pub(crate) control: Option<PathBuf>,
    /// Where other processes are given the guest's memory.
    pub(crate) share_memory: Option<PathBuf>,
    /// Whether it has a source of randomness.
    pub(crate) rng: bool,
    /// Where its second console ends, if it has one.
    pub(crate) virtio_console: Option<PathBuf>,
    /// Whether it has a balloon.
    pub(crate) balloon: bool,
    /// Its disks, in its order.
    pub(crate) disks: Vec<DiskArg>,
    /// Its network cards, in its order.
    pub(crate) nets: Vec<NetArg>,
    /// Its sockets.
    pub(crate) vsock: Option<VsockArg>,
    /// Directories that it can mount.
    pub(crate) shares: Vec<ShareArg>,
}

/// Why a run cannot be as the user wants it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Neither `--mem 0` nor half a step makes a machine.
    #[error("--mem {0}: guest memory is at least {step} and a multiple of {step}, such as 512M", step = MEMORY_STEP)]
    MemoryStep(Size),
    /// More than the host could ever provide.
    #[error("--mem {wanted}: this machine has {host_mib} MiB; give the guest less than that")]
    MemoryOfHost {
        /// What the user asked for.
        wanted: Size,
        /// What the host has.
        host_mib: u64,
    },
    /// A table that the host could never hold.
    #[error(
        "--hpt-order {order}: that table alone is {table}, and this machine has {host_mib} MiB; leave the flag out for a table that suits --mem"
    )]
    TableOfHost {
        /// What the user asked for.
        order: u32,
        /// Size of that table.
        table: Size,
        /// What the host has.
        host_mib: u64,
    },
    /// Nobody to answer them.
    #[error("--kernel-hcalls: only KVM has a kernel below the guest; give --accel kvm too, or leave the flag out")]
    KernelHcalls,
    /// Nothing to leave out.
    #[error(
        "--no-profile: there is no account that it could shorten; give --stats or --stats-json too, or leave the flag out"
    )]
    NoProfile,
    /// A thread without a processor.
    #[error(
        "--threads {wanted}: the guest has {processors} processors (--smp); give 1 to {processors}, or leave the flag out"
    )]
    Threads {
        /// What the user asked for.
        wanted: u32,
        /// What the guest has.
        processors: u32,
    },
    /// Several processors at once.
    #[error("--threads {0}: with --turns one processor at a time runs; give 1, or leave the flag out")]
    TurnsOnThreads(u32),
    /// Something that goes its own way.
    #[error("--{0}: with --turns nothing may happen when the host has the time; leave out --{0}, or --turns")]
    TurnsBesideDevice(&'static str),
}

impl ConfigError {
    /// The flag whose value is wrong.
    pub(crate) fn flag(&self) -> &'static str {
        match self {
            Self::MemoryStep(_) | Self::MemoryOfHost { .. } => "mem",
            Self::TableOfHost { .. } => "hpt-order",
            Self::KernelHcalls => "kernel-hcalls",
            Self::NoProfile => "no-profile",
            Self::Threads { .. } | Self::TurnsOnThreads(_) => "threads",
            Self::TurnsBesideDevice(flag) => flag,
        }
    }
}

impl Config {
    /// Checks `args` on a machine with `host` bytes of memory. `None` when no guest is named.
    pub(crate) fn new(args: RunArgs, host: Size) -> Result<Option<Self>, ConfigError> {
        let host_mib = host.bytes() >> 20;
        let memory = args.mem;
        if memory < MEMORY_STEP || !memory.bytes().is_multiple_of(MEMORY_STEP.bytes()) {
            return Err(ConfigError::MemoryStep(memory));
        }
        if memory >= host {
            return Err(ConfigError::MemoryOfHost {
                wanted: memory,
                host_mib,
            });
        }
        let order = match args.hpt_order {
            Some(order) => {
                let table = Size::from_bytes(1 << order);
                if table >= host {
                    return Err(ConfigError::TableOfHost { order, table, host_mib });
                }
                Order::new(order).expect("the command line takes 18 to 46")
            }
            None => Order::for_ram(memory.bytes()),
        };
        if args.turns.is_some() {
            if let Some(threads) = args.threads.filter(|&threads| threads != 1) {
                return Err(ConfigError::TurnsOnThreads(threads));
            }
            if let Some(flag) = device_of(&args) {
                return Err(ConfigError::TurnsBesideDevice(flag));
            }
        }
        let threads = args.threads.unwrap_or(if args.turns.is_some() { 1 } else { args.smp });
        if threads > args.smp {
            return Err(ConfigError::Threads {
                wanted: threads,
                processors: args.smp,
            });
        }
        if args.no_profile && !args.stats && args.stats_json.is_none() {
            return Err(ConfigError::NoProfile);
        }
        if args.kernel_hcalls && args.accel != AccelArg::Kvm {
            return Err(ConfigError::KernelHcalls);
        }
        // Last: what is wrong is told to who names no guest, too.
        let guest = match (args.image, args.kernel) {
            (_, Some(kernel)) => Guest::Kernel {
                kernel,
                initrd: args.initrd,
            },
            (Some(name), None) => Guest::Image(name),
            (None, None) => return Ok(None),
        };
        let mut hidden = args.hide;
        if args.kernel_hcalls {
            // Ours would change the table under the kernel's.
            hidden.extend([Feature::BlockRemove, Feature::HptResize]);
        }
        Ok(Some(Self {
            guest,
            append: args.append,
            memory,
            processors: args.smp,
            threads,
            turns: args.turns,
            order,
            largest_order: order.max(larger(Order::for_ram(memory.bytes()))),
            cpu: args.cpu,
            accel: args.accel,
            compile: match args.compile {
                CompileArg::Hot => Compile::USUAL,
                CompileArg::All => Compile::AtOnce,
                CompileArg::Never => Compile::Never,
            },
            irqchip: args.irqchip,
            offer: Offer::without(&hidden),
            kernel_hcalls: args.kernel_hcalls,
            check_duplicates: args.check_duplicates,
            check_walkers: args.check_walkers,
            profile: (args.stats || args.stats_json.is_some()) && !args.no_profile,
            stats: args.stats,
            stats_json: args.stats_json,
            stats_series: args
                .stats_series
                .map(|path| (path, Duration::from_millis(args.stats_every.into()))),
            hpt_report: args.hpt_report,
            reactions: Reactions {
                reboot: if args.no_reboot { OnReboot::End } else { OnReboot::Reset },
                panic: match args.on_panic {
                    PanicArg::End => OnPanic::End,
                    PanicArg::None => OnPanic::GoOn,
                },
            },
            nvram: args.nvram,
            control: args.control,
            share_memory: args.share_memory,
            rng: args.rng,
            virtio_console: args.virtio_console,
            balloon: args.balloon,
            disks: args.disk,
            nets: args.net,
            vsock: args.vsock,
            shares: args.share,
        }))
    }
}

/// The flag of a device with a thread of its own, if there is any.
fn device_of(args: &RunArgs) -> Option<&'static str> {
    [
        ("disk", !args.disk.is_empty()),
        ("net", !args.net.is_empty()),
        ("vsock", args.vsock.is_some()),
        ("share", !args.share.is_empty()),
        ("rng", args.rng),
        ("balloon", args.balloon),
        ("virtio-console", args.virtio_console.is_some()),
    ]
    .into_iter()
    .find_map(|(flag, is_given)| is_given.then_some(flag))
}

/// Twice the size.
fn larger(order: Order) -> Order {
    Order::new(order.log2_bytes() + 1).unwrap_or(Order::MAX)
}

/// Memory of this machine.
pub(crate) fn host_memory() -> Size {
    let info = rustix::system::sysinfo();
    Size::from_bytes(info.totalram.saturating_mul(u64::from(info.mem_unit)))
}

#[cfg(test)]
mod tests {
    use power::hcall::Hcall;

    use super::*;
    use crate::config_file::Origins;

    fn args(mem: &str, hpt_order: Option<u32>) -> RunArgs {
        RunArgs {
            image: Some("debian".into()),
            config: None,
            origins: Origins::default(),
            kernel: None,
            initrd: None,
            append: String::new(),
            mem: mem.parse().unwrap(),
            smp: 1,
            threads: None,
            turns: None,
            hpt_order,
            cpu: None,
            accel: AccelArg::Auto,
            compile: CompileArg::Hot,
            irqchip: IrqchipArg::Auto,
            kernel_hcalls: false,
            hide: Vec::new(),
            check_duplicates: false,
            check_walkers: false,
            stats: false,
            stats_json: None,
            stats_series: None,
            stats_every: 1000,
            no_profile: false,
            hpt_report: None,
            no_reboot: false,
            on_panic: PanicArg::End,
            nvram: None,
            control: None,
            share_memory: None,
            rng: false,
            virtio_console: None,
            balloon: false,
            disk: Vec::new(),
            net: Vec::new(),
            vsock: None,
            share: Vec::new(),
        }
    }

    const HOST: Size = Size::from_mib(24_000);

    #[test]
    fn memory_is_a_multiple_of_the_largest_page() {
        for mem in ["0", "1K", "8M", "1000M"] {
            let said = Config::new(args(mem, None), HOST).unwrap_err().to_string();
            assert!(said.contains("16 MiB"), "{said}");
        }
        assert!(Config::new(args("16M", None), HOST).unwrap().is_some());
    }

    #[test]
    fn more_memory_than_the_host_has_is_refused_with_both_figures() {
        let said = Config::new(args("10T", None), HOST).unwrap_err().to_string();
        assert!(said.contains("10 TiB") && said.contains("24000 MiB"), "{said}");
    }

    #[test]
    fn a_table_larger_than_the_host_is_refused() {
        let said = Config::new(args("1G", Some(46)), HOST).unwrap_err().to_string();
        assert!(said.contains("64 TiB") && said.contains("24000 MiB"), "{said}");
    }

    #[test]
    fn the_table_may_grow_to_twice_what_suits_the_memory() {
        for (mem, start, largest) in [("1G", None, 24), ("1G", Some(18), 24), ("1G", Some(30), 30)] {
            let config = Config::new(args(mem, start), HOST).unwrap().unwrap();
            assert_eq!(config.largest_order.log2_bytes(), largest);
        }
    }

    #[test]
    fn a_thread_for_each_processor_is_the_default_and_the_most() {
        let threads = |smp, threads| {
            let args = RunArgs {
                smp,
                threads,
                ..args("1G", None)
            };
            Config::new(args, HOST).map(|config| config.unwrap().threads)
        };
        assert_eq!(threads(4, None).unwrap(), 4);
        for wanted in 1..=4 {
            assert_eq!(threads(4, Some(wanted)).unwrap(), wanted);
        }
        let said = threads(4, Some(5)).unwrap_err().to_string();
        assert!(said.contains("--threads 5") && said.contains("1 to 4"), "{said}");
    }

    #[test]
    fn turns_are_one_threads_and_have_no_devices_beside_them() {
        let turns = |threads, rng| {
            let args = RunArgs {
                smp: 4,
                turns: Some(1),
                threads,
                rng,
                ..args("1G", None)
            };
            Config::new(args, HOST).map(|config| config.unwrap().threads)
        };
        assert_eq!(turns(None, false).unwrap(), 1);
        assert_eq!(turns(Some(1), false).unwrap(), 1);
        let said = turns(Some(2), false).unwrap_err().to_string();
        assert!(said.contains("--threads 2") && said.contains("give 1"), "{said}");
        let said = turns(None, true).unwrap_err().to_string();
        assert!(said.contains("leave out --rng, or --turns"), "{said}");
    }

    #[test]
    fn a_kernel_that_answers_hypercalls_is_kvms_and_answers_them_alone() {
        let kernel = |accel| {
            let args = RunArgs {
                accel,
                kernel_hcalls: true,
                ..args("1G", None)
            };
            Config::new(args, HOST).map(Option::unwrap)
        };
        for accel in [AccelArg::Auto, AccelArg::Emulated] {
            let said = kernel(accel).unwrap_err().to_string();
            assert!(said.contains("give --accel kvm too"), "{said}");
        }
        let offer = kernel(AccelArg::Kvm).unwrap().offer;
        assert!(!offer.answers(Hcall::BlockRemove) && !offer.answers(Hcall::ResizeHptPrepare));
        assert!(offer.answers(Hcall::BulkRemove));
    }

    #[test]
    fn blocks_are_counted_for_who_wants_an_account_and_does_not_say_otherwise() {
        let profile = |stats, stats_json: Option<&str>, no_profile| {
            let args = RunArgs {
                stats,
                stats_json: stats_json.map(PathBuf::from),
                no_profile,
                ..args("1G", None)
            };
            Config::new(args, HOST).unwrap().unwrap().profile
        };
        assert!(profile(true, None, false) && profile(false, Some("file"), false));
        assert!(!profile(false, None, false) && !profile(true, Some("file"), true));
        let nothing_to_shorten = RunArgs {
            no_profile: true,
            ..args("1G", None)
        };
        let said = Config::new(nothing_to_shorten, HOST).unwrap_err().to_string();
        assert!(said.contains("give --stats or --stats-json too"), "{said}");
    }

    #[test]
    fn no_guest_is_no_configuration() {
        let none = RunArgs {
            image: None,
            ..args("1G", None)
        };
        assert!(Config::new(none, HOST).unwrap().is_none());
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(host_memory() > Size::from_mib(64));
    }
}
