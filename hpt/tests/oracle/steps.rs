//! Random steps: few pages and few slots, so that calls meet; most of them as a guest would make them, some with a bit turned.

use std::ops::Range;

use power::page::{PagePair, PageSize, SegmentSize, Vpn};
use proptest::prelude::*;

use crate::model::{DEVICE, MOST_ENTRIES, Page, RAM_END};

/// One call or walk. Places are those of the largest table.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Enter {
        flags: u64,
        ptex: u64,
        v: u64,
        r: u64,
    },
    Remove {
        flags: u64,
        ptex: u64,
        avpn: u64,
    },
    Bulk([(u64, u64); 4]),
    EnterRun(Vec<(u64, u64, u64)>),
    Block {
        ava: u64,
        specifiers: [u64; 8],
    },
    Evict(Vec<u64>),
    /// The host takes memory away.
    Unmap(Range<u64>),
    Protect {
        flags: u64,
        ptex: u64,
        avpn: u64,
    },
    Read {
        flags: u64,
        ptex: u64,
    },
    ClearRef {
        flags: u64,
        ptex: u64,
    },
    ClearMod {
        flags: u64,
        ptex: u64,
    },
    Prepare {
        flags: u64,
        shift: u64,
    },
    Commit {
        flags: u64,
        shift: u64,
    },
    Walk {
        page: Page,
        access: u8,
        key: bool,
    },
}

fn page_size(shift: u32) -> PageSize {
    PageSize::ALL
        .into_iter()
        .find(|size| size.shift() == shift)
        .expect("a size that a pair has")
}

pub(crate) fn vpn(page: Page) -> Vpn {
    let segment = if page.segment == 40 {
        SegmentSize::Size1T
    } else {
        SegmentSize::Size256M
    };
    Vpn::new(page.vsid, segment, page_size(page.base), page.offset)
}

/// Few pages, so that calls meet: neighbours inside and outside one large page, near and far VSIDs.
fn pages() -> impl Strategy<Value = (Page, PagePair)> {
    let vsid = prop_oneof![Just(0x5_u64), Just(0x15), Just(0x805), Just(0x3_1234_5678)];
    let offset = prop_oneof![0..4_u64, Just(0x80), Just(0x100), Just(0x1000)];
    let pair = prop::sample::select(PagePair::ALL.to_vec());
    (vsid, prop::bool::ANY, pair, offset).prop_map(|(vsid, large, pair, number)| {
        let (segment, base) = (if large { 40 } else { 28 }, pair.base().shift());
        let offset = (number << base) & ((1 << segment) - 1);
        (
            Page {
                vsid,
                segment,
                base,
                offset,
            },
            pair,
        )
    })
}

fn sometimes(
    usual: impl Strategy<Value = u64> + 'static,
    odd: impl Strategy<Value = u64> + 'static,
) -> BoxedStrategy<u64> {
    prop_oneof![12 => usual, 1 => odd].boxed()
}

fn single_bits() -> impl Strategy<Value = u64> {
    (0..64_u32).prop_map(|bit| 1 << bit)
}

/// An entry's place and doublewords as a guest would make them, now and then with a bit turned.
fn entries() -> impl Strategy<Value = (u64, u64, u64)> {
    let wimg = prop_oneof![8 => Just(2_u64), 1 => Just(14), 1 => 0..16_u64];
    let place = prop_oneof![8 => (0..64_u64).prop_map(|mib| mib << 20), 2 => Just(DEVICE), 1 => any::<u64>()];
    let protection =
        prop_oneof![4 => Just(2_u64), 4 => any::<u64>().prop_map(|bits| bits & (1 << 63 | 0xe07 | 3 << 60))];
    let marks = (0..4_u64).prop_map(|rc| rc << 7);
    let odd = (sometimes(Just(0), single_bits()), sometimes(Just(0), single_bits()));
    (pages(), any::<bool>(), 0..4_u64, place, (wimg, protection, marks), odd).prop_map(
        |((page, pair), secondary, software, place, (wimg, protection, marks), (odd_v, odd_r))| {
            let virtual_page = vpn(page);
            let hash = if secondary {
                !virtual_page.hash()
            } else {
                virtual_page.hash()
            };
            let v = power::hpte::HpteV::new(virtual_page, pair, secondary).raw() | (software << 3);
            let real = place & 0x0fff_ffff_ffff_f000 & !pair.actual().offset_mask();
            let r = real | (pair.encoding() << 12) | (wimg << 3) | protection | marks;
            (hash % (MOST_ENTRIES / 8) * 8, v ^ odd_v, r ^ odd_r)
        },
    )
}

