use power::hcall::access;
use power::hpte::{HpteR, HpteV};
use power::page::{PagePair, SegmentSize, Vpn};

use super::*;
use crate::table::load;
use crate::testing::{Asked, Machine, page, r};
use crate::{Access, Current, Marking, NoShadow, WalkFault};

const SMALL: PagePair = PagePair::ALL[0];

/// A machine whose table may grow to 2^21 bytes.
fn machine() -> Machine {
    Machine::with_largest(Order::new(21).unwrap())
}

/// Asks until the preparation is over.
fn prepare(port: &mut Port, shift: u64) -> Status {
    loop {
        match port.resize_prepare(0, shift) {
            Status::LongBusy(_) => {}
            status => return status,
        }
        std::thread::yield_now();
    }
}

fn resize(port: &mut Port, shift: u64) -> Status {
    match prepare(port, shift) {
        Status::Success => port.resize_commit(0, shift),
        status => status,
    }
}

/// Enters a bolted page where its hash leads, at `slot`.
fn bolt(machine: &Machine, page: Vpn, pair: PagePair, secondary: bool, slot: u64, real: u64) {
    let table = machine.hpt.table();
    let hash = if secondary { !page.hash() } else { page.hash() };
    let ptex = (hash & (table.order().groups() - 1)) * 8 + slot;
    let v = HpteV::new(page, pair, secondary).raw() | HpteV::BOLTED;
    machine.port().enter(access::EXACT, ptex, v, r(real, pair)).unwrap();
}

fn real(machine: &Machine, page: Vpn) -> Result<u64, WalkFault> {
    let found = machine.hpt.table().walk(page, Access::Load, false);
    found.map(|found| found.real)
}

#[test]
fn who_waits_for_the_preparation_is_never_told_to_ask_again() {
    let machine = Machine::with_prompt_resizes(Order::new(21).unwrap());
    bolt(&machine, page(0, SMALL), SMALL, false, 3, 0x10_0000);
    for shift in [19, 21, 18] {
        assert_eq!(machine.port().resize_prepare(0, shift), Status::Success);
        assert_eq!(machine.port().resize_commit(0, shift), Status::Success);
    }
}

#[test]
fn a_bolted_entry_of_every_kind_keeps_its_slot_up_and_down() {
    for pair in PagePair::ALL {
        for segment in [SegmentSize::Size256M, SegmentSize::Size1T] {
            for secondary in [false, true] {
                let machine = machine();
                let page = Vpn::new(0x12_3456_789a, segment, pair.base(), 0x765_4000);
                bolt(&machine, page, pair, secondary, 5, 0x100_0000);
                for shift in [21, 19, 18, 20] {
                    assert_eq!(resize(&mut machine.port(), shift), Status::Success);
                    let table = machine.hpt.table();
                    assert_eq!(u64::from(table.order().log2_bytes()), shift);
                    let part = page.offset() & pair.actual().offset_mask();
                    assert_eq!(real(&machine, page), Ok(0x100_0000 | part), "{pair:?} {segment:?}");
                    let hash = if secondary { !page.hash() } else { page.hash() };
                    let at = table.index(table.group_start(hash) as u64 + 5).unwrap();
                    let expected = HpteV::new(page, pair, secondary).raw() | HpteV::BOLTED;
                    assert_eq!(table.read(at).v.raw(), expected);
                }
            }
        }
    }
}

#[test]
fn an_entry_that_is_not_bolted_is_dropped_and_marks_are_kept() {
    let machine = machine();
    bolt(&machine, page(1, SMALL), SMALL, false, 0, 0x5000);
    bolt(&machine, page(2, SMALL), SMALL, false, 0, 0x6000);
    machine.map(page(3, SMALL), SMALL, 0x7000);
    machine.hpt.table().walk(page(1, SMALL), Access::Store, false).unwrap();
    assert_eq!(resize(&mut machine.port(), 20), Status::Success);
    assert_eq!(real(&machine, page(3, SMALL)), Err(WalkFault::NotFound));
    let marks = [1, 2].map(|number| {
        let ptex = (page(number, SMALL).hash() & (machine.hpt.table().order().groups() - 1)) * 8;
        let old = machine.port().remove(0, ptex, 0).unwrap();
        (old.r.is_referenced(), old.r.is_changed())
    });
    assert_eq!(marks, [(true, true), (false, false)]);
    assert_eq!(machine.hpt.counts().resizes, 1);
}

