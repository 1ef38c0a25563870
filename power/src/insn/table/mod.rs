//! The instruction table: one row an instruction of POWER8 or POWER9 (Power ISA v2.07B and v3.0B, Books I to III, without
//! decimal floating point and transactional memory). The decoder, the assembler and the disassembler are made from it.
//!
//! A line of the lists reads: variant, mnemonic, form with its opcode numbers, operands as the assembler writes them,
//! the optional bits that the instruction has, and which models have it if not all do: `since Power9` or `until Power8`.

mod branch;
mod fixed;
mod float;
mod load_store;
mod system;
mod vector;
mod vector_v3;
mod vsx;
mod vsx_v3;

use super::form::{
    Pattern, a, bcd, bcd_eo, d, dq, ds, dx, md, mds, sc, scv, va, vc, vx, vx_eo, x, x_bit6, x_bit10, x_bit10_dot,
    x_bit11, x_bit25_free, x_dot, x_eo, x_splat, xo, xs, xx2, xx2_dc, xx2_eo, xx3, xx3_dm, xx3_vc, xx4, z23,
};
use super::operand::Operand;
use crate::model::{Model, Models};
use branch::branch;
use fixed::fixed;
use float::float;
use load_store::load_store;
use system::system;
use vector::vector;
use vector_v3::vector_v3;
use vsx::vsx;
use vsx_v3::vsx_v3;

/// A bit of the word that changes what the instruction does beside its main effect, written as a suffix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suffix {
    /// `o`: records overflow (bit 21).
    Oe,
    /// `.`: records the result in CR0 or CR1 (bit 31).
    Rc,
    /// `.`: records the result of a vector comparison in CR6 (bit 21).
    Vc,
    /// `l`: sets the link register (bit 31).
    Lk,
    /// `a`: absolute target (bit 30).
    Aa,
    /// `o`: rounds to odd (bit 31).
    Ro,
    /// `x`: reports inexactness (bit 31).
    Ex,
}

impl Suffix {
    /// The bit in the word.
    pub const fn mask(self) -> u32 {
        match self {
            Self::Oe | Self::Vc => 1 << 10,
            Self::Rc | Self::Lk | Self::Ro | Self::Ex => 1,
            Self::Aa => 1 << 1,
        }
    }

    /// How it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Oe | Self::Ro => "o",
            Self::Ex => "x",
            Self::Rc | Self::Vc => ".",
            Self::Lk => "l",
            Self::Aa => "a",
        }
    }
}

/// One instruction.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub opcode: Opcode,
    /// The mnemonic without suffixes.
    pub name: &'static str,
    /// The fixed bits.
    pub pattern: Pattern,
    /// The operands in the order in which the assembler writes them.
    pub operands: &'static [Operand],
    /// The suffixes that it can have, in the order in which they are written.
    pub suffixes: &'static [Suffix],
    /// The models that have it.
    pub models: Models,
}

/// The models that a row's end names.
macro_rules! models {
    () => {
        Models::ALL
    };
    ($run:ident $model:ident) => {
        Models::$run(Model::$model)
    };
}

/// Makes the enum and the table from the rows that the lists have collected.
macro_rules! define {
    ({ $($variant:ident $name:literal $form:ident($($number:literal),*)
         [$($operand:ident),*] [$($suffix:ident),*] $($run:ident $model:ident)?;)* }) => {
        /// An instruction, whatever its operands and suffixes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum Opcode {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Opcode {
            /// Every instruction, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }

        /// Every row; the row of an opcode stands at the opcode's number.
        pub(super) static TABLE: &[Row] = &[
            $(Row {
                opcode: Opcode::$variant,
                name: $name,
                pattern: $form($($number),*),
                operands: &[$(Operand::$operand),*],
                suffixes: &[$(Suffix::$suffix),*],
                models: models!($($run $model)?),
            },)*
        ];
    };
}

branch! { {} fixed load_store float vector vector_v3 vsx vsx_v3 system define }

impl Opcode {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The mnemonic without suffixes.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether this model has it.
    pub fn is_of(self, model: Model) -> bool {
        self.row().models.include(model)
    }
}
