use std::iter::once;
use std::sync::atomic::AtomicUsize;

use power::hcall::{Status, access};
use power::page::PagePair;

use super::*;
use crate::testing::{Asked, Machine, RAM_END, hpte_r, page, r, v, whole};
use crate::{Access, Endless, Order};

const SMALL: PagePair = PagePair::ALL[0];
const LARGE: PagePair = PagePair::ALL[5];

fn machine() -> Machine {
    Machine::with_reverse_map(Order::new(19).unwrap())
}

fn real(range: Range<u64>) -> Asked {
    Asked::Invalidate(Invalidation::Real {
        real: range.start,
        bytes: range.end - range.start,
    })
}

/// Enters and uses `count` entries, all of real page 5 or each of its own.
fn use_many(machine: &Machine, count: u64, own: bool) {
    let mut port = machine.port();
    for number in 0..count {
        let page = page(number, SMALL);
        let ptex = (page.hash() & (Order::MIN.groups() - 1)) * 8;
        let to = if own { number << 12 } else { 0x5000 };
        port.enter(0, ptex, v(page, SMALL), r(to, SMALL)).unwrap();
        machine.touch(page, Access::Load);
    }
}

/// Puts an empty table of another size in the place of the guest's.
fn resize(port: &mut crate::Port, shift: u64) {
    while port.resize_prepare(0, shift) != Status::Success {
        std::thread::yield_now();
    }
    assert_eq!(port.resize_commit(0, shift), Status::Success);
}

#[test]
fn used_entries_are_named_others_are_not_and_the_guest_sees_no_difference() {
    let machine = machine();
    let used = machine.map(page(1, SMALL), SMALL, 0x5000);
    machine.map(page(2, SMALL), SMALL, 0x5000);
    machine.map(page(3, SMALL), SMALL, 0x6000);
    machine.touch(page(1, SMALL), Access::Store);
    machine.touch(page(3, SMALL), Access::Load);
    let unmapped = machine.hpt.unmapper().unmap(once(0x5fff..0x6000), &Endless).unwrap();
    let named = Asked::Invalidate(whole(page(1, SMALL), SMALL, 0x5000));
    assert_eq!(machine.asked(), [named, real(0x5fff..0x6000), Asked::EndOfBatch]);
    assert_eq!((unmapped.entries, unmapped.untouched), (2, 1));
    assert_eq!((unmapped.steps, unmapped.flushes, unmapped.everything), (1, 1, false));
    let marked = hpte_r(0x5000, SMALL).with_set(HpteR::R_AND_C);
    assert_eq!(machine.port().remove(0, used, 0).unwrap().r, marked);
    let counts = machine.hpt.counts();
    assert_eq!((counts.unmaps, counts.unmapped, counts.unmapped_untouched), (1, 2, 1));
    assert_eq!(
        (counts.unmap_steps, counts.unmap_flushes, counts.unmapped_all),
        (1, 1, 0)
    );
}

#[test]
fn one_byte_of_a_large_page_is_enough() {
    let machine = machine();
    machine.map(page(0, LARGE), LARGE, 0x100_0000);
    machine.touch(page(0, LARGE), Access::Load);
    let neighbours = [0x1ff_f000..0x1ff_f001, 0x1ff_f001..0x1ff_f002];
    let unmapped = machine.hpt.unmapper().unmap(neighbours, &Endless).unwrap();
    assert_eq!(unmapped.entries, 1, "it is looked at once");
    let named = Asked::Invalidate(whole(page(0, LARGE), LARGE, 0x100_0000));
    assert_eq!(
        machine.asked(),
        [named, real(0x1ff_f000..0x1ff_f002), Asked::EndOfBatch]
    );
}

#[test]
fn an_empty_range_asks_nobody_and_one_past_the_memory_only_of_real_mode() {
    let machine = machine();
    let mut unmapper = machine.hpt.unmapper();
    let reversed = Range { start: 9, end: 5 };
    assert_eq!(unmapper.unmap([5..5, reversed], &Endless).unwrap().flushes, 0);
    assert_eq!(machine.asked(), []);
    let past = RAM_END..u64::MAX;
    assert_eq!(unmapper.unmap([past.clone()], &Endless).unwrap().entries, 0);
    assert_eq!(machine.asked(), [real(past), Asked::EndOfBatch]);
}

