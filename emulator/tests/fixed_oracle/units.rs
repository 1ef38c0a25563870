//! The units of a program: what a sequence is made of.

use power::insn::{Class, Opcode, Operand, Suffix, Word, encode};

use crate::mixture::{self, Mixture};
use crate::oracle::MEMORY_BYTES;
use crate::oracle::random::Random;
use crate::single::{alignment, extent, has, has_length, is_invalid, replace};

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

/// Counts how often all of it is run.
pub const TURNS: i64 = 31;

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
        match operand.layout().class {
            Class::Gpr | Class::GprOrZero | Class::GprUpdated => {
                word = replace(word, operand, random.below(FREE) as i64);
            }
            Class::GprPair => word = replace(word, operand, random.below(FREE / 2) as i64 * 2),
            _ => {}
        }
    }
    if opcode == Opcode::Addex {
        word = replace(word, Operand::Cy, 0);
    }
    if opcode == Opcode::Sync {
        word = replace(word, Operand::Lsync, random.below(2) as i64);
    }
    if mixture::records_exceptions(opcode) {
        word &= !1;
    }
    word
}

/// The word, and what makes all of its target defined.
fn defined(opcode: Opcode, word: u32) -> Vec<Part> {
    let mut parts = vec![Part::Plain(word)];
    if let Some(target) = mixture::half_defined(opcode, word) {
        let target = target as i64;
        parts.push(Part::Plain(insn(Opcode::Xxpermdi, &[target, target, target, 0])));
    }
    parts
}

/// A computation.
pub fn compute(random: &mut Random, mixture: &Mixture) -> Vec<Part> {
    if random.below(32) == 0 {
        return divide(random);
    }
    let opcode = mixture.compute(random);
    let word = word(random, opcode);
    defined(opcode, word)
}

/// A computation of one instruction.
fn one(random: &mut Random, mixture: &Mixture) -> Part {
    loop {
        if let [part] = compute(random, mixture)[..] {
            return part;
        }
    }
}

