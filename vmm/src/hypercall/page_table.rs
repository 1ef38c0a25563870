//! The hypercalls of the hashed page table: registers to `hpt` and back.
//!
//! Those that have a flags parameter may say what the guest needs of the page (LoPAR, 12.3.2.1): it is noted when the call has
//! succeeded, but for an entry that makes its page active, where that comes first. `H_PROTECT`, `H_READ` and the `H_CLEAR` calls leave the entry where it is, so it is read for that afterwards: a guest that
//! enters or removes it meanwhile has not said which page it means.

use hpt::{Entries, Hpte, Port, Specifier};
use power::hcall::{Status, access, bulk_remove};
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
    let new = Hpte {
        v: HpteV::from_guest(v),
        r: HpteR::from_guest(r),
    };
    // Before anybody can use the entry: what is stored through it must not meet a discard of what is still unused. If the
    // call fails, one page less is discarded.
    let is_active = usage == Some(Usage::Active);
    if is_active {
        note_usage(machine, usage, new);
    }
    match port.enter(flags, cpu.gpr(5), v, r) {
        Ok(at) => {
            if !is_active {
                note_usage(machine, usage, new);
            }
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
            note_usage(machine, usage, old);
            returning(cpu, [old.v.raw(), old.r.raw()])
        }
        Err(status) => status,
    }
}

/// What the guest says of the page of an entry; nothing if `H_ENTER` would not let that in.
fn note_usage(machine: &Machine, usage: Option<Usage>, Hpte { v, r }: Hpte) {
    let Some(usage) = usage else { return };
    let Some(pair) = PagePair::decode(v.is_large(), r.lp()) else {
        return;
    };
    let (real, bytes) = (r.real_address(pair), pair.actual().bytes());
    if machine.ram.contains(real, bytes) {
        machine.upkeep.note_usage(usage, &(real..real + bytes));
    }
}

/// `H_PROTECT`: flags, index, AVPN.
pub(super) fn protect<P: Processor>(machine: &Machine, port: &mut Port, cpu: &mut P) -> Status {
    saying_usage(machine, port, cpu, |port, cpu| {
        port.protect(cpu.gpr(4), cpu.gpr(5), cpu.gpr(6))
    })
}

/// `H_READ`: flags, index; returns one entry or four.
pub(super) fn read<P: Processor>(machine: &Machine, port: &mut Port, cpu: &mut P) -> Status {
    saying_usage(machine, port, cpu, |port, cpu| {
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
    })
}

/// `H_CLEAR_REF`: flags, index; returns doubleword 1 as it was.
pub(super) fn clear_ref<P: Processor>(machine: &Machine, port: &mut Port, cpu: &mut P) -> Status {
    saying_usage(machine, port, cpu, |port, cpu| {
        let answer = port.clear_ref(cpu.gpr(4), cpu.gpr(5));
        cleared(cpu, answer)
    })
}

/// `H_CLEAR_MOD`: flags, index; returns doubleword 1 as it was.
pub(super) fn clear_mod<P: Processor>(machine: &Machine, port: &mut Port, cpu: &mut P) -> Status {
    saying_usage(machine, port, cpu, |port, cpu| {
        let answer = port.clear_mod(cpu.gpr(4), cpu.gpr(5));
        cleared(cpu, answer)
    })
}

fn cleared<P: Processor>(cpu: &mut P, answer: Result<HpteR, Status>) -> Status {
    match answer {
        Ok(old) => returning(cpu, [old.raw()]),
        Err(status) => status,
    }
}

/// Does `call`, whose flags and index are in r4 and r5 and which leaves the entry in its place; then notes what the flags say of its page,
/// or of the four that `H_READ` has read.
fn saying_usage<P: Processor>(
    machine: &Machine,
    port: &mut Port,
    cpu: &mut P,
    call: impl FnOnce(&mut Port, &mut P) -> Status,
) -> Status {
    let (flags, at) = (cpu.gpr(4), cpu.gpr(5));
    let usage = match Usage::of_flags(flags) {
        Ok(usage) => usage,
        Err(status) => return status,
    };
    let status = call(port, cpu);
    if usage.is_some() && status == Status::Success {
        let none = Hpte::default();
        let entries = match port.read(flags & access::READ_4, at) {
            Ok(Entries::One(entry)) => [entry, none, none, none],
            Ok(Entries::Four(entries)) => entries,
            Err(_) => [none; 4],
        };
        for entry in entries.into_iter().filter(|entry| entry.v.is_valid()) {
            note_usage(machine, usage, entry);
        }
    }
    status
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
