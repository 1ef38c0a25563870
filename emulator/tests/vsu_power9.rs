//! What QEMU in user mode cannot be asked about the floating point that Power ISA v3.0B adds: enabled exceptions, FR, and what it
//! does otherwise than the manual says.

use emulator::regs::{CR, Regs};
use emulator::vsu::{Outcome, Vsu, handler};
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
const INFINITE: u64 = 0b00101 << 12;
const VE: u64 = 1 << 7;
const OE: u64 = 1 << 6;
const UE: u64 = 1 << 5;
const ZE: u64 = 1 << 4;
const DOWN: u64 = 3;

const SIGN: u128 = 1 << 127;
const ONE: u128 = 0x3fff << 112;
const INFINITY: u128 = 0x7fff << 112;
const LARGEST: u128 = INFINITY - 1;
const MIN_NORMAL: u128 = 1 << 112;
const LAST_PLACE: u128 = 1;

/// What registers the operands of the tests stand in.
const TARGET: i64 = 1;
const A: i64 = 2;
const B: i64 = 3;
const UNTOUCHED: u128 = 0x1234_5678 << 64 | 0x9abc;
/// Rounds to odd.
const RO: u32 = 1;

/// A quadruple of this exponent.
const fn power_of_two(exponent: i32) -> u128 {
    ((exponent + 16383) as u128) << 112
}

/// A unit with this FPSCR, and with `a` and `b` as vector registers 2 and 3, and as VSRs of the same numbers.
fn unit(fpscr: u64, a: u128, b: u128) -> Vsu {
    let mut unit = Vsu::default();
    unit.fpscr.set(fpscr);
    for (n, value) in [(TARGET, UNTOUCHED), (A, a), (B, b)] {
        unit.vsr[n as usize] = value;
        unit.vsr[32 + n as usize] = value;
    }
    unit
}

fn execute(unit: &mut Vsu, opcode: Opcode, operands: &[i64], bits: u32) -> Outcome {
    let word = encode(opcode, operands).expect("the operands fit") | bits;
    handler(opcode).expect("it is an instruction of this unit")(unit, &mut Regs::default(), Word(word))
}

/// The vector target and the FPSCR after `opcode target,a,b`.
fn quad(opcode: Opcode, fpscr: u64, a: u128, b: u128, bits: u32) -> (u128, u64) {
    let mut unit = unit(fpscr, a, b);
    let outcome = execute(&mut unit, opcode, &[TARGET, A, B], bits);
    assert_eq!(outcome == Outcome::FloatException, unit.fpscr.raw() & FEX != 0);
    (unit.vr(TARGET as usize), unit.fpscr.raw())
}

#[test]
fn an_enabled_invalid_operation_leaves_the_target_and_its_class() {
    let (target, fpscr) = quad(Opcode::Xssubqp, VE | NORMAL | FR | FI, INFINITY, INFINITY, 0);
    assert_eq!(target, UNTOUCHED);
    assert_eq!(fpscr, FX | FEX | VX | VXISI | VE | NORMAL);
}

#[test]
fn an_enabled_division_by_zero_leaves_the_target() {
    let (target, fpscr) = quad(Opcode::Xsdivqp, ZE, ONE, 0, 0);
    assert_eq!(target, UNTOUCHED);
    assert_eq!(fpscr, FX | FEX | ZX | ZE);
    assert_eq!(quad(Opcode::Xsdivqp, 0, ONE, SIGN, 0).0, SIGN | INFINITY);
}

