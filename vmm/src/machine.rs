//! The machine: all that is one per guest, put together. What the guest may ask of it is in `hypercall`
//! and `rtas`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use devices::bus::Bus;
use devices::interrupt::Sources;
use devices::nvram::Nvram;
use devices::pci::{Bridge, PlugError, Porter};
use devices::power_events::PowerEvents;
use devices::reset::Reset;
use devices::rtc::Rtc;
use devices::vty::Vty;
use devices::xics::Xics;
use emulator::{Executed, Timebase};
use hpt::{
    Current, DuplicateReport, Endless, Hpt, Listener, Order, RealKind, RealMap, RegisterError, Registration, Shadow,
};

use crate::accel::{KernelMemory, Partition, Wire};
use crate::hypercall::Tally;
use crate::memory::GuestRam;
use crate::offer::Offer;
use crate::pause::{Held, NotPaused, Pause};
use crate::pci::{self, Plug};
use crate::processors::Processors;
use crate::random::Randomness;
use crate::sources::{self, CONSOLE_INTERRUPT, POWER_INTERRUPT};
use crate::stop::{Ending, Stop};
use crate::upkeep::Upkeep;

/// What becomes of the run when the guest reboots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnReboot {
    /// The machine is started anew.
    #[default]
    Reset,
    /// It ends.
    End,
}

/// What becomes of the run when the guest's operating system says that it has died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnPanic {
    /// It ends, when the guest has had time to write down why.
    #[default]
    End,
    /// The guest does what it does: it may reboot, or spin.
    GoOn,
}

/// What becomes of the run when the guest does this or that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reactions {
    /// It reboots.
    pub(crate) reboot: OnReboot,
    /// It says that it has died.
    pub(crate) panic: OnPanic,
}

/// One guest's machine.
pub(crate) struct Machine {
    /// RAM.
    pub(crate) ram: Arc<GuestRam>,
    /// The hashed page table.
    pub(crate) hpt: Arc<Hpt>,
    /// What else is at real addresses.
    pub(crate) bus: Arc<Bus>,
    /// The interrupt controller; `None` if the accelerator has one, which answers the guest by itself.
    pub(crate) xics: Option<Arc<Xics>>,
    /// The console.
    pub(crate) console: Vty,
    /// The clock.
    pub(crate) rtc: Rtc,
    /// What outlives a reboot.
    pub(crate) nvram: Nvram,
    /// What becomes of the power supply.
    pub(crate) power_events: Arc<PowerEvents>,
    /// What is reset with the machine.
    pub(crate) devices: Mutex<Vec<Arc<dyn Reset>>>,
    /// What becomes of the run when the guest does this or that.
    pub(crate) reactions: Reactions,
    /// The first table's size.
    pub(crate) first_order: Order,
    /// LPCR at the start.
    pub(crate) first_lpcr: u64,
    /// The PCI host bridge, if anything is to be plugged into it.
    pub(crate) pci: Option<Arc<Bridge>>,
    /// The processors, as they see one another.
    pub(crate) processors: Arc<Processors>,
    /// Modes that all processors share.
    pub(crate) partition: Arc<dyn Partition>,
    /// Where the run ends.
    pub(crate) stop: Arc<Stop>,
    /// Where its processors wait while it is paused.
    pub(crate) pause: Arc<Pause>,
    /// What is done to its memory while it runs.
    pub(crate) upkeep: Upkeep,
    /// What of the hypercalls is on offer.
    pub(crate) offer: Offer,
    /// Where what is random comes from.
    pub(crate) random: Arc<Randomness>,
    /// What decides whose turn it is, if the processors take turns.
    pub(crate) turns: Option<u64>,
    /// Where hypercalls are timed, if they are.
    pub(crate) tally: Option<Tally>,
    /// When it was made.
    pub(crate) made: Instant,
    unknown_instructions: Mutex<BTreeMap<u32, u64>>,
    executed: Mutex<Option<Executed>>,
    /// The processors hear of memory that is taken away for as long as this is there.
    _listening: Option<Registration>,
}

/// What an accelerator brings to a machine.
pub(crate) struct Parts {
    /// A wire to each processor.
    pub(crate) wires: Vec<Arc<dyn Wire>>,
    /// Modes that all processors share.
    pub(crate) partition: Arc<dyn Partition>,
    /// The table that the processors walk.
    pub(crate) table: Arc<Current>,
    /// Drops what processors hold of the table.
    pub(crate) shadow: Box<dyn Shadow>,
    /// The sources of [`sources`], if the processors come with an interrupt controller; without it the machine has its own.
    pub(crate) sources: Option<Arc<dyn Sources>>,
    /// What the accelerator has that is reset with the machine.
    pub(crate) devices: Vec<Arc<dyn Reset>>,
    /// Makes who sees to it that processors forget where memory was that somebody takes away; `None` if the host's kernel does.
    pub(crate) listener: Option<MakeListener>,
    /// The kernel, if that walks the table.
    pub(crate) kernel: Option<Arc<dyn KernelMemory>>,
    /// Rings devices' doorbells for processors that are in the guest, if somebody can.
    pub(crate) porter: Option<Arc<dyn Porter>>,
}

