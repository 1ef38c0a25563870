//! The command line: what `pteg` understands and what its help pages say. Checks that need the host or
//! the files are `config`'s.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use power::model::Model;

use crate::config_file::{self, Mistake, Origins, Source};
use crate::conformance::{self, ConformanceArgs};
use crate::ctl::{self, CtlArgs};
use crate::disks::DiskArg;
use crate::doctor;
use crate::nets::{NetArg, VsockArg};
use crate::offer::Feature;
use crate::root_disk::{self, ImageArgs};
use crate::run;
use crate::shares::ShareArg;
use crate::size::Size;
use crate::stress::{self, StressArgs};
use crate::terminal;

/// Launches ppc64 (PAPR, "pseries") guests on any Linux machine
///
/// pteg runs guests for POWER servers: Linux kernels as distributions package them, or programs without an
/// operating system. It owns the guest's hashed page table, and runs the processors in software, or on POWER machines with
/// KVM-PR.
#[derive(Debug, Parser)]
#[command(name = "pteg", version, arg_required_else_help = true, after_long_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Lines of no more than 80 characters: they are not filled anew on a narrow terminal.
const EXIT_STATUS: &str = "\
Exit status:
  0      the guest powered off, or Ctrl-A X or pteg ctl ended it;
         ctl: the run did what it was asked for
  1      the guest could not be started, died, rebooted with --no-reboot, or ended
         in a way that it did not choose; doctor: something is to be changed;
         conformance: a case failed; stress: something was found;
         ctl: the run could not do it, not now, or does not answer
  2      wrong use, an input that no machine could run, or a flag that insists
         on what this machine has not;
         ctl: it was wrong to ask, or there is no such socket
  128+N  signal N (SIGINT, SIGTERM, SIGQUIT; SIGHUP, but not under nohup)
         stopped the guest";

const CTL_EXAMPLES: &str = "\
Examples:
  pteg run debian --control vm.sock
  pteg ctl vm.sock info
  pteg ctl vm.sock pause
  pteg ctl vm.sock resume
  pteg ctl vm.sock hpt --json
  pteg ctl vm.sock dirty --start
  pteg ctl vm.sock dirty
  pteg ctl vm.sock discard 0x10000000+64K 1G+16M
  pteg ctl vm.sock dump guest.dump
  pteg ctl vm.sock powerdown
  pteg ctl vm.sock reset
  pteg ctl vm.sock stop";

const CONFORMANCE_EXAMPLES: &str = "\
Examples:
  pteg conformance
  pteg conformance --filter h_enter/ --endian little --page 4K
  pteg conformance --tap results.tap --junit results.xml
  pteg conformance --against qemu
  pteg conformance --emit-elf programs";

