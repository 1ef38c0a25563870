//! The AES and SHA instructions of VMX. The S-box is computed from its definition (FIPS 197,
//! 5.1.1), the sigma functions are those of FIPS 180-4, 4.1.

use power::insn::{Opcode, Word};

use super::lanes::{build, lane};
use super::vmx_arith::two;
use super::{Handler, Outcome, Vsu};

/// The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

const fn s_box() -> [u8; 256] {
    let mut table = [0; 256];
    let mut x = 0u8;
    loop {
        // The inverse is the 254th power; zero stays zero.
        let mut inverse = 1;
        let mut n = 0;
        while n < 254 {
            inverse = times(inverse, x);
            n += 1;
        }
        let spread =
            inverse ^ inverse.rotate_left(1) ^ inverse.rotate_left(2) ^ inverse.rotate_left(3) ^ inverse.rotate_left(4);
        table[x as usize] = spread ^ 0x63;
        if x == 255 {
            return table;
        }
        x += 1;
    }
}

const fn inverted(table: [u8; 256]) -> [u8; 256] {
    let mut inverse = [0; 256];
    let mut x = 0;
    while x < 256 {
        inverse[table[x] as usize] = x as u8;
        x += 1;
    }
    inverse
}

static S_BOX: [u8; 256] = s_box();
static INVERSE_S_BOX: [u8; 256] = inverted(s_box());

fn substitute(table: &[u8; 256], state: [u8; 16]) -> [u8; 16] {
    state.map(|byte| table[usize::from(byte)])
}

/// Byte `i` of the result comes from the column `row * turns` further on, in the same row.
fn shift_rows(state: [u8; 16], turns: usize) -> [u8; 16] {
    std::array::from_fn(|i| {
        let (column, row) = (i / 4, i % 4);
        state[(column + row * turns) % 4 * 4 + row]
    })
}

/// Multiplies each column by the circulant matrix whose first row is `factors`.
fn mix_columns(state: [u8; 16], factors: [u8; 4]) -> [u8; 16] {
    std::array::from_fn(|i| {
        let (column, row) = (i / 4, i % 4);
        (0..4).fold(0, |sum, k| {
            sum ^ times(state[column * 4 + k], factors[(k + 4 - row) % 4])
        })
    })
}

fn encrypt(state: [u8; 16]) -> [u8; 16] {
    shift_rows(substitute(&S_BOX, state), 1)
}

fn decrypt(state: [u8; 16]) -> [u8; 16] {
    shift_rows(substitute(&INVERSE_S_BOX, state), 3)
}

/// A round on VRA with the key of VRB: `before` the key is added, and `after`.
fn cipher(
    v: &mut Vsu,
    w: Word,
    before: impl Fn([u8; 16]) -> [u8; 16],
    after: impl Fn([u8; 16]) -> [u8; 16],
) -> Outcome {
    two(v, w, |a, key| {
        let keyed = u128::from_be_bytes(before(a.to_be_bytes())) ^ key;
        u128::from_be_bytes(after(keyed.to_be_bytes()))
    })
}

/// One of the four sigma functions: rotates by the first two counts, and by the third or, if
/// `shifts`, shifts by it.
macro_rules! sigma {
    ($element:ident, $small:expr, $large:expr, $indices_per_element:expr) => {
        |v, _, w| {
            let large = w.st();
            let chosen = w.six();
            let a = v.vr(w.vra());
            v.set_vr(
                w.vrt(),
                build(|i| {
                    let x: $element = lane(a, i);
                    let which = (chosen >> (3 - i * $indices_per_element) & 1) as usize;
                    let [p, q, r] = if large { $large[which] } else { $small[which] };
                    let last = if large { x.rotate_right(r) } else { x >> r };
                    x.rotate_right(p) ^ x.rotate_right(q) ^ last
                }),
            )
        }
    };
}

const SMALL_256: [[u32; 3]; 2] = [[7, 18, 3], [17, 19, 10]];
const LARGE_256: [[u32; 3]; 2] = [[2, 13, 22], [6, 11, 25]];
const SMALL_512: [[u32; 3]; 2] = [[1, 8, 7], [19, 61, 6]];
const LARGE_512: [[u32; 3]; 2] = [[28, 34, 39], [14, 18, 41]];

/// What runs this instruction.
pub(super) fn handler(op: Opcode) -> Option<Handler> {
    const FORWARD: [u8; 4] = [2, 3, 1, 1];
    const BACKWARD: [u8; 4] = [14, 11, 13, 9];
    let handler: Handler = match op {
        Opcode::Vcipher => |v, _, w| cipher(v, w, |x| mix_columns(encrypt(x), FORWARD), |x| x),
        Opcode::Vcipherlast => |v, _, w| cipher(v, w, encrypt, |x| x),
        Opcode::Vncipher => |v, _, w| cipher(v, w, decrypt, |x| mix_columns(x, BACKWARD)),
        Opcode::Vncipherlast => |v, _, w| cipher(v, w, decrypt, |x| x),
        Opcode::Vsbox => |v, _, w| {
            let bytes = substitute(&S_BOX, v.vr(w.vra()).to_be_bytes());
            v.set_vr(w.vrt(), u128::from_be_bytes(bytes))
        },
        Opcode::Vshasigmaw => sigma!(u32, SMALL_256, LARGE_256, 1),
        Opcode::Vshasigmad => sigma!(u64, SMALL_512, LARGE_512, 2),
        _ => return None,
    };
    Some(handler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_s_box_is_that_of_fips_197() {
        assert_eq!(S_BOX[..4], [0x63, 0x7c, 0x77, 0x7b]);
        assert_eq!(S_BOX[0x53], 0xed);
        assert_eq!(S_BOX[0xff], 0x16);
        assert!((0..=255).all(|x| INVERSE_S_BOX[usize::from(S_BOX[usize::from(x)])] == x));
    }
}
