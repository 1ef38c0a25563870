//! What runs the guest's processors, seen from the machine: a processor to run and look into, a wire to
//! disturb it by, and the modes that all processors share.
//!
//! `emulated` is there on every machine, `kvm` on POWER.

pub(crate) mod choose;
pub(crate) mod emulated;
#[cfg(target_arch = "powerpc64")]
pub(crate) mod kvm;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::Duration;

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
    },
    /// It can neither go on nor take an interrupt.
    Checkstop(String),
}

/// A processor, in the hands of the thread that runs it; now one, now another.
pub(crate) trait Processor {
    /// Sets it to the state after a start, with these registers.
    fn start(&mut self, pc: u64, r3: u64, msr: Msr);
    /// Runs the guest.
    fn run(&mut self) -> Exit;
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
}

/// How other threads reach a processor that may be in the guest.
pub(crate) trait Wire: Send + Sync {
    /// Makes it leave the guest soon.
    fn ring(&self);
    /// Wakes it, if it dozes by itself: there is a reason that it can see.
    fn wake(&self) {}
    /// Puts its external interrupt line up or down.
    fn set_external(&self, level: bool);
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
}

/// What all processors share.
pub(crate) trait Partition: Send + Sync {
    /// The logical partitioning control register.
    fn lpcr(&self) -> u64;
    /// Sets the bits of `mask` to those of `value`, for all processors.
    fn change_lpcr(&self, mask: u64, value: u64);
    /// Whether interrupts can be taken elsewhere than from real address 0: LPCR\[AIL\].
    fn relocates_interrupts(&self) -> bool;
    /// What the processors do ahead of what they may, and what a guest should do about it: r4 and r5 of
    /// `H_GET_CPU_CHARACTERISTICS`.
    fn characteristics(&self) -> [u64; 2];
    /// The time base now.
    fn timebase(&self) -> u64;
    /// Makes the time base stand still, if it can; no processor runs now. For one caller at a time.
    fn hold_time(&self) {}
    /// The time base goes on where it stood, if it stood.
    fn release_time(&self) {}
    /// Guest memory was written by somebody other than a processor: instructions that were decoded
    /// from these bytes are void.
    fn wrote(&self, real: u64, bytes: u64);
}