#[test]
fn an_enabled_overflow_delivers_the_result_with_its_exponent_less_24576() {
    // (2 - 2^-112)^2 is 2 * (2 - 2^-111), and a rest.
    let (target, fpscr) = quad(Opcode::Xsmulqp, OE, LARGEST, LARGEST, 0);
    assert_eq!(target, power_of_two(32767 - 24576) | (MIN_NORMAL - 2));
    assert_eq!(fpscr, FX | FEX | OX | XX | FI | OE | NORMAL);

    // Twice the largest is exact.
    let (target, fpscr) = quad(Opcode::Xsaddqp, OE, LARGEST, LARGEST, 0);
    assert_eq!(target, power_of_two(16384 - 24576) | (MIN_NORMAL - 1));
    assert_eq!(fpscr, FX | FEX | OX | OE | NORMAL);

    // What is lost may be far away.
    let (target, fpscr) = quad(Opcode::Xsaddqp, OE, LARGEST, power_of_two(16383 - 113), 0);
    assert_eq!(target, power_of_two(16384 - 24576));
    assert_eq!(fpscr, FX | FEX | OX | XX | FI | FR | OE | NORMAL);
    let (target, _) = quad(Opcode::Xsaddqp, OE | 2, LARGEST, 1, 0);
    assert_eq!(target, power_of_two(16384 - 24576), "toward plus infinity");
}

#[test]
fn an_enabled_underflow_delivers_the_result_with_its_exponent_plus_24576() {
    let (target, fpscr) = quad(Opcode::Xsmulqp, UE, MIN_NORMAL, power_of_two(-1), 0);
    assert_eq!(target, power_of_two(-16383 + 24576));
    assert_eq!(fpscr, FX | FEX | UX | UE | NORMAL);

    // The least denormals, whose product is exact and far below.
    let (target, _) = quad(Opcode::Xsmulqp, UE, 1, 1, 0);
    assert_eq!(target, power_of_two(-16494 - 16494 + 24576));
    let (target, _) = quad(Opcode::Xssubqp, UE, MIN_NORMAL + 1, MIN_NORMAL, 0);
    assert_eq!(target, power_of_two(-16494 + 24576));
}

/// The product of two significands of 113 bits to 113 bits, by hand and to nearest: the significand, how far its exponent is above the
/// sum of the factors', and whether it is inexact, and greater than what it stands for.
fn product(a: u128, b: u128) -> (u128, i32, bool, bool) {
    let halves = |x: u128| (x >> 64, x & u128::from(u64::MAX));
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    let middle = a_high * b_low + a_low * b_high;
    let (low, carried) = (a_low * b_low).overflowing_add(middle << 64);
    let high = a_high * b_high + (middle >> 64) + u128::from(carried);
    let above = i32::from(high >> 97 != 0);
    let shift = 112 + above as u32;
    let kept = high << (128 - shift) | low >> shift;
    let (rest, half) = (low & ((1 << shift) - 1), 1 << (shift - 1));
    let up = rest > half || rest == half && kept & 1 != 0;
    (kept + u128::from(up), above, rest != 0, up)
}

#[test]
fn products_past_the_ends_of_the_exponent_are_those_made_by_hand() {
    let mut state = 1u128;
    let mut random = || {
        state = state
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(0x9e37_79b9);
        state.rotate_left(64)
    };
    for n in 0..10_000 {
        let [a, b] = [(); 2].map(|()| random() >> 16 & (u128::MAX << (random() % 112)) | MIN_NORMAL);
        let apart = (random() % 4000) as i32;
        let (enable, found, exponents, adjustment) = if n % 2 == 0 {
            (UE, UX, [-8192 - apart, -8193], 24576)
        } else {
            (OE, OX, [8192 + apart, 8193], -24576)
        };
        let operands = [(a, exponents[0]), (b, exponents[1])].map(|(x, e)| power_of_two(e) + (x - MIN_NORMAL));
        let (significand, above, inexact, up) = product(a, b);
        let exponent = exponents[0] + exponents[1] + above + adjustment;
        let expected = power_of_two(exponent) + (significand - MIN_NORMAL);
        let flags = if inexact { XX | FI } else { 0 } | if up { FR } else { 0 };
        let result = quad(Opcode::Xsmulqp, enable, operands[0], operands[1], 0);
        assert_eq!(
            result,
            (expected, FX | FEX | found | flags | enable | NORMAL),
            "{operands:#x?}"
        );
    }
}

