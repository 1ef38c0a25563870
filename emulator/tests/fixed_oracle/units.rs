//! The units of a program: what a sequence is made of.

use power::insn::{Class, Opcode, Operand, encode};

use crate::oracle::random::Random;
use crate::single::replace;

/// Registers that any instruction may change.
const FREE: u64 = 25;
/// Takes addresses of code.
const CODE: i64 = 25;
/// Takes addresses of memory, for updates.
const POINTER: i64 = 26;
/// Takes an offset in memory.
const INDEX: i64 = 27;
/// Counts a loop.
const COUNT: i64 = 28;
/// The middle of the memory.
pub const MIDDLE: i64 = 29;
/// The first instruction.
pub const START: i64 = 30;

/// Instructions that a unit of computation picks from: those whose results are all defined.
#[rustfmt::skip] // One a line hides what is there.
const COMPUTE: &[Opcode] = &[
    Opcode::Addi, Opcode::Addis, Opcode::Addic, Opcode::AddicDot, Opcode::Subfic, Opcode::Mulli,
    Opcode::Add, Opcode::Subf, Opcode::Addc, Opcode::Subfc, Opcode::Adde, Opcode::Subfe,
    Opcode::Addme, Opcode::Subfme, Opcode::Addze, Opcode::Subfze, Opcode::Neg,
    Opcode::Mullw, Opcode::Mulld, Opcode::Mulhd, Opcode::Mulhdu,
    Opcode::Cmp, Opcode::Cmpi, Opcode::Cmpl, Opcode::Cmpli, Opcode::Isel,
    Opcode::Andi, Opcode::Andis, Opcode::Ori, Opcode::Oris, Opcode::Xori, Opcode::Xoris,
    Opcode::And, Opcode::Or, Opcode::Xor, Opcode::Nand, Opcode::Nor, Opcode::Eqv, Opcode::Andc, Opcode::Orc,
    Opcode::Extsb, Opcode::Extsh, Opcode::Extsw, Opcode::Cntlzw, Opcode::Cntlzd, Opcode::Popcntd, Opcode::Cmpb,
    Opcode::Rlwimi, Opcode::Rlwinm, Opcode::Rlwnm, Opcode::Rldicl, Opcode::Rldicr, Opcode::Rldic,
    Opcode::Rldimi, Opcode::Rldcl, Opcode::Rldcr,
    Opcode::Slw, Opcode::Srw, Opcode::Sraw, Opcode::Srawi, Opcode::Sld, Opcode::Srd, Opcode::Srad, Opcode::Sradi,
    Opcode::Mtcrf, Opcode::Mtocrf, Opcode::Mfcr, Opcode::Mcrf,
    Opcode::Crand, Opcode::Cror, Opcode::Crxor, Opcode::Crnand, Opcode::Crnor, Opcode::Creqv, Opcode::Crandc,
    Opcode::Crorc, Opcode::Isync, Opcode::Sync, Opcode::Eieio,
    Opcode::Vand, Opcode::Vperm, Opcode::Vaddubm, Opcode::Vcmpequb, Opcode::Vsldoi, Opcode::Xxlxor,
    Opcode::Xxpermdi, Opcode::Mfvsrd,
];

/// Loads and stores that a unit of memory picks from.
#[rustfmt::skip] // As above.
const MEMORY_FORMS: &[Opcode] = &[
    Opcode::Lbz, Opcode::Lbzx, Opcode::Lhz, Opcode::Lhax, Opcode::Lwz, Opcode::Lwa, Opcode::Lwzx, Opcode::Ld,
    Opcode::Ldx, Opcode::Lwbrx, Opcode::Ldbrx, Opcode::Stb, Opcode::Stbx, Opcode::Sth, Opcode::Sthx, Opcode::Stw,
    Opcode::Stwx, Opcode::Std, Opcode::Stdx, Opcode::Stwbrx, Opcode::Lfd, Opcode::Stfd, Opcode::Lvx, Opcode::Stvx,
    Opcode::Lxvd2x, Opcode::Stxvd2x, Opcode::Lxvw4x, Opcode::Dcbz,
];

