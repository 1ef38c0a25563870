//! Cases from a seed: any operands, and register values that are special more often than not.

use power::insn::{Class, Opcode, Operand};

use super::State;

/// The greatest value of an operand of which `greatest` is the greatest that can be encoded: an element of a vector must lie in
/// it, else the result is undefined (Power ISA v3.0B, Book I, chapter 6 and 7.6.3).
fn last_valid(opcode: Opcode, operand: Operand, greatest: i64) -> i64 {
    use Opcode::{Vextractd, Vextractuh, Vextractuw, Vinsertd, Vinserth, Vinsertw, Xxextractuw, Xxinsertw};
    match opcode {
        _ if operand != Operand::Uim4 => greatest,
        Vextractuh | Vinserth => 14,
        Vextractuw | Vinsertw | Xxextractuw | Xxinsertw => 12,
        Vextractd | Vinsertd => 8,
        _ => greatest,
    }
}

/// A generator of numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// The instruction with operands and suffixes at random.
    pub fn word(&mut self, opcode: Opcode) -> u32 {
        let row = opcode.row();
        let mut word = row.pattern.value;
        for operand in row.operands {
            let layout = operand.layout();
            let (least, greatest) = layout.range();
            let value = loop {
                let value = least + self.below((last_valid(opcode, *operand, greatest) - least + 1) as u64) as i64;
                if layout.accepts(value) {
                    break value;
                }
            };
            // Few registers, so that operands often coincide.
            let few = matches!(layout.class, Class::Vsr | Class::Vr | Class::Fpr) && self.below(8) == 0;
            word |= layout.insert(if few { value & 1 } else { value });
        }
        for suffix in row.suffixes {
            if self.below(2) == 0 {
                word |= suffix.mask();
            }
        }
        word
    }

    /// A state of which all registers are of one style, or each of its own.
    pub fn state(&mut self) -> State {
        let style = self.style();
        let mixed = self.below(3) == 0;
        let mut state = State {
            cr: self.next() as u32,
            xer: self.next() & 0xe000_007f,
            lr: self.next(),
            ctr: self.next(),
            // No enabled exceptions: they would end the program.
            fpscr: self.pick(&[0, self.0 & 0x7_dfff_f703]) & !0xf8 | self.below(4),
            vscr: self.pick(&[0, 1, 0x1_0000, 0x1_0001]),
            ..State::default()
        };
        for gpr in &mut state.gpr {
            *gpr = self.integer();
        }
        for vsr in &mut state.vsr {
            let style = if mixed { self.style() } else { style };
            *vsr = self.vector(style);
        }
        for byte in &mut state.memory {
            *byte = self.next() as u8;
        }
        if self.below(2) == 0 {
            // Values that are special in memory, too.
            for quad in state.memory.chunks_exact_mut(16) {
                let vector = self.vector(style);
                quad.copy_from_slice(&if self.below(2) == 0 {
                    vector.to_be_bytes()
                } else {
                    vector.to_le_bytes()
                });
            }
        }
        state
    }

    fn style(&mut self) -> Style {
        use Style::{Bits, Decimals, Doubles, Integers, NearbyDoubles, NearbySingles, Singles};
        self.pick(&[
            Bits,
            Doubles,
            Doubles,
            NearbyDoubles,
            Singles,
            Singles,
            NearbySingles,
            Integers,
            Decimals,
        ])
    }

    /// An integer, small or extreme as likely as any.
    pub fn integer(&mut self) -> u64 {
        let any = self.next();
        match self.below(6) {
            0 => self.pick(&[0, 1, u64::MAX, 1 << 63, i64::MAX as u64, 1 << 31, 0x7fff_ffff]),
            1 => any & 0xff,
            2 => any as i8 as u64,
            3 => any as i32 as u64,
            4 => any >> self.below(64),
            _ => any,
        }
    }

    fn vector(&mut self, style: Style) -> u128 {
        let [high, low] = [(); 2].map(|()| match style {
            Style::Bits => self.next(),
            Style::Doubles => self.double(0x800),
            Style::NearbyDoubles => self.double(8),
            Style::Singles => self.single(0x100) << 32 | self.single(0x100),
            Style::NearbySingles => self.single(8) << 32 | self.single(8),
            Style::Integers => self.integer(),
            Style::Decimals => self.decimal(),
        });
        let vector = u128::from(high) << 64 | u128::from(low);
        match style {
            Style::Decimals => vector & !0xf | self.pick(&[10u128, 11, 12, 13, 14, 15, 12, 13, 1]),
            _ => vector,
        }
    }

    /// A double, special or with one of `spread` exponents around zero.
    fn double(&mut self, spread: u64) -> u64 {
        let sign = self.next() & 1 << 63;
        let fraction = self.next() >> 12;
        let fraction = match self.below(6) {
            0 => 0,
            1 => fraction & fraction << 30 & !0 >> 12,
            2 => !0 >> 12,
            3 => fraction >> 29 << 29,
            4 => 1 << self.below(52),
            _ => fraction,
        };
        let special = self.pick(&[
            0, 0, 0x7ff, 0x7ff, 1, 0x7fe, 0x381, 0x380, 0x369, 0x47e, 0x43d, 0x433, 0x41e,
        ]);
        let ordinary = (0x3ff + self.below(spread)).wrapping_sub(spread / 2);
        let exponent = if self.below(4) == 0 { special } else { ordinary & 0x7ff };
        sign | exponent << 52 | fraction
    }

    /// A quadruple, likewise.
    pub fn quad(&mut self, spread: u64) -> u128 {
        let sign = u128::from(self.next() & 1) << 127;
        let any = u128::from(self.next()) << 64 | u128::from(self.next());
        let fraction = match self.below(6) {
            0 => 0,
            1 => u128::MAX,
            2 => any >> 64 << 64,
            3 => any >> self.below(112),
            4 => 1 << self.below(112),
            _ => any,
        } & ((1 << 112) - 1);
        let special = self.pick(&[0, 0, 0x7fff, 0x7fff, 1, 0x7ffe, 0x3c00, 0x43ff, 0x3bcd, 0x403d, 0x406f]);
        let ordinary = (0x3fff + self.below(spread)).wrapping_sub(spread / 2);
        let exponent = if self.below(4) == 0 { special } else { ordinary & 0x7fff };
        sign | u128::from(exponent) << 112 | fraction
    }

    /// A single, likewise.
    fn single(&mut self, spread: u64) -> u64 {
        let sign = self.next() & 1 << 31;
        let fraction = self.next() >> 41;
        let fraction = match self.below(5) {
            0 => 0,
            1 => !0 >> 41,
            2 => 1 << self.below(23),
            _ => fraction,
        };
        let special = self.pick(&[0, 0, 0xff, 0xff, 1, 0xfe, 0x9d, 0x96]);
        let ordinary = (0x7f + self.below(spread)).wrapping_sub(spread / 2);
        let exponent = if self.below(4) == 0 { special } else { ordinary & 0xff };
        sign | exponent << 23 | fraction
    }

    /// Decimal digits, often few, often all nines, seldom a bad one.
    fn decimal(&mut self) -> u64 {
        let only = self.pick(&[0, 9]);
        let uniform = self.below(2) == 0;
        let bad = self.below(40) == 0;
        (0..16).fold(0, |digits, _| {
            let digit = if uniform { only } else { self.below(10) };
            digits << 4 | if bad && self.below(16) == 0 { 10 } else { digit }
        })
    }
}

/// What the elements of a register look like.
#[derive(Clone, Copy)]
enum Style {
    Bits,
    Doubles,
    NearbyDoubles,
    Singles,
    NearbySingles,
    Integers,
    Decimals,
}
