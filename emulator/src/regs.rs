//! The unified register file that the intermediate form addresses with one byte.
//!
//! General registers, LR, CTR, the eight condition-register fields, the bits of XER and the
//! temporaries of translated instructions stand in one array of 256: an index of eight bits needs
//! no check, and every operation reads and writes registers alike. From 64 on there are special purpose registers
//! (`spr_place.rs`).

/// Index of a register in the unified file.
pub type Reg = u8;

/// Link register.
pub const LR: Reg = 32;
/// Count register.
pub const CTR: Reg = 33;
/// Condition-register field 0; field n is `CR + n`. Each holds LT, GT, EQ, SO as 8, 4, 2, 1.
pub const CR: Reg = 34;
/// XER[SO], 0 or 1.
pub const SO: Reg = 42;
/// XER[OV], 0 or 1.
pub const OV: Reg = 43;
/// XER[CA], 0 or 1.
pub const CA: Reg = 44;
/// The other bits of XER in place (the byte count of string instructions).
pub const XER_REST: Reg = 45;
/// Always zero: the `0` of `(RA|0)`. Nothing writes it.
pub const ZERO: Reg = 46;
/// XER[OV32], 0 or 1; always 0 before POWER9.
pub const OV32: Reg = 47;
/// XER[CA32], 0 or 1; always 0 before POWER9.
pub const CA32: Reg = 48;
/// First of the temporaries: values that live inside one instruction.
pub const TEMP: Reg = 49;

/// The unified register file.
pub struct Regs {
    file: [u64; 256],
}

/// Where machine code finds register 0, in bytes; the others follow.
pub(crate) const FILE_AT: usize = std::mem::offset_of!(Regs, file);

impl Default for Regs {
    fn default() -> Self {
        Self { file: [0; 256] }
    }
}

impl std::ops::Index<Reg> for Regs {
    type Output = u64;
    #[inline(always)]
    fn index(&self, reg: Reg) -> &u64 {
        &self.file[reg as usize]
    }
}

impl std::ops::IndexMut<Reg> for Regs {
    #[inline(always)]
    fn index_mut(&mut self, reg: Reg) -> &mut u64 {
        &mut self.file[reg as usize]
    }
}

impl Regs {
    /// The condition register as one 32-bit word.
    pub fn cr(&self) -> u32 {
        (0..8).fold(0, |word, n| word | (self[CR + n] as u32 & 0xf) << (28 - 4 * n))
    }

    /// Sets all eight condition-register fields from a 32-bit word.
    pub fn set_cr(&mut self, word: u32) {
        for n in 0..8 {
            self[CR + n] = u64::from((word >> (28 - 4 * n)) & 0xf);
        }
    }

    /// XER: SO, OV and CA at bits 32 to 34, OV32 and CA32 at 44 and 45, the string count at 57 to 63.
    pub fn xer(&self) -> u64 {
        let words = (self[OV32] << 19) | (self[CA32] << 18);
        (self[SO] << 31) | (self[OV] << 30) | (self[CA] << 29) | words | self[XER_REST]
    }

    /// Sets XER; bits that are reserved on every model are dropped.
    pub fn set_xer(&mut self, xer: u64) {
        self[SO] = (xer >> 31) & 1;
        self[OV] = (xer >> 30) & 1;
        self[CA] = (xer >> 29) & 1;
        self[OV32] = (xer >> 19) & 1;
        self[CA32] = (xer >> 18) & 1;
        self[XER_REST] = xer & 0x7f;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cr_and_xer_survive_the_split_into_fields() {
        let mut regs = Regs::default();
        regs.set_cr(0x1234_5678);
        assert_eq!(regs[CR], 1);
        assert_eq!(regs.cr(), 0x1234_5678);
        regs.set_xer(0xffff_ffff_ffff_ffff);
        assert_eq!(regs.xer(), 0xe00c_007f);
    }
}