#[test]
fn an_enabled_underflow_of_a_sum_with_no_product_delivers_the_addend() {
    // A factor whose exponent moved by 24576 would be that of infinity.
    for (a, b) in [(0, power_of_two(-8192)), (0, LARGEST), (LARGEST, 0), (0, 0)] {
        let mut unit = unit(UE, a, b);
        unit.vsr[32 + TARGET as usize] = SIGN | 1;
        execute(&mut unit, Opcode::Xsmaddqp, &[TARGET, A, B], 0);
        assert_eq!(unit.vr(TARGET as usize), SIGN | power_of_two(-16494 + 24576));
        assert_eq!(unit.fpscr.raw(), FX | FEX | UX | UE | 0b01000 << 12);
    }
}

#[test]
fn an_enabled_overflow_past_the_adjusted_exponents_is_infinity() {
    let mut double = unit(OE, 0, SIGN | LARGEST);
    execute(&mut double, Opcode::Xscvqpdp, &[TARGET, B], 0);
    assert_eq!(double.scalar(32 + TARGET as usize), f64::NEG_INFINITY.to_bits());
    let mut half = unit(OE, 0, u128::from(1e300f64.to_bits()) << 64);
    execute(&mut half, Opcode::Xscvdphp, &[TARGET, B], 0);
    assert_eq!(half.scalar(TARGET as usize), 0x7c00);
    // Within them it is a number.
    let mut half = unit(OE, 0, u128::from(131_072f64.to_bits()) << 64);
    execute(&mut half, Opcode::Xscvdphp, &[TARGET, B], 0);
    assert_eq!(half.scalar(TARGET as usize), (17 + 15 - 24) << 10);
}

#[test]
fn an_exact_denormal_underflows_only_when_enabled() {
    assert_eq!(quad(Opcode::Xsaddqp, 0, 1, 1, 0), (2, 0b10100 << 12));
    let (target, fpscr) = quad(Opcode::Xsmulqp, 0, MIN_NORMAL + 1, power_of_two(-1), 0);
    assert_eq!(target, MIN_NORMAL >> 1);
    assert_eq!(fpscr, FX | UX | XX | FI | 0b10100 << 12);
}

#[test]
fn an_overflow_goes_to_infinity_or_to_the_largest_number() {
    for (fpscr, bits, expected) in [
        (0, 0, (INFINITY, FR | INFINITE)),
        (1, 0, (LARGEST, NORMAL)),
        (2, 0, (INFINITY, FR | INFINITE)),
        (DOWN, 0, (LARGEST, NORMAL)),
        (0, RO, (LARGEST, NORMAL)),
    ] {
        let (target, found) = quad(Opcode::Xsmulqp, fpscr, LARGEST, LARGEST, bits);
        assert_eq!((target, found), (expected.0, FX | OX | XX | FI | fpscr | expected.1));
    }
}

#[test]
fn odd_stands_for_a_rest() {
    let tiny = power_of_two(-200);
    let (target, fpscr) = quad(Opcode::Xsaddqp, 0, ONE, tiny, RO);
    assert_eq!(target, ONE + LAST_PLACE);
    assert_eq!(fpscr, FX | XX | FI | FR | NORMAL);
    let (target, fpscr) = quad(Opcode::Xsaddqp, 0, ONE + LAST_PLACE, tiny, RO);
    assert_eq!(target, ONE + LAST_PLACE);
    assert_eq!(fpscr, FX | XX | FI | NORMAL);
    // Just below one, where the places are half as large.
    let (target, _) = quad(Opcode::Xssubqp, 0, ONE, tiny, RO);
    assert_eq!(target, ONE - LAST_PLACE);
    assert_eq!(quad(Opcode::Xsaddqp, 0, ONE, ONE, RO), (power_of_two(1), NORMAL));
}

#[test]
fn a_negative_multiply_subtract_rounds_to_odd_before_it_negates() {
    // -(A * B - T), T = 1: one less 2^-200.
    let mut unit = unit(0, power_of_two(-100), power_of_two(-100));
    unit.vsr[32 + TARGET as usize] = ONE;
    execute(&mut unit, Opcode::Xsnmsubqp, &[TARGET, A, B], RO);
    assert_eq!(unit.vr(TARGET as usize), ONE - LAST_PLACE);
}

