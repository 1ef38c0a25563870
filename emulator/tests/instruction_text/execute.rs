//! Runs a test, interpreted or compiled.

use std::collections::BTreeMap;

use emulator::{Compile, Cpu, Exit};
use power::msr::{Msr, lpcr};
use power::page::SegmentSize;

use crate::machine::{Machine, STOP, segment};
use crate::parse::Test;

const RAM: usize = 0x10_0000;
/// Vectors, and those of AIL = 3 where the kernel's half of the address space starts at 0.
const STOPS_END: u64 = 0x8000;
const SLBMTE_R3_R4: u32 = 0x7c60_2324;

/// The registers with names, and their numbers.
const SPECIAL: &[(&str, u16)] = &[
    ("xer", 1),
    ("lr", 8),
    ("ctr", 9),
    ("dsisr", 18),
    ("dar", 19),
    ("srr0", 26),
    ("srr1", 27),
    ("fscr", 153),
    ("sprg0", 272),
];

/// What is wrong, in sentences.
pub fn complaints(test: &Test, compile: Compile) -> Vec<String> {
    let ile = test.set.get("lpcr").copied().flatten().unwrap_or(0) & lpcr::ILE != 0;
    let machine = Machine::of_model(test.model, RAM).with_compile(compile);
    machine.write_code(0, &[STOP; STOPS_END as usize / 4], ile);
    let (mut cpu, line) = machine.cpu(0);
    prepare(test, &machine, &mut cpu);
    let mut end = 0;
    for code in &test.code {
        machine.write(code.real, &code.bytes);
        end = code.start + code.bytes.len() as u64;
        machine.write_code(code.real + code.bytes.len() as u64, &[STOP], code.little);
    }
    for (real, bytes) in &test.memory {
        machine.write(*real, bytes);
    }
    for (name, value) in &test.set {
        let value = value.unwrap_or(0);
        match name.as_str() {
            "lpcr" => machine.shared.set_lpcr(value),
            "external" => line.set_external(value != 0),
            "msr" => cpu.set_msr(Msr::from_raw(value)),
            "cr" => cpu.core_mut().regs.set_cr(value as u32),
            "dec" => set_spr(&mut cpu, 22, value),
            _ => match (gpr(name), special(name)) {
                (Some(n), _) => cpu.set_gpr(n, value),
                (_, Some(number)) => set_spr(&mut cpu, number, value),
                _ => return vec![format!("{}: no register {name}", test.name)],
            },
        }
    }
    let (msr, r3) = (cpu.msr(), cpu.gpr(3));
    cpu.start(test.code[0].start, r3, msr);
    let before = registers(&mut cpu, test);
    let exit = loop {
        match cpu.run() {
            Exit::Attention => {}
            exit => break exit,
        }
    };
    if exit != Exit::Hypercall {
        return vec![format!("{}: {exit:?}", test.name)];
    }
    let mut after = registers(&mut cpu, test);
    after.insert("stop".to_owned(), cpu.pc() - 4);
    compare(test, &before, &after, end, &machine)
}

fn compare(
    test: &Test,
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    end: u64,
    machine: &Machine,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, &found) in after {
        let unchanged = before.get(name).copied().unwrap_or(end);
        let expected = test.expect.get(name).copied().unwrap_or(Some(unchanged));
        if let Some(expected) = expected
            && expected != found
        {
            wrong.push(format!("{}: {name} is {found:#x}, not {expected:#x}", test.name));
        }
    }
    let unknown = test.expect.keys().filter(|name| !after.contains_key(*name));
    wrong.extend(unknown.map(|name| format!("{}: no register {name}", test.name)));
    for (real, bytes) in &test.leaves {
        for (at, &expected) in (*real..).zip(bytes) {
            let [found] = machine.read::<1>(at);
            if found != expected {
                wrong.push(format!(
                    "{}: {at:#x} holds {found:#04x}, not {expected:#04x}",
                    test.name
                ));
            }
        }
    }
    wrong
}

/// Makes the segments and pages.
fn prepare(test: &Test, machine: &Machine, cpu: &mut Cpu) {
    let vsid = |ea: u64| 0x100 + (ea >> 28);
    machine.write_code(STOPS_END, &[SLBMTE_R3_R4, STOP], false);
    for (n, &(ea, pair, keys)) in test.segments.iter().enumerate() {
        let (rs, rb) = segment(ea, vsid(ea), pair, n as u64);
        cpu.set_gpr(4, rb);
        cpu.start(STOPS_END, rs | keys, Msr::from_raw(Msr::SF | Msr::ME));
        assert_eq!(cpu.run(), Exit::Hypercall);
    }
    for &(ea, real, pair, rights) in &test.pages {
        machine.map(vsid(ea), SegmentSize::Size256M, pair, ea & 0x0fff_ffff, real, rights);
    }
    for n in 0..32 {
        cpu.set_gpr(n, 0);
    }
}

fn gpr(name: &str) -> Option<usize> {
    name.strip_prefix('r')?.parse().ok().filter(|n| *n < 32)
}

fn special(name: &str) -> Option<u16> {
    let known = SPECIAL
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number);
    known.or_else(|| name.strip_prefix("spr")?.parse().ok())
}

fn set_spr(cpu: &mut Cpu, number: u16, value: u64) {
    cpu.set_spr(number, value).expect("the register is there");
}

/// All registers that a test can name but `stop`.
fn registers(cpu: &mut Cpu, test: &Test) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<String, u64> = (0..32).map(|n| (format!("r{n}"), cpu.gpr(n))).collect();
    let named = test.expect.keys().filter(|name| name.starts_with("spr"));
    let named = named.filter_map(|name| Some((name.as_str(), special(name)?)));
    for (name, number) in SPECIAL.iter().copied().chain(named) {
        all.insert(name.to_owned(), cpu.spr(number).expect("the register is there"));
    }
    all.insert("msr".to_owned(), cpu.msr().raw());
    all.insert("cr".to_owned(), cpu.core_mut().regs.cr().into());
    all
}
