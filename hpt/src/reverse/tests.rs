use std::collections::BTreeSet;
use std::iter::once;
use std::ops::Range;

use power::hcall::{Status, access, block_remove, bulk_remove};
use power::hpte::HpteV;
use power::page::PagePair;
use proptest::prelude::*;

use super::*;
use crate::testing::{Asked, DEVICE, Machine, RAM_END, page, r, v};
use crate::{Access, AllocateTable, Endless, Invalidation, Marking, Port, Specifier, Table};

const SMALL: PagePair = PagePair::ALL[0];
const LARGEST: Order = Order::new(20).unwrap();

/// The entries of the chain of `frame`, in its order; every link must agree with its neighbours.
fn chain(map: &ReverseMap, frame: Frame) -> Vec<u64> {
    let head = map.heads(frame.size).first.at(frame.number).load(Ordering::Relaxed);
    assert_eq!(head & LOCK, 0);
    let (mut name, mut last, mut entries) = (head, 0, vec![]);
    while name != 0 {
        let (next, previous) = map.links(name);
        assert_eq!(previous, last, "links of {name}");
        entries.push(u64::from(name) - 1);
        (name, last) = (next, name);
    }
    let (word, bit) = map.used(frame);
    assert_eq!(
        word.load(Ordering::Relaxed) & bit != 0,
        !entries.is_empty(),
        "{frame:?}"
    );
    entries
}

/// Every entry of memory is in the chain of what it maps, once, and nothing else is in any.
fn check_links(table: &Table) {
    let map = table.reverse().unwrap();
    let mut linked = BTreeSet::new();
    for size in PageSize::ALL {
        for number in 0..(RAM_END / size.bytes()) as usize {
            for ptex in chain(map, Frame { size, number }) {
                assert!(linked.insert((ptex, size, number as u64)), "twice");
            }
        }
    }
    let expected = valid(table).map(|(ptex, real, pair)| (ptex, pair.actual(), real >> pair.actual().shift()));
    assert_eq!(linked, expected.collect());
}

/// Every valid entry of memory: where it is, what it maps.
fn valid(table: &Table) -> impl Iterator<Item = (u64, u64, PagePair)> {
    (0..table.order().entries()).filter_map(|ptex| {
        let entry = table.read(table.index(ptex).unwrap());
        let pair = PagePair::decode(entry.v.is_large(), entry.r.lp())?;
        let real = entry.r.real_address(pair);
        (entry.v.is_valid() && real < RAM_END).then_some((ptex, real, pair))
    })
}

#[test]
fn a_table_is_too_large_for_links_of_32_bits_from_order_35_on() {
    let order = Order::new(35).unwrap();
    let Ok(table) = Table::new(order) else { return };
    let error = table.with_reverse_map(RAM_END).unwrap_err();
    assert!(matches!(error, AllocateTable::TooLargeForReverseMap { .. }));
    let said = error.to_string();
    assert!(said.contains("order 35") && said.contains("34 at most"), "{said}");
}

#[test]
#[cfg_attr(miri, ignore = "reserves address space that Miri would really allocate")]
fn the_largest_table_that_has_one_names_its_last_entry() {
    let Ok(table) = Table::new(Order::new(34).unwrap()) else {
        return;
    };
    let table = table.with_reverse_map(1 << 40).unwrap();
    let last = table.index(table.order().entries() - 1).unwrap();
    let entry = Hpte {
        v: HpteV::new(page(1, SMALL), SMALL, false),
        r: crate::testing::hpte_r((1 << 40) - 0x1000, SMALL),
    };
    table.try_claim(last).unwrap().fill(entry);
    let map = table.reverse().unwrap();
    let frame = map.frame_of(entry).unwrap();
    assert_eq!(chain(map, frame), [last.to_register()]);
    assert_eq!(
        map.next_used(PageSize::Size4K, frame.number, frame.number + 1),
        Ok(frame.number)
    );
}

#[test]
fn a_kernel_that_walks_gets_no_reverse_map() {
    let table = Table::with_marking(Order::MIN, Marking::LateBytes).unwrap();
    let error = table.with_reverse_map(RAM_END).unwrap_err();
    assert!(matches!(error, AllocateTable::WalkedByKernel));
}

#[test]
fn devices_and_what_lies_past_the_memory_are_in_no_chain() {
    let machine = Machine::with_reverse_map(LARGEST);
    let plain = v(page(1, SMALL), SMALL);
    machine.port().enter(0, 0, plain, DEVICE | 0x2a).unwrap();
    check_links(&machine.hpt.table());
    machine.port().remove(0, 0, 0).unwrap();
    check_links(&machine.hpt.table());
}