#[test]
fn names_beyond_a_batch_take_more_steps_whether_of_one_page_or_of_many() {
    for own in [false, true] {
        let machine = machine();
        use_many(&machine, 1000, own);
        let unmapped = machine.hpt.unmapper().unmap(once(0..RAM_END), &Endless).unwrap();
        assert_eq!(
            (unmapped.entries, unmapped.untouched, unmapped.everything),
            (1000, 0, false)
        );
        let asked = machine.asked();
        let batches: Vec<_> = asked
            .split(|&asked| asked == Asked::EndOfBatch)
            .map(<[_]>::len)
            .collect();
        assert!(batches.iter().all(|&names| names <= Unmapper::NAMES), "{batches:?}");
        assert_eq!(batches.len() as u64 - 1, unmapped.flushes);
        assert!(unmapped.flushes >= 1000 / Unmapper::NAMES as u64);
    }
}

#[test]
fn after_1536_names_everything_goes_and_the_rest_is_not_looked_at() {
    let machine = machine();
    use_many(&machine, 6000, false);
    let unmapped = machine.hpt.unmapper().unmap(once(0..RAM_END), &Endless).unwrap();
    assert!(unmapped.everything && unmapped.entries < 1600, "{unmapped:?}");
    let asked = machine.asked();
    assert!(asked.contains(&Asked::Invalidate(Invalidation::All)));
    assert_eq!(machine.hpt.counts().unmapped_all, 1);
}

#[test]
fn after_many_entries_that_nobody_uses_everything_goes_as_well() {
    let machine = Machine::with_reverse_map(Order::new(22).unwrap());
    let mut port = machine.port();
    resize(&mut port, 22);
    for ptex in 0..Unmapper::EVERYTHING_AFTER_ENTRIES + 1000 {
        let page = page(ptex, SMALL);
        port.enter(access::EXACT, ptex, v(page, SMALL), r(0x5000, SMALL))
            .unwrap();
    }
    machine.asked();
    let unmapped = machine.hpt.unmapper().unmap(once(0x5000..0x6000), &Endless).unwrap();
    assert!(unmapped.everything, "{unmapped:?}");
    assert!(
        unmapped.entries < Unmapper::EVERYTHING_AFTER_ENTRIES + 100,
        "{unmapped:?}"
    );
    assert!(machine.asked().contains(&Asked::Invalidate(Invalidation::All)));
}

/// Those who sleep may have the old table for long.
#[test]
fn the_map_of_a_table_that_was_replaced_is_given_back() {
    let machine = machine();
    use_many(&machine, 100, true);
    let old = machine.hpt.table();
    resize(&mut machine.port(), 19);
    let map = old.reverse().unwrap();
    for number in 0..100 {
        assert!(map.next_used(PageSize::Size4K, number, number + 1).is_err());
    }
}

#[test]
fn without_a_reverse_map_everything_goes() {
    for machine in crate::testing::machines() {
        let unmapped = machine.hpt.unmapper().unmap(once(0..1), &Endless).unwrap();
        assert!(unmapped.everything);
        assert_eq!(machine.asked(), machine.withdrawn(vec![Invalidation::All]));
    }
}

/// Over after some questions.
struct Times(AtomicUsize);

impl Patience for Times {
    fn is_over(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 0
    }
}

#[test]
fn who_loses_patience_between_two_steps_holds_nothing_and_may_begin_again() {
    let machine = machine();
    use_many(&machine, 1000, false);
    let mut unmapper = machine.hpt.unmapper();
    for questions in 0..4 {
        let abandoned = unmapper.unmap(once(0..RAM_END), &Times(AtomicUsize::new(questions)));
        assert_eq!(abandoned, Err(Abandoned));
        let asked = machine.asked();
        assert_eq!(asked.last(), Some(&Asked::EndOfBatch), "what was named is flushed");
        let flushes = asked.iter().filter(|&&asked| asked == Asked::EndOfBatch).count();
        assert!(flushes <= questions + 1);
    }
    assert_eq!(unmapper.unmap(once(0..RAM_END), &Endless).unwrap().entries, 1000);
    let mut port = machine.port();
    let all = machine.hpt.table().order().entries();
    assert_eq!(port.evict(|_| 0..all, |_, _| ()), 1000);
}