/// What the user wants.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a guest; without an image, list the images
    ///
    /// Start a guest and connect its console to this terminal. Its output is on stdout, pteg's own words are
    /// on stderr. When stdin is a terminal, Ctrl-A X ends the guest, Ctrl-A H lists the keys, and every other
    /// key (Ctrl-C too) goes to the guest; when it is not, what it holds is the guest's input, and its end
    /// does not stop the guest.
    #[command(
        after_help = "Examples:\n  pteg run debian\n  pteg run --kernel vmlinux --initrd initrd.img --append 'quiet' --mem 2G --smp 4"
    )]
    Run(Box<RunArgs>),

    /// Make a root disk of Debian's packages for a guest
    ///
    /// Make a root disk for a guest, of Debian's packages, without a privilege: the packages are fetched, and installed by a guest of pteg's own. That
    /// takes some minutes the first time; what comes of it is kept in the cache directory, and copied from there.
    #[command(
        after_help = "Example:\n  pteg image debian-disk --output root.img\n  pteg run debian-disk --disk root.img,format=raw"
    )]
    Image(ImageArgs),

    /// Look at a run and act on it, at its control socket
    ///
    /// Look at a run and act on it, at the socket that pteg run --control PATH has made: a command each. What is asked for is
    /// said on stdout, in short lines or with --json as it came. Exit status 1: the run could not do it, or not now, or nobody
    /// answers at the socket; 2: it was wrong to ask, or there is no such socket, as after a run that has ended.
    #[command(after_help = CTL_EXAMPLES)]
    Ctl(CtlArgs),

    /// Check a file for pteg run --config
    ///
    /// Check a file with flags for pteg run --config, as TOML: docs/configuration.md says how it is written.
    Config(ConfigArgs),

    /// Run the conformance cases of hypercalls and translation
    ///
    /// Run guests that go through named cases: for each hypercall its flags, statuses and edges, and what accesses through the page table come
    /// to, each decided by a section of the manuals. A line for each case is said on stdout, and a table at the end. Exit status 0: no case has failed;
    /// 1: some have, or could not be run.
    #[command(after_help = CONFORMANCE_EXAMPLES)]
    Conformance(ConformanceArgs),

    /// Say what this machine can do for guests, and what to change
    ///
    /// Say what this machine can do for guests: a line for each finding, with what to change where something is to be
    /// changed. Nothing is changed by it. Exit status 0: guests run as well as they can here; 1: something is to be
    /// changed.
    Doctor(DoctorArgs),

    /// Try the page table under stress, and find what is wrong with it
    ///
    /// Run guests that work on their page table as hard as they can, on all processors, and that know at each moment what may be seen: what is wrong
    /// with the page table, its hypercalls or what remembers translations is found, and said with the seed that does it again. docs/stress.md says
    /// what is looked at. Exit status 0: nothing was found; 1: something was; 2: wrong use.
    #[command(after_help = "Examples:\n  pteg stress\n  pteg stress --vcpus 8 --seconds 600 --json rounds.json")]
    Stress(StressArgs),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode, run::Error> {
        match self {
            Self::Run(args) => run::run(*args),
            Self::Image(args) => root_disk::make(&args),
            Self::Ctl(args) => Ok(ctl::run(&args)),
            Self::Config(ConfigArgs {
                command: ConfigCommand::Check { file },
            }) => Ok(config_file::check(&file)),
            Self::Conformance(args) => Ok(conformance::run(&args)?),
            Self::Doctor(args) => doctor::run(&args).map_err(run::Error::Doctor),
            Self::Stress(args) => Ok(stress::run(&args)),
        }
    }
}