/// A division whose quotient is defined: by a positive number.
fn divide(random: &mut Random) -> Vec<Part> {
    let divisor = random.below(FREE) as i64;
    let [target, dividend] = [(); 2].map(|()| random.below(FREE) as i64);
    let dividend = if dividend == divisor {
        (dividend + 1) % FREE as i64
    } else {
        dividend
    };
    let is_word = random.below(2) == 0;
    let choices = if is_word {
        [Opcode::Divw, Opcode::Divwu]
    } else {
        [Opcode::Divd, Opcode::Divdu]
    };
    let mut word = insn(random.pick(&choices), &[target, dividend, divisor]);
    if random.below(2) == 0 {
        word |= Suffix::Oe.mask();
    }
    // In a word 32 bits are positive, in a doubleword 64.
    let clear = if is_word { 33 } else { 1 };
    let mut parts = vec![
        Part::Plain(insn(Opcode::Rldicl, &[divisor, divisor, 0, clear])),
        Part::Plain(insn(Opcode::Ori, &[divisor, divisor, 1])),
        Part::Plain(word),
    ];
    if is_word {
        // The high half is undefined.
        parts.push(Part::Plain(insn(Opcode::Extsw, &[target, target])));
    }
    parts
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
pub fn branch(random: &mut Random, mixture: &Mixture, to: usize) -> Unit {
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
        unit.extend(compute(random, mixture));
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
pub fn looping(random: &mut Random, mixture: &Mixture) -> Unit {
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
                unit.push(one(random, mixture));
            }
            1 => unit.extend(memory(random, mixture).0),
            _ => unit.extend(compute(random, mixture)),
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

/// Half the bytes that an access may reach.
const REACH: i64 = MEMORY_BYTES as i64 / 2;

/// An access around the place where two pages meet.
pub fn memory(random: &mut Random, mixture: &Mixture) -> Unit {
    if random.below(8) == 0 {
        return reservation(random, mixture);
    }
    let opcode = mixture.memory(random);
    let mut word = loop {
        let word = word(random, opcode);
        let invalid = is_invalid(opcode, Word(replace(word, Operand::Ra0, MIDDLE)), 0);
        if !invalid && !mixture::is_function_alone(opcode, word) {
            break word;
        }
    };
    if opcode == Opcode::Stmw {
        word = replace(word, Operand::Rs, 20 + random.below(12) as i64);
    }
    let bytes = extent(opcode, Word(word), 0) as i64;
    let any = random.below((2 * REACH - bytes + 1) as u64) as i64 - REACH;
    // What a displacement can say.
    let step = if has(opcode, Operand::Ds) {
        4
    } else if has(opcode, Operand::Dq) {
        16
    } else {
        1
    };
    let alignment = step.max(alignment(opcode) as i64);
    let offset = any & -alignment;
    let mut unit = Vec::new();
    let base = if has_length(opcode) {
        unit.push(Part::Plain(insn(Opcode::Addi, &[INDEX, 0, random.below(20) as i64])));
        unit.push(Part::Plain(insn(Opcode::Rldicr, &[INDEX, INDEX, 56, 7])));
        unit.push(Part::Plain(insn(Opcode::Addi, &[POINTER, MIDDLE, offset])));
        POINTER
    } else if has(opcode, Operand::RaUpdate) {
        // What the displacement or the index adds comes back off.
        unit.push(Part::Plain(insn(Opcode::Addi, &[INDEX, 0, 8])));
        unit.push(Part::Plain(insn(Opcode::Addi, &[POINTER, MIDDLE, offset - 8])));
        word = with_offset(opcode, word, 8);
        POINTER
    } else if has(opcode, Operand::Rb) || !has_displacement(opcode) {
        unit.push(Part::Plain(insn(Opcode::Addi, &[INDEX, 0, offset])));
        unit.push(Part::Plain(insn(Opcode::Addi, &[POINTER, MIDDLE, offset])));
        if has(opcode, Operand::Rb) { MIDDLE } else { POINTER }
    } else {
        word = with_offset(opcode, word, offset);
        MIDDLE
    };
    for operand in [Operand::Ra0, Operand::RaUpdate] {
        if has(opcode, operand) {
            word = replace(word, operand, base);
        }
    }
    if has(opcode, Operand::Rb) {
        word = replace(word, Operand::Rb, INDEX);
    }
    unit.extend(defined(opcode, word));
    Unit(unit)
}

const DISPLACEMENTS: [Operand; 3] = [Operand::D, Operand::Ds, Operand::Dq];

fn has_displacement(opcode: Opcode) -> bool {
    DISPLACEMENTS.iter().any(|&operand| has(opcode, operand))
}

fn with_offset(opcode: Opcode, word: u32, offset: i64) -> u32 {
    let own = DISPLACEMENTS.into_iter().find(|&operand| has(opcode, operand));
    own.map_or(word, |operand| replace(word, operand, offset))
}

/// A load-and-reserve, and the store-conditional of the same size.
fn reservation(random: &mut Random, mixture: &Mixture) -> Unit {
    let (load, store) = random.pick(mixture::RESERVATIONS);
    let offset = (random.below(2 * REACH as u64) as i64 - REACH) & -16;
    // Not 0, which as the base would be the target too.
    let [target, source] = [(); 2].map(|()| 2 + random.below(FREE / 2 - 1) as i64 * 2);
    let mut unit = vec![
        Part::Plain(insn(Opcode::Addi, &[POINTER, MIDDLE, offset])),
        Part::Plain(insn(load, &[target, 0, POINTER, 0])),
    ];
    if random.below(2) == 0 {
        unit.extend(compute(random, mixture));
    }
    unit.push(Part::Plain(insn(store, &[source, 0, POINTER])));
    Unit(unit)
}

/// Runs all of it again, from the first unit on, as long as there are turns left.
pub fn again() -> Unit {
    Unit(vec![
        Part::Plain(insn(Opcode::Addi, &[TURNS, TURNS, -1])),
        Part::Plain(insn(Opcode::Cmpi, &[7, 1, TURNS, 0])),
        // While it is greater.
        Part::Branch(insn(Opcode::Bc, &[0b01100, 4 * 7 + 1, 0]), 0),
    ])
}
