//! The GNU disassembler, told to know one model alone, sees instructions in the same words. It is asked where it is installed
//! (Debian: `binutils-powerpc64le-linux-gnu`); elsewhere the test says that it was not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use super::Numbers;
use crate::insn::{Opcode, decode, disassemble};
use crate::model::Model;

/// Words that are tried of each primary and extended opcode.
const TRIES: usize = 4;

/// The disassembler, if it is here.
fn objdump() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("powerpc64le-linux-gnu-objdump"))
        .find(|program| program.is_file())
}

/// The mnemonic of each word; `None` where there is none.
fn mnemonics(objdump: &PathBuf, model: Model, words: &[u32]) -> Vec<Option<String>> {
    let path = std::env::temp_dir().join(format!("pteg-words-{}-{model}-{}", std::process::id(), words.len()));
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&bytes).unwrap();
    let output = Command::new(objdump)
        .args([
            "-D",
            "-z",
            "-b",
            "binary",
            "-m",
            "powerpc:common64",
            "-EB",
            "-M",
            &format!("{model},raw"),
        ])
        .arg(&path)
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // "   0:<tab>7c 00 00 ac <tab>dcbf    0,r0"
    let lines = text.lines().filter_map(|line| line.split_once(":\t"));
    let found: Vec<Option<String>> = lines
        .map(|(_, rest)| {
            let text = rest.split_once('\t')?.1;
            let mnemonic = text.split_whitespace().next()?;
            (mnemonic != ".long").then(|| mnemonic.trim_end_matches(['.', '+', '-']).to_owned())
        })
        .collect();
    assert_eq!(found.len(), words.len());
    found
}

/// Mnemonics, without dots, that it has for POWER8 or POWER9 and we do not.
const NOT_OURS: &[&str] = &[
    // For the service processor alone.
    "attn",
    // Facilities of other processors: external control, Blue Gene's.
    "eciwx ecowx pbt",
    // Processors of 32 bits, embedded ones, and the first of 64 bits.
    "dcbi tlbld tlbli mtsrd mtsrdin",
    // Coprocessors, of which a partition has none here.
    "icswx",
    // Of later processors, where POWER8 has no-operations (see `is_reserved_no_operation`).
    "hashchk hashchkp hashst hashstp",
    // Power ISA v3.0: of the hypervisor with another kind of table.
    "rmieg slbiag",
    // Transactional memory and decimal floating point, which are not offered.
    "tabortdc tabortdci tabortwc tabortwci tabort tbegin tcheck tend trechkpt treclaim tsr",
    "dadd daddq dcffix dcffixq dcmpo dcmpoq dcmpu dcmpuq dctdp dctfix dctfixq dctqpq ddedpd ddedpdq ddiv ddivq denbcd denbcdq \
     diex diexq dmul dmulq dqua dquai dquaiq dquaq drdpq drintn drintnq drintx drintxq drrnd drrndq drsp dscli dscliq dscri \
     dscriq dsub dsubq dtstdc dtstdcq dtstdg dtstdgq dtstex dtstexq dtstsf dtstsfi dtstsfiq dtstsfq dxex dxexq",
];

/// What it does not know at all, or of which it does not take invalid forms or reserved values.
const TAKEN_BY_US: &[Opcode] = &[
    // Left out since POWER7, but phased out in ISA 2.07 only.
    Opcode::Lfdp,
    Opcode::Lfdpx,
    Opcode::Stfdp,
    Opcode::Stfdpx,
    // For processors with segment registers.
    Opcode::Mtsr,
    Opcode::Mtsrin,
    Opcode::Mfsr,
    Opcode::Mfsrin,
    // Power saving, which POWER9 does otherwise.
    Opcode::Doze,
    Opcode::Nap,
    Opcode::Rvwinkle,
    Opcode::Sleep,
    // A base that is loaded over.
    Opcode::Lbzu,
    Opcode::Lbzux,
    Opcode::Lhzu,
    Opcode::Lhzux,
    Opcode::Lhau,
    Opcode::Lhaux,
    Opcode::Lwzu,
    Opcode::Lwzux,
    Opcode::Lwaux,
    Opcode::Ldu,
    Opcode::Ldux,
    Opcode::Lmw,
    Opcode::Lswi,
    Opcode::Lswx,
    Opcode::Lq,
    Opcode::Lqarx,
    // Reserved values of BO, BH, L, WC and TBR.
    Opcode::Wait,
    Opcode::Bc,
    Opcode::Bclr,
    Opcode::Bcctr,
    Opcode::Bctar,
    Opcode::Dcbf,
    Opcode::Sync,
    Opcode::Mftb,
];

/// Whether it takes no word of this instruction with something in the fields that were reserved before a later model.
fn has_new_operands(model: Model, opcode: Opcode) -> bool {
    model == Model::Power8 && opcode == Opcode::Tlbiel
}

/// Mnemonics that it has for one model as well, although they came with a later one.
fn is_early(model: Model, mnemonic: &str) -> bool {
    model == Model::Power8 && mnemonic.starts_with("vabsdu")
}

#[test]
fn binutils_knows_no_instruction_that_we_do_not() {
    let Some(objdump) = objdump() else {
        return skipped();
    };
    let not_ours: BTreeSet<&str> = NOT_OURS.iter().flat_map(|names| names.split_whitespace()).collect();
    for model in Model::ALL {
        let mut numbers = Numbers(0x5eed_0006);
        // Every primary opcode with every extended one. It takes no word with a bit in a reserved field: so some without any.
        let words: Vec<u32> = (0..64u32)
            .flat_map(|primary| (0..2048u32).map(move |low| primary << 26 | low))
            .flat_map(|word| std::iter::repeat_n(word, TRIES))
            .map(|word| word | numbers.next() & numbers.next() & 0x03ff_f800)
            .collect();
        let mut more = BTreeMap::<String, u32>::new();
        for (&word, theirs) in words.iter().zip(mnemonics(&objdump, model, &words)) {
            if let (None, Some(theirs)) = (decode(word, model), theirs)
                && !not_ours.contains(&*theirs)
                && !is_early(model, &theirs)
            {
                more.insert(theirs, word);
            }
        }
        assert!(more.is_empty(), "{model}: {more:#010x?}");
    }
}

#[test]
fn binutils_names_every_instruction_as_we_do() {
    let Some(objdump) = objdump() else {
        return skipped();
    };
    for model in Model::ALL {
        let mut numbers = Numbers(0x5eed_0007);
        let (opcodes, words): (Vec<Opcode>, Vec<u32>) = Opcode::ALL
            .iter()
            .filter(|opcode| opcode.is_of(model))
            .flat_map(|&opcode| std::iter::repeat_n(opcode, 20))
            .map(|opcode| (opcode, numbers.instruction(opcode)))
            .unzip();
        let mut wrong = BTreeMap::<&str, (u32, Option<String>)>::new();
        for ((&word, opcode), theirs) in words.iter().zip(opcodes).zip(mnemonics(&objdump, model, &words)) {
            let text = disassemble(word, 0);
            let ours = text.split_whitespace().next().map(|name| name.trim_end_matches('.'));
            let is_taken = theirs.is_none() && (TAKEN_BY_US.contains(&opcode) || has_new_operands(model, opcode));
            if !is_taken && theirs.as_deref() != ours {
                wrong.insert(opcode.name(), (word, theirs));
            }
        }
        assert!(wrong.is_empty(), "{model}: {wrong:#010x?}");
    }
}

fn skipped() {
    println!("SKIPPED: there is no powerpc64le-linux-gnu-objdump to compare with");
}
