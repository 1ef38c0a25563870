//! Arithmetic against independent computations: the host's unit against the software, and the
//! software against another library's rounding to the final format.

use proptest::prelude::*;
use rustc_apfloat::ieee::{Double, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};

use super::fpscr::{FI, FR, Fpscr, OX, XX};
use super::round::Computed;
use super::value::{Precision, double_to_single, is_infinite, is_nan, single_to_double};
use super::{host, soft};

/// Doubles of which exponents and low bits are often extreme or alike.
fn any_double() -> impl Strategy<Value = u64> {
    let exponent = prop_oneof![
        3 => 0x3f0..0x410u64,
        1 => 0..0x7ffu64,
        1 => Just(0),
        1 => Just(0x7fe),
    ];
    let fraction = prop_oneof![
        any::<u64>(),
        (0..53u32).prop_map(|n| !0 << n),
        (0..53u32).prop_map(|n| 1 << n),
    ];
    (any::<bool>(), exponent, fraction)
        .prop_map(|(sign, exponent, fraction)| u64::from(sign) << 63 | exponent << 52 | fraction & ((1 << 52) - 1))
}

/// Singles in double format.
fn any_single() -> impl Strategy<Value = u64> {
    let exponent = prop_oneof![3 => 0x70..0x90u32, 1 => 0..0xffu32];
    let fraction = prop_oneof![any::<u32>(), (0..24u32).prop_map(|n| !0 << n)];
    (any::<bool>(), exponent, fraction).prop_map(|(sign, exponent, fraction)| {
        single_to_double(u32::from(sign) << 31 | exponent << 23 | fraction & 0x7f_ffff)
    })
}

fn operands() -> impl Strategy<Value = (Precision, [u64; 3])> {
    prop_oneof![
        [any_double(), any_double(), any_double()].prop_map(|x| (Precision::Double, x)),
        [any_single(), any_single(), any_single()].prop_map(|x| (Precision::Single, x)),
    ]
}

/// An FPSCR with this rounding mode and no more.
fn rounding(mode: u64) -> Fpscr {
    let mut fpscr = Fpscr::default();
    fpscr.set(mode);
    fpscr
}

/// What the operation gives in the format itself, in the mode of `FPSCR[RN]`.
fn reference<F: Float>(operation: usize, [a, b, c]: [F; 3], mode: u64) -> StatusAnd<F> {
    let round = [
        Round::NearestTiesToEven,
        Round::TowardZero,
        Round::TowardPositive,
        Round::TowardNegative,
    ][mode as usize];
    match operation {
        0 => a.add_r(b, round),
        1 => a.mul_r(b, round),
        2 => a.div_r(b, round),
        _ => a.mul_add_r(b, c, round),
    }
}

fn software(fpscr: Fpscr, precision: Precision, operation: usize, [a, b, c]: [u64; 3]) -> Computed {
    match operation {
        0 => soft::add(fpscr, precision, a, b),
        1 => soft::multiply(fpscr, precision, a, b),
        2 => soft::divide(fpscr, precision, a, b),
        _ => soft::multiply_add(fpscr, precision, [a, b, c]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_hosts_unit_agrees_with_the_software(
        (precision, [a, b, c]) in operands(),
        operation in 0..4usize,
    ) {
        let fpscr = Fpscr::default();
        let quick = match operation {
            0 => host::add(fpscr, precision, a, b),
            1 => host::multiply(fpscr, precision, a, b),
            2 => host::divide(fpscr, precision, a, b),
            _ => host::multiply_add(fpscr, precision, [a, b, c]),
        };
        if let Some(quick) = quick {
            prop_assert_eq!(quick, software(fpscr, precision, operation, [a, b, c]));
        }
    }

    #[test]
    fn the_software_rounds_as_the_format_itself_would(
        (precision, operands) in operands(),
        operation in 0..4usize,
        mode in 0..4u64,
    ) {
        let ours = software(rounding(mode), precision, operation, operands);
        let (bits, status) = match precision {
            Precision::Double => {
                let exact = operands.map(|x| Double::from_bits(x.into()));
                let result = reference(operation, exact, mode);
                (result.value.to_bits() as u64, result.status)
            }
            Precision::Single => {
                let exact = operands.map(|x| Single::from_bits(double_to_single(x).into()));
                let result = reference(operation, exact, mode);
                let double: Double = result.value.convert(&mut false).value;
                (double.to_bits() as u64, result.status)
            }
        };
        prop_assume!(!is_nan(bits));
        prop_assert_eq!(ours.bits, bits);
        prop_assert_eq!(ours.found & XX != 0, status.contains(Status::INEXACT));
        prop_assert_eq!(ours.found & FI != 0, status.contains(Status::INEXACT));
        // The library calls it an overflow only if the result is infinite.
        let infinite = ours.found & OX != 0 && is_infinite(bits);
        prop_assert_eq!(infinite, status.contains(Status::OVERFLOW));
    }

    #[test]
    fn fr_tells_that_the_magnitude_was_rounded_up(
        (precision, operands) in operands(),
        operation in 0..4usize,
        mode in 0..4u64,
    ) {
        let ours = software(rounding(mode), precision, operation, operands);
        let cut = software(rounding(1), precision, operation, operands);
        prop_assert_eq!(ours.found & FR != 0, ours.bits << 1 > cut.bits << 1);
    }

    #[test]
    fn a_square_root_is_the_nearest(bits in any_double()) {
        let root = soft::square_root(Fpscr::default(), Precision::Double, bits & !(1 << 63));
        prop_assert_eq!(root.bits, f64::from_bits(bits & !(1 << 63)).sqrt().to_bits());
    }
}
