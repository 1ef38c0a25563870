//! Address translation as a guest sees it (Power ISA v2.07B, Book III-S, 5.7 and 6.5): what each access does, what
//! its interrupt leaves in the registers and what it leaves in the table. Words are made here from the
//! manuals' layouts, so that no mistake in `power` can hide.
//!
//! Pages of sizes that the device tree does not have are left out.
//!
//! QEMU 10.0.2 (`-M pseries,cap-hpt-max-page-size=16M`) agrees, except for what `hypercalls` lists, and that it: has no pages
//! of 64K in segments of 4K; fetches from a no-execute segment if it has loaded from the page before; and lets AMR and IAMR deny nothing to what it
//! remembers until the segment goes.

mod keys;
mod steps;

use super::layout::{ALL_PAGES, Page, SEGMENT_SIZES, Segment, SegmentBytes};
use steps::{Access, FOUND, MODE_DATA, MODE_PROBLEM, MODE_SUPERVISOR, Outcome, Steps};

/// Memory that nobody else uses: two places where a page of any size may lie.
const HERE: u64 = 0x200_0000;
const THERE: u64 = 0x300_0000;

/// The program.
pub(super) fn source() -> String {
    let mut steps = Steps::new();
    let mut vsid = 0x100;
    for size in SEGMENT_SIZES {
        for page in ALL_PAGES {
            vsid += 1;
            steps.only_with(page, |steps| a_page_in_its_life(steps, Segment::new(size, vsid), page));
        }
    }
    let protected = [0x200, 0x201].map(|vsid| Segment::new(SegmentBytes::Mib256, vsid));
    protection(&mut steps, protected);
    // KVM-PR does not look at classes.
    steps.only_if_exact(|steps| keys::class_keys(steps, Segment::new(SegmentBytes::Mib256, 0x250)));
    reference_and_change(&mut steps, Segment::new(SegmentBytes::Mib256, 0x210));
    data_alone(&mut steps, Segment::new(SegmentBytes::Mib256, 0x215));
    both_hashes(&mut steps, Segment::new(SegmentBytes::Tib1, 0x220));
    segments(&mut steps);
    bulk_removal(&mut steps, Segment::new(SegmentBytes::Mib256, 0x240));
    steps.finish(include_str!("page_faults.s"))
}

/// Everything that can happen to one page, with every access after each change.
fn a_page_in_its_life(steps: &mut Steps, segment: Segment, page: Page) {
    let at = segment.first_address() + page.place();
    let offset = page.offset_of_access();
    let (here, there) = (HERE + offset, THERE + offset);
    let what = format!("{page} in {segment}");
    for (real, value) in [(here, 0x1111), (there, 0x2222)] {
        steps.poke(real, value);
        steps.plant(real + 0x10, value);
    }

    let all = |steps: &mut Steps, state: &str, load: Outcome, store: Outcome, fetch: Outcome| {
        let what = format!("{what}, {state}");
        steps.access(&what, Access::Load, at, MODE_SUPERVISOR, load);
        steps.access(&what, Access::Store(0x3333), at, MODE_SUPERVISOR, store);
        steps.access(&what, Access::Fetch, at + 0x10, MODE_SUPERVISOR, fetch);
    };
    let (missing, read_only, no_execute) = (Outcome::NotFound, Outcome::Protection, Outcome::NoExecute);
    all(
        steps,
        "no segment",
        Outcome::Segment,
        Outcome::Segment,
        Outcome::Segment,
    );
    steps.set_segment(&segment, page);
    all(steps, "no entry", missing, missing, missing);

    steps.enter(&what, &segment, page, at, HERE | 2);
    all(steps, "entered", Outcome::Done(0x1111), FOUND, Outcome::Done(0x1111));
    steps.expect_word(&what, here, 0x3333);
    steps.expect_reference_and_change(&what, true, true);
    steps.protect(&what, 3);
    all(
        steps,
        "read-only",
        Outcome::Done(0x3333),
        read_only,
        Outcome::Done(0x1111),
    );
    steps.protect(&what, 4 | 2);
    all(steps, "no-execute", Outcome::Done(0x3333), FOUND, no_execute);
    steps.protect(&what, 2);
    all(steps, "free again", Outcome::Done(0x3333), FOUND, Outcome::Done(0x1111));
    steps.remove(&what, &segment, page, at);
    all(steps, "removed", missing, missing, missing);

    steps.enter(&what, &segment, page, at, THERE | 2);
    steps.access(&what, Access::Fetch, at + 0x10, MODE_SUPERVISOR, Outcome::Done(0x2222));
    steps.expect_reference_without_change(&what, true);
    all(steps, "elsewhere", Outcome::Done(0x2222), FOUND, Outcome::Done(0x2222));
    steps.expect_word(&what, here, 0x3333);
    steps.expect_word(&what, there, 0x3333);
    steps.remove(&what, &segment, page, at);
    steps.drop_segment(&segment);
    all(
        steps,
        "segment gone",
        Outcome::Segment,
        Outcome::Segment,
        Outcome::Segment,
    );
}

