//! Runs random programs here and under QEMU, some hundreds at a time, and looks for differences.

use power::insn::Endian;
use power::model::Model;

use crate::BOTH;
use crate::oracle::random::Random;
use crate::oracle::{self, Case, State};
use crate::processor::{Processor, Translation};
use crate::sequence::Sequence;
use crate::{mixture, report, undefined};

/// Programs that QEMU runs in one go.
const PROGRAMS: u64 = 500;

/// Runs programs of one model and byte order.
pub struct Runner {
    model: Model,
    endian: Endian,
    translation: Translation,
    seed: u64,
    /// Number of the next program.
    next: u64,
    /// One interprets, one compiles.
    processors: [Processor; 2],
}

impl Runner {
    /// From the first program of `seed` on.
    pub fn new(model: Model, endian: Endian, translation: Translation, seed: u64) -> Self {
        Self {
            model,
            endian,
            translation,
            seed,
            next: 0,
            processors: BOTH.map(|compile| Processor::new(model, endian, translation, compile)),
        }
    }

    /// Instructions executed so far.
    pub fn executed(&self) -> u64 {
        self.processors[0].instructions()
    }

    /// Runs the next programs.
    ///
    /// # Errors
    /// The least of one that differs, as text.
    pub fn next_programs(&mut self) -> Result<(), String> {
        let numbers = self.next..self.next + PROGRAMS;
        self.next = numbers.end;
        let programs: Vec<Sequence> = numbers
            .clone()
            .map(|n| Sequence::new(&mut Random::new(self.seed << 32 | n), self.model, self.endian))
            .collect();
        let cases: Vec<Case> = programs.iter().map(Sequence::case).collect();
        let Ok(theirs) = oracle::attempt(self.model, &cases, self.endian) else {
            return Err(self.describe_end(numbers.start, &programs));
        };
        for ((number, program), (case, theirs)) in numbers.zip(&programs).zip(cases.iter().zip(&theirs)) {
            if self.complaint(case, theirs).is_some() {
                return Err(self.describe(number, program));
            }
        }
        Ok(())
    }

    /// What is wrong with our run of a case, if anything.
    fn complaint(&mut self, case: &Case, theirs: &State) -> Option<String> {
        let model = self.model;
        let mut runs = BOTH.iter().zip(&mut self.processors);
        runs.find_map(|(how, processor)| {
            let complaint = match processor.run(case) {
                Ok(ours) => {
                    let mut theirs = theirs.clone();
                    undefined::everywhere(model, &mut theirs);
                    theirs.fpscr = theirs.fpscr & mixture::FPSCR | ours.fpscr & !mixture::FPSCR;
                    (ours != theirs).then(|| report::differences(&case.before, &ours, &theirs))
                }
                Err(why) => Some(format!("  {why:x?}\n")),
            };
            complaint.map(|complaint| format!("  compiled: {how:?}\n{complaint}"))
        })
    }

    /// Finds the program that ends QEMU's.
    fn describe_end(&mut self, first: u64, programs: &[Sequence]) -> String {
        let ends = |program: &Sequence| oracle::attempt(self.model, &[program.case()], self.endian).is_err();
        match programs.iter().position(ends) {
            Some(at) => self.describe(first + at as u64, &programs[at]),
            None => format!(
                "seed {}, programs from {first} on: QEMU ends, but with none of them alone",
                self.seed
            ),
        }
    }

    fn describe(&mut self, number: u64, program: &Sequence) -> String {
        let mut run = |program: &Sequence| {
            let case = program.case();
            match oracle::attempt(self.model, std::slice::from_ref(&case), self.endian) {
                Ok(theirs) => self.complaint(&case, &theirs[0]),
                Err(why) => Some(format!("  {why}\n")),
            }
        };
        let least = program.shrunk(|program| run(program).is_some());
        let complaint = run(&least);
        let case = least.case();
        format!(
            "{}, seed {}, program {number}, {:?}; the least of it that differs from QEMU:\n{}{}{}",
            self.model,
            self.seed,
            self.translation,
            report::listing(&case, self.endian),
            report::inputs(&case),
            complaint.unwrap_or_else(|| "  (only together with the programs before it)\n".to_owned()),
        )
    }
}
