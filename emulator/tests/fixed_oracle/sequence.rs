//! Programs from a seed: straight runs, branches forward, and loops with a bound.
//!
//! A program is a list of units that can be left out one by one: a branch names the unit that it
//! goes to, and goes to the next one left when that is gone.

use power::insn::{Endian, Opcode, Operand, decode};
use power::model::Model;

use crate::mixture::Mixture;
use crate::oracle::random::Random;
use crate::oracle::{Case, INSTRUCTIONS, MEMORY, MEMORY_BYTES, State};
use crate::single;
use crate::units::{MIDDLE, Part, START, TURNS, Unit, address, again, branch, call, compute, insn, looping, memory};

/// A program, and what it starts with.
#[derive(Clone)]
pub struct Sequence {
    /// With their numbers, which branches name.
    units: Vec<(usize, Unit)>,
    before: State,
}

impl Sequence {
    /// A program of some tens of instructions.
    pub fn new(random: &mut Random, model: Model, endian: Endian) -> Self {
        let mut before = random.state();
        before.xer |= single::later_xer(random, model);
        if model >= Model::Power9 && random.below(4) == 0 {
            let spread = random.pick(&[8, 240, 0x8000]);
            for register in &mut before.vsr[32..] {
                *register = random.quad(spread);
            }
        }
        let mixture = Mixture::new(model, endian, before.fpscr, before.vscr);
        before.gpr[TURNS as usize] = 1 + random.below(8);
        before.gpr[MIDDLE as usize] = MEMORY + MEMORY_BYTES as u64 / 2;
        before.gpr[START as usize] = INSTRUCTIONS;
        // Every eighth hardly branches, so that blocks grow to their limit.
        let straight = random.below(8) == 0;
        let units = if straight { 130 } else { 15 + random.below(30) } as usize;
        let mut made: Vec<Unit> = Vec::new();
        for n in 0..units {
            let later = n + 1 + random.below(5.min((units - n) as u64)) as usize;
            let choice = match random.below(14) {
                kind if straight && kind < 12 && random.below(64) != 0 => 9,
                kind => kind,
            };
            let unit = match choice {
                0..6 => branch(random, &mixture, later),
                10 => call(random, later),
                11 => looping(random, &mixture),
                12 | 13 => memory(random, &mixture),
                _ => Unit(compute(random, &mixture)),
            };
            made.push(unit);
        }
        // First over some instructions, so that blocks start anywhere.
        let skip = random.below(units as u64 / 2) as usize;
        made.insert(0, Unit(vec![Part::Branch(insn(Opcode::B, &[0]), skip + 1)]));
        made.push(again());
        // Numbers of branches count from the first unit after that one.
        let units = (0..).map(|n: usize| n.wrapping_sub(1)).zip(made).collect();
        Self { units, before }
    }

    /// The program as a case.
    pub fn case(&self) -> Case {
        let mut at = Vec::new();
        let mut length = 0;
        for (number, unit) in &self.units {
            at.push((*number, length));
            length += unit.0.len();
        }
        let place = |target: usize| {
            let after = at.iter().find(|(number, _)| *number != usize::MAX && *number >= target);
            after.map_or(length, |(_, place)| *place)
        };
        let mut code = Vec::new();
        for (_, unit) in &self.units {
            for part in &unit.0 {
                let here = code.len();
                code.push(match *part {
                    Part::Plain(word) => word,
                    Part::Branch(word, target) => {
                        let opcode = decode(word, Model::Power8).expect("it was encoded");
                        let operand = if opcode == Opcode::B { Operand::Li } else { Operand::Bd };
                        let displacement = 4 * (place(target) as i64 - here as i64);
                        word | operand.layout().insert(displacement)
                    }
                    Part::Address(target) => address(4 * place(target) as i64),
                });
            }
        }
        let before = self.before.clone();
        Case { code, before }
    }

    /// The program with the units left out that `fails` does not need.
    pub fn shrunk(&self, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut least = self.clone();
        let mut piece = self.units.len() / 2;
        while piece > 0 {
            let mut from = 0;
            while from < least.units.len() && least.units.len() > 1 {
                let mut fewer = least.clone();
                fewer.units.drain(from..(from + piece).min(least.units.len()));
                if !fewer.units.is_empty() && fails(&fewer) {
                    least = fewer;
                } else {
                    from += piece;
                }
            }
            piece /= 2;
        }
        least
    }
}