/// The flags of `pteg run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Image to start; without one, the images are listed
    ///
    /// Name of the image to start. An image that is not on this machine yet is fetched first and kept in the
    /// cache directory. Without a name (and without --kernel) the images are listed. Example: debian
    pub(crate) image: Option<String>,

    /// File with these flags, as TOML
    ///
    /// File with flags of this page: a key for each, with the same name (smp = 4), and image for the image's name. What the command line gives goes before
    /// it; flags that may be repeated add up, the file's first. Paths in it begin at its folder. docs/configuration.md says more; pteg config check
    /// checks one. Default: none. Example: --config vm.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Which of these are from that file.
    #[arg(skip)]
    pub(crate) origins: Origins,

    /// Kernel to start instead of an image: a ppc64 ELF file
    ///
    /// File with the kernel to start instead of an image: an ELF file for 64-bit POWER of either byte order,
    /// such as a distribution's vmlinux (not compressed) or a bare-metal program. Example: --kernel vmlinux
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(crate) kernel: Option<PathBuf>,

    /// Initial RAM disk for --kernel
    ///
    /// File with the initial RAM disk, passed to the kernel as it is. Default: none.
    /// Example: --initrd initrd.img
    #[arg(long, value_name = "FILE", requires = "kernel", conflicts_with = "image")]
    pub(crate) initrd: Option<PathBuf>,

    /// Text to add to the kernel's command line
    ///
    /// Text for the kernel's command line; with an image it is added to the image's own. Default: none.
    /// Example: --append 'quiet panic=5'
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) append: String,

    /// Guest memory in K, M, G or T [default: 1G]
    ///
    /// Memory of the guest: a number with K, M, G or T (a number alone counts MiB), a multiple of 16 MiB, no
    /// more than this machine has. Pages that the guest does not touch cost nothing. Default: 1G.
    /// Example: --mem 512M
    #[arg(long, value_name = "SIZE", default_value = "1G", hide_default_value = true)]
    pub(crate) mem: Size,

    /// Number of processors, 1 to 64 [default: 1]
    ///
    /// Number of the guest's processors, from 1 to 64. Each has a thread of this machine, unless --threads says
    /// otherwise. Default: 1. Example: --smp 4
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true, value_parser = smp)]
    pub(crate) smp: u32,

    /// Number of threads that run the processors, 1 to --smp [default: one each]
    ///
    /// Number of threads of this machine that run the guest's processors, from 1 to as many as --smp gives the guest.
    /// Fewer than processors take turns: a thread goes from one processor to the next when that one is idle, gives
    /// its time away, or has run for 2 ms while another waits. Default: one for each processor; with --turns one of them at a time works.
    /// Example: --smp 4 --threads 2
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<u32>,

    /// Have the processors take turns by a seed, so that the run is the same again
    ///
    /// Have the processors take turns, one at a time, and draw from this seed who is next and for how long, also in the midst of hypercalls; the guest's clock counts
    /// instructions, and skips time in which all processors sleep. Equal seeds make equal runs of emulated processors, but for what is typed; randomness comes
    /// from the seed as well, so keep no secrets in such a guest. Not with devices (--disk, --net and others), and not with KVM. Default: processors run at
    /// once, by the host's clock. Example: --turns 17
    #[arg(long, value_name = "SEED")]
    pub(crate) turns: Option<u64>,

    /// log2 of the hashed page table's bytes, 18 to 46 [default: from --mem]
    ///
    /// Size of the guest's hashed page table as the log2 of its bytes, from 18 (256 KiB) to 46. A small table
    /// makes the guest evict translations. Default: 1/128 of the memory, at least 18.
    /// Example: --hpt-order 24
    #[arg(long, value_name = "ORDER", value_parser = hpt_order)]
    pub(crate) hpt_order: Option<u32>,

    /// Which processor the guest sees: power8 or power9 [default: power8]
    ///
    /// Which processor the guest sees: power8 (Power ISA 2.07) or power9 (Power ISA 3.0, with a hashed page table; no radix
    /// trees). KVM has this machine's own alone, which a guest sees as one of Power ISA 2.07: another one is emulated, and refused with
    /// --accel kvm. Default: power8, or
    /// under KVM the machine's own. Example: --cpu power9
    #[arg(long, value_name = "MODEL")]
    pub(crate) cpu: Option<Model>,

    /// What runs the processors [default: auto]
    ///
    /// What runs the guest's processors: this machine's own through KVM-PR (kvm), or --cpu in software (emulated).
    /// auto takes KVM where it works, and says on stderr what it took and why; kvm ends with status 2 where it does not,
    /// and says what to change, as pteg doctor does. Default: auto. Example: --accel emulated
    #[arg(long, value_name = "HOW", value_enum, default_value_t = AccelArg::Auto, hide_default_value = true)]
    pub(crate) accel: AccelArg,

    /// Which code emulated processors compile [default: hot]
    ///
    /// Which of the guest's code becomes machine code of this machine, where that is an x86-64: what is executed often (hot), everything
    /// before it is executed (all, which takes longer), or nothing (never). The guest sees no difference but the time. It is for
    /// emulated processors, those of KVM execute the guest's code themselves. Default: hot. Example: --compile never
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = CompileArg::Hot, hide_default_value = true)]
    pub(crate) compile: CompileArg,

    /// Whose interrupt controller serves the guest [default: auto]
    ///
    /// Whose interrupt controller serves the guest's interrupts: the one in the host's kernel (kernel), which KVM calls without
    /// leaving the kernel, or pteg's own (user). auto takes the kernel's where the processors are KVM's and it has one; kernel
    /// ends with status 2 where that is not so. Default: auto. Example: --irqchip user
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = IrqchipArg::Auto, hide_default_value = true)]
    pub(crate) irqchip: IrqchipArg,

    /// Let KVM answer the hypercalls about the page table
    ///
    /// Let the host's kernel answer the hypercalls about the page table that it knows, to compare: H_ENTER, H_REMOVE,
    /// H_BULK_REMOVE and H_PROTECT. The guest is not offered what would work beside them (H_BLOCK_REMOVE, another size of the
    /// table), with several processors it may meet translations that it has removed, and it must be one to trust: the kernel
    /// lets it write what only pteg should. Needs --accel kvm. Default: pteg answers them.
    #[arg(long)]
    pub(crate) kernel_hcalls: bool,

    /// Hide a set of hypercalls from the guest (may be repeated)
    ///
    /// Neither offer these hypercalls to the guest nor answer them (H_FUNCTION), to compare how it does
    /// without them. May be given several times. Default: all are offered. Example: --hide block-remove
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) hide: Vec<Feature>,

    /// Report pages that the guest maps twice
    ///
    /// Look, whenever the guest enters a page into its table, for another entry of the same page, which the
    /// architecture forbids. The first 16 are reported on stderr at once, and how many there were at the end. It is the
    /// guest's mistake: the exit status stays. Default: nobody looks, and H_ENTER is faster.
    #[arg(long)]
    pub(crate) check_duplicates: bool,

    /// Check what processors remember of the table
    ///
    /// Compare what the emulated processors remember of the page table with the table while they run. What the table no
    /// longer says is a mistake of pteg: it is reported on stderr, and the exit status is 1. Default: no check.
    #[arg(long)]
    pub(crate) check_walkers: bool,

    /// Say at the end what was executed, called and changed
    ///
    /// Say on stderr, when the run is over: the instructions that the processors have executed and how fast, why they left the
    /// guest, the hypercalls with their times, what became of the page table; of emulated processors also the hits and misses of
    /// their caches and the blocks that most was executed in, which costs some of their speed. Default: silent.
    #[arg(long)]
    pub(crate) stats: bool,

    /// Write the same to a file, as JSON
    ///
    /// File to write to, when the run is over, what --stats says, as JSON; docs/statistics.md says how. What it held before is
    /// lost. Default: none. Example: --stats-json stats.json
    #[arg(long, value_name = "FILE")]
    pub(crate) stats_json: Option<PathBuf>,

    /// Write what was counted so far to a file, again and again
    ///
    /// File to write to, every --stats-every, what was counted so far of hypercalls and the page table, and how full the table is, as a line of JSON;
    /// docs/statistics.md says how. Each reads the whole table, which takes longer the larger that is; and hypercalls are timed. What the file held before is lost.
    /// Default: none. Example: --stats-series series.json
    #[arg(long, value_name = "FILE")]
    pub(crate) stats_series: Option<PathBuf>,

    /// Milliseconds from one line of --stats-series to the next
    ///
    /// Milliseconds from one line of --stats-series to the next, from 1 to 3600000. Default: 1000. Example: --stats-every 100
    #[arg(long, value_name = "MS", requires = "stats_series", default_value_t = 1000, hide_default_value = true,
        value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub(crate) stats_every: u32,

    /// Have --stats and --stats-json count no blocks
    ///
    /// With --stats or --stats-json, do not count which blocks emulated processors execute: they run as fast as without, and the
    /// account lacks the hot blocks and the hits of loads and stores. Default: blocks are counted.
    #[arg(long)]
    pub(crate) no_profile: bool,

    /// Write a page about the page table: HTML
    ///
    /// File to write a page to that shows the table: a map of how full it is, how entries were removed, how long
    /// flushes took. It is written when the run is over, and whenever pteg gets the signal SIGUSR1. What it held before is
    /// lost. Default: none. Example: --hpt-report hpt.html
    #[arg(long, value_name = "FILE")]
    pub(crate) hpt_report: Option<PathBuf>,

    /// End when the guest reboots
    ///
    /// End with status 1 when the guest reboots, for those who want to see one boot, and for tests. Default: the machine is started
    /// anew, with its kernel and initial RAM disk read again from their files.
    #[arg(long)]
    pub(crate) no_reboot: bool,

    /// What to do when the guest's kernel dies [default: end]
    ///
    /// What to do when the guest's operating system says that it has died (Linux: a panic): end with status 1, two seconds later, so that
    /// it can write its log to NVRAM (end); or let it do what it does (none): Linux spins, or reboots if its command line says panic=SECONDS.
    /// Default: end. Example: --on-panic none
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = PanicArg::End, hide_default_value = true)]
    pub(crate) on_panic: PanicArg,

    /// File that keeps the guest's NVRAM
    ///
    /// File with the guest's non-volatile memory, made with 64 KiB if it is not there; one that is there has 8 KiB to 1 MiB. What the guest has
    /// stored is in it at once, so it outlives a pteg that is killed; a host that goes down may lose the last stores. Default: the guest has
    /// 64 KiB that end with the run. Example: --nvram vm.nvram
    #[arg(long, value_name = "FILE")]
    pub(crate) nvram: Option<PathBuf>,

    /// Socket at which the run is looked at and acted on
    ///
    /// Path of a Unix socket to be made, at which other programs look at the run and act on it, such as pteg ctl: pause it,
    /// end it, read its counters, take memory back. Only you may connect to it. A socket that a run has left behind is replaced;
    /// no other file is. It is removed at the end. Default: none. Example: --control vm.sock
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,

    /// Socket at which other processes are given the guest's memory
    ///
    /// Path of a Unix socket to be made, at which processes of yours are given the file that is the guest's memory, to map it. They pass a
    /// userfaultfd back, and what they remove of that memory, unmap or move is taken from the guest's processors as it happens.
    /// docs/shared-memory.md says how. Only you may connect to it. Default: none. Example: --share-memory vm.mem
    #[arg(long, value_name = "PATH")]
    pub(crate) share_memory: Option<PathBuf>,

    /// Give the guest a source of the host's randomness
    ///
    /// A virtio device that gives the guest randomness of the host's. Default: none; the guest gets a seed at its start in any case.
    #[arg(long)]
    pub(crate) rng: bool,

    /// Second console, at a terminal, pipe or socket, or in a file
    ///
    /// A virtio console (/dev/hvc1 in Linux) that ends at PATH: a terminal or pipe, a Unix socket where somebody listens, or else a file that is
    /// made, or begun anew, and gets what the guest writes. Default: none. Example: --virtio-console log.txt
    #[arg(long, value_name = "PATH")]
    pub(crate) virtio_console: Option<PathBuf>,

    /// Give the guest a balloon, by which it gives memory back
    ///
    /// A virtio device by which the guest gives memory back to the host, as pteg ctl balloon or other programs want it (--control), and
    /// by which it says which memory is free. A guest that runs out of memory takes it back unasked. Default: none.
    #[arg(long)]
    pub(crate) balloon: bool,

    /// Disk: PATH, with ,format=raw or qcow2, ,readonly… (may be repeated)
    ///
    /// Image of a disk, in the guest's order (/dev/vda, /dev/vdb…): its path, and options after commas. A comma of the path is written twice.
    /// format=raw|qcow2: what it is; left out, it is found out, and the guest cannot write what would look like another format. readonly: it is
    /// not written, and others may read it too. serial=S: its serial number. queues=N: 1 to 16. cache=writeback: what the guest flushes is durable;
    /// none: the same past the host's page cache; writethrough: what it writes is. discard=on|off: whether the guest may give space back.
    /// iommu=on|off: whether its driver uses the bridge's translation. docs/devices.md says more. Default: no disk; format found out, writeback, one
    /// queue, discard=on, iommu=off. Example: --disk root.qcow2,format=qcow2 --disk data.img,format=raw,readonly
    #[arg(long, value_name = "PATH[,OPTION…]")]
    pub(crate) disk: Vec<DiskArg>,

    /// Network card: user[,hostfwd=…] or tap=NAME[,queues=N] (may be repeated)
    ///
    /// Network card, in the guest's order, and what it is connected to. user: what you may do yourself, by the program passt, which gives the guest an
    /// address by DHCP. hostfwd=tcp:PORT-GUESTPORT, or udp, may be repeated: a port of this machine's own address 127.0.0.1, or of another one
    /// (tcp:0.0.0.0:2222-22), leads to one of the guest. tap=NAME: a tap interface that is there and yours. queues=N: 1 to 8, of one made with
    /// multi_queue. mac=XX:XX:XX:XX:XX:XX: its address; left out, always the same one for this card of this machine. iommu=on|off: whether its
    /// driver uses the bridge's translation. docs/devices.md says more. Default: no card; one queue, iommu=off.
    /// Example: --net user,hostfwd=tcp:2222-22 --net tap=tap0,queues=4
    #[arg(long, value_name = "WAY[,OPTION…]")]
    pub(crate) net: Vec<NetArg>,

    /// Sockets between guest and host: context ID and path
    ///
    /// Context ID of the guest, 3 to 4294967294, and path of a Unix socket to be made, for streams between programs of the guest (AF_VSOCK) and of
    /// this machine. A program here connects to the path, says `CONNECT N` and a line feed, and has port N of the guest when it is answered
    /// `OK`; port N of context ID 2 is for the guest the socket at the path with _N behind it, which others make. Only you may connect. Default: none.
    /// Example: --vsock 3,vm.vsock
    #[arg(long, value_name = "CID,PATH")]
    pub(crate) vsock: Option<VsockArg>,

    /// Directory for the guest: DIR, with ,tag=TAG or ,readonly (may be repeated)
    ///
    /// Directory that the guest can mount, by the program virtiofsd (`mount -t virtiofs share /mnt` in Linux), and options after commas. tag=TAG: what the guest
    /// calls it, 1 to 36 letters, digits and - _ . signs. readonly: the guest changes nothing there. docs/devices.md says more. Default: none; tag=share, read and
    /// written. Example: --share src,tag=src,readonly
    #[arg(long, value_name = "DIR[,OPTION…]")]
    pub(crate) share: Vec<ShareArg>,
}

