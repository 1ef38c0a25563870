//! The program that runs the cases: for each it loads the whole state, executes the instructions,
//! and stores the whole state over the old one. At the end it writes all cases to its output.
//!
//! ```text
//! a case:  0 CR       8 XER      16 LR    24 CTR   32 FPSCR   48 VSCR (16 bytes)
//!         64 32 GPRs        320 64 VSRs       1344 memory (256 bytes)
//!       1600 the instructions
//! ```
//!
//! VRSAVE holds what must survive the instructions, TAR what must survive the end.

use std::fmt::Write;

use power::insn::{Endian, assemble};

/// Where the program is loaded.
pub const CODE: u64 = 0x1000_0000;
/// The instructions' place, on pages of their own: rewriting it makes QEMU translate them anew. A
/// page of 4 KiB ends after the first 32.
pub const SLOT: u64 = 0x1001_0f80;
/// The pages of the memory that instructions may use.
pub const MEMORY_PAGES: u64 = 0x2000_0000;
/// Bytes of these pages.
pub const MEMORY_PAGES_BYTES: u64 = 0x2_0000;
/// The memory that a case loads and stores: two pages of any size meet in its middle.
pub const MEMORY: u64 = MEMORY_PAGES + MEMORY_PAGES_BYTES / 2 - super::MEMORY_BYTES as u64 / 2;
/// Where the cases are loaded.
pub const CASES: u64 = 0x3000_0000;
/// Bytes of a case's state.
pub const STATE: usize = 1600;

const VSRS: usize = 320;
const SAVED_MEMORY: usize = 1344;
const CACHE_LINE: usize = 128;

/// Bytes of a case of this number of instructions.
pub const fn stride(instructions: usize) -> usize {
    (STATE + 4 * instructions).next_multiple_of(16)
}

/// The program for this number of cases of this number of instructions each.
pub fn code(cases: usize, instructions: usize, endian: Endian) -> Vec<u8> {
    let stride = stride(instructions);
    let mut text = String::new();
    let mut line = |text_line: std::fmt::Arguments<'_>| {
        text.write_fmt(text_line).expect("a string takes any text");
        text.push('\n');
    };
    // VRSAVE: the case. TAR: r31 after the instruction.
    line(format_args!(
        "  lis 31,{CASES}@h; ori 31,31,{CASES}@l; mtspr 256,31\nloop:"
    ));
    copy_memory(&mut line, true);
    line(format_args!("  lis 4,{SLOT}@h; ori 4,4,{SLOT}@l"));
    for n in 0..instructions {
        line(format_args!("  lwz 3,{}(31); stw 3,{}(4)", STATE + 4 * n, 4 * n));
    }
    let lines = 0..(4 * instructions).div_ceil(CACHE_LINE);
    for n in lines.clone() {
        line(format_args!("  addi 3,4,{}; dcbst 0,3", n * CACHE_LINE));
    }
    line(format_args!("  sync 0"));
    for n in lines {
        line(format_args!("  addi 3,4,{}; icbi 0,3", n * CACHE_LINE));
    }
    line(format_args!(
        "  isync
           lfd 0,32(31); mtfsf 255,0,1,0
           addi 3,31,48; lxvd2x 32,0,3; mtvscr 0
           ld 3,0(31); mtcrf 255,3
           ld 3,8(31); mtspr 1,3
           ld 3,16(31); mtspr 8,3
           ld 3,24(31); mtspr 9,3"
    ));
    for n in 0..64 {
        line(format_args!("  addi 3,31,{}; lxvd2x {n},0,3", VSRS + 16 * n));
    }
    for n in 0..32 {
        line(format_args!("  ld {n},{}(31)", 64 + 8 * n));
    }
    line(format_args!("  b slot\nafter:\n  mtspr 815,31; mfspr 31,256"));
    for n in 0..31 {
        line(format_args!("  std {n},{}(31)", 64 + 8 * n));
    }
    line(format_args!("  mfspr 3,815; std 3,{}(31)", 64 + 8 * 31));
    for n in 0..64 {
        line(format_args!("  addi 3,31,{}; stxvd2x {n},0,3", VSRS + 16 * n));
    }
    line(format_args!(
        "  mfcr 3; std 3,0(31)
           mfspr 3,1; std 3,8(31)
           mfspr 3,8; std 3,16(31)
           mfspr 3,9; std 3,24(31)
           mffs 0; stfd 0,32(31)
           mfvscr 0; addi 3,31,48; stxvd2x 32,0,3"
    ));
    copy_memory(&mut line, false);
    let end = CASES + (cases * stride) as u64;
    // write(1, cases, all that is left) until nothing is; exit_group(0), or (1) if it fails.
    line(format_args!(
        "  addi 31,31,{stride}; mtspr 256,31
           lis 30,{end}@h; ori 30,30,{end}@l
           cmpld 31,30; blt loop
           lis 29,{CASES}@h; ori 29,29,{CASES}@l
         output:
           li 0,4; li 3,1; mr 4,29; subf 5,29,30; sc; bso failed
           add 29,29,3; cmpld 29,30; blt output
           li 0,234; li 3,0; sc
         failed:
           li 0,234; li 3,1; sc
         .org {SLOT}
         slot: .space {}
           b after",
        4 * instructions
    ));
    assemble(&text, CODE, endian).expect("the program is well-formed").bytes
}

/// Copies the case's memory to where instructions find it, or back.
fn copy_memory(line: &mut impl FnMut(std::fmt::Arguments<'_>), before: bool) {
    line(format_args!(
        "  addi 3,31,{SAVED_MEMORY}; lis 4,{MEMORY}@h; ori 4,4,{MEMORY}@l"
    ));
    let (from, to) = if before { (3, 4) } else { (4, 3) };
    for offset in (0..super::MEMORY_BYTES).step_by(8) {
        line(format_args!("  ld 5,{offset}({from}); std 5,{offset}({to})"));
    }
}