/// Where the entries of [`entries`] may be, and their doubleword 0.
fn targets() -> impl Strategy<Value = (u64, u64)> {
    let slot = prop_oneof![8 => 0..3_u64, 1 => 0..8_u64];
    (entries(), slot, sometimes(Just(0), single_bits()))
        .prop_map(|((group, v, _), slot, odd)| ((group + slot) ^ odd, v & !0x7f))
}

/// One of few segments, so that runs of entries and the blocks that are removed meet.
fn runs() -> impl Strategy<Value = (Page, PagePair)> {
    (any::<bool>(), 0..4_usize).prop_map(|(large, pair)| {
        let pair = [0, 1, 3, 5][pair];
        let (segment, pair) = (if large { 40 } else { 28 }, PagePair::ALL[pair]);
        let base = pair.base().shift();
        (
            Page {
                vsid: 0x5,
                segment,
                base,
                offset: 0,
            },
            pair,
        )
    })
}

/// Pages of two blocks that are mapped one after the other.
fn run_of_entries() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    (runs(), prop::collection::vec((0..10_u64, 0..4_u64, 0..4_u64), 1..10)).prop_map(|((page, pair), numbers)| {
        let entry = |(number, marks, software)| {
            let page = vpn(Page {
                offset: number << page.base,
                ..page
            });
            let v = power::hpte::HpteV::new(page, pair, false).raw() | if software == 3 { 0x10 } else { 0 };
            let r = (pair.encoding() << 12) | 0x12 | (marks << 7);
            (page.hash() % (MOST_ENTRIES / 8) * 8, v, r)
        };
        numbers.into_iter().map(entry).collect()
    })
}

/// Neighbours of one block, as Linux asks for them, now and then with others among them and with odd control bytes.
fn blocks() -> impl Strategy<Value = (u64, [u64; 8])> {
    let number = prop_oneof![12 => 0..8_u64, 1 => 8..10_u64];
    let slot = prop_oneof![8 => Just(0_u64), 1 => 1..3_u64];
    let usual = (runs(), any::<bool>(), prop::collection::vec((number, slot), 8));
    let strange = prop::collection::vec((0..8_usize, targets(), single_bits()), 0..3);
    let end = prop_oneof![1 => Just(8_usize), 3 => 0..9_usize];
    let states = prop_oneof![6 => Just(0_u64), 1 => 0..4_u64];
    (usual, strange, end, states).prop_map(|(((page, pair), by_avpn, neighbours), strange, end, state)| {
        let mut words = [3 << 62; 8];
        for (word, (number, slot)) in words.iter_mut().zip(neighbours).take(end) {
            let offset = number << page.base;
            let neighbour = vpn(Page { offset, ..page });
            let ptex = neighbour.hash() % (MOST_ENTRIES / 8) * 8 + slot;
            *word = 1 << 62 | state << 60 | u64::from(by_avpn) << 56 | ptex;
        }
        for (at, (ptex, _), odd) in strange {
            match odd.trailing_zeros() % 8 {
                0 => words[at] ^= odd,
                1..4 => words[at] = 1 << 62 | ptex & !0 >> 8,
                _ => {}
            }
        }
        (power::hpte::HpteV::new(vpn(page), pair, false).raw() & !0x7f, words)
    })
}

/// Sizes that a table may have, and others.
fn resizes() -> impl Strategy<Value = (u64, u64)> {
    let shift = prop_oneof![12 => 18..=20_u64, 1 => Just(0), 1 => 0..50_u64, 1 => any::<u64>()];
    (sometimes(Just(0), single_bits()), shift)
}

