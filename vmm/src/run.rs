//! `pteg run`: puts the machine together, starts it, waits for its end and says how it ended.

mod check;
mod checks;
mod page;
mod report;
mod report_file;
mod series;
mod statistics;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use devices::nvram::{Nvram, NvramError};
use devices::pci::{Bridge, PlugError};

use crate::accel::Accelerator;
use crate::accel::choose::{Choice, ChooseError, Chosen, Wish, choose};
use crate::accel::emulated::Emulated;
#[cfg(target_arch = "powerpc64")]
use crate::accel::kvm::{Kvm, KvmError};
use crate::balloon::GuestBalloon;
use crate::boot::{self, BootError, Files, KernelFile, ProcessorKind};
use crate::carriers;
use crate::cli::{AccelArg, RunArgs};
use crate::config::{self, Config, ConfigError, Guest};
use crate::config_file::Origins;
use crate::conformance;
use crate::control;
use crate::disks::{self, DiskError};
use crate::host::Host;
use crate::images::{self, ImageError};
use crate::machine::{Machine, Traits};
use crate::memory::{GuestRam, MemoryError};
use crate::nets::{self, CardError};
use crate::pci::Plug;
use crate::peers;
use crate::random::Randomness;
use crate::root_disk::CopyError;
use crate::second_console::{self, ConsoleError, Log};
use crate::shares::{self, ShareError};
use crate::socket::{Socket, SocketError};
#[cfg(target_arch = "powerpc64")]
use crate::sources::triggers;
use crate::sources::{CONSOLE_INTERRUPT, POWER_INTERRUPT};
use crate::stop::{Call, Ending, Stop};
use crate::terminal::{self, Terminal};
use crate::virtio::{Virtual, VirtualDevices};

