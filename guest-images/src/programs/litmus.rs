//! Meetings of processors whose outcome the architecture forbids, tried again and again: message passing, store buffering, load
//! buffering, independent reads, and their like, with barriers, dependencies and reservations (Power ISA 2.07 Book II, sections 1.7
//! and 4.4). The names are those of the literature on POWER's memory model.
//!
//! In a meeting each of up to four processors executes its few instructions once, on three doublewords x, y and z that are 0 before.
//! A round is [`MEETINGS`] of them, one after another, each on doublewords of its own, which the processors go through without
//! waiting for each other but for the beginning. Then the first one looks at what was loaded, and at what x, y and z are.
//!
//! Words of the command line: `rounds=`.

use std::fmt::Write as _;

/// A test.
struct Test {
    name: &'static str,
    /// What each processor executes: r3, r4 and r9 are the addresses of x, y and z, r10 and r11 are 1 and 2, r5 and r6 are what is looked
    /// at, and r7 and r8 are free.
    processors: &'static [&'static str],
    /// What must not be at the end, all of it together; or may be, for [`ALLOWED`].
    outcome: &'static [(At, u64)],
}

/// What may happen, and is counted to see whether processors meet at all: the loads of one between the stores of the other, and stores
/// that wait in a buffer while loads go ahead.
const ALLOWED: &[Test] = &[
    Test {
        name: "loads between two stores",
        processors: &["std r10,0(r3); sync; std r10,0(r4)", "ld r5,0(r4); sync; ld r6,0(r3)"],
        outcome: &[(R5(1), 0), (R6(1), 1)],
    },
    Test {
        name: "SB",
        processors: &["std r10,0(r3); ld r5,0(r4)", "std r10,0(r4); ld r5,0(r3)"],
        outcome: &[(R5(0), 0), (R5(1), 0)],
    },
];

/// What is looked at.
#[derive(Clone, Copy)]
enum At {
    /// r5 of a processor.
    R5(u64),
    /// r6 of a processor.
    R6(u64),
    X,
    Y,
}
use At::{R5, R6, X, Y};

const TESTS: &[Test] = &[
    Test {
        name: "MP+sync+sync",
        processors: &["std r10,0(r3); sync; std r10,0(r4)", "ld r5,0(r4); sync; ld r6,0(r3)"],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "MP+lwsync+lwsync",
        processors: &[
            "std r10,0(r3); lwsync; std r10,0(r4)",
            "ld r5,0(r4); lwsync; ld r6,0(r3)",
        ],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "MP+eieio+addr",
        processors: &[
            "std r10,0(r3); eieio; std r10,0(r4)",
            "ld r5,0(r4); xor r7,r5,r5; ldx r6,r7,r3",
        ],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "MP+lwsync+ctrlisync",
        processors: &[
            "std r10,0(r3); lwsync; std r10,0(r4)",
            "ld r5,0(r4); cmpd r5,r5; bne .+4; isync; ld r6,0(r3)",
        ],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "MP+lwsync+acquire",
        processors: &[
            "std r10,0(r3); lwsync; std r10,0(r4)",
            "ldarx r5,0,r4; stdcx. r5,0,r4; bne .+4; isync; ld r6,0(r3)",
        ],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "MP+release+addr",
        processors: &[
            "std r10,0(r3); lwsync; ldarx r7,0,r4; stdcx. r10,0,r4; bne .-8",
            "ld r5,0(r4); xor r7,r5,r5; ldx r6,r7,r3",
        ],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "SB+sync+sync",
        processors: &["std r10,0(r3); sync; ld r5,0(r4)", "std r10,0(r4); sync; ld r5,0(r3)"],
        outcome: &[(R5(0), 0), (R5(1), 0)],
    },
    Test {
        name: "SB+lwarx+sync",
        processors: &[
            "ldarx r7,0,r3; stdcx. r10,0,r3; bne .-8; sync; ld r5,0(r4)",
            "ldarx r7,0,r4; stdcx. r10,0,r4; bne .-8; sync; ld r5,0(r3)",
        ],
        outcome: &[(R5(0), 0), (R5(1), 0)],
    },
    Test {
        name: "LB+lwsync+lwsync",
        processors: &[
            "ld r5,0(r3); lwsync; std r10,0(r4)",
            "ld r5,0(r4); lwsync; std r10,0(r3)",
        ],
        outcome: &[(R5(0), 1), (R5(1), 1)],
    },
    Test {
        name: "LB+data+data",
        processors: &[
            "ld r5,0(r3); xor r7,r5,r5; or r7,r7,r10; std r7,0(r4)",
            "ld r5,0(r4); xor r7,r5,r5; or r7,r7,r10; std r7,0(r3)",
        ],
        outcome: &[(R5(0), 1), (R5(1), 1)],
    },
    Test {
        name: "LB+ctrl+ctrl",
        processors: &[
            "ld r5,0(r3); cmpd r5,r5; bne .+4; std r10,0(r4)",
            "ld r5,0(r4); cmpd r5,r5; bne .+4; std r10,0(r3)",
        ],
        outcome: &[(R5(0), 1), (R5(1), 1)],
    },
    Test {
        name: "S+lwsync+data",
        processors: &[
            "std r11,0(r3); lwsync; std r10,0(r4)",
            "ld r5,0(r4); xor r7,r5,r5; or r7,r7,r10; std r7,0(r3)",
        ],
        outcome: &[(R5(1), 1), (X, 2)],
    },
    Test {
        name: "R+sync+sync",
        processors: &["std r10,0(r3); sync; std r10,0(r4)", "std r11,0(r4); sync; ld r5,0(r3)"],
        outcome: &[(Y, 2), (R5(1), 0)],
    },
    Test {
        name: "2+2W+lwsync+lwsync",
        processors: &[
            "std r10,0(r3); lwsync; std r11,0(r4)",
            "std r10,0(r4); lwsync; std r11,0(r3)",
        ],
        outcome: &[(X, 1), (Y, 1)],
    },
    Test {
        name: "CoRR",
        processors: &["std r10,0(r3)", "ld r5,0(r3); ld r6,0(r3)"],
        outcome: &[(R5(1), 1), (R6(1), 0)],
    },
    Test {
        name: "CoWR",
        processors: &["std r10,0(r3); ld r5,0(r3)", "std r11,0(r3)"],
        outcome: &[(R5(0), 0)],
    },
    Test {
        name: "CoRW",
        processors: &["ld r5,0(r3); std r10,0(r3)", "std r11,0(r3)"],
        outcome: &[(R5(0), 2), (X, 2)],
    },
    Test {
        name: "two that reserve",
        // r6 is whether the store was made.
        processors: &[
            "ldarx r5,0,r3; stdcx. r10,0,r3; mfcr r6; rlwinm r6,r6,3,31,31",
            "ldarx r5,0,r3; stdcx. r11,0,r3; mfcr r6; rlwinm r6,r6,3,31,31",
        ],
        outcome: &[(R5(0), 0), (R6(0), 1), (R5(1), 0), (R6(1), 1)],
    },
    Test {
        name: "a store between reserving and storing",
        processors: &[
            "ldarx r5,0,r3; stdcx. r10,0,r3; mfcr r6; rlwinm r6,r6,3,31,31",
            "std r11,0(r3)",
        ],
        outcome: &[(R5(0), 0), (R6(0), 1), (X, 1), (R5(1), 0)],
    },
    Test {
        name: "WRC+lwsync+addr",
        processors: &[
            "std r10,0(r3)",
            "ld r5,0(r3); lwsync; std r10,0(r4)",
            "ld r5,0(r4); xor r7,r5,r5; ldx r6,r7,r3",
        ],
        outcome: &[(R5(1), 1), (R5(2), 1), (R6(2), 0)],
    },
    Test {
        name: "ISA2+lwsync+data+addr",
        processors: &[
            "std r10,0(r3); lwsync; std r10,0(r4)",
            "ld r5,0(r4); xor r7,r5,r5; or r7,r7,r10; std r7,0(r9)",
            "ld r5,0(r9); xor r7,r5,r5; ldx r6,r7,r3",
        ],
        outcome: &[(R5(1), 1), (R5(2), 1), (R6(2), 0)],
    },
    Test {
        name: "IRIW+sync+sync",
        processors: &[
            "std r10,0(r3)",
            "std r10,0(r4)",
            "ld r5,0(r3); sync; ld r6,0(r4)",
            "ld r5,0(r4); sync; ld r6,0(r3)",
        ],
        outcome: &[(R5(2), 1), (R6(2), 0), (R5(3), 1), (R6(3), 0)],
    },
];

