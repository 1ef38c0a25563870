//! The hypercalls of the hashed page table: registers to `hpt` and back.

use hpt::{Entries, Port, Specifier};
use power::hcall::{Status, bulk_remove};
use power::hpte::{HpteR, HpteV};
use power::page::PagePair;

use crate::accel::Processor;
use crate::machine::Machine;
use crate::upkeep::Usage;

/// `H_ENTER`: flags, index, two doublewords; returns the index of the entry.
pub(super) fn enter<P: Processor>(machine: &Machine, port: &mut Port, cpu: &mut P) -> Status {
    let (flags, v, r) = (cpu.gpr(4), cpu.gpr(6), cpu.gpr(7));
    let usage = match Usage::of_flags(flags) {
        Ok(usage) => usage,
        Err(status) => return status,
    };
    match port.enter(flags, cpu.gpr(5), v, r) {
        Ok(at) => {
            note_usage(machine, usage, HpteV::from_guest(v), HpteR::from_guest(r));
            returning(cpu, [at.to_register()])
        }
        Err(status) => status,
    }
}

/// `H_REMOVE`: flags, index, AVPN; returns the entry as it was.
pub(super) fn remove<P: Processor>(machine: &Machine, port: &mut Port, cpu: &mut P) -> Status {
    let flags = cpu.gpr(4);
    let usage = match Usage::of_flags(flags) {
        Ok(usage) => usage,
        Err(status) => return status,
    };
    match port.remove(flags, cpu.gpr(5), cpu.gpr(6)) {
        Ok(old) => {
            note_usage(machine, usage, old.v, old.r);
            returning(cpu, [old.v.raw(), old.r.raw()])
        }
        Err(status) => status,
    }
}

/// What the guest says of the page of an entry that was just entered, or removed.
fn note_usage(machine: &Machine, usage: Option<Usage>, v: HpteV, r: HpteR) {
    let Some(usage) = usage else { return };
    let pair = PagePair::decode(v.is_large(), r.lp()).expect("H_ENTER has looked at the sizes");
    let (real, bytes) = (r.real_address(pair), pair.actual().bytes());
    if machine.ram.contains(real, bytes) {
        machine.upkeep.note_usage(usage, &(real..real + bytes));
    }
}

/// `H_PROTECT`: flags, index, AVPN.
pub(super) fn protect<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    port.protect(cpu.gpr(4), cpu.gpr(5), cpu.gpr(6))
}

/// `H_READ`: flags, index; returns one entry or four.
pub(super) fn read<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    match port.read(cpu.gpr(4), cpu.gpr(5)) {
        Ok(Entries::One(entry)) => returning(cpu, [entry.v.raw(), entry.r.raw()]),
        Ok(Entries::Four(entries)) => {
            for (register, entry) in (4..).step_by(2).zip(entries) {
                cpu.set_gpr(register, entry.v.raw());
                cpu.set_gpr(register + 1, entry.r.raw());
            }
            Status::Success
        }
        Err(status) => status,
    }
}

/// `H_CLEAR_REF`: flags, index; returns doubleword 1 as it was.
pub(super) fn clear_ref<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    let answer = port.clear_ref(cpu.gpr(4), cpu.gpr(5));
    cleared(cpu, answer)
}

/// `H_CLEAR_MOD`: flags, index; returns doubleword 1 as it was.
pub(super) fn clear_mod<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    let answer = port.clear_mod(cpu.gpr(4), cpu.gpr(5));
    cleared(cpu, answer)
}

fn cleared<P: Processor>(cpu: &mut P, answer: Result<HpteR, Status>) -> Status {
    match answer {
        Ok(old) => returning(cpu, [old.raw()]),
        Err(status) => status,
    }
}

/// `H_BULK_REMOVE`: four translation specifiers in r4 to r11, whose answers take their places.
pub(super) fn bulk_remove<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    let mut specifiers: [Specifier; bulk_remove::SPECIFIERS] = std::array::from_fn(|n| Specifier {
        high: cpu.gpr(4 + 2 * n),
        low: cpu.gpr(5 + 2 * n),
    });
    let status = port.bulk_remove(&mut specifiers);
    for (register, specifier) in (4..).step_by(2).zip(specifiers) {
        cpu.set_gpr(register, specifier.high);
        cpu.set_gpr(register + 1, specifier.low);
    }
    status
}

/// `H_BLOCK_REMOVE`: AVPN of the block, eight translation specifiers in r5 to r12. LoPAR does not say where they come back:
/// in r4 to r11, as results do and as Linux reads them.
pub(super) fn block_remove<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    let mut specifiers = std::array::from_fn(|n| cpu.gpr(5 + n));
    let status = port.block_remove(cpu.gpr(4), &mut specifiers);
    for (register, specifier) in (4..).zip(specifiers) {
        cpu.set_gpr(register, specifier);
    }
    status
}

/// `H_RESIZE_HPT_PREPARE`: flags, log2 of the size.
pub(super) fn resize_prepare<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    port.resize_prepare(cpu.gpr(4), cpu.gpr(5))
}

/// `H_RESIZE_HPT_COMMIT`: flags, log2 of the size.
pub(super) fn resize_commit<P: Processor>(port: &mut Port, cpu: &mut P) -> Status {
    port.resize_commit(cpu.gpr(4), cpu.gpr(5))
}

/// Success, with `results` from r4 on.
fn returning<P: Processor, const N: usize>(cpu: &mut P, results: [u64; N]) -> Status {
    for (register, result) in (4..).zip(results) {
        cpu.set_gpr(register, result);
    }
    Status::Success
}