#[test]
fn a_place_in_a_long_chain_survives_whatever_goes_and_comes() {
    let machine = Machine::with_reverse_map(LARGEST);
    let mut port = machine.port();
    let count = 3 * ReverseMap::RUN as u64;
    for ptex in 0..count {
        port.enter(access::EXACT, ptex, v(page(ptex, SMALL), SMALL), r(0x5000, SMALL))
            .unwrap();
    }
    let table = machine.hpt.table();
    let frame = Frame {
        size: PageSize::Size4K,
        number: 5,
    };
    let mut walk = table.reverse().unwrap().chain(frame);
    let mut seen = vec![];
    assert_eq!(walk.run(|at| seen.push(at)), Run::More);
    let run = ReverseMap::RUN as u64;
    // The youngest first. The next one goes, and the one after it; another comes.
    assert_eq!(seen, (count - run..count).rev().collect::<Vec<_>>());
    port.remove(0, count - run - 1, 0).unwrap();
    port.remove(0, count - run - 2, 0).unwrap();
    port.enter(
        access::EXACT,
        count - run - 1,
        v(page(0, SMALL), SMALL),
        r(0x5000, SMALL),
    )
    .unwrap();
    assert_eq!(walk.run(|at| seen.push(at)), Run::More);
    assert_eq!(seen[run as usize], count - run - 3);
    // All that is left goes.
    for ptex in 0..count - run - 2 {
        let _ = port.remove(0, ptex, 0);
    }
    assert_eq!(walk.run(|_| panic!("nothing is left")), Run::Ended);
    drop(walk);
    assert_eq!(table.reverse().unwrap().bookmarks.count.load(Ordering::Relaxed), 0);
    check_links(&table);
}

#[test]
fn when_too_many_have_places_in_chains_one_more_is_told_so() {
    let machine = Machine::with_reverse_map(LARGEST);
    let mut port = machine.port();
    for ptex in 0..=ReverseMap::RUN as u64 {
        port.enter(access::EXACT, ptex, v(page(ptex, SMALL), SMALL), r(0x5000, SMALL))
            .unwrap();
    }
    let table = machine.hpt.table();
    let frame = Frame {
        size: PageSize::Size4K,
        number: 5,
    };
    let walks: Vec<_> = (0..Bookmarks::MOST)
        .map(|_| {
            let mut walk = table.reverse().unwrap().chain(frame);
            assert_eq!(walk.run(|_| ()), Run::More);
            walk
        })
        .collect();
    let mut one_more = table.reverse().unwrap().chain(frame);
    assert_eq!(one_more.run(|_| ()), Run::NoBookmark);
    let unmapped = machine.hpt.unmapper().unmap(once(0x5000..0x6000), &Endless).unwrap();
    assert!(unmapped.everything);
    drop(walks);
    assert_eq!(one_more.run(|_| ()), Run::More);
}

/// What a guest does to its table, and what a processor does with it.
#[derive(Clone, Debug)]
enum Step {
    Enter {
        ptex: u64,
        number: u64,
        pair: usize,
        real: u64,
        bolted: bool,
    },
    Device {
        ptex: u64,
    },
    Remove {
        ptex: u64,
    },
    Bulk {
        ptexes: [u64; 4],
    },
    Block {
        ptex: u64,
    },
    Evict {
        ptexes: Range<u64>,
    },
    Protect {
        ptex: u64,
    },
    Clear {
        ptex: u64,
    },
    Touch {
        number: u64,
        pair: usize,
    },
    Resize {
        shift: u64,
    },
    Unmap {
        ranges: Vec<Range<u64>>,
    },
}

/// In few groups, so that slots are used again.
const PTEXES: u64 = 256;

