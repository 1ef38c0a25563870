//! The machine: all that is one per guest, put together. What the guest may ask of it is in `hypercall`
//! and `rtas`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devices::interrupt::Interrupt;
use devices::rtc::Rtc;
use devices::vty::Vty;
use devices::xics::{FIRST_SOURCE, Trigger, Xics};
use hpt::{
    Current, DuplicateReport, Endless, Hpt, Listener, Order, RealKind, RealMap, RegisterError, Registration, Shadow,
};

use crate::accel::{KernelMemory, Partition, Wire};
use crate::hypercall::Tally;
use crate::memory::GuestRam;
use crate::offer::Offer;
use crate::pause::{Held, NotPaused, Pause};
use crate::processors::Processors;
use crate::stop::{Ending, Stop};
use crate::upkeep::Upkeep;

/// Interrupt source of the console.
pub(crate) const CONSOLE_INTERRUPT: u32 = FIRST_SOURCE;

/// One guest's machine.
pub(crate) struct Machine {
    /// RAM.
    pub(crate) ram: Arc<GuestRam>,
    /// The hashed page table.
    pub(crate) hpt: Arc<Hpt>,
    /// The interrupt controller; `None` if the accelerator has one, which answers the guest by itself.
    pub(crate) xics: Option<Arc<Xics>>,
    /// The console.
    pub(crate) console: Vty,
    /// The clock.
    pub(crate) rtc: Rtc,
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
    /// Where hypercalls are timed, if they are.
    pub(crate) tally: Option<Tally>,
    /// When it was made.
    pub(crate) made: Instant,
    unknown_instructions: Mutex<BTreeMap<u32, u64>>,
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
    /// Fires [`CONSOLE_INTERRUPT`], if the processors come with an interrupt controller; without it the machine has its own.
    pub(crate) console_pin: Option<Box<dyn Interrupt>>,
    /// Makes who sees to it that processors forget where memory was that somebody takes away; `None` if the host's kernel does.
    pub(crate) listener: Option<MakeListener>,
    /// The kernel, if that walks the table.
    pub(crate) kernel: Option<Arc<dyn KernelMemory>>,
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
            console_pin,
            listener,
            kernel,
        } = parts;
        let servers = wires.len();
        let processors = Arc::new(Processors::new(wires, traits.carriers));
        let (xics, pin) = match console_pin {
            Some(pin) => (None, pin),
            None => {
                let xics = Arc::new(Xics::new(servers, &[Trigger::Edge], Arc::clone(&processors) as Arc<_>));
                let pin = xics.edge_pin(CONSOLE_INTERRUPT);
                let pin = pin.expect("the first source is edge-triggered");
                (Some(xics), Box::new(pin) as Box<dyn Interrupt>)
            }
        };
        let watcher = Arc::clone(&partition);
        ram.serve(
            Box::new(move |real, bytes| watcher.wrote(real, bytes)),
            Arc::clone(&stop) as Arc<_>,
        );
        let space = RealSpace {
            ram: Arc::clone(&ram),
            partition: Arc::clone(&partition),
        };
        let mut hpt = Hpt::new(table, Box::new(space), shadow).with_largest(traits.largest_table);
        if let Some(report) = traits.duplicates {
            hpt = hpt.with_duplicate_check(report);
        }
        let hpt = Arc::new(hpt);
        let listener = listener.map(|make| make(&hpt));
        let listening = listener
            .map(|listener| ram.notifier().register(listener, &Endless))
            .transpose()?;
        let pause = Arc::new(Pause::new(servers));
        Ok(Self {
            upkeep: Upkeep::new(&ram, &hpt, &pause, &stop, kernel),
            hpt,
            pause,
            offer: traits.offer,
            tally: traits.timed.then(|| Tally::new(servers)),
            console: Vty::new(output, pin),
            rtc: Rtc::new(),
            made: Instant::now(),
            unknown_instructions: Mutex::default(),
            ram,
            xics,
            processors,
            partition,
            stop,
            _listening: listening,
        })
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

/// The guest's real address space: RAM, and nothing else yet.
struct RealSpace {
    ram: Arc<GuestRam>,
    partition: Arc<dyn Partition>,
}

impl RealMap for RealSpace {
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind> {
        self.ram.contains(real, bytes).then_some(RealKind::Ram)
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