#[test]
fn all_are_outside_during_the_commit_and_never_else() {
    let machine = machine();
    bolt(&machine, page(1, SMALL), SMALL, false, 0, 0x5000);
    assert_eq!(prepare(&mut machine.port(), 19), Status::Success);
    assert_eq!(machine.asked(), []);
    assert_eq!(machine.port().resize_commit(0, 19), Status::Success);
    assert_eq!(machine.asked(), [Asked::Exclusively]);
}

/// Pages that share a group in a table of 2^18 bytes and none in one of 2^19.
fn neighbours() -> [Vpn; 2] {
    [0, 1 << 11].map(|number| page(number, SMALL))
}

#[test]
fn two_bolted_entries_that_need_one_slot_keep_the_old_table() {
    let machine = machine();
    let mut port = machine.port();
    assert_eq!(resize(&mut port, 19), Status::Success);
    let pages = neighbours();
    for (page, real) in pages.into_iter().zip([0x5000, 0x6000]) {
        bolt(&machine, page, SMALL, false, 3, real);
    }
    assert_eq!(prepare(&mut port, 18), Status::PtegFull);
    assert_eq!(port.resize_prepare(0, 18), Status::PtegFull);
    assert_eq!(port.resize_commit(0, 18), Status::PtegFull);
    for (page, expected) in pages.into_iter().zip([0x5000, 0x6000]) {
        assert_eq!(real(&machine, page), Ok(expected));
    }
    let groups = machine.hpt.table().order().groups();
    assert!(port.remove(0, (pages[0].hash() & (groups - 1)) * 8 + 3, 0).is_ok());
    // The verdict stands until the guest asks for another preparation.
    assert_eq!(port.resize_prepare(0, 18), Status::PtegFull);
    assert_eq!(port.resize_prepare(0, 0), Status::Success);
    assert_eq!(resize(&mut port, 18), Status::Success);
    assert_eq!(real(&machine, pages[1]), Ok(0x6000));
    assert_eq!(real(&machine, pages[0]), Err(WalkFault::NotFound));
}

#[test]
fn a_collision_that_came_after_the_preparation_keeps_the_old_table() {
    let machine = machine();
    let mut port = machine.port();
    assert_eq!(resize(&mut port, 19), Status::Success);
    let pages = neighbours();
    bolt(&machine, pages[0], SMALL, false, 3, 0x5000);
    assert_eq!(prepare(&mut port, 18), Status::Success);
    bolt(&machine, pages[1], SMALL, false, 3, 0x6000);
    let groups = machine.hpt.table().order().groups();
    let ptexes = pages.map(|page| (page.hash() & (groups - 1)) * 8 + 3);
    assert_eq!(port.resize_commit(0, 18), Status::PtegFull);
    assert!(!machine.hpt.table().is_retired());
    assert_eq!(pages.map(|page| real(&machine, page)), [Ok(0x5000), Ok(0x6000)]);
    assert_eq!(port.protect(3, ptexes[0], 0), Status::Success);
    assert!(port.remove(0, ptexes[0], 0).is_ok());
    assert_eq!(
        port.resize_commit(0, 18),
        Status::Success,
        "a void claim is in nobody's way"
    );
    assert_eq!(real(&machine, pages[1]), Ok(0x6000));
}

#[test]
fn one_of_each_hash_in_one_slot_collides_too() {
    let machine = machine();
    let mut port = machine.port();
    assert_eq!(resize(&mut port, 19), Status::Success);
    let first = page(0, SMALL);
    // Its secondary group is the primary one of `first` with 2^11 groups, not with 2^12.
    let second = page((!0 ^ first.vsid() ^ first.hash()) & 0x7ff, SMALL);
    assert_eq!(!second.hash() & 0x7ff, first.hash() & 0x7ff);
    assert_ne!(!second.hash() & 0xfff, first.hash() & 0xfff);
    bolt(&machine, first, SMALL, false, 0, 0x5000);
    bolt(&machine, second, SMALL, true, 0, 0x6000);
    assert_eq!(prepare(&mut port, 18), Status::PtegFull);
    assert_eq!(resize(&mut port, 20), Status::Success);
    assert_eq!(
        [first, second].map(|page| real(&machine, page)),
        [Ok(0x5000), Ok(0x6000)]
    );
}

