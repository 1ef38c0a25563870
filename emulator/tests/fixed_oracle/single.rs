//! Cases of one instruction (and what it needs beside it), for every instruction that problem state
//! may execute and that is not one of floating point or vectors.

use emulator::vsu;
use power::insn::{Opcode, Operand, Suffix, Word, encode};
use power::model::Model;

use crate::oracle::random::Random;
use crate::oracle::{Case, INSTRUCTIONS, MEMORY, MEMORY_BYTES};

/// Bits of XER that came with POWER9.
pub const XER_OV32_CA32: u64 = 0xc_0000;

/// How an instruction is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Registers alone.
    Registers,
    /// It has an effective address.
    Memory,
    /// It may go elsewhere.
    Branch,
    /// Not here.
    Elsewhere,
}

/// Loads and stores of several registers, which interrupt a little-endian processor (Power ISA v2.07B, Book I, 3.3.5 and
/// 3.3.6).
pub const BIG_ENDIAN_ONLY: &[Opcode] = &[
    Opcode::Lmw,
    Opcode::Stmw,
    Opcode::Lswi,
    Opcode::Lswx,
    Opcode::Stswi,
    Opcode::Stswx,
];

/// How to try `opcode`.
pub fn kind(opcode: Opcode) -> Kind {
    match opcode {
        Opcode::B | Opcode::Bc | Opcode::Bclr | Opcode::Bcctr | Opcode::Bctar => Kind::Branch,
        // Kinds of isel and addi have RA|0 too, but no address.
        Opcode::Isel | Opcode::Addi | Opcode::Addis => Kind::Registers,
        _ if vsu::handler(opcode).is_some() || is_for_text(opcode) => Kind::Elsewhere,
        _ if has(opcode, Operand::Ra0) || has(opcode, Operand::RaUpdate) => Kind::Memory,
        _ => Kind::Registers,
    }
}

/// What QEMU in user mode cannot be asked: privileged instructions, interrupts, events, the clock.
fn is_for_text(opcode: Opcode) -> bool {
    let name = opcode.name();
    // The data streams are hints, and QEMU's POWER8 does not have them.
    let unknown = ["slb", "tlb", "msg", "mtsr", "mfsr", "mtmsr", "mfmsr", "dss", "dst"];
    unknown.iter().any(|start| name.starts_with(start))
        || name.ends_with("cix")
        || matches!(
            opcode,
            Opcode::Sc
                // QEMU has it for the embedded processors only; POWER8 too (Book II, 4.3.1).
                | Opcode::Icbt
                | Opcode::Mftb
                | Opcode::Rfid
                | Opcode::Hrfid
                | Opcode::Doze
                | Opcode::Nap
                | Opcode::Sleep
                | Opcode::Rvwinkle
                | Opcode::Rfebb
                | Opcode::Clrbhrb
                | Opcode::Mfbhrbe
                // What came with POWER9: calls, waits, numbers that nobody foresees, and copies, which QEMU does not have.
                | Opcode::Scv
                | Opcode::Rfscv
                | Opcode::Stop
                | Opcode::Wait
                | Opcode::Darn
                | Opcode::Copy
                | Opcode::Paste
        )
}

/// Whether RB says how many bytes there are, and not where.
pub fn has_length(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Lxvl | Opcode::Lxvll | Opcode::Stxvl | Opcode::Stxvll)
}

/// The word with another value of an operand.
pub fn replace(word: u32, operand: Operand, value: i64) -> u32 {
    let layout = operand.layout();
    word & !layout.insert(-1) | layout.insert(value)
}

/// Whether the instruction has this operand.
pub fn has(opcode: Opcode, operand: Operand) -> bool {
    opcode.row().operands.contains(&operand)
}

/// A case for `opcode`.
pub fn case(random: &mut Random, model: Model, opcode: Opcode) -> Case {
    let mut case = match kind(opcode) {
        Kind::Memory => memory(random, opcode),
        Kind::Branch => branch(random, opcode),
        _ => registers(random, opcode),
    };
    case.before.xer |= later_xer(random, model);
    case
}

/// Bits of XER that POWER8 does not have.
pub fn later_xer(random: &mut Random, model: Model) -> u64 {
    if model < Model::Power9 {
        return 0;
    }
    random.next() & XER_OV32_CA32
}