/// Makes a listener for the machine's table.
pub(crate) type MakeListener = Box<dyn FnOnce(&Arc<Hpt>) -> Arc<dyn Listener>>;

/// How a machine is to be.
pub(crate) struct Traits {
    /// Threads that carry the processors.
    pub(crate) carriers: usize,
    /// What of the hypercalls is on offer.
    pub(crate) offer: Offer,
    /// The largest table that the guest may resize its own to.
    pub(crate) largest_table: Order,
    /// Whether hypercalls are timed.
    pub(crate) timed: bool,
    /// Who is told of pages that the guest has entered twice; nobody looks for them otherwise.
    pub(crate) duplicates: Option<DuplicateReport>,
    /// What becomes of the run when the guest does this or that.
    pub(crate) reactions: Reactions,
    /// What outlives a reboot.
    pub(crate) nvram: Nvram,
    /// Whether it has a PCI host bridge.
    pub(crate) has_pci: bool,
    /// The processors take turns, and the run is a function of this seed and of what is loaded. For processors whose time base is counted.
    pub(crate) turns: Option<u64>,
    /// Where what is random comes from.
    pub(crate) random: Arc<Randomness>,
}

impl Machine {
    /// A machine of `parts` around `ram`, whose console writes to `output`.
    ///
    /// # Errors
    /// The host has no memory for the processors' listener.
    pub(crate) fn new(
        ram: Arc<GuestRam>,
        parts: Parts,
        traits: Traits,
        output: Box<dyn Write + Send>,
        stop: Arc<Stop>,
    ) -> Result<Self, RegisterError> {
        let Parts {
            wires,
            partition,
            table,
            shadow,
            sources,
            mut devices,
            listener,
            kernel,
            porter,
        } = parts;
        let servers = wires.len();
        let processors = Arc::new(Processors::new(wires, traits.carriers));
        let (xics, sources) = match sources {
            Some(sources) => (None, sources),
            None => {
                let triggers = sources::triggers(traits.has_pci);
                let xics = Arc::new(Xics::new(servers, &triggers, Arc::clone(&processors) as Arc<_>));
                (Some(Arc::clone(&xics)), xics as Arc<dyn Sources>)
            }
        };
        let pause = Arc::new(Pause::new(servers));
        let bus = Arc::<Bus>::default();
        let bridge = || pci::bridge(&bus, &ram, &pause, &sources, porter);
        let pci = traits.has_pci.then(bridge);
        if let Some(bridge) = &pci {
            devices.push(Arc::new(PciReset(Arc::clone(bridge))));
        }
        let events = Arc::clone(&sources);
        let power_events = Arc::new(PowerEvents::new(Box::new(move || events.pulse(POWER_INTERRUPT))));
        devices.push(Arc::clone(&power_events) as Arc<_>);
        let console_pin = move || sources.pulse(CONSOLE_INTERRUPT);
        let watcher = Arc::clone(&partition);
        ram.serve(
            Box::new(move |real, bytes| watcher.wrote(real, bytes)),
            Arc::clone(&stop) as Arc<_>,
        );
        partition.know_devices(Arc::clone(&bus));
        let space = RealSpace {
            ram: Arc::clone(&ram),
            bus: Arc::clone(&bus),
            partition: Arc::clone(&partition),
        };
        let first_order = table.table().order();
        let mut hpt = Hpt::new(table, Box::new(space), shadow).with_largest(traits.largest_table);
        if traits.turns.is_some() {
            hpt = hpt.with_prompt_resizes();
        }
        if let Some(report) = traits.duplicates {
            hpt = hpt.with_duplicate_check(report);
        }
        let hpt = Arc::new(hpt);
        let listener = listener.map(|make| make(&hpt));
        let listening = listener
            .map(|listener| ram.notifier().register(listener, &Endless))
            .transpose()?;
        Ok(Self {
            upkeep: Upkeep::new(&ram, &hpt, &pause, &stop, kernel),
            hpt,
            pause,
            offer: traits.offer,
            tally: traits.timed.then(|| Tally::new(servers)),
            console: Vty::new(output, Box::new(console_pin)),
            rtc: traits
                .turns
                .map_or_else(Rtc::new, |_| by_timebase(Arc::clone(&partition))),
            random: traits.random,
            turns: traits.turns,
            nvram: traits.nvram,
            power_events,
            devices: Mutex::new(devices),
            reactions: traits.reactions,
            first_order,
            first_lpcr: partition.lpcr(),
            pci,
            made: Instant::now(),
            unknown_instructions: Mutex::default(),
            executed: Mutex::default(),
            ram,
            bus,
            xics,
            processors,
            partition,
            stop,
            _listening: listening,
        })
    }

