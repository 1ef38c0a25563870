//! A program as a list of steps: call something, compare what it returns. Made into assembler text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a register is set to, or expected to hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Number(u64),
    /// The doubleword in memory at this label.
    Cell(&'static str),
}

impl From<u64> for Operand {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// The first register that holds a result, and how many may.
const FIRST: usize = 3;
const RESULTS: usize = 10;

/// Steps that are done only if something is so, until [`Script::end`]: the label behind them.
#[must_use]
pub(super) struct Condition(String);

/// Steps so far, as text.
pub(super) struct Script {
    text: String,
    /// Texts that the program may have to print, and their labels' numbers.
    strings: BTreeMap<String, usize>,
    cells: Vec<&'static str>,
    /// How many [`Condition`]s there have been.
    conditions: usize,
}

impl Script {
    pub(super) fn new() -> Self {
        let text = "main:\n    mflr    r0\n    std     r0,16(r1)\n    stdu    r1,-64(r1)\n".to_owned();
        Self {
            text,
            strings: BTreeMap::new(),
            cells: Vec::new(),
            conditions: 0,
        }
    }

    /// Calls a routine with arguments in r3 and on.
    pub(super) fn call(&mut self, what: &str, routine: &str, arguments: &[Operand]) {
        self.begin(what);
        for (register, &argument) in (FIRST..).zip(arguments) {
            self.load(register, argument);
        }
        self.line(&format!("bl {routine}"));
        self.line("bl keep_results");
    }

    /// Makes a hypercall with arguments in r4 and on.
    pub(super) fn hcall(&mut self, what: &str, number: u64, arguments: &[Operand]) {
        self.begin(what);
        self.load(FIRST, number.into());
        for (register, &argument) in (FIRST + 1..).zip(arguments) {
            self.load(register, argument);
        }
        self.line("sc 1");
        self.line("bl keep_results");
    }

    /// Compares what the last call left in a register.
    pub(super) fn expect(&mut self, field: &str, register: usize, expected: impl Into<Operand>) {
        self.expect_bits(field, register, u64::MAX, expected);
    }

    /// Compares the bits of `mask` of what the last call left in a register.
    pub(super) fn expect_bits(
        &mut self,
        field: &str,
        register: usize,
        mask: impl Into<Operand>,
        expected: impl Into<Operand>,
    ) {
        let at = result(register);
        self.line(&format!("lis r5,{at}@ha"));
        self.line(&format!("ld r5,{at}@l(r5)"));
        let mask = mask.into();
        if !matches!(mask, Operand::Number(u64::MAX)) {
            self.load(4, mask);
            self.line("and r5,r5,r4");
        }
        self.load(4, expected.into());
        self.string(FIRST, field);
        self.line("bl expect");
    }

    /// Keeps what the last call left in a register, for an [`Operand::Cell`].
    pub(super) fn save(&mut self, register: usize, cell: &'static str) {
        if !self.cells.contains(&cell) {
            self.cells.push(cell);
        }
        let at = result(register);
        self.line(&format!("lis r5,{at}@ha"));
        self.line(&format!("ld r5,{at}@l(r5)"));
        self.line(&format!("lis r4,{cell}@ha"));
        self.line(&format!("std r5,{cell}@l(r4)"));
    }

    /// Steps from here on to its [`Self::end`] are done only if `cell` is not zero.
    pub(super) fn begin_if(&mut self, cell: &'static str) -> Condition {
        let behind = format!("behind_condition_{}", self.conditions);
        self.conditions += 1;
        self.load(4, Operand::Cell(cell));
        self.line("cmpdi r4,0");
        // The steps may be more than a conditional branch gets over.
        self.line("bne 1f");
        self.line(&format!("b {behind}"));
        self.line("1:");
        Condition(behind)
    }

    pub(super) fn end(&mut self, Condition(behind): Condition) {
        self.line(&format!("{behind}:"));
    }

    /// The whole program: `main`, the routines that its steps call, and its data.
    pub(super) fn finish(mut self, routines: &str) -> String {
        for line in ["addi r1,r1,64", "ld r0,16(r1)", "mtlr r0", "blr"] {
            self.line(line);
        }
        let mut text = self.text;
        text.push_str(routines);
        // r12 goes round by r0.
        text.push_str(
            "\nkeep_results:\n    mr      r0,r12\n    lis     r12,results@ha\n    addi    r12,r12,results@l\n",
        );
        put(&mut text, format_args!("    std     r0,{}(r12)\n", 8 * (RESULTS - 1)));
        for register in FIRST..FIRST + RESULTS - 1 {
            put(
                &mut text,
                format_args!("    std     r{register},{}(r12)\n", 8 * (register - FIRST)),
            );
        }
        put(
            &mut text,
            format_args!("    blr\n    .balign 8\nresults: .space {}\n", 8 * RESULTS),
        );
        for cell in &self.cells {
            put(&mut text, format_args!("{cell}: .quad 0\n"));
        }
        for (string, label) in &self.strings {
            put(&mut text, format_args!("string_{label}: .asciz \"{string}\"\n"));
        }
        text
    }

    fn begin(&mut self, what: &str) {
        self.string(FIRST, what);
        self.line("lis r4,step@ha");
        self.line("std r3,step@l(r4)");
    }

    /// The address of a text into a register.
    fn string(&mut self, register: usize, text: &str) {
        let next = self.strings.len();
        let label = *self.strings.entry(text.to_owned()).or_insert(next);
        self.line(&format!("lis r{register},string_{label}@ha"));
        self.line(&format!("addi r{register},r{register},string_{label}@l"));
    }

    fn load(&mut self, register: usize, operand: Operand) {
        match operand {
            Operand::Cell(label) => {
                self.line(&format!("lis r{register},{label}@ha"));
                self.line(&format!("ld r{register},{label}@l(r{register})"));
            }
            Operand::Number(number) => self.load_number(register, number),
        }
    }

    fn load_number(&mut self, register: usize, number: u64) {
        let half = |shift: u32| (number >> shift) & 0xffff;
        if let Ok(small) = i16::try_from(number.cast_signed()) {
            return self.line(&format!("li r{register},{small}"));
        }
        self.line(&format!("lis r{register},{:#x}", half(48)));
        self.line(&format!("ori r{register},r{register},{:#x}", half(32)));
        self.line(&format!("sldi r{register},r{register},32"));
        self.line(&format!("oris r{register},r{register},{:#x}", half(16)));
        self.line(&format!("ori r{register},r{register},{:#x}", half(0)));
    }

    fn line(&mut self, line: &str) {
        put(&mut self.text, format_args!("    {line}\n"));
    }
}

fn result(register: usize) -> String {
    assert!((FIRST..FIRST + RESULTS).contains(&register), "r{register} is not kept");
    format!("(results+{})", 8 * (register - FIRST))
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
