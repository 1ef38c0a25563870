//! Where QEMU and the Power ISA part, or where the ISA leaves a result undefined: what of a state
//! is then not compared. Sections are those of Power ISA v2.07B, Book I.

#[path = "deviations_v3.rs"]
mod later;

use power::insn::{Class, Opcode, Word};

use crate::oracle::{Case, State};

const FX: u64 = 1 << 31;
const OX: u64 = 1 << 28;
const UX: u64 = 1 << 27;
const ZX: u64 = 1 << 26;
const XX: u64 = 1 << 25;
const FR: u64 = 1 << 18;
const FI: u64 = 1 << 17;
const C: u64 = 1 << 16;
const FPRF: u64 = 0x1f << 12;
const VXSNAN: u64 = 1 << 24;
const VXIMZ: u64 = 1 << 20;
const NI: u64 = 1 << 2;
const VXSOFT_SQRT_CVI: u64 = 0x700;
const ANY_VX: u64 = 0x01f8_0000 | VXSOFT_SQRT_CVI;
const STICKY: u64 = OX | UX | ZX | XX | ANY_VX;

/// Whether the name is that of a vector instruction of VSX.
fn is_vector(opcode: Opcode) -> bool {
    opcode.name().starts_with("xv")
}

/// Whether the result is rounded to single, and a register's only element.
fn is_scalar_single(opcode: Opcode) -> bool {
    let name = opcode.name();
    name.starts_with('f') && name.ends_with('s')
        || name.starts_with("xs") && name.ends_with("sp")
        || opcode == Opcode::Frsp
}

/// Whether the result is one single or more.
fn is_single(opcode: Opcode) -> bool {
    is_scalar_single(opcode) || opcode.name().ends_with("sp") || opcode.name().ends_with("fp")
}

/// The scalar single-precision arithmetic of VSX, which QEMU rounds to double and then to single:
/// it misses some underflows and may err by a last place. The same arithmetic is compared in full
/// by the instructions of chapter 4 and by the vector ones.
fn rounds_twice(opcode: Opcode) -> bool {
    opcode.name().starts_with("xs") && is_scalar_single(opcode)
}

/// Instructions whose result the ISA bounds but does not fix.
fn is_estimate(opcode: Opcode) -> bool {
    let name = opcode.name();
    [
        "fre",
        "frsqrte",
        "xsre",
        "xsrsqrte",
        "xvre",
        "xvrsqrte",
        "vrefp",
        "vrsqrtefp",
    ]
    .iter()
    .any(|start| name.starts_with(start))
        || matches!(opcode, Opcode::Vexptefp | Opcode::Vlogefp)
}

/// Whether results are compared with some slack.
pub fn is_close_enough(opcode: Opcode) -> bool {
    is_estimate(opcode) || rounds_twice(opcode)
}

/// Multiply-adds.
fn is_fused(opcode: Opcode) -> bool {
    let name = opcode.name();
    name.contains("madd") || name.contains("msub")
}

/// Negative multiply-adds.
pub fn is_negative_fused(opcode: Opcode) -> bool {
    let name = opcode.name();
    name.contains("nmadd") || name.contains("nmsub")
}

/// Conversions from floating point to an integer.
fn converts_to_integer(opcode: Opcode) -> bool {
    let name = opcode.name();
    name.starts_with("fcti") || name.starts_with("xscvdp") && name.contains(['u', 'x'])
}

/// Bits of the FPSCR that are not compared. `ours` is the state after our handler.
fn unlike_fpscr(opcode: Opcode, case: &Case, ours: &State) -> u64 {
    let before = case.before.fpscr;
    let found = ours.fpscr & STICKY;
    // QEMU has no NI (4.2.2 leaves it to the implementation). It never computes FR, and clears it and FI on an invalid operation (4.2.2: a vector
    // instruction leaves both alone; an invalid scalar one clears both).
    let mut unlike = FR | NI;
    if is_vector(opcode) {
        unlike |= FI;
    }
    // QEMU sets FX for every exception; 4.2.2: only if its bit changes from 0 to 1.
    if before & STICKY != 0 {
        unlike |= FX;
    }
    // QEMU looks for an underflow only if no element overflowed.
    if is_vector(opcode) && found & OX != 0 || rounds_twice(opcode) {
        unlike |= UX;
    }
    // QEMU misses the NaN; 7.6: infinity times zero plus a signaling NaN is invalid twice.
    if is_fused(opcode) && found & (VXSNAN | VXIMZ) == VXSNAN | VXIMZ {
        unlike |= VXSNAN;
    }
    match opcode {
        // QEMU clears FI; 4.6.8 and 7.6: compares do not alter it.
        Opcode::Fcmpu | Opcode::Xscmpudp => unlike |= FI,
        // QEMU sets C too when it is invalid; there, only FPCC is altered.
        Opcode::Fcmpo | Opcode::Xscmpodp => unlike |= FI | C,
        // QEMU does not set FX; 4.2.2 exempts only mtfsf and mtfsfi.
        Opcode::Mtfsb1 => unlike |= FX,
        // QEMU leaves FPRF; 4.6.7.2: it is set.
        Opcode::Fcfidu | Opcode::Fcfids | Opcode::Fcfidus => unlike |= FPRF,
        _ => {}
    }
    // 4.6.7.2: FPRF is undefined.
    if converts_to_integer(opcode) {
        unlike |= FPRF;
    }
    // 4.6.6.1 and 7.6: no XX, but ZX; FR and FI are undefined.
    if is_estimate(opcode) {
        unlike |= XX | FI | FX;
        if opcode.name().starts_with('x') {
            unlike |= ZX;
        }
    }
    // QEMU classes a single that is denormal by its double format; 4.2.2: by the result's format.
    if is_scalar_single(opcode) && matches!(ours.fpscr & FPRF, 0x1_8000 | 0x1_4000) {
        unlike |= FPRF;
    }
    unlike
}