/// The command of `pteg config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

/// What is to be done with a file.
#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say all that is wrong with a file, with line and column
    ///
    /// Say what is wrong with a file, each with line and column, and with what pteg run would need of this machine for it: the accelerator, disks, files and
    /// folders. Nothing is started, made, or locked. Exit status 0: nothing is wrong; 2: something is, with the file or with what it wants of this machine.
    Check {
        /// File to check. Example: vm.toml
        file: PathBuf,
    },
}

/// The flags of `pteg doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Say it as JSON
    ///
    /// Say it as JSON, for programs: the accelerator that --accel auto takes, why, and the findings.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The values of `--accel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccelArg {
    /// The fastest that works here
    Auto,
    /// Processors in software, on any machine
    Emulated,
    /// The processors of a POWER machine
    Kvm,
}

/// The values of `--compile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompileArg {
    /// What is executed often
    Hot,
    /// Everything, before it is executed
    All,
    /// Nothing: all is interpreted
    Never,
}

/// The values of `--irqchip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IrqchipArg {
    /// The kernel's where there is one
    Auto,
    /// The kernel's, under KVM
    Kernel,
    /// pteg's own, everywhere
    User,
}

/// The values of `--on-panic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PanicArg {
    /// End the run
    End,
    /// Let the guest go on
    None,
}

