//! The hypercalls that set or tell what a processor is like (LoPAR, Logical Partitioning Option, 5.4.3).

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

/// `H_SET_DABR`: POWER8 has no such register, and the device tree says so.
pub(super) fn set_dabr() -> Status {
    Status::Hardware
}

/// `H_SET_MODE`: flags, resource, two values. Breakpoints are not offered.
pub(super) fn set_mode<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let (flags, resource, value1, value2) = (cpu.gpr(4), cpu.gpr(5), cpu.gpr(6), cpu.gpr(7));
    match resource {
        resource::ADDRESS_TRANSLATION_MODE | resource::LITTLE_ENDIAN if value1 != 0 => Status::P3,
        resource::ADDRESS_TRANSLATION_MODE | resource::LITTLE_ENDIAN if value2 != 0 => Status::P4,
        resource::ADDRESS_TRANSLATION_MODE => set_interrupt_location(machine, flags),
        resource::LITTLE_ENDIAN => set_interrupt_endianness(machine, flags, cpu.msr()),
        _ => Status::P2,
    }
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

/// `H_GET_CPU_CHARACTERISTICS`: returns what the processor has and what the guest should do.
pub(super) fn get_cpu_characteristics<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let [character, behaviour] = machine.partition.characteristics();
    cpu.set_gpr(4, character);
    cpu.set_gpr(5, behaviour);
    Status::Success
}

/// `H_RANDOM`: returns 64 random bits.
pub(super) fn random<P: Processor>(cpu: &mut P) -> Status {
    let mut bytes = [0; 8];
    if crate::random::fill(&mut bytes).is_err() {
        return Status::Hardware;
    }
    cpu.set_gpr(4, u64::from_ne_bytes(bytes));
    Status::Success
}