#[test]
fn an_entry_that_is_locked_is_not_waited_for_and_is_named_if_r_may_just_have_been_cleared() {
    let machine = machine();
    let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
    machine.touch(page(1, SMALL), Access::Load);
    let table = machine.hpt.table();
    let mut entry = table.lock(table.index(ptex).unwrap(), HpteV::is_valid).unwrap();
    let named = Asked::Invalidate(whole(page(1, SMALL), SMALL, 0x5000));
    let mut unmapper = machine.hpt.unmapper();
    let mut asked = || {
        unmapper.unmap(once(0x5000..0x6000), &Endless).unwrap();
        machine.asked()[0]
    };
    assert_eq!(asked(), named);
    assert!(entry.clear_r().1);
    assert_eq!(asked(), named, "the flush of H_CLEAR_REF is pending");
    entry.hide();
    assert!(!entry.close());
    assert_eq!(asked(), real(0x5000..0x6000), "hidden and not used");
    entry.free();
    assert_eq!(asked(), real(0x5000..0x6000));
}

#[test]
fn an_entry_whose_flush_is_pending_is_named_again() {
    let machine = machine();
    let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
    machine.touch(page(1, SMALL), Access::Load);
    let table = machine.hpt.table();
    let mut entry = table.lock(table.index(ptex).unwrap(), HpteV::is_valid).unwrap();
    entry.hide();
    assert!(entry.close());
    machine.hpt.unmapper().unmap(once(0x5000..0x6000), &Endless).unwrap();
    assert_eq!(
        machine.asked()[0],
        Asked::Invalidate(whole(page(1, SMALL), SMALL, 0x5000))
    );
}

/// Resizes when it is asked.
struct Resize<'m>(&'m Machine);

impl Patience for Resize<'_> {
    fn is_over(&self) -> bool {
        let mut port = self.0.port();
        while matches!(port.resize_prepare(0, 19), Status::LongBusy(_)) {
            std::thread::yield_now();
        }
        assert_eq!(port.resize_commit(0, 19), Status::Success);
        false
    }
}

#[test]
fn a_resize_in_the_midst_of_it_has_made_everything_go() {
    let machine = machine();
    use_many(&machine, 300, false);
    let unmapped = machine
        .hpt
        .unmapper()
        .unmap(once(0..RAM_END), &Resize(&machine))
        .unwrap();
    assert!(unmapped.everything && unmapped.flushes < 4, "{unmapped:?}");
    let used = machine.map(page(1, SMALL), SMALL, 0x5000);
    machine.touch(page(1, SMALL), Access::Load);
    let unmapped = machine.hpt.unmapper().unmap(once(0..RAM_END), &Endless).unwrap();
    assert_eq!((unmapped.entries, unmapped.everything), (1, false), "{used}");
}

#[test]
fn unmappers_that_come_and_go_share_their_counters() {
    let machine = machine();
    for _ in 0..100 {
        machine.hpt.unmapper().unmap(once(0..1), &Endless).unwrap();
    }
    let mut two = [machine.hpt.unmapper(), machine.hpt.unmapper()];
    for unmapper in &mut two {
        unmapper.unmap(once(0..1), &Endless).unwrap();
    }
    assert_eq!(machine.hpt.counts().unmaps, 102);
}

#[test]
fn an_entry_added_by_every_call_is_found() {
    let machine = machine();
    let flags = access::EXACT;
    machine
        .port()
        .enter(flags, 9, v(page(1, SMALL), SMALL), r(0x5000, SMALL))
        .unwrap();
    assert_eq!(machine.port().protect(3, 9, 0), Status::Success);
    assert!(machine.port().clear_mod(0, 9).is_ok());
    let unmapped = machine.hpt.unmapper().unmap(once(0x5000..0x5001), &Endless).unwrap();
    assert_eq!((unmapped.entries, unmapped.untouched), (1, 1));
}