/// Checks `--smp`.
pub(crate) fn smp(text: &str) -> Result<u32, String> {
    within(text, 1, 64, "processors")
}

/// Checks `--threads`, as far as it can be without the number of processors.
fn threads(text: &str) -> Result<u32, String> {
    within(text, 1, 64, "threads, no more than processors")
}

/// Checks `--hpt-order`.
fn hpt_order(text: &str) -> Result<u32, String> {
    within(text, 18, 46, "as the log2 of the table's bytes")
}

fn within(text: &str, least: u32, most: u32, what: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(n) if (least..=most).contains(&n) => Ok(n),
        _ => Err(format!("give a number from {least} to {most} {what}")),
    }
}

/// A command line that asks for a page of help, or that is wrong.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The command line itself.
    Line {
        /// What the library says.
        error: clap::Error,
        /// The command whose help says more.
        command: &'static str,
    },
    /// The file that it names.
    File(Vec<Mistake>),
}

impl Answer {
    /// Prints the page on stdout, or one sentence on stderr; returns the exit status that goes with it.
    pub(crate) fn print(&self) -> ExitCode {
        match self {
            Self::Line { error, .. } if !error.use_stderr() => {
                // Nobody is left to be told that stdout is closed.
                let _ = write!(std::io::stdout(), "{}", error.render().ansi_if_terminal());
                return ExitCode::SUCCESS;
            }
            _ => terminal::say(&self.said()),
        }
        ExitCode::from(2)
    }

