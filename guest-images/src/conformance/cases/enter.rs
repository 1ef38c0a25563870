//! `H_ENTER`.

use super::{Cases, GROUP, HERE, NEXT_GROUP, Operand, Pages, from_end, indices_outside};
use crate::programs::hypercalls::words::{
    BOLTED, CHANGED, EXACT, H_ENTER, H_REMOVE, LARGE, PARAMETER, PTEG_FULL, REFERENCED, SECONDARY, SUCCESS, TOO_BIG,
    ZERO_PAGE,
};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.1.2 H_ENTER";

const ICACHE_INVALIDATE: u64 = 1 << 23;
const ICACHE_SYNCHRONIZE: u64 = 1 << 22;

/// The same in either byte order.
const PATTERN: u64 = 0x55aa_aa55_55aa_aa55;

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    places(cases, pages);
    kept_bits(cases, pages);
    wrong_entries(cases, pages);
    contents(cases, pages);
}

fn places(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("h_enter/{name}"), SECTION);
    let enter = |flags: u64, at: u64, n: u64| [flags, at, pages.v(n), pages.r(HERE)];
    for slot in 0..8 {
        cases.add(case(&format!("exact/slot_{slot}")), |case| {
            let at = GROUP + slot;
            case.hcall("H_ENTER", H_ENTER, enter(EXACT, at, 1))
                .status(SUCCESS)
                .is(4, at);
            case.reads(at, pages.v(1), pages.r(HERE));
            for other in (GROUP..GROUP + 8).filter(|&other| other != at) {
                case.reads_nothing(other);
            }
        });
    }
    cases.add(case("exact/occupied"), |case| {
        case.enters(GROUP + 2, pages.v(1), pages.r(HERE));
        case.answers("H_ENTER", H_ENTER, enter(EXACT, GROUP + 2, 2), PTEG_FULL);
        case.reads(GROUP + 2, pages.v(1), pages.r(HERE));
    });
    cases.add(case("exact/last_entry"), |case| {
        case.enters(from_end(1), pages.v(1), pages.r(HERE));
    });
    cases.add(case("first_free/order"), |case| {
        for n in 0..8 {
            case.hcall("H_ENTER", H_ENTER, enter(0, GROUP, n))
                .status(SUCCESS)
                .is(4, GROUP + n);
        }
        for n in 0..8 {
            case.reads(GROUP + n, pages.v(n), pages.r(HERE));
        }
    });
    for low in 1..8 {
        cases.add(case(&format!("first_free/index_plus_{low}")), |case| {
            case.hcall("H_ENTER", H_ENTER, enter(0, GROUP + low, 1))
                .status(SUCCESS)
                .is(4, GROUP);
        });
    }
    cases.add(case("first_free/full"), |case| {
        for n in 0..8 {
            case.enters(GROUP + n, pages.v(n), pages.r(HERE));
        }
        case.answers("H_ENTER", H_ENTER, enter(0, GROUP, 8), PTEG_FULL);
        case.reads_nothing(NEXT_GROUP);
        for n in 0..8 {
            case.reads(GROUP + n, pages.v(n), pages.r(HERE));
        }
    });
    for hole in [0, 3, 7] {
        cases.add(case(&format!("first_free/hole_{hole}")), |case| {
            for n in 0..8 {
                case.enters(GROUP + n, pages.v(n), pages.r(HERE));
            }
            case.answers("H_REMOVE", H_REMOVE, [0, GROUP + hole, 0], SUCCESS);
            case.hcall("H_ENTER", H_ENTER, enter(0, GROUP, 8))
                .status(SUCCESS)
                .is(4, GROUP + hole);
        });
    }
    cases.add(case("first_free/last_group"), |case| {
        let arguments: [Operand; 4] = [0.into(), from_end(1), pages.v(1).into(), pages.r(HERE).into()];
        case.hcall("H_ENTER", H_ENTER, arguments)
            .status(SUCCESS)
            .is(4, from_end(8));
    });
    for (index, at) in indices_outside() {
        for (flag, flags) in [("first_free", 0), ("exact", EXACT)] {
            cases.add(case(&format!("{flag}/index_{index}")), |case| {
                let arguments: [Operand; 4] = [flags.into(), at, pages.v(1).into(), pages.r(HERE).into()];
                case.answers("H_ENTER", H_ENTER, arguments, PARAMETER);
            });
        }
    }
}