/// LoPAR's steps of H_RESIZE_HPT_PREPARE, in its order.
#[test]
fn prepare_checks_its_arguments() {
    let machine = machine();
    let mut port = machine.port();
    assert_eq!(port.resize_prepare(1, 19), Status::Parameter);
    assert_eq!(port.resize_prepare(1, 0), Status::Parameter);
    assert_eq!(port.resize_prepare(0, 0), Status::Success);
    for shift in [1, 17, 47, 64, (1 << 32) | 19, u64::MAX] {
        assert_eq!(port.resize_prepare(0, shift), Status::Parameter, "{shift}");
    }
    for shift in [22, 46] {
        assert_eq!(port.resize_prepare(0, shift), Status::Resource, "{shift}");
    }
    assert_eq!(prepare(&mut port, 21), Status::Success);
    assert_eq!(prepare(&mut port, 18), Status::Success, "its own size too");
}

#[test]
fn commit_wants_what_was_prepared() {
    let machine = machine();
    let mut port = machine.port();
    assert_eq!(port.resize_commit(0, 19), Status::Closed);
    assert_eq!(prepare(&mut port, 19), Status::Success);
    assert_eq!(port.resize_commit(1, 19), Status::Closed);
    assert_eq!(port.resize_commit(0, 20), Status::Closed);
    assert_eq!(port.resize_commit(0, 19), Status::Success);
    assert_eq!(port.resize_commit(0, 19), Status::Closed, "once");
}

#[test]
fn whatever_is_asked_for_next_discards_what_is_pending() {
    for (flags, shift, answer) in [
        (0, 0, Status::Success),
        (0, 47, Status::Parameter),
        (0, 22, Status::Resource),
        (1, 19, Status::Parameter),
    ] {
        let machine = machine();
        let mut port = machine.port();
        assert_eq!(prepare(&mut port, 19), Status::Success);
        assert_eq!(port.resize_prepare(flags, shift), answer);
        assert_eq!(port.resize_commit(0, 19), Status::Closed, "{flags} {shift}");
    }
    let machine = machine();
    assert_eq!(prepare(&mut machine.port(), 19), Status::Success);
    assert_eq!(prepare(&mut machine.port(), 20), Status::Success);
    assert_eq!(machine.port().resize_commit(0, 19), Status::Closed);
    assert_eq!(machine.port().resize_commit(0, 20), Status::Success);
}

/// The preparation waits for an entry that this test holds.
#[test]
fn an_unfinished_preparation_is_busy_and_can_be_discarded() {
    let machine = machine();
    let table = machine.hpt.table();
    let mut port = machine.port();
    let held = table.lock(table.index(8).unwrap(), |_| true).unwrap();
    assert_eq!(port.resize_prepare(0, 19), Status::LongBusy(0));
    // However long it has stood there, nothing is known of how long it will.
    std::thread::sleep(std::time::Duration::from_millis(12));
    assert_eq!(port.resize_prepare(0, 19), Status::LongBusy(0));
    assert_eq!(port.resize_commit(0, 19), Status::Busy);
    drop(held);
    assert_eq!(port.resize_prepare(0, 0), Status::Success);
    assert_eq!(port.resize_commit(0, 19), Status::Closed);
    assert_eq!(resize(&mut port, 19), Status::Success);
}

#[test]
fn without_leave_to_grow_the_first_size_is_the_largest() {
    let current = Current::new(Table::new(Order::new(19).unwrap()).unwrap());
    let real = Machine::with_largest(Order::MIN).real_map();
    let hpt = Arc::new(Hpt::new(current, real, Box::new(NoShadow)));
    assert_eq!(hpt.largest().log2_bytes(), 19);
    assert_eq!(hpt.port().resize_prepare(0, 20), Status::Resource);
    assert_eq!(resize(&mut hpt.port(), 18), Status::Success);
    assert_eq!(resize(&mut hpt.port(), 19), Status::Success);
}

#[test]
fn a_guest_that_prepares_and_cancels_leaves_neither_threads_nor_tables() {
    let machine = machine();
    let mut port = machine.port();
    let old = machine.hpt.table();
    for round in 0..100 {
        let _ = port.resize_prepare(0, 19 + round % 3);
        if round % 5 == 0 {
            assert_eq!(port.resize_prepare(0, 0), Status::Success);
        }
    }
    let last = {
        let pending = lock_standing(&machine.hpt.resizing.pending);
        Arc::downgrade(&pending.as_ref().unwrap().table)
    };
    assert_eq!(port.resize_prepare(0, 0), Status::Success);
    assert!(last.upgrade().is_none());
    assert_eq!(Arc::strong_count(&old), 3, "the machine's, the port's and this one");
}