    /// One sentence in this program's form, or one for each mistake in a file.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Line { error, .. } if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                error.to_string()
            }
            Self::Line { error, command } => {
                format!("pteg: {} (pteg {command} --help says more)", sentence(error))
            }
            Self::File(mistakes) => {
                let lines: Vec<String> = mistakes.iter().map(|mistake| format!("pteg: {mistake}")).collect();
                lines.join("\n")
            }
        }
    }
}

/// The library's several paragraphs as one sentence.
pub(crate) fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let sentence = words.join(" ");
    sentence.strip_prefix("error: ").unwrap_or(&sentence).to_owned()
}

/// Help in colour where the reader is a terminal.
trait AnsiIfTerminal {
    fn ansi_if_terminal(self) -> String;
}

impl AnsiIfTerminal for clap::builder::StyledStr {
    fn ansi_if_terminal(self) -> String {
        use std::io::IsTerminal as _;
        if std::io::stdout().is_terminal() {
            self.ansi().to_string()
        } else {
            self.to_string()
        }
    }
}

/// Reads the program's arguments.
pub(crate) fn parse() -> Result<Command, Answer> {
    parse_from(&std::env::args_os().collect::<Vec<_>>())
}

/// What `pteg run --config` makes of the file at `path` alone.
pub(crate) fn of_file(path: &Path) -> Result<RunArgs, Answer> {
    let mut flag = OsString::from("--config=");
    flag.push(path);
    match parse_from(&["pteg".into(), "run".into(), flag])? {
        Command::Run(args) => Ok(*args),
        other => unreachable!("it was asked to run, not {other:?}"),
    }
}