/// What of an entry is kept as the guest has it, and what is not.
fn kept_bits(cases: &mut Cases, pages: Pages) {
    let (v, r) = (pages.v(3), pages.r_with(HERE, 0));
    let mut kept = |name: &str, entered: (u64, u64), kept: (u64, u64)| {
        cases.add(pages.case(format!("h_enter/bits/{name}"), SECTION), |case| {
            case.enters(GROUP, entered.0, entered.1);
            case.reads(GROUP, kept.0, kept.1);
        });
    };
    for (name, bit) in [("bolted", BOLTED), ("secondary", SECONDARY), ("software_60", 8)] {
        kept(name, (v | bit, r), (v | bit, r));
    }
    for (name, bit) in [
        ("pp_1", 1),
        ("pp_2", 2),
        ("pp_3", 3),
        ("pp0", 1 << 63),
        ("n", 4),
        ("key_0", 1 << 61),
        ("key_1", 1 << 60),
        ("key_2", 0x800),
        ("key_3", 0x400),
        ("key_4", 0x200),
        ("r", REFERENCED),
        ("c", CHANGED),
        ("r_and_c", REFERENCED | CHANGED),
    ] {
        kept(name, (v, r | bit), (v, r | bit));
    }
    // "Force off RS mode reserved PTEL bits (1)".
    kept("reserved_1_of_the_second_doubleword", (v, r | (1 << 62)), (v, r));
}

fn wrong_entries(cases: &mut Cases, pages: Pages) {
    let (v, r) = (pages.v(1), pages.r(HERE));
    let large_past_memory = (1 << 50) & !(pages.bytes() - 1);
    let mut wrong = |name: &str, v: u64, r: u64| {
        for (flag, flags) in [("first_free", 0), ("exact", EXACT)] {
            cases.add(pages.case(format!("h_enter/wrong/{name}/{flag}"), SECTION), |case| {
                case.answers("H_ENTER", H_ENTER, [flags, GROUP, v, r], PARAMETER);
                case.reads_nothing(GROUP);
            });
        }
    };
    // B.
    for reserved in [2, 3] {
        wrong(
            &format!("segment_size_{reserved}"),
            (v & !(3 << 62)) | (reserved << 62),
            r,
        );
    }
    wrong("page_size", v | LARGE, pages.r(HERE) | 0x3000);
    wrong("past_memory", v, pages.r(large_past_memory));
    wrong("far_past_memory", v, pages.r(0x0fff_ffff_ff00_0000));
    // 1110 is right on machines with strong access order.
    for wimg in (0..16).filter(|&wimg| wimg != 0b0010 && wimg != 0b1110) {
        wrong(&format!("wimg_{wimg:04b}"), v, (r & !0x78) | (wimg << 3));
    }
    if pages.shift() == 24 {
        wrong("alignment", v, pages.r(HERE + 0x10_0000));
    }
}

/// Flags to work on the page's content.
fn contents(cases: &mut Cases, pages: Pages) {
    let case = |name: &str| pages.case(format!("h_enter/content/{name}"), SECTION);
    let enter = |flags: u64| [EXACT | flags, GROUP, pages.v(1), pages.r(HERE)];
    let flags = [
        ("zero", ZERO_PAGE),
        ("icache_invalidate", ICACHE_INVALIDATE),
        ("icache_synchronize", ICACHE_SYNCHRONIZE),
    ];
    if pages.shift() > 16 {
        for (name, flag) in flags {
            cases.add(case(&format!("{name}/too_big")), |case| {
                case.answers("H_ENTER", H_ENTER, enter(flag), TOO_BIG);
                case.reads_nothing(GROUP);
            });
        }
        return;
    }
    let bytes = pages.bytes();
    cases.add(case("zero/whole_page"), |case| {
        for at in (HERE..=HERE + bytes).step_by(0x1000) {
            case.call("filling memory", "fill_page", [at, PATTERN]);
        }
        case.answers("H_ENTER", H_ENTER, enter(ZERO_PAGE), SUCCESS);
        case.call("doublewords that are not zero", "count_different", [HERE, 0, bytes])
            .is(3, 0);
        case.call(
            "doublewords behind the page that changed",
            "count_different",
            [HERE + bytes, PATTERN, 0x1000],
        )
        .is(3, 0);
    });
    for (name, flag) in [("none", 0), flags[1], flags[2]] {
        cases.add(case(&format!("{name}/stays")), |case| {
            case.call("filling memory", "fill_page", [HERE, PATTERN]);
            case.answers("H_ENTER", H_ENTER, enter(flag), SUCCESS);
            case.call("doublewords that changed", "count_different", [HERE, PATTERN, 0x1000])
                .is(3, 0);
        });
    }
}
