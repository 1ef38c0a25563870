//! The floating-point status and control register: its bits, and the one place that decides what
//! an exception does to it.

/// The register: bits 29 to 31 hold the decimal rounding mode, which this processor keeps but
/// does not use; all else stands in bits 32 to 63.
///
/// ```text
/// 32 FX  33 FEX 34 VX  35 OX  36 UX  37 ZX  38 XX  39 VXSNAN 40 VXISI 41 VXIDI 42 VXZDZ 43 VXIMZ
/// 44 VXVC 45 FR 46 FI  47:51 FPRF    53 VXSOFT 54 VXSQRT 55 VXCVI
/// 56 VE  57 OE  58 UE  59 ZE  60 XE  61 NI  62:63 RN
/// ```
///
/// Power ISA v2.07B, Book I, 4.2.2.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Fpscr(u64);

/// A set of the register's bits: what an operation found.
pub(super) type Found = u32;

pub(super) const FX: Found = 1 << 31;
pub(super) const FEX: Found = 1 << 30;
pub(super) const VX: Found = 1 << 29;
pub(super) const OX: Found = 1 << 28;
pub(super) const UX: Found = 1 << 27;
pub(super) const ZX: Found = 1 << 26;
pub(super) const XX: Found = 1 << 25;
pub(super) const VXSNAN: Found = 1 << 24;
pub(super) const VXISI: Found = 1 << 23;
pub(super) const VXIDI: Found = 1 << 22;
pub(super) const VXZDZ: Found = 1 << 21;
pub(super) const VXIMZ: Found = 1 << 20;
pub(super) const VXVC: Found = 1 << 19;
pub(super) const FR: Found = 1 << 18;
pub(super) const FI: Found = 1 << 17;
pub(super) const FPRF: Found = 0x1f << 12;
pub(super) const VXSQRT: Found = 1 << 9;
pub(super) const VXCVI: Found = 1 << 8;
const VXSOFT: Found = 1 << 10;

/// Every bit that says why an operation was invalid.
pub(super) const ANY_VX: Found = VXSNAN | VXISI | VXIDI | VXZDZ | VXIMZ | VXVC | VXSOFT | VXSQRT | VXCVI;
/// The exception bits that stay set until a program clears them.
const STICKY: Found = OX | UX | ZX | XX | ANY_VX;

const VE: u64 = 1 << 7;
const OE: u64 = 1 << 6;
const UE: u64 = 1 << 5;
const ZE: u64 = 1 << 4;
const XE: u64 = 1 << 3;
const ENABLES: u64 = VE | OE | UE | ZE | XE;
/// Bits that exist.
const IMPLEMENTED: u64 = 0x0000_0007_ffff_f7ff;

/// `FPSCR[RN]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest value, ties to even.
    Nearest,
    /// Toward zero.
    Zero,
    /// Toward plus infinity.
    Up,
    /// Toward minus infinity.
    Down,
    /// To the nearest value, ties away from zero: only some instructions ask for it by name.
    NearestAway,
    /// To odd: the last place stands for all that was cut off. Only some instructions ask for it by name.
    Odd,
}

impl std::fmt::Debug for Fpscr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fpscr({:#x})", self.0)
    }
}

impl Fpscr {
    /// All 64 bits.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// Sets the register as `mtfsf` of all fields does: FEX and VX follow from the others, and
    /// bits that do not exist stay zero.
    pub fn set(&mut self, raw: u64) {
        self.0 = raw & IMPLEMENTED;
        self.summarise();
    }

