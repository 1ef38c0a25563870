//! The hypercalls that set or tell what a processor is like (LoPAR, Logical Partitioning Option, 5.4.3).

use power::bits::{bit, extract, field};
use power::hcall::{Status, set_mode as resource};
use power::msr::{Msr, lpcr};
use power::spr::Spr;

use crate::accel::Processor;
use crate::machine::Machine;

/// `H_SET_SPRG0`: value.
pub(super) fn set_sprg0<P: Processor>(cpu: &mut P) -> Status {
    let value = cpu.gpr(4);
    cpu.set_spr(Spr::SPRG0, value);
    Status::Success
}

/// `H_SET_DABR`: the breakpoint of earlier processors. POWER8 has no such register; where it has a watchpoint, that
/// watches the doubleword for either state.
pub(super) fn set_dabr<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    /// DABR: translation, stores, loads.
    const KINDS: u64 = field(61, 63);
    /// DAWRX: accesses of the supervisor and of problem state.
    const STATES: u64 = field(62, 63);
    if !machine.partition.has_breakpoints() {
        return Status::Hardware;
    }
    let dabr = cpu.gpr(4);
    let [translation, store, load] = [61, 62, 63].map(|place| extract(dabr, place, place));
    // DAWRX has stores at 57, loads at 58, translation at 59.
    let dawrx = store << 6 | load << 5 | translation << 4 | STATES;
    cpu.set_spr(Spr::DAWR0, dabr & !KINDS);
    cpu.set_spr(Spr::DAWRX0, dawrx);
    Status::Success
}

/// `H_SET_MODE`: flags, resource, two values. Breakpoints are offered where processors have them.
pub(super) fn set_mode<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let (flags, resource, value1, value2) = (cpu.gpr(4), cpu.gpr(5), cpu.gpr(6), cpu.gpr(7));
    match resource {
        resource::ADDRESS_TRANSLATION_MODE | resource::LITTLE_ENDIAN if value1 != 0 => Status::P3,
        resource::ADDRESS_TRANSLATION_MODE | resource::LITTLE_ENDIAN if value2 != 0 => Status::P4,
        resource::ADDRESS_TRANSLATION_MODE => set_interrupt_location(machine, flags),
        resource::LITTLE_ENDIAN => set_interrupt_endianness(machine, flags, cpu.msr()),
        resource::CIABR if machine.partition.has_breakpoints() => {
            set_instruction_breakpoint(cpu, flags, value1, value2)
        }
        resource::DAWR0 if machine.partition.has_breakpoints() => set_watchpoint(cpu, flags, value1, value2),
        _ => Status::P2,
    }
}

/// Sets CIABR. The state that it is for may not be the hypervisor's. The manual looks at the second value first.
fn set_instruction_breakpoint<P: Processor>(cpu: &mut P, flags: u64, ciabr: u64, rest: u64) -> Status {
    /// Bits 62 and 63 of a breakpoint in the hypervisor.
    const HYPERVISOR: u64 = 0b11;
    if rest != 0 {
        return Status::P4;
    }
    if let Err(status) = Status::check_flags(flags, 0) {
        return status;
    }
    if ciabr & HYPERVISOR == HYPERVISOR {
        return Status::P3;
    }
    cpu.set_spr(Spr::CIABR, ciabr);
    Status::Success
}

/// Sets DAWR and DAWRX. The hypervisor's accesses may not be watched.
fn set_watchpoint<P: Processor>(cpu: &mut P, flags: u64, dawr: u64, dawrx: u64) -> Status {
    const HYPERVISOR: u64 = bit(61);
    if let Err(status) = Status::check_flags(flags, 0) {
        return status;
    }
    if dawrx & HYPERVISOR != 0 {
        return Status::P4;
    }
    cpu.set_spr(Spr::DAWR0, dawr);
    cpu.set_spr(Spr::DAWRX0, dawrx);
    Status::Success
}

fn set_interrupt_location(machine: &Machine, mode: u64) -> Status {
    /// What the manual answers to the reserved mode 1.
    const UNSUPPORTED: Status = Status::UnsupportedFlag(62);
    if let Err(status) = Status::check_flags(mode, 0b11) {
        return status;
    }
    if mode == 1 || mode != 0 && !machine.partition.relocates_interrupts() {
        return UNSUPPORTED;
    }
    machine
        .partition
        .change_lpcr(lpcr::AIL, mode << lpcr::AIL.trailing_zeros());
    Status::Success
}

/// The manual wants interrupts disabled on every processor; only the caller can be asked. A guest changes
/// this before it starts the others, and one that does not has no right vectors for them either way.
fn set_interrupt_endianness(machine: &Machine, little: u64, msr: Msr) -> Status {
    if let Err(status) = Status::check_flags(little, 1) {
        return status;
    }
    if msr.has(Msr::EE) {
        return Status::BadMode;
    }
    machine
        .partition
        .change_lpcr(lpcr::ILE, little << lpcr::ILE.trailing_zeros());
    Status::Success
}

/// `H_REGISTER_PROC_TBL`: flags, base, page size, table size. Says how the guest translates addresses; here only by the
/// hashed page table, with segments that the guest puts into the SLB itself. Processors then never look at a process table,
/// so nobody remembers where one is.
pub(super) fn register_process_table<P: Processor>(machine: &Machine, cpu: &P) -> Status {
    /// A process table is registered, or given up: bits 59 and 60.
    const OPERATION: u64 = field(59, 60);
    const NONE: u64 = 0;
    const GIVE_UP: u64 = 0x10;
    const REGISTER: u64 = 0x18;
    /// Pages of a table of segments in memory have other sizes up to 2^7; a table has up to 2^24 pages.
    const LARGEST_PAGE: u64 = 7;
    const LARGEST_TABLE: u64 = 24;
    if !machine.partition.has_process_table() {
        return Status::Function;
    }
    let (flags, base, page, table) = (cpu.gpr(4), cpu.gpr(5), cpu.gpr(6), cpu.gpr(7));
    // Neither segments in memory nor radix trees, and the table is the hypervisor's to flush.
    if flags & !OPERATION != 0 {
        return Status::Parameter;
    }
    match flags {
        NONE | GIVE_UP => Status::Success,
        REGISTER if base >> 38 != 0 => Status::P2,
        REGISTER if page > LARGEST_PAGE => Status::P3,
        REGISTER if table > LARGEST_TABLE => Status::P4,
        REGISTER => Status::Success,
        _ => Status::Parameter,
    }
}

/// `H_GET_CPU_CHARACTERISTICS`: returns what the processor has and what the guest should do.
pub(super) fn get_cpu_characteristics<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let [character, behaviour] = machine.partition.characteristics();
    cpu.set_gpr(4, character);
    cpu.set_gpr(5, behaviour);
    Status::Success
}

/// `H_RANDOM`: returns 64 random bits.
pub(super) fn random<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let mut bytes = [0; 8];
    if machine.random.fill(&mut bytes).is_err() {
        return Status::Hardware;
    }
    cpu.set_gpr(4, u64::from_le_bytes(bytes));
    Status::Success
}