pub(crate) use check::check;
use checks::Checks;
use page::{PageFile, Requests};
pub(crate) use report_file::{ReportError, ReportFile, apart};
use series::{Series, SeriesFile};
pub(crate) use statistics::{
    Changes, Distribution, Emulation, Exits, Hypercalls, Occupancy, Statistics, Withheld, duration, percent,
};

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line does not suit this machine.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What is to run the processors cannot.
    #[error(transparent)]
    Accelerator(#[from] ChooseError),
    /// KVM does not do what it said it could.
    #[cfg(target_arch = "powerpc64")]
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// NVRAM.
    #[error("--nvram {}", path.display())]
    Nvram {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: NvramError,
    },
    /// Guest memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The hashed page table.
    #[error("making the hashed page table")]
    Table(#[from] hpt::AllocateTable),
    /// Guest memory, and who is to hear what becomes of it.
    #[error(transparent)]
    Listener(#[from] hpt::RegisterError),
    /// A device.
    #[error(transparent)]
    Plug(#[from] PlugError),
    /// A disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The second console.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// A network card.
    #[error(transparent)]
    Net(#[from] CardError),
    /// A shared directory.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A root disk of the user's own.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// What devices need of the host.
    #[error("starting a device")]
    Device(#[source] io::Error),
    /// What is to be started.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The terminal or the signals.
    #[error("taking the terminal")]
    Terminal(#[source] io::Error),
    /// The processors' threads.
    #[error("starting the processors' threads")]
    Threads(#[source] io::Error),
    /// The list of images.
    #[error("writing the list of images")]
    List(#[source] io::Error),
    /// What `pteg doctor` found.
    #[error("writing what was found")]
    Doctor(#[source] io::Error),
    /// Conformance.
    #[error(transparent)]
    Conformance(#[from] conformance::Error),
    /// A socket.
    #[error(transparent)]
    Socket(SocketError),
    /// Its thread.
    #[error("serving the control socket")]
    Serve(#[source] io::Error),
    /// A file that the user wants written and nobody could write.
    #[error(transparent)]
    ReportPath(ReportError),
    /// A file that could not be written in the end.
    #[error(transparent)]
    Report(ReportError),
    /// One of these, about what a file gives with `--config`.
    #[error("{said}")]
    InFile {
        /// Where, and what is wrong there, with its causes.
        said: String,
        /// Whether it is the file that is wrong.
        is_input: bool,
    },
}

impl Error {
    /// 2 for an input that is wrong or insists on what is not there, 1 for a machine that cannot.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_input() { 2 } else { 1 })
    }

    /// The same, with the place in a file where the value stands that it is about.
    pub(crate) fn placed(self, origins: &Origins) -> Self {
        let place = self.value().and_then(|(flag, number)| origins.find(flag, number));
        match place {
            Some(place) => Self::InFile {
                said: format!("{place}: {}", said(&self)),
                is_input: self.is_input(),
            },
            None => self,
        }
    }

    /// The flag that it is about, by its long name or as `image`, and which of its values.
    fn value(&self) -> Option<(&str, usize)> {
        let once = |flag: &'static str| (flag.trim_start_matches('-'), 0);
        Some(match self {
            Self::Config(error) => once(error.flag()),
            Self::Accelerator(error) => once(error.flag()),
            Self::Image(ImageError::Unknown { .. } | ImageError::NeedsDisk { .. }) => once("image"),
            Self::Nvram { .. } => once("nvram"),
            Self::Disk(error) => ("disk", error.number()),
            Self::Net(error) => ("net", error.number()),
            Self::Share(error) => ("share", error.number()),
            Self::Console(_) => once("virtio-console"),
            Self::Boot(error) => once(error.flag()?),
            Self::Socket(error) => once(error.flag()),
            Self::ReportPath(error) => once(error.flag()?),
            _ => return None,
        })
    }

    /// Whether what the user gave is wrong, or insists on what is not there.
    fn is_input(&self) -> bool {
        match self {
            Self::InFile { is_input, .. } => *is_input,
            Self::Conformance(error) => error.is_misuse(),
            Self::Config(_) | Self::Accelerator(_) | Self::Nvram { .. } | Self::Copy(CopyError::IsThere(_)) => true,
            Self::Copy(CopyError::Write { .. }) => false,
            Self::Image(ImageError::NoDisk { .. } | ImageError::NeedsDisk { .. }) => true,
            Self::Image(ImageError::Unknown { .. }) | Self::ReportPath(_) | Self::Socket(_) => true,
            #[cfg(target_arch = "powerpc64")]
            Self::Kvm(_) => false,
            Self::Boot(BootError::Seed(_)) => false,
            Self::Boot(_) | Self::Plug(_) | Self::Console(_) | Self::Disk(_) | Self::Net(_) | Self::Share(_) => true,
            Self::Image(ImageError::Make(_)) | Self::Memory(_) | Self::Table(_) | Self::Terminal(_) => false,
            Self::Listener(_) | Self::Device(_) => false,
            Self::Threads(_) | Self::List(_) | Self::Doctor(_) | Self::Serve(_) | Self::Report(_) => false,
        }
    }
}

/// How long processors may take to come home before they are left behind: one may hang in a write to a
/// pipe that nobody reads.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does what `args` ask for.
pub(crate) fn run(args: RunArgs) -> Result<ExitCode, Error> {
    let origins = args.origins.clone();
    let done = match Config::new(args, config::host_memory()) {
        Ok(Some(config)) => start(&config),
        Ok(None) => images::list(&mut io::stdout())
            .map(|()| ExitCode::SUCCESS)
            .map_err(Error::List),
        Err(error) => Err(error.into()),
    };
    done.map_err(|error| error.placed(&origins))
}

/// The files that the user wants.
struct Reports {
    statistics: Option<ReportFile>,
    /// With the time from one line to the next.
    series: Option<(SeriesFile, Duration)>,
    page: PageFile,
}

impl Reports {
    /// Tries the paths.
    fn new(config: &Config) -> Result<Self, ReportError> {
        let file = |flag, path: &Option<PathBuf>| path.as_deref().map(|path| ReportFile::new(flag, path)).transpose();
        let series = config.stats_series.as_ref();
        apart([
            ("--stats-json", config.stats_json.as_deref()),
            ("--hpt-report", config.hpt_report.as_deref()),
            (series::FLAG, series.map(|(path, _)| path.as_path())),
        ])?;
        let statistics = file("--stats-json", &config.stats_json)?;
        let page = file("--hpt-report", &config.hpt_report)?;
        let series = series.map(|(path, every)| SeriesFile::new(path).map(|file| (file, *every)));
        Ok(Self {
            statistics,
            series: series.transpose()?,
            page: PageFile::new(page),
        })
    }
}

fn start(config: &Config) -> Result<ExitCode, Error> {
    let host = Host::look();
    let choice = choose(&Wish::of(config), &host)?;
    let requests = Requests::take().map_err(Error::Terminal)?;
    let reports = Reports::new(config).map_err(Error::ReportPath)?;
    let socket = |flag, path: &Option<PathBuf>| path.as_deref().map(|path| Socket::new(flag, path)).transpose();
    let peers = socket("--share-memory", &config.share_memory).map_err(Error::Socket)?;
    let control = socket("--control", &config.control).map_err(Error::Socket)?;
    let vsock = socket("--vsock", &config.vsock.as_ref().map(|arg| arg.path().to_owned())).map_err(Error::Socket)?;
    let mut devices = disks::open(&config.disks)?;
    devices.extend(nets::open(&config.nets)?);
    if let (Some(arg), Some(socket)) = (&config.vsock, &vsock) {
        devices.push(nets::vsock(arg, socket).map_err(Error::Device)?);
    }
    devices.extend(shares::open(&config.shares)?);
    if config.rng {
        devices.push(Virtual::rng());
    }
    let mut log = None;
    if let Some(path) = &config.virtio_console {
        let (console, its_log) = second_console::open(path)?;
        devices.push(console);
        log = its_log;
    }
    let balloon = config
        .balloon
        .then(GuestBalloon::new)
        .transpose()
        .map_err(Error::Device)?;
    devices.extend(balloon.as_ref().map(GuestBalloon::device));
    let devices = VirtualDevices::new(devices).map_err(Error::Device)?;
    // Held for the whole run: an image may come with a temporary file.
    let (files, _held) = match &config.guest {
        Guest::Kernel { kernel, initrd } => {
            let kernel = KernelFile::Path(kernel.clone());
            (
                Files {
                    kernel,
                    initrd: initrd.clone(),
                    command_line: config.append.clone(),
                },
                None,
            )
        }
        Guest::Image(name) => images::prepare(name, &config.append, !config.disks.is_empty())?,
    };
    let nvram = open_nvram(config.nvram.as_deref())?;
    let ram = Arc::new(GuestRam::new(config.memory)?);
    let checks = Checks::new(config.check_duplicates, config.check_walkers).map_err(Error::Threads)?;
    let setup = Setup {
        config,
        choice,
        files,
        nvram,
        ram,
        checks,
        reports,
        requests,
        socket: control,
        peers,
        plugs: devices.plugs(),
        devices,
        log,
        balloon,
        random: Arc::new(Randomness::of(config.turns)),
    };
    match setup.choice.accelerator {
        Chosen::Emulated => setup.emulate(),
        #[cfg(target_arch = "powerpc64")]
        Chosen::Kvm => setup.run_on_kvm(&host),
        #[cfg(not(target_arch = "powerpc64"))]
        Chosen::Kvm => unreachable!("chosen on POWER machines alone"),
    }
}

/// What a run is made of, but for its processors.
struct Setup<'a> {
    config: &'a Config,
    choice: Choice,
    files: Files,
    nvram: Nvram,
    ram: Arc<GuestRam>,
    checks: Checks,
    reports: Reports,
    requests: Requests,
    /// Where clients wait to be served.
    socket: Option<Socket>,
    /// Where other processes are given the guest's memory.
    peers: Option<Socket>,
    /// What is plugged into the PCI host bridge, which is there if anything is.
    plugs: Vec<Plug>,
    /// Whose threads are to be started and ended.
    devices: VirtualDevices,
    /// Where the second console ends, if that is a file.
    log: Option<Log>,
    /// One of them.
    balloon: Option<GuestBalloon>,
    /// Where what is random comes from.
    random: Arc<Randomness>,
}

impl Setup<'_> {
    fn emulate(self) -> Result<ExitCode, Error> {
        let Config { processors, order, .. } = *self.config;
        let model = self.config.cpu.unwrap_or_default();
        let stale = self.checks.stale_report();
        let emulated = match self.config.turns {
            Some(_) => Emulated::counted(model, processors, &self.ram, order, stale, Arc::clone(&self.random))?,
            None => Emulated::new(model, processors, &self.ram, order, stale)?,
        };
        let emulated = emulated
            .with_counted_blocks(self.config.profile)
            .with_compiled(self.config.compile);
        self.launch(emulated, ProcessorKind::emulated(model))
    }

    #[cfg(target_arch = "powerpc64")]
    fn run_on_kvm(self, host: &Host) -> Result<ExitCode, Error> {
        let triggers = triggers(!self.plugs.is_empty());
        let kvm = Kvm::new(self.config, &self.ram, self.choice.irqchip, &triggers)?;
        let processor = kvm.processor_kind(host)?;
        self.launch(kvm, processor)
    }

    /// Starts the guest on these processors, and stays until its end.
    fn launch(self, accelerator: impl Accelerator, processor: ProcessorKind) -> Result<ExitCode, Error> {
        let config = self.config;
        let stop = Arc::new(Stop::default());
        let terminal = Terminal::take(&stop).map_err(Error::Terminal)?;
        let traits = Traits {
            carriers: config.threads as usize,
            offer: config.offer,
            largest_table: config.largest_order,
            timed: config.stats
                || config.stats_json.is_some()
                || config.stats_series.is_some()
                || config.control.is_some(),
            duplicates: self.checks.duplicate_report(),
            reactions: config.reactions,
            nvram: self.nvram,
            has_pci: !self.plugs.is_empty(),
            turns: config.turns,
            random: Arc::clone(&self.random),
        };
        let machine = Arc::new(Machine::new(
            Arc::clone(&self.ram),
            accelerator.parts(),
            traits,
            Box::new(io::stdout()),
            Arc::clone(&stop),
        )?);
        for plug in self.plugs {
            machine.plug(plug)?;
        }
        let balloon = self.balloon.map(|balloon| balloon.serve(&machine));
        let about = boot::Machine {
            processors: config.processors,
            processor,
            patch_sc1: self.choice.patch_sc1,
            hpt_order: config.order.log2_bytes(),
            console_interrupt: CONSOLE_INTERRUPT,
            power_interrupt: POWER_INTERRUPT,
            nvram_bytes: machine.nvram.bytes(),
            pci: machine.pci.as_deref().map(Bridge::plugged),
            offer: config.offer,
            random: self.random,
        };
        let entry = boot::load(&self.files, &about, &machine.ram)?;
        if config.accel == AccelArg::Auto {
            terminal::say(&format!("pteg: {}", self.choice.why));
        }
        self.requests
            .answer(&self.reports.page, Arc::clone(&machine))
            .map_err(Error::Threads)?;
        let mut reports = self.reports;
        let series = reports.series.take();
        let series = series.map(|(file, every)| file.begin(Arc::clone(&machine), every));
        let series = series.transpose().map_err(Error::Threads)?;
        let served = self.socket.map(|socket| {
            let context = control::Context {
                machine: Arc::clone(&machine),
                balloon,
                accelerator: self.choice.accelerator.name(),
                guest: config.guest.to_string(),
            };
            control::serve(socket, context)
        });
        let served = served.transpose().map_err(Error::Serve)?;
        if let Some(peers) = &self.peers {
            peers::serve(peers, Arc::clone(&machine)).map_err(Error::Threads)?;
        }
        let mut devices = self.devices;
        if let Some(log) = &self.log {
            log.begin()?;
        }
        devices.start(&stop).map_err(Error::Device)?;
        let load = || boot::load(&self.files, &about, &self.ram);
        let outcome = drive(&machine, accelerator, entry, load, &terminal)?;
        devices.end();
        drop(served);
        drop(terminal);
        let written = series.map_or(Ok(()), Series::end);
        let exit = conclude(config, &machine, &outcome, self.checks, reports)?;
        written.map_err(Error::Report)?;
        Ok(exit)
    }
}

/// Writes what the user wants written, and then says what there is to say: stderr may be slow, or closed.
fn conclude(
    config: &Config,
    machine: &Machine,
    outcome: &Outcome,
    mut checks: Checks,
    reports: Reports,
) -> Result<ExitCode, Error> {
    let page = reports.page.take();
    // The table may be large, so it is only looked at if somebody wants to know.
    let cells = if page.is_some() { page::CELLS } else { 1 };
    let is_wanted = config.stats || reports.statistics.is_some() || page.is_some();
    let statistics = is_wanted.then(|| Statistics::gather(machine, cells));
    let mut written = Ok(());
    if let Some(statistics) = &statistics {
        let json = reports
            .statistics
            .map_or(Ok(()), |mut file| file.write(&statistics.json()));
        let page = page.map_or(Ok(()), |mut file| page::write(&mut file, statistics));
        written = json.and(page);
    }
    report::unknown_instructions(machine);
    report::left_behind(outcome.left_behind);
    if let Some(statistics) = statistics.filter(|_| config.stats) {
        report::statistics(&statistics);
    }
    let our_mistake = checks.conclude();
    let exit = report::ending(&outcome.ending);
    written.map_err(Error::Report)?;
    Ok(if our_mistake { ExitCode::FAILURE } else { exit })
}

/// How a machine came to its end.
struct Outcome {
    ending: Ending,
    /// Threads that did not return: what their processors have done is not known.
    left_behind: usize,
}

/// The NVRAM in the file at `path`, made if it is not there, or one that ends with the run.
fn open_nvram(path: Option<&Path>) -> Result<Nvram, Error> {
    let Some(path) = path else {
        return Ok(Nvram::volatile());
    };
    let failed = |source| Error::Nvram {
        path: path.to_owned(),
        source,
    };
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|error| failed(error.into()))?;
    file.try_lock().map_err(|error| {
        let error = match error {
            TryLockError::WouldBlock => io::Error::other("another run uses it; give each guest a file of its own"),
            TryLockError::Error(error) => error,
        };
        failed(error.into())
    })?;
    let (nvram, lost) = Nvram::in_file(file).map_err(failed)?;
    if lost > 0 {
        terminal::say(&format!(
            "pteg: --nvram {}: {lost} bytes at its end were in no partition, or behind a damaged one, and are free space now",
            path.display()
        ));
    }
    Ok(nvram)
}

/// Runs the machine to its end; `load` puts what is to be started into memory once more, when it is started anew.
fn drive(
    machine: &Arc<Machine>,
    accelerator: impl Accelerator,
    entry: boot::Entry,
    load: impl Fn() -> Result<boot::Entry, BootError>,
    terminal: &Terminal,
) -> Result<Outcome, Error> {
    if let Err(error) = carriers::spawn(machine, move |server| accelerator.processor(server)) {
        machine.stop.request(Ending::Panicked);
        return Err(Error::Threads(error));
    }
    terminal.connect(Arc::clone(machine)).map_err(Error::Terminal)?;
    machine.start(entry);

    while machine.stop.wait() == Call::Reset {
        if let Err(error) = machine.reset(&load) {
            machine.stop.request(Ending::NotReset(said(&error)));
        }
    }
    machine.pause.end();
    machine
        .processors
        .iter()
        .for_each(crate::processors::Processor::dismiss);
    let left_behind = machine.stop.wait_for_processors(PATIENCE);
    if let Err(error) = machine.nvram.sync() {
        terminal::say(&format!("pteg: --nvram: having the host write the file: {error}"));
    }
    Ok(Outcome {
        ending: machine.stop.take().expect("wait returned"),
        left_behind,
    })
}

/// An error with its causes.
pub(crate) fn said(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}
