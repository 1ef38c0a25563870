//! Which instructions random programs are made of: all that problem state may execute, but those whose results differ from QEMU's or
//! are undefined. What one leaves the next finds, so nothing can be forgiven inside a program; the tests of single instructions have
//! the rest.

use emulator::vsu;
use power::insn::{Endian, Opcode, Operand, Word};
use power::model::Model;

use crate::deviations;
use crate::oracle::random::Random;
use crate::single::{self, Kind};
use crate::undefined;

/// Left to the tests of single instructions, and why.
#[rustfmt::skip] // One a line hides what is there.
const ALONE: &[Opcode] = &[
    // They trap.
    Opcode::Twi, Opcode::Tw, Opcode::Tdi, Opcode::Td,
    // Undefined quotients, halves, fields and digits; units have quotients that are defined.
    Opcode::Divw, Opcode::Divwu, Opcode::Divwe, Opcode::Divweu, Opcode::Divd, Opcode::Divdu, Opcode::Divde, Opcode::Divdeu,
    Opcode::Modsw, Opcode::Moduw, Opcode::Modsd, Opcode::Modud,
    Opcode::Mulhw, Opcode::Mulhwu, Opcode::Mfocrf, Opcode::Cbcdtd,
    Opcode::Fctiw, Opcode::Fctiwz, Opcode::Fctiwu, Opcode::Fctiwuz, Opcode::Bcdadd, Opcode::Bcdsub,
    // Units have those of LR, CTR, XER and TAR.
    Opcode::Mfspr, Opcode::Mtspr,
    // They show bits of the FPSCR that QEMU has otherwise, or set what the program depends on.
    Opcode::Mffs, Opcode::Mcrfs, Opcode::Mtfsf, Opcode::Mtfsfi, Opcode::Mtfsb0, Opcode::Mtfsb1, Opcode::Mtvscr,
    // Units have pairs of these.
    Opcode::Lbarx, Opcode::Lharx, Opcode::Lwarx, Opcode::Ldarx, Opcode::Lqarx,
    Opcode::Stbcx, Opcode::Sthcx, Opcode::Stwcx, Opcode::Stdcx, Opcode::Stqcx,
    // QEMU 10.0 takes a selection whose other source it knows to be all ones for all ones.
    Opcode::Vsel, Opcode::Xxsel, Opcode::Xvcpsgndp, Opcode::Xvcpsgnsp,
    // Elements past a register's end, and operands that are no decimal numbers.
    Opcode::Vextuhlx, Opcode::Vextuhrx, Opcode::Vextuwlx, Opcode::Vextuwrx,
    Opcode::Bcds, Opcode::Bcdus, Opcode::Bcdsr, Opcode::Bcdtrunc, Opcode::Bcdutrunc, Opcode::Bcdcpsgn, Opcode::Bcdsetsgn,
    Opcode::Bcdcfn, Opcode::Bcdctn, Opcode::Bcdcfz, Opcode::Bcdctz, Opcode::Bcdcfsq, Opcode::Bcdctsq,
    // As `mffs` and its kin.
    Opcode::Mffsce, Opcode::Mffscdrn, Opcode::Mffscdrni, Opcode::Mffscrn, Opcode::Mffscrni, Opcode::Mffsl,
    // QEMU has them otherwise (`deviations.rs`).
    Opcode::Vrldmi, Opcode::Xsmaxcdp, Opcode::Xsmincdp, Opcode::Xsnmsubqp, Opcode::Xsrqpi, Opcode::Xsrqpxp, Opcode::Xststdcsp,
    // They load over the registers that programs keep for themselves.
    Opcode::Lmw, Opcode::Lswi, Opcode::Lswx,
    // How much it stores depends on what the program left in XER.
    Opcode::Stswx,
];

/// The instructions of one program.
pub struct Mixture {
    fixed: Vec<Opcode>,
    vector: Vec<Opcode>,
    float: Vec<Opcode>,
    memory: Vec<Opcode>,
}

