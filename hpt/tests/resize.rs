//! Resizes judged by a model that knows nothing of tables: a set of pages, each with its place in a group. After every
//! resize each bolted page is found again, at its slot; two that need one slot are refused, and nothing is changed.
#![cfg(not(loom))]

use std::collections::HashSet;
use std::sync::Arc;

use hpt::{Access, Current, Hpt, Marking, NoShadow, Order, Port, RealKind, RealMap, Table};
use power::hcall::{Status, access};
use power::hpte::HpteV;
use power::page::{PagePair, SegmentSize, Vpn};
use proptest::prelude::*;

struct Everything;

impl RealMap for Everything {
    fn kind(&self, _real: u64, _bytes: u64) -> Option<RealKind> {
        Some(RealKind::Ram)
    }

    fn zero(&self, _real: u64, _bytes: u64) {}

    fn synchronize_instructions(&self, _real: u64, _bytes: u64) {}
}

/// A page that the guest maps, and where its entry is in every table.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    page: Vpn,
    pair: PagePair,
    is_secondary: bool,
    slot: u64,
    is_bolted: bool,
    /// Its real page is a multiple of 16 MiB, so that it suits any size.
    real: u64,
}

impl Mapping {
    fn group(&self, order: Order) -> u64 {
        let hash = self.page.hash();
        let hash = if self.is_secondary { !hash } else { hash };
        hash % order.groups()
    }

    fn place(&self, order: Order) -> (u64, u64) {
        (self.group(order), self.slot)
    }

    fn v(&self) -> u64 {
        let v = HpteV::new(self.page, self.pair, self.is_secondary).raw();
        if self.is_bolted { v | HpteV::BOLTED } else { v }
    }

    fn is_found(&self, table: &Table) -> bool {
        let found = match table.marking() {
            Marking::OneStep => table.walk(self.page, Access::Load, false),
            Marking::LateBytes => table.walk_late(self.page, Access::Load, false),
        };
        match found {
            Ok(found) => {
                let part = self.page.offset() & self.pair.actual().offset_mask();
                assert_eq!((found.real, found.actual), (self.real | part, self.pair.actual()));
                true
            }
            Err(_) => false,
        }
    }
}

/// Few groups of the smallest table, which larger ones tell apart: they meet when the table shrinks.
fn mapping() -> impl Strategy<Value = Mapping> {
    let kind = (
        prop::sample::select(PagePair::ALL.to_vec()),
        prop::sample::select(vec![SegmentSize::Size256M, SegmentSize::Size1T]),
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    let place = (0..4_u64, 0..8_u64, 0..16_u64, 0..8_u64);
    (kind, place).prop_map(
        |((pair, segment, is_secondary, is_bolted), (low, high, number, slot))| {
            let vsid = (high << 11) | low;
            Mapping {
                page: Vpn::new(vsid, segment, pair.base(), number << pair.base().shift()),
                pair,
                is_secondary,
                slot,
                is_bolted,
                real: 0,
            }
        },
    )
}

fn order(log2_bytes: u32) -> Order {
    Order::new(log2_bytes).expect("18 to 46")
}

/// Enters `wanted` with a segment and a real page of its own each; returns those whose slot was free.
fn enter(port: &mut Port, at: Order, wanted: &[Mapping]) -> Vec<Mapping> {
    let own = |(number, mapping): (usize, &Mapping)| {
        let (page, number) = (mapping.page, number as u64);
        Mapping {
            page: Vpn::new(page.vsid() | (number << 14), page.segment(), page.base(), page.offset()),
            real: (number + 1) << 24,
            ..*mapping
        }
    };
    let entered = wanted.iter().enumerate().map(own).filter(|mapping| {
        let (group, slot) = mapping.place(at);
        let r = mapping.real | (mapping.pair.encoding() << 12) | 0x12;
        match port.enter(access::EXACT, group * 8 + slot, mapping.v(), r) {
            Ok(_) => true,
            Err(status) => {
                assert_eq!(status, Status::PtegFull);
                false
            }
        }
    });
    entered.collect()
}

fn prepare(port: &mut Port, shift: u64) -> Status {
    loop {
        match port.resize_prepare(0, shift) {
            Status::LongBusy(_) => std::thread::yield_now(),
            status => return status,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]

    #[test]
    fn every_bolted_entry_is_found_again_or_the_resize_is_refused(
        first in 18..=21_u32,
        wanted in prop::collection::vec(mapping(), 1..60),
        orders in prop::collection::vec(18..=21_u32, 1..6),
        marking in prop::sample::select(vec![Marking::OneStep, Marking::LateBytes]),
    ) {
        let current = Current::new(Table::with_marking(order(first), marking).expect("2 MiB"));
        let hpt = Arc::new(Hpt::new(current, Box::new(Everything), Box::new(NoShadow)).with_largest(order(21)));
        let mut port = hpt.port();
        let mut mappings = enter(&mut port, order(first), &wanted);
        for log2_bytes in orders {
            let (shift, next) = (u64::from(log2_bytes), order(log2_bytes));
            let before = hpt.table().order();
            let mut places = HashSet::new();
            let fits = mappings.iter().filter(|mapping| mapping.is_bolted).all(|mapping| places.insert(mapping.place(next)));
            if fits {
                prop_assert_eq!(prepare(&mut port, shift), Status::Success);
                prop_assert_eq!(port.resize_commit(0, shift), Status::Success);
                for dropped in mappings.iter().filter(|mapping| !mapping.is_bolted) {
                    prop_assert!(!dropped.is_found(&hpt.table()));
                }
                mappings.retain(|mapping| mapping.is_bolted);
            } else {
                prop_assert_eq!(prepare(&mut port, shift), Status::PtegFull);
                prop_assert_eq!(port.resize_commit(0, shift), Status::PtegFull);
            }
            let table = hpt.table();
            prop_assert_eq!(table.order(), if fits { next } else { before });
            prop_assert_eq!(table.marking(), marking);
            for mapping in &mappings {
                prop_assert!(mapping.is_found(&table), "{:?}", mapping);
                let (group, slot) = mapping.place(table.order());
                let at = table.index(group * 8 + slot).expect("inside");
                prop_assert_eq!(table.read(at).v.raw(), mapping.v());
            }
            let valid = (0..table.order().entries()).filter(|&ptex| {
                table.read(table.index(ptex).expect("inside")).v.is_valid()
            });
            prop_assert_eq!(valid.count(), mappings.len());
        }
    }
}
