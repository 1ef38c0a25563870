//! An instruction word and its fields, under the manual's names (Power ISA v2.07B, Book I, 1.6).

/// A 32-bit instruction as a number: its bit 0 is the most significant, whatever the byte order it was fetched in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Word(pub u32);

impl Word {
    /// Bits `first` to `last`, both included (0 = most significant), moved down.
    #[inline]
    pub const fn bits(self, first: u32, last: u32) -> u32 {
        (self.0 << first) >> (31 - last + first)
    }

    /// Bits `first` to `last`, sign-extended.
    #[inline]
    pub const fn signed(self, first: u32, last: u32) -> i64 {
        ((self.0 << first) as i32 >> (31 - last + first)) as i64
    }

    /// A field as an index.
    #[inline]
    const fn index(self, first: u32, last: u32) -> usize {
        self.bits(first, last) as usize
    }

    /// A field of one bit as a truth value.
    #[inline]
    const fn flag(self, first: u32, last: u32) -> bool {
        self.bits(first, last) != 0
    }
}

/// Defines accessors of one shape: `name first last "what"`.
macro_rules! fields {
    ($kind:ident -> $type:ty { $($(#[$doc:meta])* $name:ident $first:literal $last:literal;)* }) => {
        impl Word {
            $(
                $(#[$doc])*
                #[inline]
                pub const fn $name(self) -> $type {
                    self.$kind($first, $last)
                }
            )*
        }
    };
}

fields! { index -> usize {
    /// RT: target general register.
    rt 6 10;
    /// RS: source general register (the same bits as RT).
    rs 6 10;
    /// RA: general register, or the number 0 where the instruction says `RA|0`.
    ra 11 15;
    /// RB: general register.
    rb 16 20;
    /// FRC, VRC or the BC field: the third source of A and VA forms.
    rc 21 25;
    /// FRT: target floating-point register.
    frt 6 10;
    /// FRS: source floating-point register.
    frs 6 10;
    /// FRA: floating-point register.
    fra 11 15;
    /// FRB: floating-point register.
    frb 16 20;
    /// FRC: floating-point register.
    frc 21 25;
    /// VRT: target vector register.
    vrt 6 10;
    /// VRS: source vector register.
    vrs 6 10;
    /// VRA: vector register.
    vra 11 15;
    /// VRB: vector register.
    vrb 16 20;
    /// VRC: vector register.
    vrc 21 25;
    /// BF: target condition register field.
    bf 6 8;
    /// BFA: source condition register field.
    bfa 11 13;
    /// BT: target bit of the condition register or of the FPSCR.
    bt 6 10;
    /// BA: source condition register bit.
    ba 11 15;
    /// BB: source condition register bit.
    bb 16 20;
    /// BC: condition register bit of `isel`.
    bc 21 25;
    /// BI: condition register bit of a branch.
    bi 11 15;
    /// SR: segment register.
    sr 12 15;
} }

fields! { bits -> u32 {
    /// The primary opcode.
    primary 0 5;
    /// BO: when a branch is taken.
    bo 6 10;
    /// BH: hint of a branch to a register.
    bh 19 20;
    /// TO: conditions of a trap.
    to 6 10;
    /// SH of 5 bits: shift amount of the word forms.
    sh 16 20;
    /// MB of 5 bits: first bit of a word mask.
    mb5 21 25;
    /// ME of 5 bits: last bit of a word mask.
    me5 26 30;
    /// FXM: one bit for each condition register field, field 0 first.
    crm 12 19;
    /// FLM: one bit for each FPSCR field.
    flm 7 14;
    /// U: the immediate of `mtfsfi`.
    u 16 19;
    /// L of the comparisons (0 word, 1 doubleword).
    l_compare 10 10;
    /// L of `sync` and `dcbf` (two bits).
    l_sync 9 10;
    /// L of `mtmsr` and `mtmsrd`.
    l_msr 15 15;
    /// LEV: system call level.
    lev 20 26;
    /// TH: kind of a touch.
    th 6 10;
    /// CT: cache of `icbt`.
    ct 7 10;
    /// IH: hint of `slbia`.
    ih 8 10;
    /// NB of the string instructions as encoded: 0 stands for 32.
    nb 16 20;
    /// STRM: data stream.
    strm 9 10;
    /// DM: doublewords that `xxpermdi` selects.
    dm 22 23;
    /// SHW: words that `xxsldwi` shifts by.
    shw 22 23;
    /// SHB: bytes that `vsldoi` shifts by.
    shb 22 25;
    /// UIM of 5 bits: scale of the vector conversions.
    uim 11 15;
    /// UIM of 4 bits: byte element.
    uim4 12 15;
    /// UIM of 3 bits: halfword element.
    uim3 13 15;
    /// UIM of 2 bits: word element.
    uim2 14 15;
    /// IMM8: the byte that `xxspltib` splats.
    imm8 13 20;
    /// DCMX: data classes, one bit each.
    dcmx 9 15;
    /// RMC: rounding mode of the quad-precision roundings.
    rmc 21 22;
    /// RM: binary rounding mode of `mffscrni`.
    rm 19 20;
    /// DRM: decimal rounding mode of `mffscdrni`.
    drm 18 20;
    /// SIX: functions that `vshasigma` selects.
    six 17 20;
} }

fields! { flag -> bool {
    /// Rc: whether the result is recorded in CR0 or CR1.
    record 31 31;
    /// Rc of the vector comparisons: whether the result is recorded in CR6.
    record_vector 21 21;
    /// OE: whether overflow is recorded in the XER.
    oe 21 21;
    /// LK: whether the branch sets the link register.
    lk 31 31;
    /// AA: whether the branch's target is absolute.
    aa 30 30;
    /// EH: hint of the loads with reservation.
    eh 31 31;
    /// L of `mtfsf`: all of the FPSCR.
    l_fpscr 6 6;
    /// W of `mtfsf` and `mtfsfi`: the high half of the FPSCR.
    w_fpscr 15 15;
    /// ST of `vshasigma`.
    st 16 16;
    /// PS of `bcdadd.` and `bcdsub.`: preferred sign.
    ps 22 22;
    /// RO: whether a quad-precision result is rounded to odd.
    ro 31 31;
    /// EX of `xsrqpi`: whether it reports inexactness.
    ex 31 31;
    /// R of the quad-precision roundings: which set of modes RMC names.
    r 15 15;
    /// S of `rfebb`: whether events are enabled again.
    s_rfebb 20 20;
} }

fields! { signed -> i64 {
    /// SI: signed immediate.
    si 16 31;
    /// D: byte displacement.
    d 16 31;
    /// SIM of 5 bits: signed immediate of the vector splats.
    sim 11 15;
} }

impl Word {
    /// UI: unsigned immediate.
    #[inline]
    pub const fn ui(self) -> u64 {
        self.bits(16, 31) as u64
    }

    /// D of the DX form: signed immediate in three pieces.
    #[inline]
    pub const fn si_pieces(self) -> i64 {
        self.signed(16, 25) << 6 | (self.bits(11, 15) << 1 | self.bits(31, 31)) as i64
    }

    /// DS: displacement in bytes (a multiple of 4).
    #[inline]
    pub const fn ds(self) -> i64 {
        self.signed(16, 29) << 2
    }

    /// DQ: displacement in bytes (a multiple of 16).
    #[inline]
    pub const fn dq(self) -> i64 {
        self.signed(16, 27) << 4
    }

    /// LI: branch displacement in bytes.
    #[inline]
    pub const fn li(self) -> i64 {
        self.signed(6, 29) << 2
    }

    /// BD: branch displacement in bytes.
    #[inline]
    pub const fn bd(self) -> i64 {
        self.signed(16, 29) << 2
    }

    /// SH of 6 bits, of the MD and XS forms.
    #[inline]
    pub const fn sh6(self) -> u32 {
        self.bits(30, 30) << 5 | self.bits(16, 20)
    }

    /// MB or ME of 6 bits, of the MD and MDS forms.
    #[inline]
    pub const fn mb6(self) -> u32 {
        self.bits(26, 26) << 5 | self.bits(21, 25)
    }

    /// SPR or TBR number, with its halves in order.
    #[inline]
    pub const fn spr(self) -> u16 {
        (self.bits(16, 20) << 5 | self.bits(11, 15)) as u16
    }

    /// BHRBE: entry that `mfbhrbe` reads.
    #[inline]
    pub const fn bhrbe(self) -> u32 {
        self.bits(11, 20)
    }

    /// XT or XS: vector-scalar register.
    #[inline]
    pub const fn xt(self) -> usize {
        self.index(31, 31) << 5 | self.index(6, 10)
    }

    /// XA: vector-scalar register.
    #[inline]
    pub const fn xa(self) -> usize {
        self.index(29, 29) << 5 | self.index(11, 15)
    }

    /// XB: vector-scalar register.
    #[inline]
    pub const fn xb(self) -> usize {
        self.index(30, 30) << 5 | self.index(16, 20)
    }

    /// XT or XS of the DQ form: vector-scalar register.
    #[inline]
    pub const fn xt_dq(self) -> usize {
        self.index(28, 28) << 5 | self.index(6, 10)
    }

    /// DCMX of the vector forms: data classes, one bit each.
    #[inline]
    pub const fn dcmx_split(self) -> u32 {
        self.bits(25, 25) << 6 | self.bits(29, 29) << 5 | self.bits(11, 15)
    }

    /// XC: vector-scalar register.
    #[inline]
    pub const fn xc(self) -> usize {
        self.index(28, 28) << 5 | self.index(21, 25)
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Word({:#010x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_fields_are_put_together() {
        // Assembled by the GNU assembler.
        assert_eq!(Word(0x7c7e_42a6).spr(), 286); // mfspr r3,286
        assert_eq!(Word(0x7883_fe62).sh6(), 63); // rldicl r3,r4,63,57
        assert_eq!(Word(0x7883_fe62).mb6(), 57);
        let select = Word(0xf01f_f7bd); // xxsel vs32,vs63,vs30,vs62
        assert_eq!([select.xt(), select.xa(), select.xb(), select.xc()], [32, 63, 30, 62]);
    }

    #[test]
    fn displacements_are_signed_bytes() {
        assert_eq!(Word(0x4bff_fffc).li(), -4);
        assert_eq!(Word(0x4182_8000).bd(), -0x8000);
        assert_eq!(Word(0xe863_fff9).ds(), -8);
        assert_eq!(Word(0x3860_ffff).si(), -1);
        assert_eq!(Word(0x6063_ffff).ui(), 0xffff);
    }
}
