//! The assembler as a whole.

use super::*;
use crate::insn::disassemble;

/// The words of a big-endian program at 0.
fn words(source: &str) -> Vec<u32> {
    let bytes = assemble(source, 0, Endian::Big).unwrap().bytes;
    bytes
        .chunks(4)
        .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
        .collect()
}

/// The message about a program that is wrong.
fn error(source: &str) -> String {
    assemble(source, 0x1000, Endian::Big).unwrap_err().to_string()
}

#[test]
fn extended_mnemonics_become_what_the_gnu_assembler_makes_of_them() {
    for line in include_str!("extended.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let (expected, source) = line.split_once(' ').unwrap();
        let expected = u32::from_str_radix(expected, 16).unwrap();
        let found = words(&format!(".equ target,0x123456789abcdef8\n{source}"))[0];
        let text = disassemble(found, 0);
        assert_eq!(
            found, expected,
            "{source}: {found:#010x} ({text}) is not {expected:#010x}"
        );
    }
}

#[test]
fn labels_have_addresses_and_numeric_ones_may_be_used_again() {
    let program = assemble(
        "start: b end      # over the table
         1:     .long 1b, 1f, end - start
         1:     bdnz 1b
         end:   b start /* again,
                           and again */ ; b 1b",
        0x100,
        Endian::Big,
    )
    .unwrap();
    assert_eq!(program.symbols["start"], 0x100);
    assert_eq!(program.symbols["end"], 0x114);
    let expected = [
        0x4800_0014,
        0x104,
        0x110,
        0x14,
        0x4200_0000,
        0x4bff_ffec,
        0x4bff_fff8_u32,
    ];
    let expected: Vec<u8> = expected.iter().flat_map(|word| word.to_be_bytes()).collect();
    assert_eq!(program.bytes, expected);
}

#[test]
fn the_byte_order_is_that_of_words_and_data_alike() {
    let source = "nop\n.short 0x102\n.byte 3,'\\n'\n.long -2\n.quad 0xffffffffffffffff, label\nlabel:";
    let big = assemble(source, 0, Endian::Big).unwrap().bytes;
    let little = assemble(source, 0, Endian::Little).unwrap().bytes;
    assert_eq!(big[..12], [0x60, 0, 0, 0, 1, 2, 3, 10, 0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(little[..12], [0, 0, 0, 0x60, 2, 1, 3, 10, 0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(big[12..], [[0xff; 8], [0, 0, 0, 0, 0, 0, 0, 28]].concat());
    assert_eq!(little[12..], [[0xff; 8], [28, 0, 0, 0, 0, 0, 0, 0]].concat());
}

#[test]
fn padding_is_nops_between_instructions_and_zeros_elsewhere() {
    let program = assemble(
        ".asciz \"a#\\\"\"\n.balign 8\nb .\n.align 4\n.org 0x1014\n.space 2,0xff\n.zero 1",
        0x1000,
        Endian::Little,
    );
    let mut expected = b"a#\"\0\x00\x00\x00\x60\x00\x00\x00\x48\x00\x00\x00\x60".to_vec();
    expected.extend(b"\0\0\0\0\xff\xff\0");
    assert_eq!(program.unwrap().bytes, expected);
}

#[test]
fn expressions_have_the_order_that_everyone_expects() {
    let source = ".long 2+3*4, (2+3)*4, 1<<4|3, 7-2-1, -1&0xff, 100/7%4, ~0>>60&0xf, 0b101^1, 0o17, x\nx=y+1\ny=9";
    assert_eq!(words(source), [14, 20, 19, 4, 255, 2, 15, 4, 15, 10]);
}

#[test]
fn an_order_that_assemblers_disagree_about_is_refused() {
    for source in [".long 1+2<<3", ".long 1|2+3", ".long 1|2&3"] {
        assert!(error(source).ends_with("write parentheses"), "{source}");
    }
}

#[test]
fn an_error_says_where_and_what_would_be_right() {
    for (source, message) in [
        ("nop\n frob r3", "line 2, column 2: no instruction `frob`"),
        ("sldi r3,r4", "line 1, column 1: `sldi` takes 3 operands, not 2"),
        ("beq", "line 1, column 1: `beq` takes 1 or 2 operands, not 0"),
        ("add r3,r4", "line 1, column 1: `add` takes 3 operands, not 2"),
        (
            "addi r3,r4,0x8000",
            "line 1, column 12: Si of `addi` cannot be 32768: it is -32768 to 32767",
        ),
        (
            "li r3,70000",
            "line 1, column 7: Si of `addi` cannot be 70000: it is -32768 to 32767",
        ),
        (
            "fadd f1,f2,r3",
            "line 1, column 12: expected a floating-point register (f0 to f31), found a general register (r0 to r31)",
        ),
        (
            "lwz r3,r4,r5",
            "line 1, column 8: expected a number, found a general register (r0 to r31)",
        ),
        (
            "lwz r3,4,r5",
            "line 1, column 10: expected the base register in parentheses, as in `8(r1)`",
        ),
        ("lwzx r3,4(r5)", "line 1, column 11: `lwzx` has no displacement"),
        ("b nowhere", "line 1, column 3: `nowhere` is not defined"),
        ("b 1b", "line 1, column 3: no label `1:` stands before this"),
        ("a: .equ a,1", "line 1, column 4: `a` is defined twice"),
        ("a=b;b=a;b a", "line 1, column 11: `a` is defined by itself"),
        ("r3: nop", "line 1, column 1: `r3` is a register's name"),
        (
            "li r3,1 r4",
            "line 1, column 9: expected `,` or the end of the statement",
        ),
        (".byte 256", "line 1, column 7: 256 does not fit in 8 bits"),
        (
            ".org 0",
            "line 1, column 6: the address is 0x1000 already; `.org` goes only forward",
        ),
        (".space later\nlater=4", "line 1, column 8: `later` is not defined"),
        (
            ".byte 1\nnop",
            "line 2, column 1: the address 0x1001 is no multiple of 4: put `.align 2` before this instruction",
        ),
        (".space 1<<40", "line 1, column 1: the program is longer than 256 MiB"),
        (".ascii \"a", "line 1, column 8: this string has no end: write `\"`"),
        (
            "li r3,010",
            "line 1, column 7: `010` begins with 0: octal begins with `0o`",
        ),
        ("li r3,$1", "line 1, column 7: `$` has no meaning here"),
        ("/* a", "line 1, column 1: this comment has no end: write `*/`"),
        (
            ".frob",
            "line 1, column 1: no directive `.frob`; there are .byte .short .long .quad .ascii .asciz .align .balign .space .org .equ",
        ),
        (
            "b 0x4000000",
            "line 1, column 3: Li of `b` cannot be 67104768: it is -33554432 to 33554428, a multiple of 4",
        ),
    ] {
        assert_eq!(error(source), message);
    }
}

#[test]
fn a_source_nested_without_end_is_an_error_like_any_other() {
    assert!(error(&format!(".long {}1", "(".repeat(100_000))).contains("nested too deeply"));
    assert!(error(&format!(".long 1{}", "+1".repeat(100_000))).contains("too long"));
}
