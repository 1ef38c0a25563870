//! Processors of a POWER host: KVM-PR runs the guest and walks the table in our memory; every hypercall about the table
//! comes to us.
//!
//! - `processor` is one processor, `wire` how others reach it.
//! - `errand` is what a processor does for us inside the guest: it flushes shadows; `prices` says when that is the better way.
//! - `irqchip` is the kernel's interrupt controller, if that is to serve the guest; else ours moves each wire's line.
//! - `porter` has the kernel ring devices' doorbells.
//! - `ram` is the kernel's part where guest memory is taken away, withheld (`withheld`), or stores to it are noted; `ways` has other ways to
//!   do the first, for figures.
//! - `shared` is what they have in common; `registers` and `segments` are what KVM has of the guest.
//! - The page table's protocol is `hpt`'s: the kernel's walker marks late ([`hpt::Marking::LateBytes`]), and its shadows go by
//!   real page, through KVM's own mapping of guest memory.
//!
//! Unsafe code is in the crate `kvm-ppc`, but for SDR1, which only this module can answer for.

mod engine;
mod errand;
mod irqchip;
mod porter;
mod prices;
mod processor;
mod ram;
mod registers;
#[expect(unsafe_code, reason = "SDR1 is an address that the kernel reads and writes at")]
mod segments;
mod shared;
#[cfg(feature = "comparisons")]
mod ways;
mod wire;
mod withheld;

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, Once};

use devices::interrupt::Sources;
use devices::pci;
use devices::xics::Trigger;
use hpt::{Current, Discard, Kick, Marking, Refused, Shootdown, Table};
use kvm_bindings::{KVM_CAP_PPC_PAPR, kvm_ppc_smmu_info};
use kvm_ioctls::VcpuFd;
use kvm_ppc::{CodeMemory, KvmMemory, PpcVcpu as _, PpcVm as _};
use power::hcall::Hcall;
use vmm_sys_util::errno;

use super::choose;
use super::{Accelerator, KernelMemory, Partition, Wire};
use crate::boot::{ProcessorKind, Translation, UnknownProcessor};
use crate::config::Config;
use crate::host::Host;
use crate::machine::Parts;
use crate::memory::{GuestRam, MemoryError};
use crate::terminal;
use errand::Errands;
use irqchip::{Irqchip, Pins};
use porter::Porter;
pub(crate) use processor::KvmProcessor;
use ram::Ram;
use shared::{Modes, Shared};
use wire::KvmWire;
use withheld::Withheld;