    /// `FPSCR[RN]`.
    pub fn rounding(self) -> Rounding {
        match self.0 & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Zero,
            2 => Rounding::Up,
            _ => Rounding::Down,
        }
    }

    /// Overflow exceptions are enabled.
    pub(super) fn traps_overflow(self) -> bool {
        self.0 & OE != 0
    }

    /// Underflow exceptions are enabled.
    pub(super) fn traps_underflow(self) -> bool {
        self.0 & UE != 0
    }

    /// FEX: whether an exception is recorded that is enabled.
    pub fn has_enabled_exception(self) -> bool {
        self.0 & u64::from(FEX) != 0
    }

    /// FX, FEX, VX and OX: what a record form copies to CR field 1.
    pub fn cr1(self) -> u64 {
        (self.0 >> 28) & 0xf
    }

    /// Makes FEX and VX what the exception and enable bits say.
    fn summarise(&mut self) {
        let word = self.0 as Found;
        self.0 &= !u64::from(VX | FEX);
        if word & ANY_VX != 0 {
            self.0 |= u64::from(VX);
        }
        if self.enabled(word) != 0 {
            self.0 |= u64::from(FEX);
        }
    }

    /// Which of the exceptions in `found` are enabled.
    pub(super) fn enabled(self, found: Found) -> Found {
        let mut enabled = 0;
        if self.0 & ENABLES == 0 {
            return enabled;
        }
        for (enable, which) in [(VE, ANY_VX), (OE, OX), (UE, UX), (ZE, ZX), (XE, XX)] {
            if self.0 & enable != 0 {
                enabled |= found & which;
            }
        }
        enabled
    }

    /// Exceptions in `found` that suppress the result of a scalar operation: enabled invalid
    /// operation and enabled division by zero.
    pub(super) fn suppresses(self, found: Found) -> bool {
        self.enabled(found) & (ANY_VX | ZX) != 0
    }

    /// Records exceptions; FX notes that one was new. FR, FI and FPRF stay.
    /// Answers whether an enabled one was among them.
    pub(super) fn raise(&mut self, found: Found) -> bool {
        let found = found & STICKY;
        // What has been recorded before changes nothing.
        if u64::from(found) & !self.0 != 0 {
            self.0 |= u64::from(FX | found);
            self.summarise();
        }
        self.enabled(found) != 0
    }

    /// Sets FR and FI as in `found`.
    pub(super) fn set_rounded(&mut self, found: Found) {
        self.0 = self.0 & !u64::from(FR | FI) | u64::from(found & (FR | FI));
    }

    /// Sets FPRF, bits as `Found`.
    pub(super) fn set_fprf(&mut self, fprf: Found) {
        self.0 = self.0 & !u64::from(FPRF) | u64::from(fprf);
    }

    /// Sets FPCC, the low four bits of FPRF, from a CR nibble; the class bit stays.
    pub(super) fn set_fpcc(&mut self, nibble: u64) {
        self.0 = self.0 & !0xf000 | nibble << 12;
    }

    /// Replaces the bits of `mask` as the move-to-FPSCR instructions do: FEX and VX are never
    /// taken from the operand. Answers whether an enabled exception is now recorded.
    pub(super) fn replace(&mut self, mask: u64, value: u64) -> bool {
        let mask = mask & IMPLEMENTED & !u64::from(FEX | VX);
        self.0 = self.0 & !mask | value & mask;
        self.summarise();
        self.0 & u64::from(FEX) != 0
    }

    /// Sets bit `1 << bit` as `mtfsb1` does: a newly set exception bit sets FX.
    pub(super) fn set_bit(&mut self, bit: u32) -> bool {
        let found = 1 << bit;
        if found & STICKY != 0 {
            self.raise(found);
            self.0 & u64::from(FEX) != 0
        } else {
            self.replace(1 << bit, 1 << bit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fx_is_set_only_by_an_exception_that_was_not_there() {
        let mut fpscr = Fpscr::default();
        assert!(!fpscr.raise(XX));
        assert_eq!(fpscr.raw(), u64::from(FX | XX));
        fpscr.replace(u64::from(FX), 0);
        fpscr.raise(XX);
        assert_eq!(fpscr.raw(), u64::from(XX));
    }

    #[test]
    fn vx_and_fex_follow_from_causes_and_enables() {
        let mut fpscr = Fpscr::default();
        fpscr.set(VE | u64::from(FEX | VX));
        assert_eq!(fpscr.raw(), VE);
        assert!(fpscr.raise(VXSNAN));
        assert_eq!(fpscr.raw(), VE | u64::from(FX | FEX | VX | VXSNAN));
        fpscr.replace(u64::from(VXSNAN), 0);
        assert_eq!(fpscr.raw(), VE | u64::from(FX));
    }

    #[test]
    fn bits_that_do_not_exist_stay_zero() {
        let mut fpscr = Fpscr::default();
        fpscr.set(!0xf8);
        assert_eq!(fpscr.raw() & !0x7_ffff_ffff, 0);
        assert_eq!(fpscr.raw() & 0x800, 0);
    }
}
