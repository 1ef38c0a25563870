//! The operands, by the names of the manual's fields.

use super::layout::{Class, Layout};

/// Defines the operands: `Name Class [pieces] shift omitted`.
macro_rules! operands {
    ($($(#[$doc:meta])* $name:ident $class:ident [$(($first:literal, $last:literal)),*] $shift:literal $omitted:expr;)*) => {
        /// One operand of an instruction, by the manual's name of the field and its use.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Operand {
            $($(#[$doc])* $name,)*
        }

        impl Operand {
            /// Where it stands and what it names.
            pub const fn layout(self) -> Layout {
                match self {
                    $(Self::$name => Layout {
                        class: Class::$class,
                        pieces: &[$(($first, $last)),*],
                        shift: $shift,
                        omitted: $omitted,
                    },)*
                }
            }
        }
    };
}

operands! {
    /// Target general register.
    Rt Gpr [(6, 10)] 0 None;
    /// Source general register.
    Rs Gpr [(6, 10)] 0 None;
    /// Source general register that may be left out.
    RsOpt Gpr [(6, 10)] 0 Some(0);
    /// General register A.
    Ra Gpr [(11, 15)] 0 None;
    /// General register A, or the number zero.
    Ra0 GprOrZero [(11, 15)] 0 None;
    /// General register A, which receives the effective address.
    RaUpdate GprUpdated [(11, 15)] 0 None;
    /// General register B.
    Rb Gpr [(16, 20)] 0 None;
    /// General register C.
    Rc Gpr [(21, 25)] 0 None;
    /// Target pair of general registers.
    RtPair GprPair [(6, 10)] 0 None;
    /// Source pair of general registers.
    RsPair GprPair [(6, 10)] 0 None;

    /// Target floating-point register.
    Frt Fpr [(6, 10)] 0 None;
    /// Source floating-point register.
    Frs Fpr [(6, 10)] 0 None;
    /// Floating-point register A.
    Fra Fpr [(11, 15)] 0 None;
    /// Floating-point register B.
    Frb Fpr [(16, 20)] 0 None;
    /// Floating-point register C.
    Frc Fpr [(21, 25)] 0 None;
    /// Target pair of floating-point registers.
    FrtPair FprPair [(6, 10)] 0 None;
    /// Source pair of floating-point registers.
    FrsPair FprPair [(6, 10)] 0 None;

    /// Target vector register.
    Vrt Vr [(6, 10)] 0 None;
    /// Source vector register.
    Vrs Vr [(6, 10)] 0 None;
    /// Vector register A.
    Vra Vr [(11, 15)] 0 None;
    /// Vector register B.
    Vrb Vr [(16, 20)] 0 None;
    /// Vector register C.
    Vrc Vr [(21, 25)] 0 None;

    /// Target vector-scalar register.
    Xt Vsr [(31, 31), (6, 10)] 0 None;
    /// Source vector-scalar register.
    Xs Vsr [(31, 31), (6, 10)] 0 None;
    /// Vector-scalar register A.
    Xa Vsr [(29, 29), (11, 15)] 0 None;
    /// Vector-scalar register B.
    Xb Vsr [(30, 30), (16, 20)] 0 None;
    /// Vector-scalar register C.
    Xc Vsr [(28, 28), (21, 25)] 0 None;

    /// Target vector-scalar register of the DQ form.
    XtDq Vsr [(28, 28), (6, 10)] 0 None;
    /// Source vector-scalar register of the DQ form.
    XsDq Vsr [(28, 28), (6, 10)] 0 None;

    /// Target condition register field.
    Bf CrField [(6, 8)] 0 None;
    /// Target condition register field that may be left out.
    BfOpt CrField [(6, 8)] 0 Some(0);
    /// Source condition register field.
    Bfa CrField [(11, 13)] 0 None;
    /// Target field of the FPSCR.
    BfFpscr Unsigned [(6, 8)] 0 None;
    /// Target bit of the FPSCR.
    BtFpscr Unsigned [(6, 10)] 0 None;
    /// Target bit.
    Bt CrBit [(6, 10)] 0 None;
    /// Source bit A.
    Ba CrBit [(11, 15)] 0 None;
    /// Source bit B.
    Bb CrBit [(16, 20)] 0 None;
    /// Bit that `isel` tests.
    Bc CrBit [(21, 25)] 0 None;
    /// Bit that a branch tests.
    Bi CrBit [(11, 15)] 0 None;
    /// Condition register fields, one bit each.
    Fxm Unsigned [(12, 19)] 0 None;
    /// One condition register field, as a bit.
    FxmOne OneBit [(12, 19)] 0 None;

    /// When a branch is taken.
    Bo Unsigned [(6, 10)] 0 None;
    /// Hint of a branch to a register.
    Bh Unsigned [(19, 20)] 0 Some(0);
    /// Branch target of 24 bits.
    Li Target [(6, 29)] 2 None;
    /// Branch target of 14 bits.
    Bd Target [(16, 29)] 2 None;
    /// System call level.
    Lev Unsigned [(20, 26)] 0 Some(0);
    /// Level of a vectored system call.
    LevVectored Unsigned [(20, 26)] 0 None;

    /// Signed immediate.
    Si Signed [(16, 31)] 0 None;
    /// Signed immediate for the high half.
    SiHigh SignedOrUnsigned [(16, 31)] 0 None;
    /// Signed immediate for the high half, in three pieces.
    SiPieces SignedOrUnsigned [(16, 25), (11, 15), (31, 31)] 0 None;
    /// Unsigned immediate.
    Ui Unsigned [(16, 31)] 0 None;
    /// Displacement in bytes.
    D Displacement [(16, 31)] 0 None;
    /// Displacement, a multiple of 4 bytes.
    Ds Displacement [(16, 29)] 2 None;
    /// Displacement, a multiple of 16 bytes.
    Dq Displacement [(16, 27)] 4 None;
    /// Bytes of a string.
    Nb ByteCount [(16, 20)] 0 None;

    /// Shift amount of 5 bits.
    Sh Unsigned [(16, 20)] 0 None;
    /// First bit of a word mask.
    Mb Unsigned [(21, 25)] 0 None;
    /// Last bit of a word mask.
    Me Unsigned [(26, 30)] 0 None;
    /// Shift amount of 6 bits.
    Sh6 Unsigned [(30, 30), (16, 20)] 0 None;
    /// First bit of a doubleword mask.
    Mb6 Unsigned [(26, 26), (21, 25)] 0 None;
    /// Last bit of a doubleword mask.
    Me6 Unsigned [(26, 26), (21, 25)] 0 None;

    /// Which bit an addition carries from and to.
    Cy Unsigned [(21, 22)] 0 None;
    /// What an atomic memory operation does.
    Fc Unsigned [(16, 20)] 0 None;
    /// Which random number.
    Lrandom Unsigned [(14, 15)] 0 None;
    /// Conditions of a trap.
    To Unsigned [(6, 10)] 0 None;
    /// Width of a comparison.
    L Unsigned [(10, 10)] 0 None;
    /// Special purpose register.
    Spr Spr [(16, 20), (11, 15)] 0 None;
    /// Time base register; 268 when it is left out.
    Tbr Spr [(16, 20), (11, 15)] 0 Some(268);
    /// Segment register.
    Sr Unsigned [(12, 15)] 0 None;

    /// Value of an FPSCR field.
    U Unsigned [(16, 19)] 0 None;
    /// Fields of the FPSCR, one bit each.
    Flm Unsigned [(7, 14)] 0 None;
    /// Half of the FPSCR.
    W Unsigned [(15, 15)] 0 Some(0);
    /// All of the FPSCR.
    Lf Unsigned [(6, 6)] 0 Some(0);

    /// Byte element.
    Uim4 Unsigned [(12, 15)] 0 None;
    /// Halfword element.
    Uim3 Unsigned [(13, 15)] 0 None;
    /// Word element.
    Uim2 Unsigned [(14, 15)] 0 None;
    /// Scale of a conversion.
    Uim5 Unsigned [(11, 15)] 0 None;
    /// Signed immediate of a vector splat.
    Sim Signed [(11, 15)] 0 None;
    /// Shift in bytes.
    Shb Unsigned [(22, 25)] 0 None;
    /// Kind of a hash function.
    St Unsigned [(16, 16)] 0 None;
    /// Selection of hash functions.
    Six Unsigned [(17, 20)] 0 None;
    /// Preferred sign.
    Ps Unsigned [(22, 22)] 0 None;
    /// Selection of doublewords.
    Dm Unsigned [(22, 23)] 0 None;
    /// Shift in words.
    Shw Unsigned [(22, 23)] 0 None;

    /// A byte that is splat.
    Imm8 Unsigned [(13, 20)] 0 None;
    /// Data classes, one bit each.
    Dcmx Unsigned [(9, 15)] 0 None;
    /// Data classes of the vector forms.
    DcmxSplit Unsigned [(25, 25), (29, 29), (11, 15)] 0 None;
    /// Which set of rounding modes.
    R Unsigned [(15, 15)] 0 None;
    /// Rounding mode.
    Rmc Unsigned [(21, 22)] 0 None;
    /// Binary rounding mode.
    Rm Unsigned [(19, 20)] 0 None;
    /// Decimal rounding mode.
    Drm Unsigned [(18, 20)] 0 None;

    /// Which barrier.
    Lsync Unsigned [(9, 10)] 0 Some(0);
    /// What a wait waits for.
    Wc Unsigned [(9, 10)] 0 Some(0);
    /// Which caches a flush reaches.
    Lcache Unsigned [(9, 10)] 0 Some(0);
    /// Which bits of the MSR are written.
    Lmsr Unsigned [(15, 15)] 0 Some(0);
    /// Kind of a touch.
    Th Unsigned [(6, 10)] 0 Some(0);
    /// Cache of an instruction touch.
    Ct Unsigned [(7, 10)] 0 None;
    /// Hint of a load with reservation.
    Eh Unsigned [(31, 31)] 0 Some(0);
    /// Data stream.
    Strm Unsigned [(9, 10)] 0 None;
    /// Hint of `slbia`.
    Ih Unsigned [(8, 10)] 0 Some(0);
    /// What an invalidation reaches beside the entries of the table.
    Ric Unsigned [(12, 13)] 0 Some(0);
    /// Whether an invalidation is of what a process, or the partition, translates.
    Prs Unsigned [(14, 14)] 0 Some(0);
    /// Whether an invalidation is of a radix tree, and not of a hashed table.
    Radix Unsigned [(15, 15)] 0 Some(0);
    /// Whether `rfebb` enables events, as it does when this is left out.
    S Unsigned [(20, 20)] 0 Some(1);
    /// Entry of the branch history.
    Bhrbe Unsigned [(11, 20)] 0 None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insn::Word;

    #[test]
    fn the_word_accessors_and_the_layouts_agree() {
        let mut word = 0x1357_9bdf_u32;
        for _ in 0..1000 {
            word = word.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15).rotate_left(7);
            let (is, fields) = (|operand: Operand| operand.layout().extract(word), Word(word));
            assert_eq!(is(Operand::Rt), fields.rt() as i64);
            assert_eq!(is(Operand::Si), fields.si());
            assert_eq!(is(Operand::Ui), fields.ui() as i64);
            assert_eq!(is(Operand::D), fields.d());
            assert_eq!(is(Operand::Ds), fields.ds());
            assert_eq!(is(Operand::Dq), fields.dq());
            assert_eq!(is(Operand::Li), fields.li());
            assert_eq!(is(Operand::Bd), fields.bd());
            assert_eq!(is(Operand::SiPieces), fields.si_pieces());
            assert_eq!(is(Operand::Sh6), i64::from(fields.sh6()));
            assert_eq!(is(Operand::Mb6), i64::from(fields.mb6()));
            assert_eq!(is(Operand::Spr), i64::from(fields.spr()));
            assert_eq!(is(Operand::Xt), fields.xt() as i64);
            assert_eq!(is(Operand::Xa), fields.xa() as i64);
            assert_eq!(is(Operand::Xb), fields.xb() as i64);
            assert_eq!(is(Operand::Xc), fields.xc() as i64);
            assert_eq!(is(Operand::XtDq), fields.xt_dq() as i64);
            assert_eq!(is(Operand::Dcmx), i64::from(fields.dcmx()));
            assert_eq!(is(Operand::DcmxSplit), i64::from(fields.dcmx_split()));
            assert_eq!(is(Operand::Sim), fields.sim());
            assert_eq!(is(Operand::Fxm), i64::from(fields.crm()));
        }
    }

    #[test]
    fn the_ends_of_a_range_are_accepted_and_nothing_past_them() {
        for (operand, least, greatest) in [
            (Operand::Si, -0x8000, 0x7fff),
            (Operand::SiHigh, -0x8000, 0xffff),
            (Operand::Ds, -0x8000, 0x7ffc),
            (Operand::Li, -0x200_0000, 0x1ff_fffc),
            (Operand::Nb, 1, 32),
            (Operand::RtPair, 0, 30),
            (Operand::FxmOne, 1, 128),
            (Operand::RaUpdate, 1, 31),
            (Operand::Xt, 0, 63),
        ] {
            let layout = operand.layout();
            assert_eq!(layout.range(), (least, greatest), "{operand:?}");
            for end in [least, greatest] {
                assert!(layout.accepts(end), "{operand:?} {end}");
            }
            assert!(
                !layout.accepts(least - 1) && !layout.accepts(greatest + 1),
                "{operand:?}"
            );
        }
        assert!(!Operand::Ds.layout().accepts(2) && !Operand::FxmOne.layout().accepts(3));
    }
}