#[test]
fn a_machine_that_ends_ends_its_preparation() {
    let machine = machine();
    let table = Arc::downgrade(&machine.hpt.table());
    let _ = machine.port().resize_prepare(0, 21);
    drop(machine);
    assert!(table.upgrade().is_none());
}

#[test]
fn the_old_tables_memory_is_free_though_a_processor_sleeps_with_it() {
    let machine = machine();
    let sleeper = machine.port();
    bolt(&machine, page(1, SMALL), SMALL, false, 0, 0x5000);
    machine.map(page(3, SMALL), SMALL, 0x7000);
    assert_eq!(resize(&mut machine.port(), 19), Status::Success);
    let old = sleeper.table();
    assert!(old.is_retired() && !machine.hpt.table().is_retired());
    let is_zero = |ptex| {
        let entry = old.read(old.index(ptex).unwrap());
        entry.v.raw() == 0 && (cfg!(miri) || entry.r.raw() == 0)
    };
    assert!(cfg!(miri) || (0..old.order().entries()).all(is_zero));
}

/// A call that began on the old table: it ends, and finds the entry gone and the table retired.
#[test]
fn a_call_that_missed_the_commit_does_not_wait() {
    let machine = machine();
    bolt(&machine, page(1, SMALL), SMALL, false, 0, 0x5000);
    let old = machine.hpt.table();
    let at = old.index(old.group_start(page(1, SMALL).hash()) as u64).unwrap();
    assert_eq!(resize(&mut machine.port(), 19), Status::Success);
    assert!(old.lock(at, HpteV::is_valid).is_none());
    assert!(old.is_retired());
    assert!(old.try_claim(at).is_some());
}

#[test]
fn a_wait_is_rounded_down_to_a_power_of_ten_and_to_100_ms() {
    let waits = [
        (0, 0),
        (1, 0),
        (9, 0),
        (10, 1),
        (99, 1),
        (100, 2),
        (1000, 2),
        (u64::MAX, 2),
    ];
    for (ms, order) in waits {
        assert_eq!(long_busy(ms), order, "{ms} ms");
    }
}

#[test]
fn a_walker_that_mixes_halves_gets_nothing_of_the_next_table_s_slots() {
    let machine = Machine::made(Order::new(21).unwrap(), Marking::LateBytes);
    bolt(&machine, page(1, SMALL), SMALL, false, 0, 0x5000);
    bolt(&machine, page(2, SMALL), SMALL, false, 0, 0x6000);
    assert_eq!(prepare(&mut machine.port(), 20), Status::Success);
    // What it has claimed stays.
    let ptex = (page(2, SMALL).hash() & (Order::MIN.groups() - 1)) * 8;
    assert!(machine.port().remove(0, ptex, 0).is_ok());
    assert_eq!(machine.port().resize_commit(0, 20), Status::Success);
    let table = machine.hpt.table();
    assert_eq!(table.marking(), Marking::LateBytes);
    let free = move_entries::indices(&table).filter(|&at| !HpteV::from_raw(load(table.v(at))).is_valid());
    let open = free.filter(|&at| {
        let protection = HpteR::from_raw(load(table.r(at))).protection();
        [false, true]
            .iter()
            .any(|&key| protection.allows_load(key) || protection.allows_store(key))
    });
    assert_eq!(open.count(), 0);
    assert_eq!(real(&machine, page(1, SMALL)), Ok(0x5000));
}

#[test]
fn a_reset_leaves_an_empty_table_of_the_first_size_and_no_translation() {
    let machine = machine();
    let page = page(1, SMALL);
    bolt(&machine, page, SMALL, false, 0, 0x5000);
    assert_eq!(resize(&mut machine.port(), 21), Status::Success);
    assert_eq!(real(&machine, page), Ok(0x5000));
    // One more that is being prepared is given up.
    assert_eq!(prepare(&mut machine.port(), 20), Status::Success);
    let _ = machine.asked();
    let old = machine.hpt.table();
    machine.hpt.reset(Order::MIN).unwrap();
    assert_eq!(machine.asked(), [Asked::Exclusively]);
    assert!(old.is_retired());
    assert_eq!(machine.hpt.table().order(), Order::MIN);
    assert!(real(&machine, page).is_err());
    assert_eq!(machine.port().resize_commit(0, 20), Status::Closed);
    bolt(&machine, page, SMALL, false, 0, 0x6000);
    assert_eq!(real(&machine, page), Ok(0x6000));
}