pub(crate) fn parse_from(words: &[OsString]) -> Result<Command, Answer> {
    let parsed = Cli::try_parse_from(words).map(|cli| cli.command);
    let given = match &parsed {
        Ok(Command::Run(_)) => lenient(words),
        // The file may have what is missing.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => lenient(words),
        _ => None,
    };
    let path = given.as_ref().and_then(|given| given.get_one::<PathBuf>("config"));
    let (Some(path), Some(given)) = (path, &given) else {
        return parsed.map_err(|error| answer(error, words));
    };
    let source = Source::read(path).map_err(|mistake| Answer::File(vec![mistake]))?;
    with_file(words, given, &source)
}

/// What `words`, which run a guest, and `source` say together.
#[cfg(test)]
pub(crate) fn parse_with(words: &[OsString], source: &Source) -> Result<Command, Answer> {
    with_file(words, &lenient(words).expect("they run a guest"), source)
}

/// The user's `words`, which say `given` to run a guest, with what `source` adds.
fn with_file(words: &[OsString], given: &ArgMatches, source: &Source) -> Result<Command, Answer> {
    let run = run_definition();
    let merged = config_file::merge(source, &run, given).map_err(Answer::File)?;
    let (program, rest) = words.split_at(2.min(words.len()));
    let all = [program, &merged.words, rest].concat();
    match Cli::try_parse_from(all).map(|cli| cli.command) {
        Ok(Command::Run(mut args)) => {
            args.origins = merged.origins;
            Ok(Command::Run(args))
        }
        Ok(other) => Ok(other),
        Err(error) => Err(match merged.explain(&run, &error) {
            Some(mistake) => Answer::File(vec![mistake]),
            None => answer(error, words),
        }),
    }
}