    /// Plugs a function into the PCI host bridge.
    ///
    /// # Errors
    /// There is no place for it.
    ///
    /// # Panics
    /// When the machine was made without a bridge.
    pub(crate) fn plug(&self, plug: Plug) -> Result<u8, PlugError> {
        let bridge = self.pci.as_ref().expect("whoever has functions asks for a bridge");
        bridge.plug(plug)
    }

    /// The console's output is broken: nobody could see what the guest does, so the run ends.
    pub(crate) fn output_failed(&self) {
        if let Some(error) = self.console.take_error() {
            self.stop.request(Ending::Output(error));
        }
    }

    /// Adds what a processor did not know to the report at the end.
    pub(crate) fn note_unknown(&self, instructions: BTreeMap<u32, u64>) {
        let mut all = self
            .unknown_instructions
            .lock()
            .expect("nothing panics with the report locked");
        for (word, count) in instructions {
            *all.entry(word).or_default() += count;
        }
    }

    /// Adds the blocks that a processor has executed, which is over now.
    pub(crate) fn note_executed(&self, executed: Executed) {
        let mut all = self.executed.lock().expect("nothing panics with it locked");
        all.get_or_insert_default().absorb(executed);
    }

    /// The blocks that the processors have executed, as far as they are done; `None`: nobody counted, or none is.
    pub(crate) fn executed(&self) -> Option<Executed> {
        self.executed.lock().expect("nothing panics with it locked").clone()
    }

    /// Instructions executed, by processor, when it last left the guest; those that the guest never started are not in it.
    pub(crate) fn instructions(&self) -> BTreeMap<usize, u64> {
        let each = self.processors.iter().enumerate();
        each.filter_map(|(server, processor)| Some((server, processor.instructions()?)))
            .collect()
    }

    /// Pauses it, if it is not paused: no processor runs from here on until [`Self::resume`] or the end of the run.
    ///
    /// # Errors
    /// Processors are not out of their hypercalls within `patience`: then it runs on. Or the run is over.
    pub(crate) fn pause(&self, patience: Duration) -> Result<(), NotPaused> {
        let ring = |server| self.processors.by_server(server).call_out();
        self.pause.pause(patience, ring, || self.partition.hold_time())
    }

    /// Resumes it, if it is paused.
    ///
    /// # Errors
    /// Somebody needs it paused.
    pub(crate) fn resume(&self) -> Result<(), Held> {
        self.pause.resume(|| self.partition.release_time())
    }

    /// Instructions that no processor knew, with how often each was met.
    pub(crate) fn unknown_instructions(&self) -> BTreeMap<u32, u64> {
        self.unknown_instructions
            .lock()
            .expect("nothing panics with the report locked")
            .clone()
    }
}

/// A clock that shows the beginning of the year 2000 at the start, and goes by the time base.
fn by_timebase(partition: Arc<dyn Partition>) -> Rtc {
    const START: Duration = Duration::from_secs(946_684_800);
    Rtc::with_host(move || -> SystemTime { UNIX_EPOCH + START + Timebase::duration(partition.timebase()) })
}

/// The PCI host bridge, with all that is behind it.
struct PciReset(Arc<Bridge>);

impl Reset for PciReset {
    fn reset(&self) {
        self.0.reset();
    }
}

/// The guest's real address space: RAM, and devices' registers.
struct RealSpace {
    ram: Arc<GuestRam>,
    bus: Arc<Bus>,
    partition: Arc<dyn Partition>,
}

impl RealMap for RealSpace {
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind> {
        if self.ram.contains(real, bytes) {
            Some(RealKind::Ram)
        } else {
            self.bus.contains(real, bytes).then_some(RealKind::Device)
        }
    }

    fn zero(&self, real: u64, bytes: u64) {
        self.ram
            .zero(real, bytes)
            .expect("the caller asked whether all of it is RAM");
    }

    fn synchronize_instructions(&self, real: u64, bytes: u64) {
        self.partition.wrote(real, bytes);
    }
}
