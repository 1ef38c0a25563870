//! From text to tests.

use power::insn::{Endian, assemble};
use power::model::{Model, UnknownModel};
use power::msr::{Msr, lpcr};
use power::page::PagePair;
use std::collections::BTreeMap;

/// Where the code is when it does not say.
const STATEMENTS: usize = 2;

/// One test.
#[derive(Clone, Default)]
pub struct Test {
    /// Its sentence.
    pub name: String,
    /// The processor.
    pub model: Model,
    /// SLB entries: effective address, page size, Ks, Kp and N in place.
    pub segments: Vec<(u64, PagePair, u64)>,
    /// Effective page, real page, size, rights.
    pub pages: Vec<(u64, u64, PagePair, u64)>,
    /// Bytes at real addresses.
    pub memory: Vec<(u64, Vec<u8>)>,
    /// What registers hold.
    pub set: Registers,
    /// What is run, and where its bytes are.
    pub code: Vec<Code>,
    /// What registers hold afterwards.
    pub expect: Registers,
    /// What memory holds afterwards.
    pub leaves: Vec<(u64, Vec<u8>)>,
}

/// Registers by name. `None`: anything.
pub type Registers = BTreeMap<String, Option<u64>>;

/// A run of instructions.
#[derive(Clone)]
pub struct Code {
    /// Real address.
    pub real: u64,
    /// Effective address of the first.
    pub start: u64,
    /// The instructions.
    pub bytes: Vec<u8>,
    /// Byte order.
    pub little: bool,
}

/// A run of instructions as it is read.
struct Text {
    real: u64,
    start: u64,
    little: bool,
    each: bool,
    lines: Vec<String>,
}

/// A test as it is read: what names labels waits for them.
#[derive(Default)]
struct Draft {
    test: Test,
    set: Vec<String>,
    expect: Vec<String>,
    code: Vec<Text>,
}

/// The tests in a text.
pub fn tests(text: &str) -> Result<Vec<Test>, String> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or(line);
        let indent = line.len() - line.trim_start().len();
        if line.trim().is_empty() {
            continue;
        }
        let result = if let Some(name) = line.strip_prefix("test ") {
            let mut draft = Draft::default();
            draft.test.name = format!("{name} (line {number})");
            drafts.push(draft);
            Ok(())
        } else {
            let draft = drafts.last_mut().ok_or("a statement before the first test")?;
            match draft.code.last_mut() {
                Some(code) if indent > STATEMENTS => {
                    code.lines.push(line.to_owned());
                    Ok(())
                }
                _ => statement(draft, line.trim()),
            }
        };
        result.map_err(|why| format!("line {number}: {why}: {line}"))?;
    }
    let mut tests = Vec::new();
    for draft in drafts {
        let name = draft.test.name.clone();
        tests.extend(finish(&draft).map_err(|why| format!("{name}: {why}"))?);
    }
    Ok(tests)
}

fn statement(draft: &mut Draft, line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let keyword = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let word = |n: usize| words.get(n).copied().ok_or("something is missing");
    let address = |n: usize| number(word(n)?).ok_or_else(|| format!("{} is no number", words[n]));
    let test = &mut draft.test;
    match keyword {
        "cpu" => test.model = word(0)?.parse().map_err(|why: UnknownModel| why.to_string())?,
        "segment" => {
            let keys = words[2..].iter().try_fold(0, |keys, &key| match key {
                "ks" => Ok(keys | 0x800),
                "kp" => Ok(keys | 0x400),
                "n" => Ok(keys | 0x200),
                _ => Err(format!("unknown key {key}")),
            })?;
            test.segments.push((address(0)?, size(word(1)?)?, keys));
        }
        "page" => test
            .pages
            .push((address(0)?, address(1)?, size(word(2)?)?, address(3)?)),
        "memory" => test.memory.push((address(0)?, bytes(word(1)?)?)),
        "leaves" => test.leaves.push((address(0)?, bytes(word(1)?)?)),
        "set" => draft.set.extend(words.iter().map(|&word| word.to_owned())),
        "expect" => draft.expect.extend(words.iter().map(|&word| word.to_owned())),
        "code" | "each" => {
            let little = words.contains(&"little");
            let start = match words.iter().position(|&word| word == "at") {
                Some(at) => address(at + 1)?,
                None => address(0)?,
            };
            draft.code.push(Text {
                real: address(0)?,
                start,
                little,
                each: keyword == "each",
                lines: Vec::new(),
            });
        }
        _ => return Err("an unknown statement".to_owned()),
    }
    Ok(())
}

