//! Which pages were stored to: by the processors, by this program for them, and by those who discard.
//!
//! With emulated processors [`hpt::Frames`] keeps the log, exact to 4 KiB. A kernel that walks the table keeps its own, of its own pages,
//! and knows nothing of what this program stores; so both logs are harvested there.

use std::ops::Range;
use std::time::{Duration, Instant};

use hpt::{DirtyLog, HarvestError};

use super::hints::{joined, runs};
use super::{FRAME, Tracking, Upkeep, UpkeepError};

/// What was stored to since the last harvest.
#[derive(Debug)]
pub(crate) struct Harvest {
    /// How many pages.
    pub(crate) pages: u64,
    /// Bytes of a page: what is told apart.
    pub(crate) page_bytes: u64,
    /// How long it took.
    pub(crate) took: Duration,
    log: Log,
}

#[derive(Debug)]
enum Log {
    Frames(DirtyLog),
    /// One bit for each page of the host, from real address 0 up.
    Pages {
        words: Vec<u64>,
        page_bytes: u64,
    },
}

impl Harvest {
    /// The real addresses, in order, neighbours together.
    pub(crate) fn ranges(&self) -> Box<dyn Iterator<Item = Range<u64>> + '_> {
        match &self.log {
            Log::Frames(log) => Box::new(log.ranges()),
            &Log::Pages { ref words, page_bytes } => {
                let pages = (0_u64..)
                    .step_by(64)
                    .zip(words)
                    .flat_map(|(first, &bits)| runs(bits).map(move |run| first + run.start..first + run.end));
                Box::new(joined(
                    pages.map(move |run| run.start * page_bytes..run.end * page_bytes),
                ))
            }
        }
    }
}

impl Upkeep {
    /// From now on stores are noted. What was stored before this returns need not be in the first harvest.
    ///
    /// # Errors
    /// `Conflict` if they are already. `NotPossible` if the host cannot, `Gone` if the run has ended.
    pub(crate) fn dirty_start(&self) -> Result<(), UpkeepError> {
        const WHAT: &str = "dirty start";
        self.take(
            WHAT,
            Tracking::Off,
            "stores are tracked already; stop that first, or harvest",
        )?;
        let started = self.start_log(WHAT);
        if started.is_err() {
            self.end_log();
        }
        self.put(if started.is_ok() { Tracking::On } else { Tracking::Off });
        started
    }

    fn start_log(&self, what: &str) -> Result<(), UpkeepError> {
        self.ram.frames().track(true);
        match &self.kernel {
            Some(kernel) => {
                kernel.log_stores(true).map_err(|error| {
                    UpkeepError::not_possible(format!("{what}: the kernel does not log stores: {error}"))
                })?;
                self.kernel_log(what).map(drop)
            }
            // The first log is of everything, as processors may remember that they may store anywhere.
            None => self.frames_log(what).map(drop),
        }
    }

    fn end_log(&self) {
        self.ram.frames().track(false);
        if let Some(kernel) = &self.kernel {
            // One that goes on logging does no harm.
            let _ = kernel.log_stores(false);
        }
    }

    /// The pages that were stored to since the last harvest, or else the start. What is stored later is in the next.
    ///
    /// # Errors
    /// `Conflict` if nobody has started, or another harvest is under way. `NotPossible` if the host cannot, `Gone` if the run has ended: nothing is
    /// lost, the next harvest has it.
    pub(crate) fn dirty_harvest(&self) -> Result<Harvest, UpkeepError> {
        const WHAT: &str = "dirty harvest";
        self.take(WHAT, Tracking::On, NOT_STARTED)?;
        let began = Instant::now();
        let log = match &self.kernel {
            Some(_) => self.kernel_log(WHAT),
            None => self.frames_log(WHAT).map(Log::Frames),
        };
        self.put(Tracking::On);
        let (took, log) = (began.elapsed(), log?);
        let (pages, page_bytes) = match &log {
            Log::Frames(log) => (log.frames(), FRAME),
            Log::Pages { words, page_bytes } => {
                let pages = words.iter().map(|word| u64::from(word.count_ones())).sum();
                (pages, *page_bytes)
            }
        };
        Ok(Harvest {
            pages,
            page_bytes,
            took,
            log,
        })
    }

    /// Stores are noted no longer.
    ///
    /// # Errors
    /// `Conflict` if nobody has started, or a harvest is under way.
    pub(crate) fn dirty_stop(&self) -> Result<(), UpkeepError> {
        self.take("dirty stop", Tracking::On, NOT_STARTED)?;
        self.end_log();
        self.put(Tracking::Off);
        Ok(())
    }

    fn frames_log(&self, what: &str) -> Result<DirtyLog, UpkeepError> {
        let mut unmapper = self.hpt.unmapper();
        let log = self.ram.frames().harvest(&mut unmapper, &*self.stop);
        log.map_err(|error| match error {
            HarvestError::Abandoned => UpkeepError::gone(what),
            HarvestError::OutOfMemory => UpkeepError::not_possible(format!("{what}: {error}; try again later")),
        })
    }

    /// The kernel's log, and what this program has stored.
    fn kernel_log(&self, what: &str) -> Result<Log, UpkeepError> {
        let kernel = self.kernel.as_ref().expect("asked for only if there is one");
        let ours = self.frames_log(what)?;
        let mut words = kernel.stored().map_err(|error| {
            // Ours is taken out already: the next harvest has it.
            for range in ours.ranges() {
                self.ram.frames().note_stored(range.start, range.end - range.start);
            }
            UpkeepError::not_possible(format!("{what}: the kernel's log: {error}"))
        })?;
        let page_bytes = rustix::param::page_size() as u64;
        for range in ours.ranges() {
            for page in range.start / page_bytes..range.end.div_ceil(page_bytes) {
                if let Some(word) = words.get_mut((page / 64) as usize) {
                    *word |= 1 << (page % 64);
                }
            }
        }
        Ok(Log::Pages { words, page_bytes })
    }

    /// Takes the log in hand if it is in this state; `why` it is a conflict if not.
    fn take(&self, what: &str, state: Tracking, why: &str) -> Result<(), UpkeepError> {
        let mut busy = self.busy();
        if busy.tracking == Tracking::InHand {
            return Err(UpkeepError::conflict(format!(
                "{what}: another request for the log is under way"
            )));
        }
        if busy.tracking != state {
            return Err(UpkeepError::conflict(format!("{what}: {why}")));
        }
        busy.tracking = Tracking::InHand;
        Ok(())
    }

    fn put(&self, state: Tracking) {
        self.busy().tracking = state;
    }
}

const NOT_STARTED: &str = "stores are not tracked; start that first (pteg ctl VM dirty --start)";
