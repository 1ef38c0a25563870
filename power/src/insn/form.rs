//! Instruction forms: from opcode numbers to the bits that tell one instruction from the others.
//!
//! Reserved fields are left out of the masks: the processor ignores them (Power ISA v2.07B, Book I, 1.3.3).

/// The fixed bits of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// The fixed bits as the instruction has them; no bit outside `mask`.
    pub value: u32,
    /// Which bits are fixed.
    pub mask: u32,
}

impl Pattern {
    /// A primary opcode, and `extended` in the bits up to `last` of which the mask is `width` bits wide.
    const fn new(primary: u32, extended: u32, width: u32, last: u32) -> Self {
        let shift = 31 - last;
        assert!(primary < 64 && extended < 1 << width);
        Self {
            value: primary << 26 | extended << shift,
            mask: 63 << 26 | ((1 << width) - 1) << shift,
        }
    }

    /// With bit `bit` (0 = most significant) fixed as well.
    const fn with(self, bit: u32, set: u32) -> Self {
        let place = 1 << (31 - bit);
        Self {
            value: self.value | if set != 0 { place } else { 0 },
            mask: self.mask | place,
        }
    }

    /// Whether `word` has the fixed bits.
    pub const fn matches(self, word: u32) -> bool {
        word & self.mask == self.value
    }
}

/// Defines the constructors of forms with an extended opcode: `name(width, last bit)`.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident $width:literal $last:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) const fn $name(primary: u32, extended: u32) -> Pattern {
                Pattern::new(primary, extended, $width, $last)
            }
        )*
    };
}

forms! {
    /// X and XL, and all others with ten bits of extended opcode.
    x 10 30;
    /// XO: nine bits, after OE.
    xo 9 30;
    /// A: five bits.
    a 5 30;
    /// DX: five bits.
    dx 5 30;
    /// DS: two bits.
    ds 2 31;
    /// DQ with an extended opcode: three bits.
    dq 3 31;
    /// Z23: eight bits, after RMC or CY.
    z23 8 30;
    /// MD: three bits.
    md 3 29;
    /// MDS: four bits.
    mds 4 30;
    /// XS: nine bits.
    xs 9 29;
    /// VA: six bits.
    va 6 31;
    /// VX: eleven bits.
    vx 11 31;
    /// VC: ten bits, after Rc.
    vc 10 31;
    /// XX2: nine bits.
    xx2 9 29;
    /// XX3: eight bits.
    xx3 8 28;
    /// XX3 of the comparisons: seven bits, after Rc.
    xx3_vc 7 28;
    /// XX4: two bits.
    xx4 2 27;
}

/// D, I, B, M and DQ: the primary opcode alone.
pub(super) const fn d(primary: u32) -> Pattern {
    Pattern::new(primary, 0, 0, 31)
}

/// SC: bit 30 is set.
pub(super) const fn sc(primary: u32) -> Pattern {
    d(primary).with(30, 1)
}

/// SC of the vectored call: bit 31 is set instead of bit 30.
pub(super) const fn scv(primary: u32) -> Pattern {
    d(primary).with(30, 0).with(31, 1)
}

/// X, where bit 10 is set.
pub(super) const fn x_bit10(primary: u32, extended: u32) -> Pattern {
    x(primary, extended).with(10, 1)
}

/// X, where bit 10 is set and the dot is part of the name.
pub(super) const fn x_bit10_dot(primary: u32, extended: u32) -> Pattern {
    x_dot(primary, extended).with(10, 1)
}

/// X, where the dot is part of the name.
pub(super) const fn x_dot(primary: u32, extended: u32) -> Pattern {
    x(primary, extended).with(31, 1)
}

/// X, with bit 6 telling two instructions apart.
pub(super) const fn x_bit6(primary: u32, extended: u32, bit: u32) -> Pattern {
    x(primary, extended).with(6, bit)
}

/// XFX, with bit 11 telling two instructions apart.
pub(super) const fn x_bit11(primary: u32, extended: u32, bit: u32) -> Pattern {
    x(primary, extended).with(11, bit)
}

/// A pattern with `number` in bits 11 to 15 as well.
const fn with_bits_11_to_15(mut pattern: Pattern, number: u32) -> Pattern {
    assert!(number < 32);
    pattern.value |= number << 16;
    pattern.mask |= 31 << 16;
    pattern
}

/// X, with the number in bits 11 to 15.
pub(super) const fn x_eo(primary: u32, extended: u32, number: u32) -> Pattern {
    with_bits_11_to_15(x(primary, extended), number)
}

/// VX, with the number in bits 11 to 15.
pub(super) const fn vx_eo(primary: u32, extended: u32, number: u32) -> Pattern {
    with_bits_11_to_15(vx(primary, extended), number)
}

/// XX2, with the number in bits 11 to 15.
pub(super) const fn xx2_eo(primary: u32, extended: u32, number: u32) -> Pattern {
    with_bits_11_to_15(xx2(primary, extended), number)
}

/// VX of the decimal instructions with PS, with the number in bits 11 to 15.
pub(super) const fn bcd_eo(primary: u32, extended: u32, number: u32) -> Pattern {
    with_bits_11_to_15(bcd(primary, extended), number)
}

/// X, where bit 25 is reserved.
pub(super) const fn x_bit25_free(primary: u32, extended: u32) -> Pattern {
    let Pattern { value, mask } = x(primary, extended);
    Pattern {
        value,
        mask: mask & !(1 << 6),
    }
}

/// X of the splat of a byte: bits 11 and 12 are clear.
pub(super) const fn x_splat(primary: u32, extended: u32) -> Pattern {
    x(primary, extended).with(11, 0).with(12, 0)
}

/// XX2 of the tests of vectors' data classes, of which bit 25 is an operand's.
pub(super) const fn xx2_dc(primary: u32, extended: u32) -> Pattern {
    let Pattern { value, mask } = xx3(primary, extended);
    Pattern {
        value,
        mask: mask & !(1 << 6),
    }
}

/// VX of the decimal instructions: bit 21 is set, PS stands before the extended opcode.
pub(super) const fn bcd(primary: u32, extended: u32) -> Pattern {
    Pattern::new(primary, extended, 9, 31).with(21, 1)
}

/// XX3, with a two-bit selector inside the extended opcode.
pub(super) const fn xx3_dm(primary: u32, extended: u32) -> Pattern {
    Pattern::new(primary, extended, 5, 28).with(21, 0)
}
