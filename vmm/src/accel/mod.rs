//! What runs the guest's processors, seen from the machine: a processor to run and look into, a wire to
//! disturb it by, and the modes that all processors share. `emulated` is the one that is here.

pub(crate) mod choose;
pub(crate) mod emulated;

use std::collections::BTreeMap;
use std::time::Duration;

use power::msr::Msr;
use power::spr::Spr;

/// Why a processor left the guest.
#[derive(Debug)]
pub(crate) enum Exit {
    /// It asked for something (`sc 1`); its next instruction is the one after.
    Hypercall,
    /// Somebody wants its attention.
    Attention,
    /// It can neither go on nor take an interrupt.
    Checkstop(String),
}

/// A processor, in the hands of the thread that runs it; now one, now another.
pub(crate) trait Processor {
    /// Sets it to the state after a start, with these registers.
    fn start(&mut self, pc: u64, r3: u64, msr: Msr);
    /// Runs the guest.
    fn run(&mut self) -> Exit;
    /// A general purpose register.
    fn gpr(&self, number: usize) -> u64;
    /// Sets a general purpose register.
    fn set_gpr(&mut self, number: usize, value: u64);
    /// The machine state register.
    fn msr(&self) -> Msr;
    /// Sets the machine state register.
    fn set_msr(&mut self, msr: Msr);
    /// Sets a special purpose register.
    fn set_spr(&mut self, number: Spr, value: u64);
    /// Whether an external or decrementer interrupt waits, whatever MSR\[EE\] says.
    fn interrupt_pending(&self) -> bool;
    /// Time until the decrementer asks for an interrupt.
    fn decrementer_remaining(&self) -> Duration;
    /// Drops what the page table took away while it was outside the guest, as the next [`Self::run`] would. To be called
    /// before its state is read or its thread goes to another processor.
    fn settle(&mut self) {}
    /// All registers, to be read by a person.
    fn registers(&self) -> String;
    /// Instructions that it did not know, with how often each was met.
    fn unknown_instructions(&self) -> BTreeMap<u32, u64>;
    /// How many instructions it has executed.
    fn instructions(&self) -> u64;
}

/// How other threads reach a processor that may be in the guest.
pub(crate) trait Wire: Send + Sync {
    /// Makes it leave the guest soon.
    fn ring(&self);
    /// Puts its external interrupt line up or down.
    fn set_external(&self, level: bool);
}

/// What all processors share.
pub(crate) trait Partition: Send + Sync {
    /// The logical partitioning control register.
    fn lpcr(&self) -> u64;
    /// Sets the bits of `mask` to those of `value`, for all processors.
    fn change_lpcr(&self, mask: u64, value: u64);
    /// The time base now.
    fn timebase(&self) -> u64;
    /// Guest memory was written by somebody other than a processor: instructions that were decoded
    /// from these bytes are void.
    fn wrote(&self, real: u64, bytes: u64);
}
