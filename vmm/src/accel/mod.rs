//! What runs the guest's processors, seen from the machine: a processor to run and look into, a wire to
//! disturb it by, and the modes that all processors share.
//!
//! `emulated` is there on every machine, `kvm` on POWER.

#[cfg(any(test, target_arch = "powerpc64"))]
mod absent;
pub(crate) mod choose;
pub(crate) mod emulated;
#[cfg(target_arch = "powerpc64")]
pub(crate) mod kvm;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use devices::bus::Bus;
use emulator::{Counts, Executed, Operand};
use hpt::{Access, OwnFlush};
use power::msr::Msr;
use power::spr::Spr;

use crate::machine::Parts;

/// A way to run processors.
pub(crate) trait Accelerator: Send + Sync + 'static {
    /// Its processors.
    type Processor: Processor + Send + 'static;

    /// What a machine is made of.
    fn parts(&self) -> Parts;
    /// The processor `server`, to be run by one thread at a time.
    fn processor(&self, server: usize) -> Self::Processor;
}

/// Why a processor left the guest.
#[derive(Debug)]
pub(crate) enum Exit {
    /// It asked for something (`sc 1`); its next instruction is the one after.
    Hypercall,
    /// Somebody wants its attention.
    Attention,
    /// Memory that it needs is withheld. Its next instruction is the one that needs it: nothing of that has been done.
    Withheld {
        /// Real address.
        real: u64,
        /// What it would do there.
        access: Access,
        /// Effective address of that instruction.
        pc: u64,
    },
    /// It loads what is no memory: [`Processor::answer`] says what is there, before it runs again.
    Load {
        /// Real address.
        real: u64,
        /// How many bytes, 8 at most.
        bytes: usize,
    },
    /// It stores to what is no memory: that is done before it runs again.
    Store {
        /// Real address.
        real: u64,
        /// What it stores, in the order of addresses.
        operand: Operand,
    },
    /// It can neither go on nor take an interrupt.
    Checkstop(String),
}

/// A processor, in the hands of the thread that runs it; now one, now another.
pub(crate) trait Processor {
    /// Sets it to the state after a start, with these registers.
    fn start(&mut self, pc: u64, r3: u64, msr: Msr);
    /// Runs the guest. A hypercall that `answer_inside` answers, if it is asked, is no exit.
    ///
    /// It is asked while the processor is in its seat, so it waits for nobody.
    fn run(&mut self, answer_inside: impl FnMut(&mut Self) -> bool) -> Exit;
    /// Its turn begins: [`Self::run`] returns with [`Exit::Attention`] when it has executed so many instructions, and the rest of a block. For those
    /// whose instructions are counted.
    fn begin_turn(&mut self, _instructions: u64) {}
    /// Whether its turn is over.
    fn is_turn_over(&self) -> bool {
        false
    }
    /// What the load that it left for ([`Exit::Load`]) has found, as many bytes as it wanted, in the order of addresses.
    fn answer(&mut self, bytes: &[u8]);
    /// A general purpose register that hypercalls use: r3 to r12.
    fn gpr(&self, number: usize) -> u64;
    /// Sets one of them.
    fn set_gpr(&mut self, number: usize, value: u64);
    /// The machine state register.
    fn msr(&self) -> Msr;
    /// Sets the machine state register.
    fn set_msr(&mut self, msr: Msr);
    /// Whether its program may not do what the operating system may: MSR\[PR\].
    fn in_problem_state(&self) -> bool {
        self.msr().has(Msr::PR)
    }
    /// Sets a special purpose register.
    fn set_spr(&mut self, number: Spr, value: u64);
    /// Whether it sees to its own sleep, with [`Self::doze`]. If not, whoever carries it waits elsewhere, as
    /// [`Self::interrupt_pending`] and [`Self::decrementer_remaining`] tell.
    const DOZES: bool = false;
    /// How it drops translations of the table for all processors while one of its hypercalls is being answered, if it can.
    fn own_flush(&self) -> Option<OwnFlush> {
        None
    }
    /// Sleeps until it has an interrupt, or until its wire is told to wake it while `wakes` holds. It may also wake for
    /// nothing.
    fn doze(&mut self, _wakes: &dyn Fn() -> bool) {}
    /// Whether an external or decrementer interrupt waits, whatever MSR\[EE\] says. One that dozes need not
    /// know.
    fn interrupt_pending(&self) -> bool;
    /// Time until the decrementer asks for an interrupt. One that dozes need not know.
    fn decrementer_remaining(&self) -> Duration;
    /// Drops what the page table took away while it was outside the guest, as the next [`Self::run`] would. To be called
    /// before its state is read or its thread goes to another processor.
    fn settle(&mut self) {}
    /// All registers, to be read by a person.
    fn registers(&self) -> String;
    /// Instructions that it did not know, with how often each was met.
    fn unknown_instructions(&self) -> BTreeMap<u32, u64>;
    /// How many instructions it has executed; `None`: nobody counts.
    fn instructions(&self) -> Option<u64>;
    /// What it has counted of its work, if it is emulated.
    fn work(&self) -> Option<&Counts> {
        None
    }
    /// Which blocks it has executed, if they were counted. For the end of a run.
    fn take_executed(&mut self) -> Option<Executed> {
        None
    }
}

