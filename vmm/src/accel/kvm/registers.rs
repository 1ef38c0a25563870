//! KVM's structures of registers, and what pteg wants in them.

use std::fmt::Write as _;

use kvm_bindings::kvm_regs;
use kvm_ppc::Hypercall;
use power::msr::Msr;

/// Registers of a processor that starts.
pub(super) fn at_start(pc: u64, r3: u64, msr: Msr) -> kvm_regs {
    let mut regs = kvm_regs {
        pc,
        msr: msr.raw(),
        ..Default::default()
    };
    regs.gpr[3] = r3;
    regs
}

/// r3 to r12 of a hypercall.
pub(super) type Call = [u64; 10];

/// Those of `call`.
pub(super) fn of_call(call: &Hypercall<'_>) -> Call {
    let mut registers = Call::default();
    registers[0] = call.number();
    registers[1..].copy_from_slice(&call.args());
    registers
}

/// All of them, to be read by a person.
pub(super) fn dump(regs: &kvm_regs) -> String {
    let mut text = format!(
        "  pc {:016x}  msr {:016x}  lr {:016x}  ctr {:016x}\n  cr {:08x}  xer {:016x}  srr0 {:016x}  srr1 {:016x}",
        regs.pc, regs.msr, regs.lr, regs.ctr, regs.cr, regs.xer, regs.srr0, regs.srr1
    );
    for (number, values) in regs.gpr.chunks(4).enumerate() {
        let _ = write!(text, "\n  r{:<2}", number * 4);
        for value in values {
            let _ = write!(text, " {value:016x}");
        }
    }
    text
}