#[test]
fn a_multiply_add_rounds_once() {
    // (1 + 2^-112)^2 - 1 - 2^-111 is 2^-224.
    let mut unit = unit(0, ONE + LAST_PLACE, ONE + LAST_PLACE);
    unit.vsr[32 + TARGET as usize] = ONE + 2 * LAST_PLACE;
    execute(&mut unit, Opcode::Xsmsubqp, &[TARGET, A, B], 0);
    assert_eq!(unit.vr(TARGET as usize), power_of_two(-224));
    assert_eq!(unit.fpscr.raw(), NORMAL);
}

#[test]
fn fr_says_whether_the_magnitude_of_a_root_grew() {
    // 1.4142135623730950488016887242096980786 (OEIS A002193) is nearer below.
    let root = 0x3fff_6a09_e667_f3bc_c908_b2fb_1366_ea95;
    let mut unit = unit(0, 0, power_of_two(1));
    execute(&mut unit, Opcode::Xssqrtqp, &[TARGET, B], 0);
    assert_eq!(unit.vr(TARGET as usize), root);
    assert_eq!(unit.fpscr.raw(), FX | XX | FI | NORMAL);
    execute(&mut unit, Opcode::Mtfsfi, &[7, 2, 0], 0);
    execute(&mut unit, Opcode::Xssqrtqp, &[TARGET, B], 0);
    assert_eq!(unit.vr(TARGET as usize), root + LAST_PLACE);
    assert_eq!(unit.fpscr.raw(), FX | XX | FI | FR | NORMAL | 2);
}

#[test]
fn a_rounding_takes_the_mode_of_the_fpscr_when_it_is_told_to() {
    let minus_a_half = SIGN | power_of_two(-1);
    for (fpscr, expected) in [(0, SIGN), (1, SIGN), (2, SIGN), (DOWN, SIGN | ONE)] {
        let mut unit = unit(fpscr, 0, minus_a_half);
        execute(&mut unit, Opcode::Xsrqpi, &[0, TARGET, B, 3], 0);
        assert_eq!(unit.vr(TARGET as usize), expected, "mode {fpscr}");
        assert_eq!(unit.fpscr.raw() & (XX | FI | FR), 0);
    }
    let mut unit = unit(0, 0, minus_a_half);
    execute(&mut unit, Opcode::Xsrqpi, &[0, TARGET, B, 0], 1);
    assert_eq!(unit.vr(TARGET as usize), SIGN | ONE, "to nearest, ties away");
    assert_eq!(unit.fpscr.raw() & (XX | FI | FR), XX | FI | FR);
}

#[test]
fn a_rounding_to_64_bits_may_overflow() {
    let mut enabled = unit(OE, 0, LARGEST);
    execute(&mut enabled, Opcode::Xsrqpxp, &[1, TARGET, B, 0], 0);
    assert_eq!(enabled.vr(TARGET as usize), power_of_two(16384 - 24576));
    assert_eq!(enabled.fpscr.raw(), FX | FEX | OX | XX | FI | FR | OE | NORMAL);
    let mut disabled = unit(0, 0, LARGEST);
    execute(&mut disabled, Opcode::Xsrqpxp, &[1, TARGET, B, 0], 0);
    assert_eq!(disabled.vr(TARGET as usize), INFINITY);
    assert_eq!(disabled.fpscr.raw(), FX | OX | XX | FI | FR | INFINITE);
}

#[test]
fn a_mask_insertion_keeps_what_its_mask_leaves_out() {
    // Doubleword 0: rotated by 8, bits 8 to 15 taken. Doubleword 1: bits 60 to 3.
    let control = (8 << 16 | 15 << 8 | 8) << 64 | (60 << 16 | 3 << 8);
    let mut unit = unit(0, 0x1122_3344_5566_7788 << 64 | 0xfedc_ba98_7654_3210, control);
    unit.vsr[32 + TARGET as usize] = u128::MAX / 0xff * 0xaa;
    execute(&mut unit, Opcode::Vrldmi, &[TARGET, A, B], 0);
    assert_eq!(
        unit.vr(TARGET as usize),
        0xaa33_aaaa_aaaa_aaaa << 64 | 0xfaaa_aaaa_aaaa_aaa0
    );
}

