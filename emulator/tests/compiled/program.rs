//! Random programs, as text: a shorter one that still fails is made by leaving lines out.

use emulator::vsu;
use power::insn::{Class, Opcode, Operand};
use power::model::Model;

use crate::oracle::random::Random;
use crate::world::{POINTERS, Setting};

/// Registers that programs compute with.
const VALUES: [u64; 8] = [3, 4, 5, 6, 7, 8, 9, 10];
/// Those that are addresses, most of the time.
pub const BASES: std::ops::Range<usize> = 20..28;
/// Small numbers, to be added to them.
pub const INDICES: std::ops::Range<usize> = 18..20;
/// The address of addresses, which no instruction changes.
pub const TABLE: usize = 29;
/// Labels of the main part; those of the functions follow.
const LABELS: u64 = 6;
const FUNCTIONS: u64 = 2;

/// Instructions that programs do not have as they come: they leave for elsewhere, tell the time, draw lots, or change how memory is reached.
fn is_left_out(opcode: Opcode) -> bool {
    let name = opcode.name();
    let privileged = ["slb", "tlb", "msg", "mtsr", "mfsr", "mtmsr", "mfmsr"];
    privileged.iter().any(|start| name.starts_with(start))
        || name.ends_with("cix")
        || matches!(
            name,
            "b" | "bc"
                | "bclr"
                | "bcctr"
                | "bctar"
                | "sc"
                | "scv"
                | "rfid"
                | "hrfid"
                | "rfscv"
                | "rfebb"
                | "mfspr"
                | "mtspr"
                | "mftb"
                | "darn"
                | "wait"
                | "stop"
                | "doze"
                | "nap"
                | "sleep"
                | "rvwinkle"
                // They load over the addresses.
                | "lmw"
                | "lswi"
                | "lswx"
        )
}

fn has_address(opcode: Opcode) -> bool {
    let operands = opcode.row().operands;
    let is_none = matches!(opcode, Opcode::Isel | Opcode::Addi | Opcode::Addis);
    !is_none && (operands.contains(&Operand::Ra0) || operands.contains(&Operand::RaUpdate))
}

/// Makes programs for processors of one model.
pub struct Generator {
    computing: Vec<Opcode>,
    vector: Vec<Opcode>,
    memory: Vec<Opcode>,
}

/// A program, a line an instruction, a few that belong together, or a label.
#[derive(Clone)]
pub struct Program(pub Vec<String>);

impl Program {
    /// As the assembler takes it.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }

    /// The program without the lines that `fails` does not need.
    pub fn shrunk(&self, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut least = self.clone();
        let mut piece = self.0.len() / 2;
        while piece > 0 {
            let mut from = 0;
            while from < least.0.len() {
                let is_left = |(n, line): (usize, &String)| {
                    (n < from || n >= from + piece || line.ends_with(':')).then(|| line.clone())
                };
                let fewer = Self(least.0.iter().enumerate().filter_map(is_left).collect());
                if fewer.0.len() < least.0.len() && fails(&fewer) {
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

impl Generator {
    pub fn new(model: Model) -> Self {
        let all = || {
            Opcode::ALL
                .iter()
                .copied()
                .filter(move |opcode| opcode.is_of(model) && !is_left_out(*opcode))
        };
        let is_vector = |opcode: &Opcode| vsu::handler(*opcode).is_some();
        Self {
            computing: all().filter(|one| !has_address(*one) && !is_vector(one)).collect(),
            vector: all().filter(|one| !has_address(*one) && is_vector(one)).collect(),
            memory: all().filter(|one| has_address(*one)).collect(),
        }
    }

    /// A program that ends with `sc 1`, unless it is in a loop without an end.
    pub fn program(&self, random: &mut Random, setting: Setting) -> Program {
        let mut lines = vec!["begin:".to_owned()];
        for label in 0..LABELS {
            for _ in 0..1 + random.below(12) {
                lines.push(self.line(random, setting));
            }
            lines.push(format!("l{label}:"));
        }
        lines.push(if setting.is_endless { "b begin" } else { "sc 1" }.to_owned());
        for function in 0..FUNCTIONS {
            lines.push(format!("g{function}:"));
            for _ in 0..1 + random.below(6) {
                lines.push(self.line(random, setting));
            }
            lines.push("blr".to_owned());
        }
        lines.push("sc 1".to_owned());
        Program(lines)
    }

    fn line(&self, random: &mut Random, setting: Setting) -> String {
        match random.below(100) {
            0..20 => self.word(random, setting, &self.computing),
            20..42 => computation(random),
            42..60 => row(random, setting),
            60..66 => self.word(random, setting, &self.memory),
            66..70 => self.word(random, setting, &self.vector),
            70..90 => branch(random, setting),
            90..95 => base(random, setting),
            _ => special(random, setting),
        }
    }

    /// One of `opcodes` with any operands, but those that keep addresses apart from other values.
    fn word(&self, random: &mut Random, setting: Setting, opcodes: &[Opcode]) -> String {
        let opcode = random.pick(opcodes);
        let mut word = random.word(opcode);
        let has_address = has_address(opcode);
        for operand in opcode.row().operands {
            let layout = operand.layout();
            let number = match (layout.class, *operand) {
                (Class::GprOrZero | Class::GprUpdated, _) if has_address => BASES.start as u64 + random.below(8),
                (Class::Gpr | Class::GprOrZero, Operand::Rb) if has_address => INDICES.start as u64 + random.below(2),
                (Class::Gpr | Class::GprOrZero, _) if setting.is_translated && random.below(16) == 0 => {
                    BASES.start as u64 + random.below(8)
                }
                (Class::Gpr | Class::GprOrZero, _) => random.pick(&VALUES),
                (Class::GprPair, _) => 2 * (2 + random.below(4)),
                // Not too far from the address.
                (Class::Displacement, _) if random.below(8) != 0 => {
                    word = word & !layout.insert(-1) | layout.insert(random.below(17) as i64 * 16 - 128);
                    continue;
                }
                _ => continue,
            };
            word = word & !layout.insert(-1) | layout.insert(number as i64);
        }
        format!(".long {word:#010x} # {}", opcode.name())
    }
}

/// A register to compute with.
fn value(random: &mut Random) -> u64 {
    random.pick(&VALUES)
}

/// What is compiled to something of its own, on few registers: what one sets the next uses.
fn computation(random: &mut Random) -> String {
    let (a, b, c) = (value(random), value(random), value(random));
    let immediate = random.integer() as i16;
    let name = random.pick(&[
        "add", "subf", "mulld", "mullw", "mulhd", "mulhdu", "mulhw", "mulhwu", "divd", "divdu", "divw", "divwu", "and",
        "andc", "nand", "or", "orc", "nor", "xor", "eqv", "sld", "srd", "slw", "srw", "srad", "sraw", "addc", "adde",
        "subfc", "subfe", "divd.", "addco", "add.", "subfo.", "mulldo", "divwo", "divduo", "divde", "divweu", "cmpb",
        "sraw.", "adde.",
    ]);
    let by = random.below(64);
    let word_by = random.below(32);
    let (first, last) = (random.below(64), random.below(64));
    match random.below(25) {
        0 => format!("li {a},{immediate}"),
        1 => format!("lis {a},{immediate}"),
        2 => format!("addi {a},{b},{immediate}"),
        3 => format!("mulli {a},{b},{immediate}"),
        4 => format!("addic {a},{b},{immediate}"),
        5 => format!("subfic {a},{b},{immediate}"),
        6 => format!(
            "{} {a},{b},{}",
            random.pick(&["andi.", "ori", "xori", "oris", "andis."]),
            immediate as u16
        ),
        7 => format!(
            "{} {a},{b},{by},{first}",
            random.pick(&["rldicl", "rldicr", "rldimi", "rldic", "rldicl."])
        ),
        8 => format!(
            "{} {a},{b},{word_by},{},{}",
            random.pick(&["rlwinm", "rlwimi", "rlwinm."]),
            first % 32,
            last % 32
        ),
        9 => format!("{} {a},{b},{c},{first}", random.pick(&["rldcl", "rldcr"])),
        10 => format!("rlwnm {a},{b},{c},{},{}", first % 32, last % 32),
        11 => format!("sradi {a},{b},{by}"),
        12 => format!("srawi {a},{b},{word_by}"),
        13 => format!(
            "{} {a},{b}",
            random.pick(&[
                "extsb", "extsh", "extsw", "neg", "cntlzd", "cntlzw", "addze", "addme", "subfze", "popcntd", "extsw."
            ])
        ),
        14 => format!("isel {a},{b},{c},{}", random.below(32)),
        15 => compare(random),
        16 => format!("mr {a},{b}"),
        17 => format!("{} {a}", random.pick(&["mfcr", "mfxer", "mfctr", "mflr"])),
        18 => format!("mtcrf {},{a}", random.below(256)),
        // Quotients that there are none of, among others.
        19 => format!(
            "li {b},1; sldi {b},{b},{}; li {c},{}; {} {a},{b},{c}",
            random.pick(&[31, 63]),
            random.pick(&[0, -1, 1]),
            random.pick(&["divd", "divw", "divdu", "divwu", "divdo."])
        ),
        _ => format!("{name} {a},{b},{c}"),
    }
}

fn compare(random: &mut Random) -> String {
    let (field, b, c) = (random.below(8), value(random), value(random));
    let immediate = random.integer() as i16 >> random.below(12);
    match random.below(4) {
        0 => format!("{} cr{field},{b},{c}", random.pick(&["cmpd", "cmpld", "cmpw", "cmplw"])),
        1 => format!(
            "{} cr{field},{b},{}",
            random.pick(&["cmpldi", "cmplwi"]),
            immediate as u16
        ),
        _ => format!("{} cr{field},{b},{immediate}", random.pick(&["cmpdi", "cmpwi"])),
    }
}

/// Loads and stores at one address, which may change on the way.
fn row(random: &mut Random, setting: Setting) -> String {
    let base = BASES.start as u64 + random.below(8);
    let step = random.pick(&[1, 2, 4, 8, 8, 8, 40, 120]);
    let mut at = 8 * (random.below(9) as i64 - 4);
    let accesses = 1 + random.below(8);
    let kind = random.below(3);
    let same = random.pick(&["ld", "std", "lwz", "stw"]);
    let one = |_| {
        let register = value(random);
        // Some take multiples of 4 alone.
        let near = at & !3;
        let is_load = match kind {
            0 => true,
            1 => false,
            _ => random.below(2) == 0,
        };
        let name = match (is_load, random.below(4)) {
            (_, 0) if random.below(2) == 0 => same,
            (true, _) => random.pick(&["lbz", "lhz", "lha", "lwz", "lwa", "ld"]),
            (false, _) => random.pick(&["stb", "sth", "stw", "std"]),
        };
        let index = INDICES.start as u64 + random.below(2);
        let line = match random.below(24) {
            0 if is_load => format!(
                "{} {register},{base},{index}",
                random.pick(&["lwbrx", "lhbrx", "ldbrx", "ldx", "lwax", "lhax"])
            ),
            0 => format!(
                "{} {register},{base},{index}",
                random.pick(&["stwbrx", "sthbrx", "stdbrx", "stdx", "stbx"])
            ),
            1 if is_load => format!(
                "{} {register},{near}({base})",
                random.pick(&["ldu", "lwzu", "lbzu", "lhau"])
            ),
            1 => format!(
                "{} {register},{}({base})",
                random.pick(&["stdu", "stwu", "stbu"]),
                at & !3
            ),
            // What is not there is no address any more, but where memory is translated it harms nobody.
            2 if setting.is_translated && is_load => format!("ld {base},{near}({base})"),
            // Not compiled, but called.
            3 => format!(
                "{} {},{near}({base})",
                random.pick(&["lfdu", "stfdu", "lfsu", "stfsu"]),
                random.below(32)
            ),
            4 => format!("add {register},{register},{index}"),
            5 => format!("addi {base},{base},{}", random.below(5) * 4),
            _ => format!("{name} {register},{near}({base})"),
        };
        at += step;
        line
    };
    (0..accesses).map(one).collect::<Vec<_>>().join("; ")
}

fn branch(random: &mut Random, setting: Setting) -> String {
    // Bits that count in 64-bit mode alone.
    let high = if !setting.is_wide() && random.below(2) == 0 {
        "li 17,5; rldimi 16,17,33,20; "
    } else {
        ""
    };
    let label = match random.below(8) {
        0 => format!("g{}", random.below(FUNCTIONS)),
        _ => format!("l{}", random.below(LABELS)),
    };
    let bit = random.pick(&["lt", "gt", "eq", "so", "ge", "le", "ne", "ns"]);
    let field = random.below(8);
    match random.below(16) {
        0..6 => {
            let compare = compare(random);
            let field = &compare[compare.find("cr").unwrap_or(0)..][..3];
            format!("{compare}; b{bit} {field},{label}")
        }
        6 => format!("b{bit} cr{field},{label}"),
        7 => format!("b {label}"),
        8 | 9 => format!("bl g{}", random.below(FUNCTIONS)),
        10 => format!("li 16,{}; {high}mtctr 16", random.below(6)),
        11 | 12 => format!("bdnz {label}"),
        13 => format!(
            "{} 4*cr{field}+eq,{label}",
            random.pick(&["bdnzt", "bdzf", "bdnzf", "bdzt"])
        ),
        14 => format!(
            "lis 16,{label}@ha; addi 16,16,{label}@l; {high}mtctr 16; {}",
            random.pick(&["bctr", "bctrl", "beqctr cr3", "bnectrl cr5", "bgtctr"])
        ),
        _ => format!(
            "lis 16,{label}@ha; addi 16,16,{label}@l; {high}mtlr 16; {}",
            random.pick(&["blr", "blrl", "bnelr cr2", "bdnzlr", "beqlrl"])
        ),
    }
}

/// Sets an address.
fn base(random: &mut Random, setting: Setting) -> String {
    let base = BASES.start as u64 + random.below(8);
    let other = BASES.start as u64 + random.below(8);
    match random.below(8) {
        0 => format!("mr {base},{other}"),
        1 => format!("addi {base},{other},{}", random.below(33) as i64 - 16),
        2 => format!(
            "li {},{}",
            INDICES.start as u64 + random.below(2),
            random.below(65) as i64 - 32
        ),
        3 if setting.is_translated => format!("mr {base},{}", value(random)),
        _ => format!("ld {base},{}({TABLE})", 8 * random.below(POINTERS)),
    }
}

fn special(random: &mut Random, setting: Setting) -> String {
    let base = BASES.start as u64 + random.below(8);
    let (a, b) = (value(random), value(random));
    match random.below(16) {
        0 => format!("lwarx {a},0,{base}; addi {a},{a},1; stwcx. {a},0,{base}"),
        1 => format!("ldarx {a},0,{base}; stdcx. {b},0,{base}"),
        2 => format!("lbarx {a},0,{base}; bne l{}; stbcx. {b},0,{base}", random.below(LABELS)),
        3 => format!("mtxer {a}"),
        4 => format!("mtcr {a}"),
        5 => random
            .pick(&["isync", "sync", "lwsync", "eieio", "nop", "ptesync"])
            .to_owned(),
        6 => format!("dcbz 0,{base}"),
        7 => "sc".to_owned(),
        8 => format!("mtctr {a}; mfctr {b}"),
        9 => format!("mflr {a}; mtlr {a}"),
        10 if !setting.is_problem => format!("li 16,{}; mtmsrd 16,1", random.pick(&[-0x8000, 0, 2])),
        // A facility goes or comes, or the width of addresses changes.
        14 | 15 if !setting.is_problem => {
            let change = random.pick(&[
                "xori 16,16,0x2000",
                "xoris 16,16,0x200",
                "xoris 16,16,0x80",
                "xor 16,16,17",
            ]);
            format!("mfmsr 16; li 17,1; sldi 17,17,63; {change}; mtmsrd 16")
        }
        11 => format!("mftar {a}; mttar {b}"),
        12 => format!(
            "lfd {},8({base}); stfd {},16({base})",
            random.below(32),
            random.below(32)
        ),
        _ => format!("tdi {},{a},{}", random.below(32), random.integer() as i16),
    }
}