/// Memory that goes away: mostly a byte or a page of what entries map, now and then much, none, or more than there is.
fn ranges() -> impl Strategy<Value = Range<u64>> {
    let start = prop_oneof![8 => (0..64_u64).prop_map(|mib| mib << 20), 4 => 0..RAM_END, 1 => any::<u64>()];
    let bytes = prop_oneof![3 => Just(1_u64), 3 => Just(1 << 12), 2 => 0..RAM_END, 1 => any::<u64>()];
    (start, bytes).prop_map(|(start, bytes)| start..start.saturating_add(bytes))
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    let exact = prop_oneof![3 => Just(0), 1 => Just(1 << 39)];
    let content = prop_oneof![6 => Just(0), 1 => Just(1 << 15), 1 => Just(1 << 22), 1 => Just(1 << 23)];
    let enter_flags = (exact, content, sometimes(Just(0), single_bits())).prop_map(|(a, b, c)| a | b | c);
    let condition = prop_oneof![2 => Just(0), 3 => Just(1_u64 << 31), 1 => Just(1 << 30), 1 => Just(3 << 30)];
    let remove_flags = (condition, sometimes(Just(0), single_bits())).prop_map(|(a, b)| a | b);
    let protect_flags = (any::<u64>(), any::<bool>(), sometimes(Just(0), single_bits()))
        .prop_map(|(bits, avpn, odd)| bits & 0x3f07 | u64::from(avpn) << 31 | odd);
    let read_flags = prop_oneof![Just(0), Just(1 << 37), Just(1 << 38), single_bits()];
    let kind = prop_oneof![20 => Just(1_u64), 2 => Just(3), 1 => Just(0), 1 => Just(2)];
    let mode = prop_oneof![8 => 0..3_u64, 1 => Just(3)];
    let specifier = (kind, mode, targets(), any::<bool>()).prop_map(|(kind, mode, (ptex, avpn), bolted)| {
        (
            kind << 62 | mode << 56 | ptex & !0 >> 8,
            if mode == 1 && bolted { 0x10 } else { avpn },
        )
    });
    let argument = |(ptex, avpn): (u64, u64), flags: u64| (ptex, if flags >> 30 & 3 == 1 { 0x10 } else { avpn });
    prop_oneof![
        8 => (enter_flags, entries()).prop_map(|(flags, (ptex, v, r))| Step::Enter { flags, ptex, v, r }),
        3 => (remove_flags, targets()).prop_map(move |(flags, target)| {
            let (ptex, avpn) = argument(target, flags);
            Step::Remove { flags, ptex, avpn }
        }),
        2 => prop::array::uniform4(specifier).prop_map(Step::Bulk),
        2 => run_of_entries().prop_map(Step::EnterRun),
        3 => blocks().prop_map(|(ava, specifiers)| Step::Block { ava, specifiers }),
        1 => prop::collection::vec(targets().prop_map(|(ptex, _)| ptex), 0..12).prop_map(Step::Evict),
        2 => ranges().prop_map(Step::Unmap),
        3 => (protect_flags, targets()).prop_map(|(flags, (ptex, avpn))| Step::Protect { flags, ptex, avpn }),
        1 => (read_flags, targets()).prop_map(|(flags, (ptex, _))| Step::Read { flags, ptex }),
        1 => (sometimes(Just(0), single_bits()), targets()).prop_map(|(flags, (ptex, _))| Step::ClearRef { flags, ptex }),
        1 => (sometimes(Just(0), single_bits()), targets()).prop_map(|(flags, (ptex, _))| Step::ClearMod { flags, ptex }),
        2 => resizes().prop_map(|(flags, shift)| Step::Prepare { flags, shift }),
        3 => resizes().prop_map(|(flags, shift)| Step::Commit { flags, shift }),
        8 => (pages(), 0..3_u8, any::<bool>()).prop_map(|((page, _), access, key)| Step::Walk { page, access, key }),
    ]
}