/// The test, or with `each` a test for each of its instructions.
fn finish(draft: &Draft) -> Result<Vec<Test>, String> {
    let Some(each) = draft.code.iter().position(|code| code.each) else {
        return Ok(vec![resolve(draft, &draft.code.iter().collect::<Vec<_>>())?]);
    };
    let mut tests = Vec::new();
    for line in &draft.code[each].lines {
        let one = Text {
            lines: vec![line.clone()],
            ..draft.code[each]
        };
        let code: Vec<&Text> = (0..)
            .zip(&draft.code)
            .map(|(n, code)| if n == each { &one } else { code })
            .collect();
        let mut test = resolve(draft, &code)?;
        test.name = format!("{}: {}", test.name, line.trim());
        tests.push(test);
    }
    Ok(tests)
}

/// Assembles the code and gives names their values.
fn resolve(draft: &Draft, code: &[&Text]) -> Result<Test, String> {
    let mut test = draft.test.clone();
    let mut symbols = BTreeMap::new();
    for text in code {
        let endian = if text.little { Endian::Little } else { Endian::Big };
        let program = assemble(&text.lines.join("\n"), text.start, endian).map_err(|why| why.to_string())?;
        symbols.extend(program.symbols);
        test.code.push(Code {
            real: text.real,
            start: text.start,
            bytes: program.bytes,
            little: text.little,
        });
    }
    let registers = |words: &[String]| -> Result<Registers, String> {
        let pairs = words.iter().map(|word| {
            let (name, text) = word.split_once('=').ok_or_else(|| format!("no value for {word}"))?;
            let known = value(text, &symbols).ok_or_else(|| format!("unknown value {text}"))?;
            Ok((name.to_owned(), known))
        });
        pairs.collect()
    };
    test.set = registers(&draft.set)?;
    test.expect = registers(&draft.expect)?;
    Ok(test)
}

fn number(text: &str) -> Option<u64> {
    let plain = text.replace('_', "");
    match plain.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => plain
            .parse()
            .ok()
            .or_else(|| plain.parse::<i64>().ok().map(|signed| signed as u64)),
    }
}

/// A number, `?`, or numbers, labels and names of bits with `|` between.
fn value(text: &str, symbols: &BTreeMap<String, u64>) -> Option<Option<u64>> {
    if text == "?" {
        return Some(None);
    }
    let bits = text.split('|').map(|part| {
        number(part)
            .or_else(|| symbols.get(part).copied())
            .or_else(|| NAMES.iter().find(|(name, _)| *name == part).map(|(_, bit)| *bit))
    });
    bits.sum::<Option<u64>>().map(Some)
}

const NAMES: &[(&str, u64)] = &[
    ("SF", Msr::SF),
    ("HV", Msr::HV),
    ("VEC", Msr::VEC),
    ("VSX", Msr::VSX),
    ("EE", Msr::EE),
    ("PR", Msr::PR),
    ("FP", Msr::FP),
    ("ME", Msr::ME),
    ("FE0", Msr::FE0),
    ("FE1", Msr::FE1),
    ("SE", Msr::SE),
    ("BE", Msr::BE),
    ("IR", Msr::IR),
    ("DR", Msr::DR),
    ("RI", Msr::RI),
    ("LE", Msr::LE),
    ("ILE", lpcr::ILE),
    ("AIL3", lpcr::AIL_3),
    ("AIL2", lpcr::AIL_2),
];

fn size(text: &str) -> Result<PagePair, String> {
    match text {
        "4K" => Ok(PagePair::ALL[0]),
        "64K" => Ok(PagePair::ALL[3]),
        "16M" => Ok(PagePair::ALL[5]),
        _ => Err(format!("unknown page size {text}")),
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    if !digits.len().is_multiple_of(2) {
        return Err("half a byte".to_owned());
    }
    Ok(digits
        .chunks_exact(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect())
}