#[test]
fn an_enabled_compare_of_a_signaling_nan_leaves_the_target() {
    let signaling = 0x7ff0_0000_0000_0001 << 64;
    for (opcode, fpscr) in [(Opcode::Xscmpeqdp, VE), (Opcode::Xsmaxcdp, VE), (Opcode::Xsminjdp, VE)] {
        let mut unit = unit(fpscr, signaling, 0);
        assert_eq!(execute(&mut unit, opcode, &[TARGET, A, B], 0), Outcome::FloatException);
        assert_eq!(unit.vsr[TARGET as usize], UNTOUCHED);
        assert_eq!(unit.fpscr.raw(), FX | FEX | VX | VXSNAN | VE);
    }
}

#[test]
fn of_two_zeros_c_takes_the_second_and_java_the_one_that_is_in_order() {
    let (plus, minus) = (0, SIGN);
    for (opcode, a, b, expected) in [
        (Opcode::Xsmaxcdp, minus, plus, plus),
        (Opcode::Xsmaxcdp, plus, minus, minus),
        (Opcode::Xsmincdp, minus, plus, plus),
        (Opcode::Xsmincdp, plus, minus, minus),
        (Opcode::Xsmaxjdp, minus, plus, plus),
        (Opcode::Xsmaxjdp, plus, minus, plus),
        (Opcode::Xsminjdp, minus, plus, minus),
        (Opcode::Xsminjdp, plus, minus, minus),
    ] {
        let mut unit = unit(0, a, b);
        execute(&mut unit, opcode, &[TARGET, A, B], 0);
        assert_eq!(unit.vsr[TARGET as usize], expected, "{opcode:?} of {a:#x} and {b:#x}");
    }
}

#[test]
fn a_half_overflows_and_is_classed_as_a_half() {
    let convert = |fpscr, value: f64| {
        let mut unit = unit(fpscr, 0, u128::from(value.to_bits()) << 64);
        execute(&mut unit, Opcode::Xscvdphp, &[TARGET, B], 0);
        (unit.scalar(TARGET as usize), unit.fpscr.raw())
    };
    assert_eq!(convert(0, 65504.0), (0x7bff, NORMAL));
    assert_eq!(convert(0, 65519.0), (0x7bff, FX | XX | FI | NORMAL));
    assert_eq!(convert(0, 65520.0), (0x7c00, FX | OX | XX | FI | FR | INFINITE));
    assert_eq!(convert(1, 1e9), (0x7bff, FX | OX | XX | FI | NORMAL | 1));
    // Three times the least half.
    assert_eq!(convert(0, 3.0 * 2f64.powi(-24)), (3, 0b10100 << 12));
    assert_eq!(convert(0, 2f64.powi(-25)), (0, FX | UX | XX | FI | 0b00010 << 12));
}

#[test]
fn a_double_that_is_a_denormal_single_is_tested_as_one() {
    let test = |value: f64, classes: i64| {
        let mut unit = unit(0, 0, u128::from(value.to_bits()) << 64);
        let mut regs = Regs::default();
        let word = encode(Opcode::Xststdcsp, &[2, B, classes]).expect("the operands fit");
        handler(Opcode::Xststdcsp).expect("it is there")(&mut unit, &mut regs, Word(word));
        regs[CR + 2]
    };
    const DENORMAL: i64 = 2;
    const ZERO: i64 = 8;
    assert_eq!(test(f64::from(f32::from_bits(1)), DENORMAL), 0b0010);
    assert_eq!(test(f64::from(f32::from_bits(1)), ZERO), 0);
    // No single is so small.
    assert_eq!(test(1e-300, DENORMAL), 0b0011);
    assert_eq!(test(1e-300, ZERO), 0b0001);
    assert_eq!(test(-f64::from(f32::from_bits(1)), DENORMAL | DENORMAL >> 1), 0b1010);
}
