//! The instructions that read and write the FPSCR. Power ISA v2.07B, Book I, 4.6.10, and v3.0B.

use power::insn::{Opcode, Word};

use super::fpscr::{ANY_VX, FX, OX, UX, XX, ZX};
use super::{Handler, Outcome, Vsu};
use crate::regs::{CR, Regs};

/// The four bits of FPSCR field `n`, counted over all 64 bits from the most significant.
fn field(n: u32) -> u64 {
    0xf << (60 - 4 * n)
}

fn move_from(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    v.set_scalar(w.frt(), v.fpscr.raw());
    v.record(regs, w.record());
    Outcome::Done
}

/// DRN, the enables, NI and RN.
const MODES: u64 = 0x7_0000_00ff;
const DRN: u64 = 7 << 32;
const RN: u64 = 3;
/// VE, OE, UE, ZE and XE.
const ENABLES: u64 = 0xf8;
/// FR, FI and FPRF.
const LAST_RESULT: u64 = 0x7_f000;

/// The moves of Power ISA v3.0B: the bits of `seen` to FRT, then the bits of `mask` from `value`.
fn exchange(v: &mut Vsu, w: Word, seen: u64, mask: u64, value: u64) -> Outcome {
    let before = v.fpscr.raw() & seen;
    // No exception becomes an enabled one by this.
    v.fpscr.replace(mask, value);
    v.set_scalar(w.frt(), before);
    Outcome::Done
}

/// As [`exchange`], of the modes for those of FRB.
fn exchange_modes(v: &mut Vsu, w: Word, mask: u64) -> Outcome {
    let value = v.scalar(w.frb());
    exchange(v, w, MODES, mask, value)
}

/// Copies a field to the condition register and clears the exceptions it showed.
fn to_condition(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let n = 8 + w.bfa() as u32;
    let mask = field(n);
    regs[CR + w.bf() as u8] = (v.fpscr.raw() & mask) >> (60 - 4 * n);
    let exceptions = u64::from(FX | OX | UX | ZX | XX | ANY_VX);
    v.fpscr.replace(mask & exceptions, 0);
    Outcome::Done
}

fn replace(v: &mut Vsu, regs: &mut Regs, w: Word, mask: u64, value: u64) -> Outcome {
    let trapped = v.fpscr.replace(mask, value);
    v.record(regs, w.record());
    Outcome::trapped(trapped)
}

/// The W bit picks the half of the register that a field number means.
fn half(w: Word) -> u32 {
    if w.w_fpscr() { 0 } else { 8 }
}

fn move_immediate(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let n = w.bf() as u32 + half(w);
    let value = u64::from(w.u()) << (60 - 4 * n);
    replace(v, regs, w, field(n), value)
}

fn move_to(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let all = w.l_fpscr();
    let selected = w.flm();
    let mask = if all {
        u64::MAX
    } else {
        (0..8)
            .filter(|i| selected & (0x80 >> i) != 0)
            .map(|i| field(i + half(w)))
            .sum()
    };
    let value = v.scalar(w.frb());
    replace(v, regs, w, mask, value)
}

fn clear_bit(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    replace(v, regs, w, 1 << (31 - w.bt() as u32), 0)
}

fn set_bit(v: &mut Vsu, regs: &mut Regs, w: Word) -> Outcome {
    let trapped = v.fpscr.set_bit(31 - w.bt() as u32);
    v.record(regs, w.record());
    Outcome::trapped(trapped)
}

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    let handler: Handler = match op {
        Opcode::Mffs => move_from,
        Opcode::Mffsce => |v, _, w| exchange(v, w, u64::MAX, ENABLES, 0),
        Opcode::Mffscdrn => |v, _, w| exchange_modes(v, w, DRN),
        Opcode::Mffscdrni => |v, _, w| exchange(v, w, MODES, DRN, u64::from(w.drm()) << 32),
        Opcode::Mffscrn => |v, _, w| exchange_modes(v, w, RN),
        Opcode::Mffscrni => |v, _, w| exchange(v, w, MODES, RN, w.rm().into()),
        Opcode::Mffsl => |v, _, w| exchange(v, w, MODES | LAST_RESULT, 0, 0),
        Opcode::Mcrfs => to_condition,
        Opcode::Mtfsfi => move_immediate,
        Opcode::Mtfsf => move_to,
        Opcode::Mtfsb0 => clear_bit,
        Opcode::Mtfsb1 => set_bit,
        _ => return None,
    };
    Some(handler)
}