/// Why KVM cannot run the guest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KvmError {
    /// A step of the preparation.
    #[error("KVM: {what}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What the kernel answered.
        #[source]
        source: errno::Error,
    },
    /// Signals cannot be caught.
    #[error("catching the signal that gets processors out of the guest")]
    Signal(#[source] io::Error),
    /// What other threads reach a processor by.
    #[error("KVM: mapping the state of a processor")]
    Handles(#[source] io::Error),
    /// The page of errands.
    #[error("KVM: making a page of instructions for its processors")]
    Errands(#[source] io::Error),
    /// KVM's own mapping of guest memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The host's processors.
    #[error(transparent)]
    Processor(#[from] UnknownProcessor),
    /// The hashed page table.
    #[error("making the hashed page table")]
    Table(#[from] hpt::AllocateTable),
}

/// As an error that says what was asked for.
fn refused(what: &'static str) -> impl FnOnce(errno::Error) -> KvmError {
    move |source| KvmError::Refused { what, source }
}

/// Hypercalls about the table that KVM-PR answers by itself unless told not to.
const OURS: [Hcall; 4] = [Hcall::Enter, Hcall::Remove, Hcall::BulkRemove, Hcall::Protect];
/// Others: in KVM's `H_CEDE` a processor would count as inside the guest, and its `H_SET_MODE` looks at half of its arguments.
const ALWAYS_OURS: [Hcall; 2] = [Hcall::Cede, Hcall::SetMode];

/// Shadows are dropped page by page up to so many ranges; from there on everything of every processor goes. Where that costs less
/// depends on how many shadows there are, which nobody can ask for: with this number the wrong way costs less than twice the right one,
/// as measured (decision 0014).
const MOST_RANGES: usize = 1024;

/// `KVM_CREATE_VM`: a guest of KVM-PR.
const TYPE_PR: u64 = 2;

/// Slots of memory.
const RAM_SLOT: u32 = 0;
const ERRAND_SLOT: u32 = 1;

/// The processors of one guest.
pub(crate) struct Kvm {
    /// Each until its thread takes it.
    vcpus: Vec<Mutex<Option<VcpuFd>>>,
    wires: Vec<Arc<KvmWire>>,
    shared: Arc<Shared>,
    pvr: u32,
    smmu: kvm_ppc_smmu_info,
    irqchip: Option<Arc<Irqchip>>,
    porter: Option<Arc<Porter>>,
    ram: Arc<Ram>,
}

/// Drops the kernel's shadows of guest memory.
struct Shadows {
    memory: Arc<KvmMemory>,
    /// The user has been told that the host refuses it.
    told: Once,
}

impl Shadows {
    fn new(memory: &Arc<KvmMemory>) -> Self {
        Self {
            memory: Arc::clone(memory),
            told: Once::new(),
        }
    }
}

impl Discard for Shadows {
    /// The kernel refuses it where memory is locked (`mlockall`). It costs time then, and nothing else.
    fn discard(&self, range: Range<u64>) -> Result<(), Refused> {
        self.memory.discard(range).map_err(|error| {
            self.told.call_once(|| {
                terminal::say(&format!(
                    "pteg: the host does not take pages from KVM's mapping of guest memory: madvise: {error}; all processors drop \
                     all translations each time instead, which is slower; is this process's memory locked?"
                ));
            });
            Refused
        })
    }
}

/// Rings a processor out of the guest.
struct Ring(Arc<KvmWire>);

impl Kick for Ring {
    fn kick(&self) {
        self.0.ring();
    }
}

impl Kvm {
    /// The processors of `config` on `ram`, with the kernel's interrupt controller for these sources if that is the `chosen` one.
    pub(crate) fn new(
        config: &Config,
        ram: &GuestRam,
        chosen: choose::Irqchip,
        triggers: &[Trigger],
    ) -> Result<Self, KvmError> {
        kvm_ppc::catch_signal().map_err(KvmError::Signal)?;
        let kvm = kvm_ioctls::Kvm::new().map_err(refused("opening /dev/kvm"))?;
        let vm = kvm
            .create_vm_with_type(TYPE_PR)
            .map_err(refused("making a guest of KVM-PR"))?;
        let vm = Arc::new(vm);
        for call in ALWAYS_OURS {
            vm.enable_hcall(call.number(), false)
                .map_err(refused("taking hypercalls over"))?;
        }
        for call in OURS {
            vm.enable_hcall(call.number(), config.kernel_hcalls)
                .map_err(refused("taking the hypercalls of the page table over"))?;
        }
        let irqchip = match chosen {
            choose::Irqchip::Kernel => Some(Arc::new(Irqchip::new(Arc::clone(&vm), triggers)?)),
            choose::Irqchip::Ours => None,
        };
        let (mut vcpus, mut wires) = (Vec::new(), Vec::new());
        for number in 0..config.processors {
            let vcpu = vm.create_vcpu(number.into()).map_err(refused("making a processor"))?;
            vcpu.enable_cap(KVM_CAP_PPC_PAPR, [0; 4])
                .map_err(refused("making a processor of a partition"))?;
            if let Some(irqchip) = &irqchip {
                irqchip.connect(&vcpu, number)?;
            }
            let exit = vcpu.immediate_exit().map_err(KvmError::Handles)?;
            let interrupter = vcpu.interrupter().map_err(KvmError::Handles)?;
            wires.push(Arc::new(KvmWire::new(exit, interrupter, chosen)));
            vcpus.push(vcpu);
        }
        // A kernel that cannot be asked knows nothing.
        let characteristics = shared::characteristics(&vm.cpu_char().unwrap_or_default());
        let memory = Arc::new(KvmMemory::new(ram.map_again()?));
        let code = CodeMemory::new(ram.map_again()?);
        let kicks = wires
            .iter()
            .map(|wire| Box::new(Ring(Arc::clone(wire))) as Box<dyn Kick>);
        let shadows = Box::new(Shadows::new(&memory));
        let shootdown = Arc::new(Shootdown::new(kicks.collect()).with_discard(shadows, MOST_RANGES));
        let shared = Arc::new(Shared {
            table: Current::new(Table::with_marking(config.order, Marking::LateBytes)?),
            modes: Arc::new(Modes::new(code, characteristics, Arc::clone(&shootdown))),
            shootdown,
            memory,
            errands: Errands::new().map_err(KvmError::Errands)?,
            withheld: Withheld::default(),
        });
        let (errands, place) = shared.errands.place();
        let add = |slot, real, memory| {
            vm.add_memory(slot, real, memory)
                .map_err(refused("giving the guest its memory"))
        };
        let slot = add(RAM_SLOT, 0, &shared.memory)?;
        add(ERRAND_SLOT, place, errands)?;
        let ram = Ram {
            vm: Arc::clone(&vm),
            slot,
            shared: Arc::clone(&shared),
            frames: Arc::clone(ram.frames()),
            wires: wires.clone(),
        };
        let first = vcpus.first().expect("a guest has a processor");
        let segments = first
            .get_sregs()
            .map_err(refused("asking for the processor's version"))?;
        Ok(Self {
            pvr: segments.pvr,
            // Complete only with a processor.
            smmu: vm.smmu_info().map_err(refused("asking for the sizes of pages"))?,
            vcpus: vcpus.into_iter().map(|vcpu| Mutex::new(Some(vcpu))).collect(),
            wires,
            shared,
            irqchip,
            porter: Porter::new(vm).map(Arc::new),
            ram: Arc::new(ram),
        })
    }

    /// What the guest's device tree says of them, on `host`.
    pub(crate) fn processor_kind(&self, host: &Host) -> Result<ProcessorKind, KvmError> {
        let translation = Translation::of_smmu_info(&self.smmu);
        Ok(ProcessorKind::of_kvm(self.pvr, translation, host)?)
    }
}

impl Accelerator for Kvm {
    type Processor = KvmProcessor;

    fn parts(&self) -> Parts {
        let wires = self.wires.iter();
        let pins = |irqchip: &Arc<Irqchip>| Arc::new(Pins::new(irqchip)) as Arc<dyn Sources>;
        Parts {
            wires: wires.map(|wire| Arc::clone(wire) as Arc<dyn Wire>).collect(),
            partition: Arc::clone(&self.shared.modes) as Arc<dyn Partition>,
            table: Arc::clone(&self.shared.table),
            shadow: Box::new(Arc::clone(&self.shared.shootdown)),
            sources: self.irqchip.as_ref().map(pins),
            devices: self
                .irqchip
                .iter()
                .map(|irqchip| Arc::clone(irqchip) as Arc<_>)
                .collect(),
            listener: None,
            kernel: Some(Arc::clone(&self.ram) as Arc<dyn KernelMemory>),
            porter: self
                .porter
                .as_ref()
                .map(|porter| Arc::clone(porter) as Arc<dyn pci::Porter>),
        }
    }

    fn processor(&self, server: usize) -> KvmProcessor {
        let vcpu = self.vcpus[server].lock().expect("nothing panics with it locked").take();
        let vcpu = vcpu.expect("a processor is made once");
        KvmProcessor::new(vcpu, server, Arc::clone(&self.wires[server]), Arc::clone(&self.shared))
    }
}
