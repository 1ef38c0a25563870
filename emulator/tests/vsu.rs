//! What QEMU in user mode cannot be asked about floating point: enabled exceptions, and the bits
//! of the FPSCR that it does not keep.

use emulator::regs::{CR, Regs};
use emulator::vsu::{Fpscr, Outcome, Vscr, Vsu, handler};
use power::insn::{Opcode, Word, encode};

const FX: u64 = 1 << 31;
const FEX: u64 = 1 << 30;
const VX: u64 = 1 << 29;
const OX: u64 = 1 << 28;
const UX: u64 = 1 << 27;
const ZX: u64 = 1 << 26;
const XX: u64 = 1 << 25;
const VXSNAN: u64 = 1 << 24;
const VXISI: u64 = 1 << 23;
const FR: u64 = 1 << 18;
const FI: u64 = 1 << 17;
const NORMAL: u64 = 0b00100 << 12;
const VE: u64 = 1 << 7;
const OE: u64 = 1 << 6;
const UE: u64 = 1 << 5;
const ZE: u64 = 1 << 4;
const XE: u64 = 1 << 3;

/// What registers the operands of the tests stand in.
const TARGET: i64 = 1;
const A: i64 = 2;
const B: i64 = 3;
/// What the target holds before.
const UNTOUCHED: u128 = 0x1234_5678 << 64 | 0x9abc;

/// A unit with this FPSCR, and with `a` and `b` as doublewords 0 of FPRs 2 and 3.
fn unit(fpscr: u64, a: u64, b: u64) -> Vsu {
    let mut unit = Vsu::default();
    unit.fpscr.set(fpscr);
    unit.vsr[TARGET as usize] = UNTOUCHED;
    unit.vsr[A as usize] = u128::from(a) << 64;
    unit.vsr[B as usize] = u128::from(b) << 64;
    unit
}

fn execute(unit: &mut Vsu, regs: &mut Regs, opcode: Opcode, operands: &[i64], bits: u32) -> Outcome {
    let word = encode(opcode, operands).expect("the operands fit") | bits;
    handler(opcode).expect("it is an instruction of this unit")(unit, regs, Word(word))
}

/// Runs `opcode target,a,b`.
fn binary(unit: &mut Vsu, opcode: Opcode, a: i64, b: i64) -> Outcome {
    execute(unit, &mut Regs::default(), opcode, &[TARGET, a, b], 0)
}

#[test]
fn an_enabled_invalid_operation_leaves_the_target_and_its_class() {
    let infinity = f64::INFINITY.to_bits();
    let mut unit = unit(VE | NORMAL | FR | FI, infinity, infinity);
    assert_eq!(binary(&mut unit, Opcode::Fsub, A, B), Outcome::FloatException);
    assert_eq!(unit.vsr[TARGET as usize], UNTOUCHED);
    assert_eq!(unit.fpscr.raw(), FX | FEX | VX | VXISI | VE | NORMAL);
}

#[test]
fn an_enabled_division_by_zero_leaves_the_target() {
    let mut unit = unit(ZE, 1f64.to_bits(), 0);
    assert_eq!(binary(&mut unit, Opcode::Xsdivdp, A, B), Outcome::FloatException);
    assert_eq!(unit.vsr[TARGET as usize], UNTOUCHED);
    assert_eq!(unit.fpscr.raw(), FX | FEX | ZX | ZE);
}

#[test]
fn an_enabled_overflow_delivers_the_result_with_its_exponent_less_1536() {
    let mut unit = unit(OE, f64::MAX.to_bits(), f64::MAX.to_bits());
    assert_eq!(binary(&mut unit, Opcode::Fadd, A, B), Outcome::FloatException);
    let exponent = 1024 + 1023 - 1536;
    assert_eq!(
        unit.scalar(TARGET as usize),
        exponent << 52 | f64::MAX.to_bits() & ((1 << 52) - 1)
    );
    assert_eq!(unit.fpscr.raw(), FX | FEX | OX | OE | NORMAL);
}

#[test]
fn an_enabled_underflow_delivers_the_result_with_its_exponent_plus_1536() {
    let mut unit = unit(UE, f64::MIN_POSITIVE.to_bits(), 0.5f64.to_bits());
    let outcome = execute(&mut unit, &mut Regs::default(), Opcode::Fmul, &[TARGET, A, B], 0);
    assert_eq!(outcome, Outcome::FloatException);
    let exponent = 1536u64;
    assert_eq!(unit.scalar(TARGET as usize), exponent << 52);
    assert_eq!(unit.fpscr.raw(), FX | FEX | UX | UE | NORMAL);
}