/// The same with RA updated.
#[rustfmt::skip] // As above.
const UPDATES: &[Opcode] = &[
    Opcode::Lbzu, Opcode::Lhzu, Opcode::Lwzu, Opcode::Ldu, Opcode::Lwzux, Opcode::Ldux, Opcode::Stbu, Opcode::Sthu,
    Opcode::Stwu, Opcode::Stdu, Opcode::Stdux,
];

/// One word of a unit.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// An instruction as it is.
    Plain(u32),
    /// A branch (`b` or `bc`) to a unit.
    Branch(u32, usize),
    /// [`address`] of a unit.
    Address(usize),
}

/// Words that stay together.
#[derive(Clone, Debug)]
pub struct Unit(pub Vec<Part>);

/// An instruction.
///
/// # Panics
/// If the operands do not fit.
pub fn insn(opcode: Opcode, operands: &[i64]) -> u32 {
    encode(opcode, operands).expect("the operands fit")
}

/// Makes the address of what is this many bytes behind the first instruction.
pub fn address(offset: i64) -> u32 {
    insn(Opcode::Addi, &[CODE, START, offset])
}

/// A word whose general registers are free ones.
fn word(random: &mut Random, opcode: Opcode) -> u32 {
    let mut word = random.word(opcode);
    for &operand in opcode.row().operands {
        if matches!(
            operand.layout().class,
            Class::Gpr | Class::GprOrZero | Class::GprUpdated
        ) {
            word = replace(word, operand, random.below(FREE) as i64);
        }
    }
    if opcode == Opcode::Sync {
        word = replace(word, Operand::Lsync, random.below(2) as i64);
    }
    word
}

/// A computation.
pub fn compute(random: &mut Random) -> Part {
    let opcode = random.pick(COMPUTE);
    Part::Plain(word(random, opcode))
}

fn compare(random: &mut Random, field: i64) -> Part {
    let opcode = random.pick(&[Opcode::Cmp, Opcode::Cmpi, Opcode::Cmpl, Opcode::Cmpli]);
    Part::Plain(replace(word(random, opcode), Operand::BfOpt, field))
}

/// A conditional branch without a target, of any BO.
fn conditional(random: &mut Random, opcode: Opcode, field: i64) -> u32 {
    let bi = match random.below(4) {
        0 => random.below(32) as i64,
        _ => 4 * field + random.below(4) as i64,
    };
    // Mostly those that test a bit alone, which a compare may be fused with.
    let bo = match random.below(3) {
        0 => random.below(32) as i64,
        _ => random.pick(&[0b00100, 0b01100, 0b00110, 0b01111]),
    };
    // Counting in the register that is branched to is an invalid form.
    let bo = if opcode == Opcode::Bcctr { bo | 4 } else { bo };
    insn(opcode, &[bo, bi, 0]) | (random.below(4) == 0) as u32
}

/// Compares, mostly, and branches.
pub fn branch(random: &mut Random, to: usize) -> Unit {
    let field = random.below(8) as i64;
    let mut unit = Vec::new();
    if random.below(8) == 0 {
        let count = random.below(4) as i64;
        unit.push(Part::Plain(insn(Opcode::Addi, &[COUNT, 0, count])));
        unit.push(Part::Plain(insn(Opcode::Mtspr, &[9, COUNT])));
    }
    let registers = random.below(4) == 0;
    let opcode = random.pick(&[Opcode::Bclr, Opcode::Bcctr, Opcode::Bctar]);
    if registers {
        unit.push(Part::Address(to));
        let spr = match opcode {
            Opcode::Bclr => 8,
            Opcode::Bcctr => 9,
            _ => 815,
        };
        unit.push(Part::Plain(insn(Opcode::Mtspr, &[spr, CODE])));
    }
    if random.below(8) != 0 {
        unit.push(compare(random, field));
    }
    if random.below(4) == 0 {
        unit.push(compute(random));
    }
    if registers {
        unit.push(Part::Plain(conditional(random, opcode, field)));
    } else {
        unit.push(Part::Branch(conditional(random, Opcode::Bc, field), to));
    }
    Unit(unit)
}

