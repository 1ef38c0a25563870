//! The hypercalls that reach memory by its real address (LoPAR, Logical Partitioning Option, 5.4.3.3 and 5.4.4).

use power::hcall::{Status, access};

use crate::accel::Processor;
use crate::machine::Machine;
use crate::upkeep::Usage;

/// Bytes of a page of `H_PAGE_INIT`.
const PAGE: u64 = 4096;

/// Bytes of a cache block.
const BLOCK: u64 = 128;

/// `H_PAGE_INIT`: flags, destination, source. A page that becomes active does so before it gets its content, and one that
/// becomes unused afterwards.
pub(super) fn page_init<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    const ICACHE: u64 = access::ICACHE_INVALIDATE | access::ICACHE_SYNCHRONIZE;
    let (flags, destination, source) = (cpu.gpr(4), cpu.gpr(5), cpu.gpr(6));
    const USAGE: u64 = access::CHANGE_USAGE | access::USAGE_STATE | access::USAGE_DEGREE;
    if let Err(status) = Status::check_flags(flags, access::ZERO_PAGE | access::COPY_PAGE | ICACHE | USAGE) {
        return status;
    }
    let usage = match Usage::of_flags(flags) {
        Ok(usage) => usage,
        Err(status) => return status,
    };
    let is_page = |real: u64| real.is_multiple_of(PAGE) && machine.ram.contains(real, PAGE);
    if !is_page(destination) || (flags & access::COPY_PAGE != 0 && !is_page(source)) {
        return Status::Parameter;
    }
    let note = |usage| machine.upkeep.note_usage(usage, &(destination..destination + PAGE));
    if let Some(Usage::Active) = usage {
        note(Usage::Active);
    }
    let checked = "checked above";
    if flags & access::ZERO_PAGE != 0 {
        machine.ram.zero(destination, PAGE).expect(checked);
    }
    if flags & access::COPY_PAGE != 0 {
        let page: [u8; PAGE as usize] = machine.ram.read(source).expect(checked);
        machine.ram.write(destination, &page).expect(checked);
    }
    if flags & ICACHE != 0 {
        machine.partition.wrote(destination, PAGE);
    }
    if let Some(Usage::Unused) = usage {
        note(Usage::Unused);
    }
    Status::Success
}

/// `H_LOGICAL_CI_LOAD` (LoPAR, Logical Partitioning Option): size, address; returns the value, whose most significant byte has the lowest address.
pub(super) fn logical_ci_load<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let Some((real, size)) = registers(machine, cpu.gpr(4), cpu.gpr(5)) else {
        return Status::Parameter;
    };
    let mut value = [0; 8];
    machine.bus.load(real, &mut value[8 - size..]);
    cpu.set_gpr(4, u64::from_be_bytes(value));
    Status::Success
}

/// `H_LOGICAL_CI_STORE` (as above): size, address, value.
pub(super) fn logical_ci_store<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let Some((real, size)) = registers(machine, cpu.gpr(4), cpu.gpr(5)) else {
        return Status::Parameter;
    };
    machine.bus.store(real, &cpu.gpr(6).to_be_bytes()[8 - size..]);
    Status::Success
}

/// A place that may be mapped without caching, which devices' registers alone may, and its bytes. `None`: it is none, or no such access is.
fn registers(machine: &Machine, size: u64, real: u64) -> Option<(u64, usize)> {
    let is_access = matches!(size, 1 | 2 | 4 | 8) && real.is_multiple_of(size);
    (is_access && machine.bus.contains(real, size)).then_some((real, size as usize))
}

/// `H_LOGICAL_ICBI`: address of a cache block whose instructions are void.
pub(super) fn logical_icbi<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let block = cpu.gpr(4) & !(BLOCK - 1);
    if !machine.ram.contains(block, BLOCK) {
        return Status::Parameter;
    }
    machine.partition.wrote(block, BLOCK);
    Status::Success
}

/// `H_LOGICAL_DCBF`: address of a cache block to write back: there is no cache to write back.
pub(super) fn logical_dcbf<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    if machine.ram.contains(cpu.gpr(4), 1) {
        Status::Success
    } else {
        Status::Parameter
    }
}