#[test]
fn an_enabled_inexactness_still_delivers_the_result_of_a_scalar_but_not_of_a_vector() {
    let third = (1.0f64 / 3.0).to_bits();
    let mut scalar = unit(XE, 1f64.to_bits(), 3f64.to_bits());
    assert_eq!(binary(&mut scalar, Opcode::Fdiv, A, B), Outcome::FloatException);
    assert_eq!(scalar.scalar(TARGET as usize), third);
    assert_eq!(scalar.fpscr.raw(), FX | FEX | XX | FI | XE | NORMAL);

    let mut vector = unit(XE, 1f64.to_bits(), 3f64.to_bits());
    vector.vsr[B as usize] |= u128::from(1f64.to_bits());
    assert_eq!(binary(&mut vector, Opcode::Xvdivdp, A, B), Outcome::FloatException);
    assert_eq!(vector.vsr[TARGET as usize], UNTOUCHED);
    assert_eq!(vector.fpscr.raw(), FX | FEX | XX | XE);
}

#[test]
fn an_enabled_compare_of_a_signaling_nan_reports_the_nan_alone() {
    let signaling = 0x7ff0_0000_0000_0001;
    let mut unit = unit(VE, signaling, 0);
    let mut regs = Regs::default();
    let outcome = execute(&mut unit, &mut regs, Opcode::Fcmpo, &[5, A, B], 0);
    assert_eq!(outcome, Outcome::FloatException);
    assert_eq!(regs[CR + 5], 1);
    assert_eq!(unit.fpscr.raw(), FX | FEX | VX | VXSNAN | VE | 1 << 12);
}

#[test]
fn moving_an_enable_to_the_fpscr_finds_an_old_exception() {
    let mut unit = unit(FX | OX, OE, 0);
    let mut regs = Regs::default();
    let outcome = execute(&mut unit, &mut regs, Opcode::Mtfsf, &[2, A, 0, 0], 1);
    assert_eq!(outcome, Outcome::FloatException);
    assert_eq!(unit.fpscr.raw(), FX | FEX | OX | OE);
    assert_eq!(regs[CR + 1], 0b1101);
}

#[test]
fn mtfsb1_of_an_exception_sets_its_summaries() {
    let mut unit = unit(0, 0, 0);
    let mut regs = Regs::default();
    execute(&mut unit, &mut regs, Opcode::Mtfsb1, &[7], 0);
    assert_eq!(unit.fpscr.raw(), FX | VX | VXSNAN);
    execute(&mut unit, &mut regs, Opcode::Mtfsb1, &[1], 0);
    assert_eq!(unit.fpscr.raw(), FX | VX | VXSNAN, "FEX cannot be set by itself");
    execute(&mut unit, &mut regs, Opcode::Mcrfs, &[3, 1], 0);
    assert_eq!(regs[CR + 3], 1);
    assert_eq!(unit.fpscr.raw(), FX);
}

#[test]
fn fr_says_whether_the_magnitude_grew() {
    let mut unit = unit(0, 1f64.to_bits(), 10f64.to_bits());
    binary(&mut unit, Opcode::Fdiv, A, B);
    assert_eq!(unit.fpscr.raw(), FX | XX | FI | FR | NORMAL);
}

#[test]
fn a_single_that_is_denormal_is_classed_as_one() {
    let mut unit = unit(0, f64::from(f32::MIN_POSITIVE).to_bits(), 0.5f64.to_bits());
    binary(&mut unit, Opcode::Fmuls, A, B);
    assert_eq!(unit.fpscr.raw(), 0b10100 << 12);
}

#[test]
fn registers_keep_only_the_bits_that_exist() {
    assert_eq!(Vscr::new(u32::MAX).raw(), 0x1_0001);
    let mut fpscr = Fpscr::default();
    fpscr.set(u64::MAX);
    assert_eq!(fpscr.raw(), 0x7_ffff_f7ff);
}

#[test]
fn the_exponential_and_the_logarithm_are_good_to_a_few_bits() {
    let mut unit = Vsu::default();
    let values = [-126.0f32, -3.5, 0.75, 100.0];
    let pack = |values: [f32; 4]| {
        values
            .iter()
            .fold(0, |vector, x| vector << 32 | u128::from(x.to_bits()))
    };
    unit.vsr[33] = pack(values);
    unit.vsr[34] = pack(values.map(f32::exp2));
    execute(&mut unit, &mut Regs::default(), Opcode::Vexptefp, &[3, 1], 0);
    execute(&mut unit, &mut Regs::default(), Opcode::Vlogefp, &[4, 2], 0);
    for (lane, value) in (0..4).zip(values) {
        let element = |n: usize| f32::from_bits((unit.vsr[n] >> (96 - 32 * lane)) as u32);
        assert!((element(35) / value.exp2() - 1.0).abs() < 1.0 / 16.0);
        assert!((element(36) - value).abs() < 1.0 / 32.0);
    }
}