fn registers(random: &mut Random, opcode: Opcode) -> Case {
    let before = random.state();
    let mut word = random.word(opcode);
    if matches!(opcode, Opcode::Mfspr | Opcode::Mtspr) {
        // XER, LR, CTR. VRSAVE and TAR are the oracle's own.
        word = replace(word, Operand::Spr, random.pick(&[1, 8, 9]));
    }
    if opcode == Opcode::Addex {
        // Others are reserved.
        word = replace(word, Operand::Cy, 0);
    }
    let mut before = before;
    let close = |random: &mut Random, value: u64| value.wrapping_add(random.below(3)).wrapping_sub(1);
    if random.below(4) == 0 {
        // Nearly equal operands, for compares, subtractions and traps.
        let value = random.integer();
        for gpr in &mut before.gpr {
            *gpr = close(random, value);
        }
    }
    Case {
        code: vec![word],
        before,
    }
}

/// Bytes that an access must be aligned to.
pub fn alignment(opcode: Opcode) -> u64 {
    match opcode {
        Opcode::Lharx | Opcode::Sthcx => 2,
        Opcode::Lwarx | Opcode::Stwcx => 4,
        Opcode::Ldarx | Opcode::Stdcx => 8,
        Opcode::Lq | Opcode::Stq | Opcode::Lqarx | Opcode::Stqcx => 16,
        Opcode::Lmw | Opcode::Stmw => 4,
        // So that neighbours are in one block too.
        Opcode::Lwat | Opcode::Ldat | Opcode::Stwat | Opcode::Stdat => 16,
        _ => 1,
    }
}

/// The load-and-reserve that goes with a store-conditional.
fn reserve(opcode: Opcode) -> Option<Opcode> {
    Some(match opcode {
        Opcode::Stbcx => Opcode::Lbarx,
        Opcode::Sthcx => Opcode::Lharx,
        Opcode::Stwcx => Opcode::Lwarx,
        Opcode::Stdcx => Opcode::Ldarx,
        Opcode::Stqcx => Opcode::Lqarx,
        _ => return None,
    })
}

/// Bytes of an access, or more.
pub fn extent(opcode: Opcode, word: Word, xer: u64) -> u64 {
    match opcode {
        Opcode::Lmw | Opcode::Stmw => 4 * (32 - word.rt() as u64),
        Opcode::Lswi | Opcode::Stswi => 32,
        Opcode::Lswx | Opcode::Stswx => xer & 0x7f,
        _ => 16,
    }
}

/// An address in the case's memory whose `bytes` are in it too, half of them around the place where
/// two pages meet.
fn address(random: &mut Random, alignment: u64, bytes: u64) -> u64 {
    let end = MEMORY_BYTES as u64;
    let offset = match random.below(2) {
        0 if bytes > 0 => end / 2 - bytes + random.below(2 * bytes),
        _ => random.below(end - bytes),
    };
    let any = random.pick(&[1, 1, 4, 8, 16]);
    MEMORY + offset.min(end - bytes) / alignment * alignment / any * any
}

/// Whether the word is of an invalid form, or of one that QEMU does not have.
pub fn is_invalid(opcode: Opcode, word: Word, xer: u64) -> bool {
    let (rt, ra, rb) = (word.rt(), word.ra(), word.rb());
    let loads = has(opcode, Operand::Rt);
    let is_loaded = |register: usize, bytes: usize| (register + 32 - rt) % 32 < bytes.div_ceil(4).max(1);
    match opcode {
        Opcode::Lq => ra == rt,
        Opcode::Lqarx => ra == rt || rb == rt,
        Opcode::Lmw => ra >= rt,
        Opcode::Lswi => is_loaded(ra, if word.nb() == 0 { 32 } else { word.nb() as usize }),
        Opcode::Lswx => [ra, rb]
            .into_iter()
            .any(|register| is_loaded(register, xer as usize & 0x7f)),
        // The neighbour of 28 (fetch and decrement bounded) is before it: that is for text.
        Opcode::Lwat | Opcode::Ldat => !matches!(word.rb(), 0..=8 | 16 | 24 | 25),
        Opcode::Stwat | Opcode::Stdat => !matches!(word.rb(), 0..=7 | 24),
        // QEMU has no dcbflp (L = 3; Book II, 4.3.2); 2 is reserved.
        Opcode::Dcbf => Operand::Lcache.layout().extract(word.0) > 1,
        _ => has(opcode, Operand::RaUpdate) && (ra == 0 || loads && ra == rt),
    }
}

