//! Every floating-point, VMX and VSX instruction that has a handler, against QEMU.

mod deviations;
#[path = "../oracle/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod oracle;

use emulator::regs::Regs;
use emulator::vsu::{Fpscr, Vscr, Vsu, handler};
use oracle::random::Random;
use oracle::{Case, State};
use power::insn::{Class, Endian, Opcode, Operand, Word, disassemble};
use power::model::Model;

/// Cases for each instruction.
const CASES: usize = 100;
/// FPSCR[FEX].
const FEX: u64 = 1 << 30;

/// The state after our handler.
fn ours(opcode: Opcode, case: &Case) -> State {
    let before = &case.before;
    let mut fpscr = Fpscr::default();
    fpscr.set(before.fpscr);
    let mut vsu = Vsu {
        vsr: before.vsr,
        fpscr,
        vscr: Vscr::new(before.vscr),
        vrsave: 0,
    };
    let mut regs = Regs::default();
    regs.set_cr(before.cr);
    for (n, &gpr) in (0..).zip(&before.gpr) {
        regs[n] = gpr;
    }
    let run = handler(opcode).expect("only instructions with a handler are tried");
    run(&mut vsu, &mut regs, Word(case.word()));
    State {
        cr: regs.cr(),
        fpscr: vsu.fpscr.raw(),
        vscr: vsu.vscr.raw(),
        gpr: std::array::from_fn(|n| regs[n as u8]),
        vsr: vsu.vsr,
        ..before.clone()
    }
}

/// The differences between two states, a line each.
fn differences(opcode: Opcode, case: &Case, ours: &State, theirs: &State) -> Vec<String> {
    let before = &case.before;
    let is_close = |n: usize| {
        let b = before.vsr[operand_b(opcode, case.word())];
        deviations::is_close_enough(opcode) && deviations::are_close(opcode, b, ours.vsr[n], theirs.vsr[n])
    };
    let scalars = [
        ("cr".to_owned(), before.cr.into(), ours.cr.into(), theirs.cr.into()),
        (
            "fpscr".to_owned(),
            before.fpscr.into(),
            ours.fpscr.into(),
            theirs.fpscr.into(),
        ),
        (
            "vscr".to_owned(),
            before.vscr.into(),
            ours.vscr.into(),
            theirs.vscr.into(),
        ),
    ];
    let gprs = (0..32).map(|n| {
        (
            format!("r{n}"),
            before.gpr[n].into(),
            ours.gpr[n].into(),
            theirs.gpr[n].into(),
        )
    });
    let vsrs = (0..64)
        .filter(|&n| !is_close(n))
        .map(|n| (format!("vs{n}"), before.vsr[n], ours.vsr[n], theirs.vsr[n]));
    scalars
        .into_iter()
        .chain(gprs)
        .chain(vsrs)
        .filter(|(_, _, ours, theirs): &(_, u128, u128, u128)| ours != theirs)
        .map(|(name, before, ours, theirs)| format!("{name}: was {before:#x}, ours {ours:#x}, QEMU's {theirs:#x}"))
        .collect()
}

/// The VSR that an operand names, if it names one.
fn vsr(operand: Operand, word: u32) -> Option<usize> {
    let layout = operand.layout();
    let n = layout.extract(word) as usize;
    match layout.class {
        Class::Vr => Some(32 + n),
        Class::Vsr | Class::Fpr => Some(n),
        _ => None,
    }
}

/// The VSR of the last operand that names one.
fn operand_b(opcode: Opcode, word: u32) -> usize {
    let mut named = opcode.row().operands.iter().filter_map(|&operand| vsr(operand, word));
    named.next_back().unwrap_or(0)
}

/// What the vector operands held.
fn operands(opcode: Opcode, case: &Case) -> String {
    let described = |&operand: &Operand| {
        let value = case.before.vsr[vsr(operand, case.word())?];
        Some(format!("    {operand:?} = {value:#034x}\n"))
    };
    opcode.row().operands.iter().filter_map(described).collect()
}

#[test]
fn every_instruction_of_power8_does_what_qemu_does() {
    every_instruction(Model::Power8, Endian::Little);
}

#[test]
fn every_instruction_of_power9_does_what_qemu_does() {
    every_instruction(Model::Power9, Endian::Little);
}

fn every_instruction(model: Model, endian: Endian) {
    let seed = std::env::var("PTEG_SEED").map_or(1, |seed| seed.parse().expect("a seed is a number"));
    let mut random = Random::new(seed);
    let cases: Vec<(Opcode, Case)> = Opcode::ALL
        .iter()
        .filter(|&&opcode| opcode.is_of(model) && handler(opcode).is_some())
        .flat_map(|&opcode| std::iter::repeat_n(opcode, CASES))
        .map(|opcode| {
            let mut case = Case {
                code: vec![random.word(opcode)],
                before: random.state(),
            };
            deviations::adapt(opcode, &mut case);
            (opcode, case)
        })
        // An enabled exception would end the program.
        .filter(|(opcode, case)| ours(*opcode, case).fpscr & FEX == 0)
        .collect();
    let bare: Vec<Case> = cases.iter().map(|(_, case)| case.clone()).collect();
    let mut examples = String::new();
    let mut wrong = std::collections::BTreeMap::<&str, usize>::new();
    for ((opcode, case), mut theirs) in cases.iter().zip(oracle::run(model, &bare, endian)) {
        let ours = ours(*opcode, case);
        deviations::forgive(*opcode, case, &ours, &mut theirs);
        let differences = differences(*opcode, case, &ours, &theirs);
        if differences.is_empty() {
            continue;
        }
        let count = wrong.entry(opcode.name()).or_default();
        *count += 1;
        // A few of each instruction say enough.
        if *count <= 3 {
            examples += &format!("{}\n", disassemble(case.word(), 0));
            examples += &operands(*opcode, case);
            examples += &format!("  {}\n", differences.join("\n  "));
        }
    }
    assert!(
        wrong.is_empty(),
        "{model}, seed {seed}: instructions that differ from QEMU, and how often: {wrong:?}\n{examples}"
    );
}

#[test]
fn no_word_and_no_state_makes_an_instruction_panic() {
    let mut random = Random::new(1);
    for &opcode in Opcode::ALL.iter().filter(|&&opcode| handler(opcode).is_some()) {
        let pattern = opcode.row().pattern;
        for _ in 0..200 {
            let mut before = random.state();
            before.fpscr = random.next();
            before.vscr = random.next() as u32;
            let word = pattern.value | random.next() as u32 & !pattern.mask;
            ours(
                opcode,
                &Case {
                    code: vec![word],
                    before,
                },
            );
        }
    }
}