/// Loads-and-reserves, each with its store-conditional. Not those of quadwords: QEMU forgets what `lqarx` has seen when another
/// load-and-reserve stands before it in the same run of instructions.
pub const RESERVATIONS: &[(Opcode, Opcode)] = &[
    (Opcode::Lbarx, Opcode::Stbcx),
    (Opcode::Lharx, Opcode::Sthcx),
    (Opcode::Lwarx, Opcode::Stwcx),
    (Opcode::Ldarx, Opcode::Stdcx),
];

impl Mixture {
    /// For programs of this model and byte order that start with this FPSCR and VSCR, whose modes they keep.
    pub fn new(model: Model, endian: Endian, fpscr: u64, vscr: u32) -> Self {
        let rounds_by_sign = fpscr & 2 != 0;
        let is_non_java = vscr & 0x1_0000 != 0;
        let fits = |opcode: &Opcode| {
            let is_left_out = !opcode.is_of(model)
                || ALONE.contains(opcode)
                || deviations::is_close_enough(*opcode)
                || rounds_by_sign && deviations::is_negative_fused(*opcode)
                || is_non_java && opcode.name().ends_with("fp")
                || endian == Endian::Little && single::BIG_ENDIAN_ONLY.contains(opcode);
            !is_left_out
        };
        let fitting: Vec<Opcode> = Opcode::ALL.iter().copied().filter(fits).collect();
        let of = |choose: &dyn Fn(Opcode) -> bool| fitting.iter().copied().filter(|&opcode| choose(opcode)).collect();
        let computes = |opcode| vsu::handler(opcode).is_some();
        let is_vector = |opcode: Opcode| opcode.name().starts_with('v');
        Self {
            fixed: of(&|opcode| single::kind(opcode) == Kind::Registers),
            vector: of(&|opcode| computes(opcode) && is_vector(opcode)),
            float: of(&|opcode| computes(opcode) && !is_vector(opcode)),
            memory: of(&|opcode| single::kind(opcode) == Kind::Memory),
        }
    }

    /// An instruction that computes.
    pub fn compute(&self, random: &mut Random) -> Opcode {
        let list = match random.below(3) {
            0 => &self.fixed,
            1 => &self.vector,
            _ => &self.float,
        };
        random.pick(list)
    }

    /// An instruction with an address.
    pub fn memory(&self, random: &mut Random) -> Opcode {
        random.pick(&self.memory)
    }
}

/// Whether the function of an atomic memory operation is left to the tests of single instructions: QEMU differs in some
/// (`undefined.rs`).
pub fn is_function_alone(opcode: Opcode, word: u32) -> bool {
    match opcode {
        Opcode::Lwat => matches!(Word(word).rb(), 5 | 7 | 24 | 25),
        Opcode::Ldat => matches!(Word(word).rb(), 24 | 25),
        Opcode::Stwat => matches!(Word(word).rb(), 5 | 7),
        _ => false,
    }
}

/// The vector-scalar register whose lower half the instruction leaves undefined (7.6).
pub fn half_defined(opcode: Opcode, word: u32) -> Option<usize> {
    use Opcode::{Mtvsrd, Mtvsrwa, Mtvsrwz};
    let moves = matches!(opcode, Mtvsrd | Mtvsrwa | Mtvsrwz);
    undefined::half_loaded(opcode, Word(word)).or(moves.then(|| Word(word).xt()))
}

/// Whether the instruction has a record form that copies the FPSCR's exceptions, of which QEMU has others.
pub fn records_exceptions(opcode: Opcode) -> bool {
    opcode.row().operands.contains(&Operand::Frt)
}

/// Bits of the FPSCR that programs are compared in: exceptions but UX and VXSNAN, VX, the enables and RN. The tests of single
/// instructions have the others (see `deviations.rs`).
pub const FPSCR: u64 = 0x36f8_07fb;