/// Meetings of a round. Those of all three doublewords have to fit into memory behind [`CELLS`].
const MEETINGS: u64 = 1024;

/// Where the doublewords are, each in a reservation granule of its own, those of one meeting 512 bytes from those of the next.
const CELLS: u64 = 0x60_0000;

/// Where r5 and r6 of each processor go: 64 bytes a meeting.
const SEEN: u64 = CELLS + 512 * MEETINGS;

/// The program but for what it has in common with others.
pub(super) fn source() -> String {
    let mut text = format!(
        ".equ MEETINGS,{MEETINGS}\n.equ CELLS,{CELLS:#x}\n.equ SEEN,{SEEN:#x}\n{}",
        include_str!("litmus.s")
    );
    text += "run_tests:\n    mflr r0\n    std r0,16(r1)\n    stdu r1,-64(r1)\n";
    for n in 0..TESTS.len() + ALLOWED.len() {
        _ = writeln!(
            text,
            "    lis r26,test_{n}@ha\n    addi r26,r26,test_{n}@l\n    bl run_test"
        );
    }
    text += "    addi r1,r1,64\n    ld r0,16(r1)\n    mtlr r0\n    blr\n";
    for (n, test) in TESTS.iter().chain(ALLOWED).enumerate() {
        for (at, instructions) in test.processors.iter().enumerate() {
            let instructions = instructions.replace(';', "\n   ");
            _ = writeln!(text, "code_{n}_{at}:\n    {instructions}\n    b met");
        }
        // Leaves r8 = 0 if all is as it must not be.
        _ = writeln!(text, "look_{n}:\n    li r8,0");
        for &(what, value) in test.outcome {
            let load = match what {
                R5(processor) => format!("ld r7,{}(r4)", 16 * processor),
                R6(processor) => format!("ld r7,{}(r4)", 16 * processor + 8),
                X => "ld r7,0(r3)".to_owned(),
                Y => "ld r7,128(r3)".to_owned(),
            };
            _ = writeln!(text, "    {load}\n    xori r7,r7,{value}\n    or r8,r8,r7");
        }
        text += "    blr\n";
        _ = writeln!(text, "name_{n}: .asciz \"{}\"\n    .balign 8\ntest_{n}:", test.name);
        _ = writeln!(
            text,
            "    .quad name_{n},look_{n},{},{}",
            test.processors.len(),
            u8::from(n >= TESTS.len())
        );
        for at in 0..4 {
            let code = if at < test.processors.len() {
                format!("code_{n}_{at}")
            } else {
                "0".to_owned()
            };
            _ = writeln!(text, "    .quad {code}");
        }
    }
    text
}