fn memory(random: &mut Random, opcode: Opcode) -> Case {
    let (mut before, word, fields, ea) = loop {
        let before = random.state();
        let word = random.word(opcode);
        let fields = Word(word);
        let ea = address(random, alignment(opcode), extent(opcode, fields, before.xer));
        let (ra, rb) = (fields.ra(), fields.rb());
        let unreachable = if has_length(opcode) {
            ra == 0 || ra == rb
        } else if has(opcode, Operand::Rb) {
            ra == rb && !ea.is_multiple_of(2)
        } else {
            ra == 0
        };
        if !is_invalid(opcode, fields, before.xer) && !unreachable {
            break (before, word, fields, ea);
        }
    };
    let (ra, rb) = (fields.ra(), fields.rb());
    if has_length(opcode) {
        before.gpr[ra] = ea;
        let most = random.pick(&[20, 256]);
        let length = random.below(most);
        before.gpr[rb] = length << 56 | random.next() >> 8;
    } else if has(opcode, Operand::Rb) {
        if ra == 0 {
            before.gpr[rb] = ea;
        } else if ra == rb {
            before.gpr[ra] = ea / 2;
        } else {
            before.gpr[ra] = ea.wrapping_sub(before.gpr[rb]);
        }
    } else {
        let displacements = [Operand::D, Operand::Ds, Operand::Dq].into_iter();
        let displacement = displacements.filter(|&operand| has(opcode, operand));
        let displacement: i64 = displacement.map(|operand| operand.layout().extract(word)).sum();
        before.gpr[ra] = ea.wrapping_sub(displacement as u64);
    }
    let mut code = vec![word];
    if let Some(reserve) = reserve(opcode) {
        let row = [fields.rs() as i64, ra as i64, rb as i64];
        // An even register, as quadwords want it, and the next are free.
        let is_free = |n: &i64| !row.contains(n) && !row.contains(&(n + 1)) && !row.contains(&(n - 1));
        let target = (0..32).step_by(2).find(is_free).expect("few of 32 are in use");
        let load = encode(reserve, &[target, row[1], row[2], 0]).expect("the operands fit");
        code = match random.below(4) {
            // Without a reservation: the first may have one that an earlier case left.
            0 => vec![word, word],
            // A store to the same place in between: it stores what was there, or something else.
            1 => {
                let store = encode(Opcode::Stbx, &row).expect("the operands fit");
                vec![load, store, word]
            }
            _ => vec![load, word, word],
        };
    }
    Case { code, before }
}

/// `addi r,r,1`, of which each says that it was reached.
fn mark(register: i64) -> u32 {
    encode(Opcode::Addi, &[register, register, 1]).expect("the operands fit")
}

fn branch(random: &mut Random, opcode: Opcode) -> Case {
    const REGISTER: usize = 9;
    let mut before = random.state();
    let mut word = random.word(opcode);
    // The branch is the second instruction; it skips up to three marks.
    let target = INSTRUCTIONS + 4 * (2 + random.below(4));
    let displacement = (target - INSTRUCTIONS - 4) as i64;
    for operand in [Operand::Li, Operand::Bd] {
        if has(opcode, operand) {
            word = replace(word, operand, displacement) & !Suffix::Aa.mask();
        }
    }
    let counts = has(opcode, Operand::Bo) && Word(word).bo() & 4 == 0;
    if opcode == Opcode::Bcctr {
        // Counting in the register that is branched to is an invalid form.
        word |= Operand::Bo.layout().insert(4);
    }
    let low_bits = random.below(4);
    match opcode {
        Opcode::Bclr => before.lr = target | low_bits,
        Opcode::Bcctr => before.ctr = target | low_bits,
        _ => {}
    }
    before.gpr[REGISTER] = target | low_bits;
    if counts && opcode != Opcode::Bcctr {
        before.ctr = random.pick(&[0, 1, 2, 1, 1 << 32, 1 << 32 | 1, before.ctr]);
    }
    let to_tar = encode(Opcode::Mtspr, &[815, REGISTER as i64]).expect("the operands fit");
    Case {
        code: vec![to_tar, word, mark(5), mark(6), mark(7), mark(8)],
        before,
    }
}