fn ranges() -> impl Strategy<Value = Range<u64>> {
    let end = RAM_END + 0x1000;
    prop_oneof![
        (0..end, 0..0x4000_u64).prop_map(|(start, bytes)| start..start + bytes),
        (0..end, 0..RAM_END).prop_map(|(start, bytes)| start..start + bytes),
        Just(0..u64::MAX),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ptex = || 0..PTEXES;
    let few = 0..24_u64;
    prop_oneof![
        8 => (ptex(), few.clone(), 0..6_usize, 0..16_u64, any::<bool>()).prop_map(|(ptex, number, pair, real, bolted)| {
            Step::Enter { ptex, number, pair, real, bolted }
        }),
        1 => ptex().prop_map(|ptex| Step::Device { ptex }),
        2 => ptex().prop_map(|ptex| Step::Remove { ptex }),
        1 => prop::array::uniform4(ptex()).prop_map(|ptexes| Step::Bulk { ptexes }),
        1 => ptex().prop_map(|ptex| Step::Block { ptex }),
        1 => (ptex(), 0..20_u64).prop_map(|(first, count)| Step::Evict { ptexes: first..first + count }),
        1 => ptex().prop_map(|ptex| Step::Protect { ptex }),
        1 => ptex().prop_map(|ptex| Step::Clear { ptex }),
        4 => (few, 0..6_usize).prop_map(|(number, pair)| Step::Touch { number, pair }),
        1 => (18..=20_u64).prop_map(|shift| Step::Resize { shift }),
        3 => prop::collection::vec(ranges(), 0..4).prop_map(|ranges| Step::Unmap { ranges }),
    ]
}

/// The first slot of the group of a page, primary.
fn home(machine: &Machine, number: u64, pair: PagePair) -> u64 {
    (page(number, pair).hash() & (machine.hpt.table().order().groups() - 1)) * 8
}

fn play(machine: &Machine, port: &mut Port, step: &Step) {
    match *step {
        Step::Enter {
            ptex,
            number,
            pair,
            real,
            bolted,
        } => {
            let pair = PagePair::ALL[pair];
            let real = (real << 18 | real << 13) & !pair.actual().offset_mask() & (RAM_END - 1);
            let bolted = if bolted { HpteV::BOLTED } else { 0 };
            let at = home(machine, number, pair) + ptex % 8;
            let _ = port.enter(0, at, v(page(number, pair), pair) | bolted, r(real, pair));
        }
        Step::Device { ptex } => {
            let _ = port.enter(0, ptex, v(page(77, SMALL), SMALL), DEVICE | 0x2a);
        }
        Step::Remove { ptex } => {
            let _ = port.remove(0, ptex, 0);
        }
        Step::Bulk { ptexes } => {
            let mut asked = ptexes.map(|ptex| Specifier {
                high: bulk_remove::REQUEST | ptex,
                low: 0,
            });
            let _ = port.bulk_remove(&mut asked);
        }
        Step::Block { ptex } => {
            let mut asked = std::array::from_fn(|n| block_remove::REQUEST | (ptex / 8 * 8 + n as u64));
            let _ = port.block_remove(0, &mut asked);
        }
        Step::Evict { ref ptexes } => {
            port.evict(|_| ptexes.clone(), |_, _| ());
        }
        Step::Protect { ptex } => {
            let _ = port.protect(3, ptex, 0);
        }
        Step::Clear { ptex } => {
            let _ = (port.clear_ref(0, ptex), port.clear_mod(0, ptex));
        }
        Step::Touch { number, pair } => {
            let pair = PagePair::ALL[pair];
            let _ = machine.hpt.table().walk(page(number, pair), Access::Load, false);
        }
        Step::Resize { shift } => {
            while matches!(port.resize_prepare(0, shift), Status::LongBusy(_)) {
                std::thread::yield_now();
            }
            let _ = port.resize_commit(0, shift);
        }
        Step::Unmap { ref ranges } => check_unmapping(machine, ranges),
    }
}

/// What is found must be what a look at every entry finds, and what is named those that a processor has used.
fn check_unmapping(machine: &Machine, ranges: &[Range<u64>]) {
    let table = machine.hpt.table();
    let before: Vec<_> = valid(&table)
        .map(|(ptex, ..)| table.read(table.index(ptex).unwrap()))
        .collect();
    let overlaps = |real: u64, pair: PagePair| {
        ranges
            .iter()
            .any(|range| !range.is_empty() && range.start < real + pair.actual().bytes() && real < range.end)
    };
    let found: Vec<_> = valid(&table).filter(|&(_, real, pair)| overlaps(real, pair)).collect();
    let used: BTreeSet<_> = found
        .iter()
        .filter(|(ptex, ..)| crate::table::load(table.r(table.index(*ptex).unwrap())) & power::hpte::HpteR::R != 0)
        .map(|&(_, real, pair)| (real, pair.actual()))
        .collect();
    machine.asked();
    let unmapped = machine.hpt.unmapper().unmap(ranges.iter().cloned(), &Endless).unwrap();
    let asked = machine.asked();
    let named: BTreeSet<_> = asked
        .iter()
        .filter_map(|asked| match *asked {
            Asked::Invalidate(Invalidation::Page { real, actual, .. }) => Some((real, actual)),
            _ => None,
        })
        .collect();
    assert_eq!(named, used);
    if ranges.len() <= 1 {
        // Several may have entries in common.
        assert_eq!(unmapped.entries, found.len() as u64);
    }
    assert!(!unmapped.everything && unmapped.entries >= found.len() as u64);
    let after: Vec<_> = valid(&table)
        .map(|(ptex, ..)| table.read(table.index(ptex).unwrap()))
        .collect();
    assert_eq!(before, after, "the guest sees its entries as they were");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_entries_of_a_range_are_those_that_a_look_at_every_one_finds(steps in prop::collection::vec(step(), 1..60)) {
        let machine = Machine::with_reverse_map(LARGEST);
        let mut port = machine.port();
        for step in &steps {
            play(&machine, &mut port, step);
        }
        check_links(&machine.hpt.table());
        check_unmapping(&machine, std::slice::from_ref(&(0..RAM_END)));
        let all = machine.hpt.table().order().entries();
        port.evict(|_| 0..all, |_, _| ());
        check_links(&machine.hpt.table());
    }
}
