//! Capstone, another disassembler, sees the same instructions. What it knows and we do not, and the
//! other way round, is listed here with the reason.

use super::Numbers;
use crate::insn::{Class, Endian, Opcode, Row, Suffix, Word, assemble, decode};
use crate::model::Model;
use capstone::arch::ppc::ArchMode;
use capstone::prelude::*;
use std::collections::BTreeSet;

/// Which instructions Capstone 5 does not know.
const UNKNOWN_TO_CAPSTONE: &[Opcode] = &[
    // New in ISA 2.07.
    Opcode::Bctar,
    Opcode::Bcdadd,
    Opcode::Bcdsub,
    Opcode::Fmrgew,
    Opcode::Fmrgow,
    Opcode::Lqarx,
    Opcode::Stqcx,
    Opcode::Msgsnd,
    Opcode::Msgclr,
    Opcode::Msgsndp,
    Opcode::Msgclrp,
    // New in ISA 3.0B.
    Opcode::Vmsumudm,
    // Decimal assists, parity, and others that compilers do not make.
    Opcode::Addg6s,
    Opcode::Cbcdtd,
    Opcode::Cdtbcd,
    Opcode::Prtyw,
    Opcode::Prtyd,
    Opcode::Fcmpo,
    Opcode::Lswx,
    Opcode::Stswx,
    // Pairs of registers.
    Opcode::Lq,
    Opcode::Stq,
    Opcode::Lfdp,
    Opcode::Lfdpx,
    Opcode::Stfdp,
    Opcode::Stfdpx,
    // New in ISA 3.0B, or in 3.0 already: carries through OV, and calls.
    Opcode::Addex,
    Opcode::Rfscv,
    Opcode::Scv,
    // Of the supervisor and the hypervisor.
    Opcode::Slbfee,
    Opcode::Doze,
    Opcode::Rvwinkle,
    Opcode::Sleep,
];

/// Whether Capstone 5 leaves out this form of an instruction that it knows.
fn is_form_unknown_to_capstone(row: &Row, word: u32) -> bool {
    let word = Word(word);
    match row.opcode {
        Opcode::Mtfsb0 | Opcode::Mtfsb1 => word.record(),
        Opcode::Slbia => word.ih() != 0,
        // RS, RIC, PRS and R are of ISA 3.0.
        Opcode::Tlbiel => word.bits(6, 15) != 0,
        _ => row.suffixes.contains(&Suffix::Oe) && word.oe(),
    }
}

/// Whether Capstone 5 writes the operands of this word so that they do not make the same word.
fn is_written_otherwise(row: &Row, word: u32) -> bool {
    let word = Word(word);
    match row.opcode {
        // Extended mnemonics leave out bits that make no difference; BH is written as a target.
        Opcode::Bc | Opcode::Bclr | Opcode::Bcctr => true,
        // A field of the FPSCR is written as one of the condition register.
        Opcode::Mtfsfi => true,
        // 32 bytes are written as 0.
        Opcode::Lswi | Opcode::Stswi => word.nb() == 0,
        // `mftbu` is made an `mfspr` by us, as by the GNU assembler.
        Opcode::Mftb => word.spr() == 269,
        // As in the first edition of ISA 3.0.
        Opcode::Cpabort | Opcode::Copy | Opcode::Paste | Opcode::Wait => true,
        // Registers of other processors have names.
        Opcode::Mfspr | Opcode::Mtspr => word.spr() >= 528,
        // It takes the register for one of floating point.
        Opcode::Xsiexpqp => true,
        // It takes bits 25 and 29 for each other's.
        Opcode::Xvtstdcdp | Opcode::Xvtstdcsp => matches!(word.dcmx_split() >> 5, 1 | 2),
        _ => false,
    }
}

/// Mnemonics, without dots, that Capstone knows and this processor does not have.
const NOT_OURS: &[&str] = &[
    // Transactional memory, which is not offered.
    "tabortdc tabortdci tabortwc tabortwci tsr",
    // For the service processor alone.
    "attn",
    // Embedded processors.
    "dcba dcbfep dcbi dcbstep dcbtep dcbtstep dcbzep dcbzlep dccci icbiep icblc icblq icbtls \
     iccci lbepx lfdepx lhepx lwepx mfbr5 mfdcr mfpmr mtbr5 mtbr7 mtdcr mtpmr stbepx stfdepx \
     sthepx stwepx tlbivax tlbrehi tlbrelo tlbsx tlbwehi tlbwelo wrtee wrteei",
    // Power ISA v3.0, its first edition alone.
    "ldmx",
];