/// How other threads reach a processor that may be in the guest.
pub(crate) trait Wire: Send + Sync {
    /// Makes it leave the guest soon.
    fn ring(&self);
    /// Wakes it, if it dozes by itself: there is a reason that it can see.
    fn wake(&self) {}
    /// Puts its external interrupt line up or down.
    fn set_external(&self, level: bool);
    /// The machine is reset: what a kernel's interrupt controller has for it is forgotten. It is outside the guest, and if it dozed, it has been woken for good.
    fn forget_interrupts(&self) {}
}

/// A kernel that walks the guest's table for the processors: what it does for those who take guest memory away or watch it.
/// That memory was taken out of the file behind it the kernel finds out by itself.
pub(crate) trait KernelMemory: Send + Sync {
    /// Drops every translation of the real addresses `range`.
    fn unmap(&self, range: &Range<u64>);
    /// Begins to note the pages that the guest stores to, or ends it.
    ///
    /// # Errors
    /// What the kernel says.
    fn log_stores(&self, on: bool) -> io::Result<()>;
    /// The pages of the host that the guest has stored to since the last call, or the start: one bit for each, from real address 0 up.
    ///
    /// # Errors
    /// What the kernel says.
    fn stored(&self) -> io::Result<Vec<u64>>;
    /// Keeps the processors from the pages of the host that have a part of `ranges`, for as long as a frame in them lacks the right to be loaded from
    /// ([`hpt::Frames`]): who needs one leaves the guest ([`Exit::Withheld`]). To be called when the rights are taken already.
    ///
    /// # Errors
    /// The host does not, or not so much. Some pages may be kept from them: [`Self::settle`] ends that.
    fn withhold(&self, ranges: &[Range<u64>]) -> Result<(), NotWithheld>;
    /// Rights were given in `ranges`: what lacks none is the processors' again. They find it out by themselves when they need it; this is for the end.
    ///
    /// # Errors
    /// What the kernel says: processors go on being kept from some.
    fn settle(&self, ranges: &[Range<u64>]) -> io::Result<()>;
}

/// Why memory is not withheld from processors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWithheld {
    /// Each page may be a piece of the mapping by itself.
    #[cfg_attr(
        not(any(test, target_arch = "powerpc64")),
        expect(dead_code, reason = "only POWER's kernels run guests")
    )]
    #[error(
        "{wanted} pages of the host would be withheld at a time, and {most} can be; name less memory, or raise vm.max_map_count \
         of the host"
    )]
    TooMany {
        /// Pages.
        wanted: usize,
        /// As many as can be.
        most: usize,
    },
    /// The host refuses.
    #[error("the host does not let pteg withhold memory from its kernel: {0}; pteg doctor says what it takes")]
    Host(#[from] io::Error),
}

/// What all processors share.
pub(crate) trait Partition: Send + Sync {
    /// The logical partitioning control register.
    fn lpcr(&self) -> u64;
    /// Sets the bits of `mask` to those of `value`, for all processors: what any of them does in the guest after this goes by them. To be called
    /// outside of the guest.
    fn change_lpcr(&self, mask: u64, value: u64);
    /// Whether interrupts can be taken elsewhere than from real address 0: LPCR\[AIL\].
    fn relocates_interrupts(&self) -> bool;
    /// Whether the processors have CIABR, DAWR and DAWRX.
    fn has_breakpoints(&self) -> bool {
        false
    }
    /// Whether the processors can have a process table: those of ISA 3.0.
    fn has_process_table(&self) -> bool {
        false
    }
    /// What the processors do ahead of what they may, and what a guest should do about it: r4 and r5 of
    /// `H_GET_CPU_CHARACTERISTICS`.
    fn characteristics(&self) -> [u64; 2];
    /// The time base now.
    fn timebase(&self) -> u64;
    /// The time by which sleepers wake: the host's, or that of a time base that is counted.
    fn now(&self) -> Instant {
        Instant::now()
    }
    /// Moves a time base that is counted on to this moment of [`Self::now`], as no processor has anything to do before.
    fn skip_to(&self, _to: Instant) {}
    /// Makes the time base stand still, if it can; no processor runs now. For one caller at a time.
    fn hold_time(&self) {}
    /// The time base goes on where it stood, if it stood.
    fn release_time(&self) {}
    /// Guest memory was written by somebody other than a processor: instructions that were decoded
    /// from these bytes are void.
    fn wrote(&self, real: u64, bytes: u64);
    /// Devices are where `bus` has them, if processors need to be told: some leave the guest for whatever is no memory. Said once, before
    /// any processor runs.
    fn know_devices(&self, _bus: Arc<Bus>) {}
}