/// PP and the storage key, for the supervisor and the problem state (5.7.9). KVM-PR keeps what it has found when a segment comes
/// back with other keys.
fn protection(steps: &mut Steps, segments: [Segment; 2]) {
    let page = ALL_PAGES[0];
    for (segment, supervisor_key) in segments.iter().zip([false, true]) {
        for (n, &pp) in EVERY_PP.iter().enumerate() {
            let real = HERE + 0x1000 * n as u64;
            steps.poke(real, 0x40 + n as u64);
            let at = segment.first_address() + 0x1000 * n as u64;
            steps.enter("a page to protect", segment, page, at, real | pp);
        }
        access_with_keys(steps, segment, supervisor_key);
        steps.only_if_exact(|steps| access_with_keys(steps, segment, !supervisor_key));
    }
}

/// Every PP0 and PP.
const EVERY_PP: [u64; 5] = [0, 1, 2, 3, 0x8000_0000_0000_0002];

fn access_with_keys(steps: &mut Steps, segment: &Segment, supervisor_key: bool) {
    steps.set_segment_with_keys(segment, ALL_PAGES[0], supervisor_key, !supervisor_key);
    for (mode, key) in [(MODE_SUPERVISOR, supervisor_key), (MODE_PROBLEM, !supervisor_key)] {
        for (n, &pp) in EVERY_PP.iter().enumerate() {
            let (may_load, may_store) = match (pp & 3, pp >> 63, key) {
                (0 | 1, 0, false) | (2, 0, _) => (true, true),
                (1, 0, true) | (3, 0, _) | (2, 1, false) => (true, false),
                _ => (false, false),
            };
            let at = segment.first_address() + 0x1000 * n as u64;
            let outcome = |may, outcome| if may { outcome } else { Outcome::Protection };
            let what = format!("PP {pp:#x}, key {}, {}", u8::from(key), mode.name());
            let load = outcome(may_load, Outcome::Done(0x40 + n as u64));
            steps.access(&what, Access::Load, at, mode, load);
            let store = Access::Store(0x40 + n as u64);
            steps.access(&what, store, at, mode, outcome(may_store, FOUND));
        }
    }
    steps.drop_segment(segment);
}

/// R and C: set by accesses, not by refused ones (C), and again after they were cleared (5.7.8).
fn reference_and_change(steps: &mut Steps, segment: Segment) {
    let (page, at) = (ALL_PAGES[0], segment.first_address());
    let what = "R and C";
    steps.set_segment(&segment, page);
    steps.enter(what, &segment, page, at, HERE | 2);
    steps.expect_reference_and_change("R and C of an entry that nobody has used", false, false);
    steps.poke(HERE, 0x77);
    let load = |steps: &mut Steps| steps.access(what, Access::Load, at, MODE_SUPERVISOR, Outcome::Done(0x77));
    let store = |steps: &mut Steps, outcome| steps.access(what, Access::Store(0x77), at, MODE_SUPERVISOR, outcome);
    load(steps);
    steps.expect_reference_without_change("R and C after a load", true);
    steps.protect(what, 3);
    steps.expect_reference_without_change("R and C after H_PROTECT", false);
    store(steps, Outcome::Protection);
    steps.expect_no_change("C after a refused store");
    steps.protect(what, 2);
    store(steps, FOUND);
    steps.expect_reference_and_change("R and C after a store", true, true);
    steps.clear("H_CLEAR_REF", 0x14);
    steps.expect_reference_and_change("R and C after H_CLEAR_REF", false, true);
    load(steps);
    steps.expect_reference_and_change("R and C after another load", true, true);
    steps.clear("H_CLEAR_MOD", 0x10);
    steps.expect_reference_and_change("R and C after H_CLEAR_MOD", true, false);
    load(steps);
    steps.expect_reference_without_change("R and C after a third load", true);
    store(steps, FOUND);
    steps.expect_reference_and_change("R and C after another store", true, true);
    steps.remove(what, &segment, page, at);
    steps.drop_segment(&segment);
}