/// Bits of VSR `n` that are not compared.
fn unlike_vsr(opcode: Opcode, word: Word, n: usize) -> u128 {
    match opcode {
        // 7.6: doubleword 1 is undefined, and QEMU keeps what was there.
        Opcode::Mtvsrd | Opcode::Mtvsrwa | Opcode::Mtvsrwz if n == word.xt() => u64::MAX.into(),
        // 4.6.7.2: the high word is undefined.
        Opcode::Fctiw | Opcode::Fctiwz | Opcode::Fctiwu | Opcode::Fctiwuz if n == word.frt() => 0xffff_ffff << 96,
        _ => 0,
    }
}

/// Makes `theirs` like `ours` in all that is not compared.
pub fn forgive(opcode: Opcode, case: &Case, ours: &State, theirs: &mut State) {
    let unlike = unlike_fpscr(opcode, case, ours);
    theirs.fpscr = theirs.fpscr & !unlike | ours.fpscr & unlike;
    // A record form copies FX, FEX, VX and OX to CR field 1.
    let is_float = opcode
        .row()
        .operands
        .iter()
        .any(|operand| operand.layout().class == Class::Fpr)
        || opcode.name().starts_with("mtfs");
    if is_float && Word(case.word()).record() {
        let copied = ((unlike >> 28 & 0xf) as u32) << 24;
        theirs.cr = theirs.cr & !copied | ours.cr & copied;
    }
    for (n, vsr) in theirs.vsr.iter_mut().enumerate() {
        let unlike = unlike_vsr(opcode, Word(case.word()), n);
        *vsr = *vsr & !unlike | ours.vsr[n] & unlike;
    }
    // Chapter 6, decimal integer arithmetic: of operands that are not decimal the result is undefined, and CR field 6 tells. QEMU
    // does not look at the digits of equal magnitudes with opposite signs.
    // The sum of two zeros is EQ and positive; QEMU's is LT or GT too, and may be negative.
    let (is_decimal, relation) = (matches!(opcode, Opcode::Bcdadd | Opcode::Bcdsub), ours.cr >> 4 & 0xf);
    later::forgive(opcode, case, ours, theirs);
    if is_decimal && (relation == 1 || relation == 2 && theirs.cr >> 4 & 0xc != 0) {
        theirs.cr = ours.cr;
        theirs.vsr = ours.vsr;
    }
    // 6.6: in non-Java mode a result that is tiny before rounding is zero; QEMU looks after
    // rounding, and lets pass what then is the least normal number.
    if opcode.name().ends_with("fp") && case.before.vscr & 0x1_0000 != 0 {
        let target = &mut theirs.vsr[32 + Word(case.word()).vrt()];
        for shift in [0, 32, 64, 96] {
            let ours = ours.vsr[32 + Word(case.word()).vrt()] >> shift;
            if ours & 0x7fff_ffff == 0 && *target >> shift & 0x7fff_ffff == 0x80_0000 {
                *target &= !(0x80_0000 << shift);
            }
        }
    }
    // 6.3.2: the other bits of the VSCR do not exist; QEMU keeps what is written to them.
    theirs.vscr &= 0x1_0001;
}

/// Changes a case so that QEMU can be asked.
pub fn adapt(opcode: Opcode, case: &mut Case) {
    later::adapt(opcode, case);
    // QEMU negates before it rounds; 4.6.6.2: the result of a multiply-add is negated. Both are
    // the same if rounding does not depend on the sign.
    if is_negative_fused(opcode) && opcode != Opcode::Vnmsubfp {
        case.before.fpscr &= !2;
    }
    // QEMU gives a half; 4.6.6.1: the reciprocal of zero is infinity.
    let frb = Word(case.word()).frb();
    if matches!(opcode, Opcode::Fre | Opcode::Fres) && case.before.vsr[frb] >> 64 << 1 & u128::from(u64::MAX) == 0 {
        case.before.vsr[frb] |= 1 << 126;
    }
}

/// Whether `ours` is as good as QEMU's, of an instruction that is compared with slack. Of an estimate the ISA allows far
/// more than the last bits, in which one, two or more roundings differ (4.6.6.1, 6.10.5, 7.6).
pub fn are_close(opcode: Opcode, b: u128, ours: u128, theirs: u128) -> bool {
    let (width, slack) = match opcode {
        // QEMU sums a short series.
        Opcode::Vexptefp => (32, 1 << 12),
        _ if !is_single(opcode) => (64, 1),
        _ if is_scalar_single(opcode) => (64, 4 << 29),
        _ => (32, 4),
    };
    (0..128 / width).all(|i| {
        let element = |vector: u128| vector >> (128 - width * (i + 1)) & ((1 << width) - 1);
        // QEMU's series goes astray from 2 and -2 on.
        let far = opcode == Opcode::Vexptefp && element(b) & 0x7fff_ffff >= 0x4000_0000;
        // The last place of a denormal single is more in the double that holds it.
        let apart = f64::from_bits(element(ours) as u64) - f64::from_bits(element(theirs) as u64);
        let denormal = is_scalar_single(opcode) && apart.abs() <= f64::from(f32::from_bits(1));
        far || denormal || element(ours).abs_diff(element(theirs)) <= slack
    })
}