/// Branches always, and keeps the way back.
pub fn call(random: &mut Random, to: usize) -> Unit {
    let way_back = random.below(FREE) as i64;
    Unit(vec![
        Part::Branch(insn(Opcode::B, &[0]) | random.below(2) as u32, to),
        Part::Plain(insn(Opcode::Mfspr, &[way_back, random.pick(&[8, 9, 1])])),
    ])
}

/// A loop that ends: counted by CTR, or by a compare.
pub fn looping(random: &mut Random) -> Unit {
    let turns = 1 + random.below(4) as i64;
    let by_ctr = random.below(2) == 0;
    let mut unit = vec![Part::Plain(insn(Opcode::Addi, &[COUNT, 0, turns]))];
    if by_ctr {
        unit.push(Part::Plain(insn(Opcode::Mtspr, &[9, COUNT])));
    }
    let start = unit.len();
    for _ in 0..1 + random.below(5) {
        match random.below(4) {
            // Out of the loop, or over one instruction of it.
            0 => {
                let field = random.below(8) as i64;
                unit.push(compare(random, field));
                let bo = random.pick(&[0b00100, 0b01100]);
                unit.push(Part::Plain(insn(
                    Opcode::Bc,
                    &[bo, 4 * field + random.below(3) as i64, 8],
                )));
                unit.push(compute(random));
            }
            1 => unit.extend(memory(random).0),
            _ => unit.push(compute(random)),
        }
    }
    if !by_ctr {
        unit.push(Part::Plain(insn(Opcode::AddicDot, &[COUNT, COUNT, -1])));
        if random.below(2) == 0 {
            unit.push(Part::Plain(insn(Opcode::Cmpi, &[0, 1, COUNT, 0])));
        }
    }
    let back = 4 * (start as i64 - unit.len() as i64);
    let (bo, bi) = if by_ctr { (0b10000, 0) } else { (0b00100, 2) };
    unit.push(Part::Plain(insn(Opcode::Bc, &[bo, bi, back])));
    Unit(unit)
}

/// An access around the place where two pages meet.
pub fn memory(random: &mut Random) -> Unit {
    let offset = random.below(224) as i64 - 112;
    let mut unit = Vec::new();
    match random.below(6) {
        0 => {
            let opcode = random.pick(UPDATES);
            unit.push(Part::Plain(insn(Opcode::Addi, &[INDEX, 0, 3])));
            unit.push(Part::Plain(insn(Opcode::Addi, &[POINTER, MIDDLE, offset])));
            unit.push(Part::Plain(access(random, opcode, POINTER, INDEX, 8)));
        }
        1 => {
            let aligned = offset & !7;
            unit.push(Part::Plain(insn(Opcode::Addi, &[POINTER, MIDDLE, aligned])));
            let target = random.below(FREE) as i64;
            let (load, store) = random.pick(&[(Opcode::Lwarx, Opcode::Stwcx), (Opcode::Ldarx, Opcode::Stdcx)]);
            unit.push(Part::Plain(insn(load, &[target, 0, POINTER, 0])));
            if random.below(2) == 0 {
                unit.push(compute(random));
            }
            unit.push(Part::Plain(insn(store, &[random.below(FREE) as i64, 0, POINTER])));
        }
        _ => {
            unit.push(Part::Plain(insn(Opcode::Addi, &[INDEX, 0, offset])));
            let opcode = random.pick(MEMORY_FORMS);
            unit.push(Part::Plain(access(random, opcode, MIDDLE, INDEX, offset & !3)));
        }
    }
    Unit(unit)
}

/// An access by `base` and `index`, or by `base` and `displacement`.
fn access(random: &mut Random, opcode: Opcode, base: i64, index: i64, displacement: i64) -> u32 {
    let mut word = word(random, opcode);
    for operand in opcode.row().operands {
        let value = match operand {
            Operand::Ra0 | Operand::RaUpdate => base,
            Operand::Rb => index,
            Operand::D | Operand::Ds => displacement,
            _ => continue,
        };
        word = replace(word, *operand, value);
    }
    word
}
