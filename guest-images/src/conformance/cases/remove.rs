//! `H_REMOVE`.

use super::{Cases, GROUP, HERE, Operand, Pages, from_end, indices_outside};
use crate::programs::hypercalls::words::{
    ANDCOND, AVPN, BOLTED, CHANGED, H_ENTER, H_REMOVE, HYPERVISOR, NOT_FOUND, PARAMETER, REFERENCED, SECONDARY, SUCCESS,
};

const SECTION: &str = "LoPAR, Logical Partitioning Option, 5.4.1.1 H_REMOVE";

pub(super) fn add(cases: &mut Cases, pages: Pages) {
    let at = GROUP + 2;
    let (v, r) = (pages.v(2), pages.r(HERE));
    // An entry and the flags and AVPN of the call; whether it goes.
    let mut remove = |name: &str, (v, r): (u64, u64), (flags, avpn): (u64, u64), goes: bool| {
        cases.add(pages.case(format!("h_remove/{name}"), SECTION), |case| {
            case.enters(at - 1, pages.v(1), pages.r(HERE));
            case.enters(at, v, r);
            case.enters(at + 1, pages.v(3), pages.r(HERE));
            if goes {
                case.hcall("H_REMOVE", H_REMOVE, [flags, at, avpn])
                    .status(SUCCESS)
                    .bits(4, !HYPERVISOR, v)
                    .is(5, r);
                case.reads_nothing(at);
                case.answers("H_REMOVE again", H_REMOVE, [flags, at, avpn], NOT_FOUND);
            } else {
                case.answers("H_REMOVE", H_REMOVE, [flags, at, avpn], NOT_FOUND);
                case.reads(at, v, r);
            }
            case.reads(at - 1, pages.v(1), pages.r(HERE));
            case.reads(at + 1, pages.v(3), pages.r(HERE));
        });
    };
    remove("absolute/goes", (v, r), (0, 0), true);
    remove("absolute/avpn_is_ignored", (v, r), (0, u64::MAX), true);
    remove("absolute/bolted", (v | BOLTED, r), (0, 0), true);
    remove("absolute/secondary", (v | SECONDARY, r), (0, 0), true);
    for (name, bits) in [("r", REFERENCED), ("c", CHANGED), ("r_and_c", REFERENCED | CHANGED)] {
        remove(&format!("absolute/returns_{name}"), (v, r | bits), (0, 0), true);
    }
    for (name, bits) in [("pp_3", 3), ("key_and_n", (3 << 60) | 0xe04)] {
        remove(
            &format!("absolute/returns_{name}"),
            (v, pages.r_with(HERE, bits)),
            (0, 0),
            true,
        );
    }
    let avpn = v & !0x7f;
    remove("avpn/same", (v, r), (AVPN, avpn), true);
    remove("avpn/same_and_bolted", (v | BOLTED, r), (AVPN, avpn), true);
    remove("avpn/same_and_secondary", (v | SECONDARY, r), (AVPN, avpn), true);
    for (name, bit) in [
        ("lowest_bit", 1 << 7),
        ("middle_bit", 1 << 40),
        ("high_bit", 1 << 58),
        ("segment_size", 1 << 62),
    ] {
        remove(&format!("avpn/other_{name}"), (v, r), (AVPN, avpn ^ bit), false);
    }
    remove("andcond/bolted", (v | BOLTED, r), (ANDCOND, BOLTED), false);
    remove("andcond/not_bolted", (v, r), (ANDCOND, BOLTED), true);
    remove("andcond/no_bit", (v, r), (ANDCOND, 0), true);
    remove(
        "andcond/bit_of_avpn",
        (v, r),
        (ANDCOND, avpn & avpn.wrapping_neg()),
        false,
    );
    remove("andcond/bit_not_of_avpn", (v, r), (ANDCOND, 1 << 58), true);
    // The AVPN is the same, so its bits are common.
    remove("both/same_avpn", (v, r), (AVPN | ANDCOND, avpn), false);

    let case = |name: &str| pages.case(format!("h_remove/{name}"), SECTION);
    for (name, flags) in [("absolute", 0), ("avpn", AVPN), ("andcond", ANDCOND)] {
        cases.add(case(&format!("{name}/empty")), |case| {
            case.answers("H_REMOVE", H_REMOVE, [flags, at, 0], NOT_FOUND);
        });
        for (index, at) in indices_outside() {
            cases.add(case(&format!("{name}/index_{index}")), |case| {
                let arguments: [Operand; 3] = [flags.into(), at, avpn.into()];
                case.answers("H_REMOVE", H_REMOVE, arguments, PARAMETER);
            });
        }
    }
    cases.add(case("absolute/last_entry"), |case| {
        case.enters(from_end(1), v, r);
        let arguments: [Operand; 3] = [0.into(), from_end(1), 0.into()];
        case.hcall("H_REMOVE", H_REMOVE, arguments)
            .status(SUCCESS)
            .bits(4, !HYPERVISOR, v)
            .is(5, r);
    });
    cases.add(case("absolute/slot_is_free_again"), |case| {
        case.enters(GROUP, pages.v(1), r);
        case.answers("H_REMOVE", H_REMOVE, [0, GROUP, 0], SUCCESS);
        case.hcall("H_ENTER", H_ENTER, [0, GROUP, v, r])
            .status(SUCCESS)
            .is(4, GROUP);
        case.reads(GROUP, v, r);
    });
}