/// A page is gone for those as well who translate the addresses of data alone (6.4.1: MSR\[IR\] and MSR\[DR\] are apart). So often that a
/// hypervisor with several ways to see to it comes to each.
fn data_alone(steps: &mut Steps, segment: Segment) {
    let (page, at) = (ALL_PAGES[0], segment.first_address());
    let what = "translation of data alone";
    steps.set_segment(&segment, page);
    steps.poke(HERE, 0x66);
    steps.prepare_real_code();
    for _ in 0..70 {
        steps.enter(what, &segment, page, at, HERE | 2);
        for mode in [MODE_DATA, MODE_SUPERVISOR] {
            steps.access(what, Access::Load, at, mode, Outcome::Done(0x66));
        }
        steps.remove(what, &segment, page, at);
        for mode in [MODE_DATA, MODE_SUPERVISOR] {
            steps.access(what, Access::Load, at, mode, Outcome::NotFound);
        }
    }
    steps.drop_segment(&segment);
}

/// An entry in the group of the secondary hash is found, and one in the wrong group is not (5.7.7).
fn both_hashes(steps: &mut Steps, segment: Segment) {
    let (page, at) = (ALL_PAGES[0], segment.first_address() + 0x5000);
    steps.set_segment(&segment, page);
    steps.poke(HERE, 0x88);
    steps.enter_secondary("an entry by the secondary hash", &segment, page, at, HERE | 2);
    steps.access(
        "found by the secondary hash",
        Access::Load,
        at,
        MODE_SUPERVISOR,
        Outcome::Done(0x88),
    );
    steps.remove("an entry by the secondary hash", &segment, page, at);
    steps.access(
        "gone from the secondary hash",
        Access::Load,
        at,
        MODE_SUPERVISOR,
        Outcome::NotFound,
    );
    steps.drop_segment(&segment);
}

/// Two virtual segments behind one effective one, one after the other; no-execute segments; `slbia`.
fn segments(steps: &mut Steps) {
    let page = ALL_PAGES[0];
    let (first, second) = (
        Segment::new(SegmentBytes::Mib256, 0x230),
        Segment::new(SegmentBytes::Mib256, 0x231),
    );
    let at = first.first_address() + 0x7000;
    let load = |steps: &mut Steps, what, outcome| steps.access(what, Access::Load, at, MODE_SUPERVISOR, outcome);
    for (segment, real, value) in [(&first, HERE, 0xaa), (&second, THERE, 0xbb)] {
        steps.poke(real, value);
        steps.plant(real + 0x10, value);
        steps.enter("a page of one of two segments", segment, page, at, real | 2);
    }
    steps.set_segment(&first, page);
    load(steps, "the first segment", Outcome::Done(0xaa));
    steps.drop_segment(&first);
    steps.set_segment(&second, page);
    load(steps, "the second segment", Outcome::Done(0xbb));
    steps.drop_segments();
    load(steps, "slbia", Outcome::Segment);
    steps.set_no_execute_segment(&first, page);
    load(steps, "a no-execute segment", Outcome::Done(0xaa));
    steps.only_if_exact(|steps| {
        steps.access(
            "a no-execute segment",
            Access::Fetch,
            at + 0x10,
            MODE_SUPERVISOR,
            Outcome::NoExecute,
        );
    });
    steps.drop_segment(&first);
    steps.set_segment(&first, page);
    steps.access(
        "the same segment, executable",
        Access::Fetch,
        at + 0x10,
        MODE_SUPERVISOR,
        Outcome::Done(0xaa),
    );
    steps.drop_segment(&first);
}

/// `H_BULK_REMOVE` of pages in use.
fn bulk_removal(steps: &mut Steps, segment: Segment) {
    let page = ALL_PAGES[0];
    let address = |n: u64| segment.first_address() + 0x1000 * n;
    let cells = ["bulk_0", "bulk_1", "bulk_2", "bulk_3"];
    steps.set_segment(&segment, page);
    for (n, cell) in (0..).zip(cells) {
        steps.poke(HERE + 0x1000 * n, 0xc0 + n);
        steps.enter(
            "a page for H_BULK_REMOVE",
            &segment,
            page,
            address(n),
            (HERE + 0x1000 * n) | 2,
        );
        steps.keep_request(cell);
        let done = Outcome::Done(0xc0 + n);
        steps.access(
            "a page for H_BULK_REMOVE",
            Access::Load,
            address(n),
            MODE_SUPERVISOR,
            done,
        );
    }
    steps.bulk_remove(cells);
    for n in 0..4 {
        let what = "a page after H_BULK_REMOVE";
        steps.access(what, Access::Load, address(n), MODE_SUPERVISOR, Outcome::NotFound);
    }
    steps.drop_segment(&segment);
}
