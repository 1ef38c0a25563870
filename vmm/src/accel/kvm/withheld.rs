//! Memory that is withheld from KVM's processors: pages of KVM's mapping that are absent, and a thread that hears who needs one. What becomes of
//! pages and processors is `absent`'s.

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use hpt::{Access, Frames};
use kvm_ppc::{Faults, KvmMemory, PageFault};

use super::wire::KvmWire;
use crate::accel::Wire as _;
use crate::accel::absent::{Absent, Pages};
use crate::terminal;

/// KVM's mapping of guest memory.
pub(super) struct Mapping {
    memory: Arc<KvmMemory>,
    faults: Faults,
}

impl Pages for Mapping {
    fn page(&self) -> u64 {
        self.memory.page()
    }

    fn take_away(&self, range: Range<u64>) -> io::Result<()> {
        self.memory.take_away(range, &self.faults)
    }

    fn put_back(&self, range: Range<u64>) -> io::Result<()> {
        self.memory.put_back(range, &self.faults)
    }

    fn refuse(&self, range: Range<u64>) -> io::Result<()> {
        self.memory.refuse(range, &self.faults)
    }

    fn report(&self, range: Range<u64>) -> io::Result<()> {
        self.memory.report(range)
    }
}

/// What is withheld, from when something is for the first time.
#[derive(Default)]
pub(super) struct Withheld {
    absent: OnceLock<Arc<Absent<Mapping>>>,
    /// Held by whoever makes it.
    making: Mutex<()>,
}

impl Withheld {
    /// What is withheld, if anything ever was.
    pub(super) fn get(&self) -> Option<&Arc<Absent<Mapping>>> {
        self.absent.get()
    }

    /// What is withheld of `memory`, as `frames` says, from the processors of `wires`. The first call starts the thread, which lives as long as the program.
    ///
    /// # Errors
    /// The host has no userfaultfd for us, or no thread.
    pub(super) fn begin(
        &self,
        memory: &Arc<KvmMemory>,
        frames: &Arc<Frames>,
        wires: &[Arc<KvmWire>],
    ) -> io::Result<&Arc<Absent<Mapping>>> {
        let _making = self.making.lock().expect("nothing panics with it locked");
        if let Some(absent) = self.absent.get() {
            return Ok(absent);
        }
        let mapping = Mapping {
            memory: Arc::clone(memory),
            faults: Faults::new()?,
        };
        let absent = Arc::new(Absent::new(mapping, Arc::clone(frames), most()));
        let (heard, wires) = (Arc::clone(&absent), wires.to_vec());
        thread::Builder::new()
            .name("withheld".into())
            .spawn(move || hear(&heard, &wires))?;
        Ok(self.absent.get_or_init(|| absent))
    }
}

/// Pages that may be absent at a time. Each may split the mapping twice, and the host bounds the pieces of all mappings of a process.
fn most() -> usize {
    /// Where the host does not say: what it is unless somebody has changed it.
    const USUAL: usize = 65_530;
    /// For all that is no guest memory.
    const OTHERS: usize = 8192;
    let most = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let most = most.and_then(|most| most.trim().parse().ok()).unwrap_or(USUAL);
    most.saturating_sub(OTHERS) / 2
}

/// Hears who needs what is absent. No processor may need this thread to wait for it: it waits for nothing else.
fn hear(absent: &Absent<Mapping>, wires: &[Arc<KvmWire>]) {
    let Mapping { memory, faults } = absent.pages();
    let mut is_told = false;
    loop {
        let PageFault { address, store, thread } = match faults.next() {
            Ok(fault) => fault,
            Err(error) => {
                terminal::say(&format!(
                    "pteg: the host does not say any more which withheld memory is needed: {error}; a processor that needs some waits \
                     without end"
                ));
                return;
            }
        };
        let access = if store { Access::Store } else { Access::Load };
        let server = wires.iter().position(|wire| wire.is_run_by(thread));
        let done = absent.fault(address - memory.host_address(), access, server, |server| {
            wires[server].ring()
        });
        if let Err(error) = done
            && !is_told
        {
            is_told = true;
            terminal::say(&format!(
                "pteg: the host does not change its mapping of guest memory: {error}; a processor that needs withheld memory \
                 waits without end"
            ));
        }
    }
}
