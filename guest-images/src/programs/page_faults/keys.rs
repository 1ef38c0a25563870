//! Virtual page class keys (Power ISA v2.07B, Book III-S, 5.7.9.2): AMR and IAMR deny loads, stores or fetches to the pages of a
//! class, in either state, and to no others.

use super::HERE;
use super::steps::{Access, FOUND, MODE_PROBLEM, MODE_SUPERVISOR, Outcome, Steps};
use crate::programs::layout::{ALL_PAGES, Segment};

/// Classes: one with low bits alone, one with high ones as well, and the last. The code of the accesses is of class 0.
const CLASSES: [u64; 3] = [3, 9, 31];

/// The bits of doubleword 1 that name a class: 2 and 3, 52 to 54.
const fn in_entry(class: u64) -> u64 {
    (class >> 3) << 60 | (class & 7) << 9
}

/// What a register denies to a class, by its even bit or its odd one.
const fn even(class: u64) -> u64 {
    1 << (63 - 2 * class)
}

const fn odd(class: u64) -> u64 {
    even(class) >> 1
}

/// Pages of several classes, of which one at a time is denied something.
pub(super) fn class_keys(steps: &mut Steps, segment: Segment) {
    let page = ALL_PAGES[0];
    let address = |n: usize| segment.first_address() + 0x1000 * n as u64;
    steps.set_segment(&segment, page);
    for (n, class) in CLASSES.into_iter().enumerate() {
        let real = HERE + 0x1000 * n as u64;
        steps.poke(real, 0x50 + class);
        steps.plant(real + 0x10, 0x50 + class);
        let what = format!("a page of class {class}");
        steps.enter(&what, &segment, page, address(n), real | 2 | in_entry(class));
        steps.set_authority(even(class), 0);
        steps.access(&what, Access::Store(1), address(n), MODE_SUPERVISOR, Outcome::Key);
        steps.expect_no_change("C after a store that the class forbids");
        steps.set_authority(0, 0);
    }
    for denied in CLASSES {
        for (kind, amr, iamr) in [
            ("loads", odd(denied), 0),
            ("stores", even(denied), 0),
            ("fetches", 0, odd(denied)),
        ] {
            steps.set_authority(amr, iamr);
            for (n, class) in CLASSES.into_iter().enumerate() {
                let of = |this: &str, outcome| {
                    if class == denied && kind == this {
                        Outcome::Key
                    } else {
                        outcome
                    }
                };
                for mode in [MODE_SUPERVISOR, MODE_PROBLEM] {
                    let what = format!("class {class}, {kind} of class {denied} denied, {}", mode.name());
                    let (value, at) = (0x50 + class, address(n));
                    steps.access(&what, Access::Load, at, mode, of("loads", Outcome::Done(value)));
                    steps.access(&what, Access::Store(value), at, mode, of("stores", FOUND));
                    steps.access(
                        &what,
                        Access::Fetch,
                        at + 0x10,
                        mode,
                        of("fetches", Outcome::Done(value)),
                    );
                }
            }
        }
    }
    steps.set_authority(0, 0);
    steps.drop_segment(&segment);
}