/// Where the instructions are thought to stand.
const ADDRESS: u64 = 0x1000;

/// How many words are tried of each instruction.
const TRIES: usize = 100;

fn disassembler() -> Capstone {
    let builder = Capstone::new().ppc().mode(ArchMode::Mode64);
    builder.endian(capstone::Endian::Big).build().unwrap()
}

/// The instruction as Capstone writes it: mnemonic and operands.
fn text(capstone: &Capstone, word: u32) -> Option<(String, String)> {
    let found = capstone.disasm_count(&word.to_be_bytes(), ADDRESS, 1).unwrap();
    let instruction = found.iter().next()?;
    Some((instruction.mnemonic()?.to_owned(), instruction.op_str()?.to_owned()))
}

/// Capstone's operands in our spelling: `cr2eq` is `4*cr2+eq`, and vector-scalar registers are not
/// called after the halves of their file.
fn respelled(row: &Row, operands: &str) -> String {
    let is_vsx = row.operands.iter().any(|operand| operand.layout().class == Class::Vsr);
    let respell = |operand: &str| {
        let number = |prefix| operand.strip_prefix(prefix)?.parse::<u32>().ok();
        if let Some((field, bit)) = operand.strip_prefix("cr").and_then(|rest| rest.split_at_checked(1))
            && !bit.is_empty()
        {
            format!("4*cr{field}+{bit}")
        } else if let (true, Some(low)) = (is_vsx, number("f")) {
            format!("vs{low}")
        } else if let (true, Some(high)) = (is_vsx, number("v")) {
            format!("vs{}", high + 32)
        } else {
            operand.to_owned()
        }
    };
    operands.split(", ").map(respell).collect::<Vec<_>>().join(",")
}

#[test]
fn capstone_reads_every_instruction_as_we_do() {
    let capstone = disassembler();
    let mut numbers = Numbers(0x5eed_0004);
    for &opcode in Opcode::ALL {
        let row = opcode.row();
        for _ in 0..TRIES {
            let word = numbers.instruction(opcode);
            let is_unknown = UNKNOWN_TO_CAPSTONE.contains(&opcode) || is_form_unknown_to_capstone(row, word);
            let Some((mnemonic, operands)) = text(&capstone, word) else {
                assert!(is_unknown, "{word:#010x}: Capstone knows no `{}`", row.name);
                continue;
            };
            let theirs = format!("{mnemonic} {}", respelled(row, &operands));
            assert!(!is_unknown, "{word:#010x}: Capstone knows `{theirs}` after all");
            if is_written_otherwise(row, word) {
                continue;
            }
            let program = assemble(&theirs, ADDRESS, Endian::Big)
                .unwrap_or_else(|error| panic!("{word:#010x} is `{theirs}` for Capstone: {error}"));
            assert_eq!(program.bytes, word.to_be_bytes(), "{word:#010x}: {theirs}");
        }
    }
}

#[test]
fn capstone_knows_no_instruction_that_we_do_not() {
    let capstone = disassembler();
    let not_ours: BTreeSet<&str> = NOT_OURS.iter().flat_map(|names| names.split_whitespace()).collect();
    let mut numbers = Numbers(0x5eed_0005);
    // Every primary opcode with every extended one, and a few operands each.
    for (primary, low) in (0..64).flat_map(|primary| (0..2048).map(move |low| (primary, low))) {
        for _ in 0..8 {
            let word = primary << 26 | numbers.next() & 0x03ff_f800 | low;
            if decode(word, Model::Power9).is_none()
                && decode(word, Model::Power8).is_none()
                && let Some((mnemonic, operands)) = text(&capstone, word)
            {
                let name = mnemonic.trim_end_matches('.');
                assert!(not_ours.contains(name), "{word:#010x} is {mnemonic} {operands}");
            }
        }
    }
}
