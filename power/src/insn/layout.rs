//! Where an operand stands in the word, what it names and which values it takes.

use super::word::Word;

/// What an operand names, which decides how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// General register.
    Gpr,
    /// General register, where 0 stands for the number zero.
    GprOrZero,
    /// General register that the instruction updates: not 0.
    GprUpdated,
    /// The even register of a pair of general registers.
    GprPair,
    /// Floating-point register.
    Fpr,
    /// The even register of a pair of floating-point registers.
    FprPair,
    /// Vector register (of VMX).
    Vr,
    /// Vector-scalar register.
    Vsr,
    /// Condition register field.
    CrField,
    /// Condition register bit.
    CrBit,
    /// Special purpose register.
    Spr,
    /// A number, not negative.
    Unsigned,
    /// A number that may be negative.
    Signed,
    /// A signed number, which the assembler also accepts as unsigned of the same width.
    SignedOrUnsigned,
    /// A number with exactly one bit set.
    OneBit,
    /// A count of bytes from 1 to 32; 32 is encoded as 0.
    ByteCount,
    /// A displacement in bytes, written before its base register, which is the next operand.
    Displacement,
    /// A branch target, relative to the instruction unless AA is set.
    Target,
}

/// How an operand is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// What it names.
    pub class: Class,
    /// Its bits in the word, first and last of each piece (0 = most significant), the value's high end first.
    pub pieces: &'static [(u32, u32)],
    /// How many low bits of the value must be zero and are not encoded.
    pub shift: u32,
    /// The value that it has when it is left out, if it may be.
    pub omitted: Option<i64>,
}

impl Layout {
    /// The number of bits in the word.
    const fn width(&self) -> u32 {
        let mut width = 0;
        let mut at = 0;
        while at < self.pieces.len() {
            let (first, last) = self.pieces[at];
            width += last - first + 1;
            at += 1;
        }
        width
    }

    /// The least and the greatest value; not all between them need be possible (see [`Self::accepts`]).
    pub const fn range(&self) -> (i64, i64) {
        let unsigned = (1 << self.width()) - 1;
        let low = -(1 << (self.width() - 1));
        match self.class {
            Class::Signed | Class::Displacement | Class::Target => (low << self.shift, (-low - 1) << self.shift),
            Class::SignedOrUnsigned => (low, unsigned),
            Class::ByteCount => (1, unsigned + 1),
            Class::GprUpdated => (1, unsigned),
            Class::GprPair | Class::FprPair => (0, unsigned - 1),
            Class::OneBit => (1, (unsigned + 1) >> 1),
            _ => (0, unsigned << self.shift),
        }
    }

    /// Whether the operand can have this value.
    pub const fn accepts(&self, value: i64) -> bool {
        let (least, greatest) = self.range();
        least <= value
            && value <= greatest
            && value & ((1 << self.shift) - 1) == 0
            && match self.class {
                Class::GprPair | Class::FprPair => value & 1 == 0,
                Class::OneBit => value & (value - 1) == 0,
                _ => true,
            }
    }

    /// The bits of a word that hold `value`, which the operand must accept.
    pub const fn insert(&self, value: i64) -> u32 {
        let mut rest = value >> self.shift;
        let mut word = 0;
        let mut at = self.pieces.len();
        while at > 0 {
            at -= 1;
            let (first, last) = self.pieces[at];
            let width = last - first + 1;
            word |= ((rest & ((1 << width) - 1)) as u32) << (31 - last);
            rest >>= width;
        }
        word
    }

    /// The operand's value in `word`.
    pub const fn extract(&self, word: u32) -> i64 {
        let mut value = 0;
        let mut at = 0;
        while at < self.pieces.len() {
            let (first, last) = self.pieces[at];
            value = value << (last - first + 1) | Word(word).bits(first, last) as i64;
            at += 1;
        }
        let spare = 64 - self.width();
        match self.class {
            Class::Signed | Class::SignedOrUnsigned | Class::Displacement | Class::Target => {
                (value << spare >> spare) << self.shift
            }
            Class::ByteCount if value == 0 => 1 << self.width(),
            _ => value << self.shift,
        }
    }
}