/// What `words` say to `run`, even if something is missing.
fn lenient(words: &[OsString]) -> Option<ArgMatches> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    matches.subcommand_matches("run").cloned()
}

/// The definition of `pteg run`.
pub(crate) fn run_definition() -> clap::Command {
    let mut all = Cli::command();
    all.build();
    all.find_subcommand("run").expect("it is one of them").clone()
}

fn answer(error: clap::Error, words: &[OsString]) -> Answer {
    let named = words.get(1).and_then(|word| word.to_str());
    let command = ["config", "conformance", "ctl", "doctor", "image", "stress"]
        .into_iter()
        .find(|&command| named == Some(command));
    Answer::Line {
        error,
        command: command.unwrap_or("run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_args(args: &[&str]) -> Result<RunArgs, String> {
        let args = ["pteg", "run"].iter().chain(args);
        match parse_from(&args.map(OsString::from).collect::<Vec<_>>()) {
            Ok(Command::Run(args)) => Ok(*args),
            Ok(other) => panic!("{other:?}"),
            Err(answer) => Err(answer.said()),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_one_processor_and_a_gibibyte() {
        let args = run_args(&[]).unwrap();
        assert_eq!((args.smp, args.mem, args.hpt_order), (1, Size::from_mib(1024), None));
        assert_eq!(args.threads, None);
        assert_eq!((args.image, args.kernel), (None, None));
        assert_eq!((args.accel, args.irqchip), (AccelArg::Auto, IrqchipArg::Auto));
    }

    #[test]
    fn a_number_out_of_range_is_told_its_range() {
        for (flag, value, right) in [
            ("--smp", "0", "from 1 to 64"),
            ("--smp", "65", "from 1 to 64"),
            ("--smp", "-1", "from 1 to 64"),
            ("--smp", "two", "from 1 to 64"),
            ("--threads", "0", "from 1 to 64"),
            ("--threads", "65", "from 1 to 64"),
            ("--hpt-order", "17", "from 18 to 46"),
            ("--hpt-order", "47", "from 18 to 46"),
            ("--mem", "lots", "512M"),
        ] {
            let said = run_args(&[&format!("{flag}={value}")]).unwrap_err();
            assert!(
                said.starts_with("pteg: ") && said.contains(flag) && said.contains(right),
                "{said}"
            );
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }

    #[test]
    fn a_processor_is_one_that_there_is() {
        assert_eq!(run_args(&[]).unwrap().cpu, None);
        assert_eq!(run_args(&["--cpu", "power9"]).unwrap().cpu, Some(Model::Power9));
        for wrong in ["power7", "POWER9", "host", ""] {
            let said = run_args(&["--cpu", wrong]).unwrap_err();
            assert!(said.contains("--cpu") && said.contains("power8 and power9"), "{said}");
        }
    }

    #[test]
    fn an_image_and_a_kernel_exclude_each_other() {
        assert!(
            run_args(&["debian", "--kernel", "vmlinux"])
                .unwrap_err()
                .contains("cannot be used with")
        );
        assert!(run_args(&["--initrd", "initrd"]).unwrap_err().contains("--kernel"));
    }
}
