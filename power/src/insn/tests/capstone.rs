//! Capstone, another disassembler, sees the same instructions. What it knows and we do not, and the
//! other way round, is listed here with the reason.

use super::Numbers;
use crate::insn::{Class, Endian, Opcode, Row, Suffix, Word, assemble, decode};
use capstone::arch::ppc::ArchMode;
use capstone::prelude::*;
use std::collections::BTreeSet;

/// Which instructions of POWER8 Capstone 5 does not know.
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
        // Registers of other processors have names.
        Opcode::Mfspr | Opcode::Mtspr => word.spr() >= 528,
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
    // Power ISA v3.0: loads and stores.
    "copy ldat ldmx lwat lxsd lxsibzx lxsihzx lxssp lxv lxvb16x lxvh8x lxvl lxvll lxvwsx lxvx \
     paste stdat stwat stxsd stxsibx stxsihx stxssp stxv stxvb16x stxvh8x stxvl stxvll stxvx",
    // Power ISA v3.0: vectors.
    "bcdcfn bcdcfsq bcdcfz bcdcpsgn bcdctn bcdctsq bcdctz bcds bcdsetsgn bcdsr bcdtrunc bcdus \
     bcdutrunc vabsdub vabsduh vabsduw vbpermd vclzlsbb vcmpneb vcmpneh vcmpnew vcmpnezb \
     vcmpnezh vcmpnezw vctzb vctzd vctzh vctzlsbb vctzw vextractd vextractub vextractuh \
     vextractuw vextsb2d vextsb2w vextsh2d vextsh2w vextsw2d vextublx vextubrx vextuhlx \
     vextuhrx vextuwlx vextuwrx vinsertb vinsertd vinserth vinsertw vmul10cuq vmul10ecuq \
     vmul10euq vmul10uq vnegd vnegw vpermr vprtybd vprtybq vprtybw vrldmi vrldnm vrlwmi \
     vrlwnm vslv vsrv",
    // Power ISA v3.0: vector-scalar registers.
    "mfvsrld mtvsrdd mtvsrws xsabsqp xsaddqp xsaddqpo xscmpeqdp xscmpexpdp xscmpexpqp \
     xscmpgedp xscmpgtdp xscmpoqp xscmpuqp xscpsgnqp xscvdphp xscvdpqp xscvhpdp xscvqpdp \
     xscvqpdpo xscvqpsdz xscvqpswz xscvqpudz xscvqpuwz xscvsdqp xscvudqp xsdivqp xsdivqpo \
     xsiexpdp xsiexpqp xsmaddqp xsmaddqpo xsmaxcdp xsmaxjdp xsmincdp xsminjdp xsmsubqp \
     xsmsubqpo xsmulqp xsmulqpo xsnabsqp xsnegqp xsnmaddqp xsnmaddqpo xsnmsubqp xsnmsubqpo \
     xsrqpi xsrqpix xsrqpxp xssqrtqp xssqrtqpo xssubqp xssubqpo xststdcdp xststdcqp xststdcsp \
     xsxexpdp xsxexpqp xsxsigdp xsxsigqp xvcvhpsp xvcvsphp xviexpdp xviexpsp xvtstdcdp \
     xvtstdcsp xvxexpdp xvxexpsp xvxsigdp xvxsigsp xxbrd xxbrh xxbrq xxbrw xxextractuw \
     xxinsertw xxperm xxpermr xxspltib",
    // Power ISA v3.0: fixed point and storage control.
    "addpcis cmpeqb cmprb cnttzd cnttzw extswsli maddhd maddhdu maddld modsd modsw modud \
     moduw setb slbieg",
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
fn capstone_knows_no_instruction_of_power8_that_we_do_not() {
    let capstone = disassembler();
    let not_ours: BTreeSet<&str> = NOT_OURS.iter().flat_map(|names| names.split_whitespace()).collect();
    let mut numbers = Numbers(0x5eed_0005);
    // Every primary opcode with every extended one, and a few operands each.
    for (primary, low) in (0..64).flat_map(|primary| (0..2048).map(move |low| (primary, low))) {
        for _ in 0..8 {
            let word = primary << 26 | numbers.next() & 0x03ff_f800 | low;
            if decode(word).is_none()
                && let Some((mnemonic, operands)) = text(&capstone, word)
            {
                let name = mnemonic.trim_end_matches('.');
                assert!(not_ours.contains(name), "{word:#010x} is {mnemonic} {operands}");
            }
        }
    }
}
