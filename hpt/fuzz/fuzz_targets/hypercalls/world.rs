//! A guest with three processors, and the oracle beside it.

use std::ops::Range;
use std::sync::Arc;

use hpt::{
    Access, Current, Endless, Entries, Footprint, Hpt, Order, Port, PteIndex, RealKind, RealMap, Shootdown, Specifier,
    Table, Unmapper, WalkFault,
};
use power::hcall::Status;
use power::hpte::HpteR;

use crate::input::{Step, What, vpn};
use crate::model::{DEVICE, DEVICE_END, Found, LARGEST, Model, Page, RAM_END, SUCCESS};
use crate::processor::{PROCESSORS, Places, Processor, seats};

struct Machine;

impl RealMap for Machine {
    fn kind(&self, real: u64, bytes: u64) -> Option<RealKind> {
        let end = real.checked_add(bytes)?;
        if end <= RAM_END {
            Some(RealKind::Ram)
        } else {
            (real >= DEVICE && end <= DEVICE_END).then_some(RealKind::Device)
        }
    }

    fn zero(&self, real: u64, bytes: u64) {
        assert_eq!(self.kind(real, bytes), Some(RealKind::Ram), "zeroes what is no memory");
    }

    fn synchronize_instructions(&self, real: u64, bytes: u64) {
        assert_eq!(self.kind(real, bytes), Some(RealKind::Ram), "reads what is no memory");
    }
}

/// The crate and the oracle, side by side.
pub(crate) struct World {
    places: Arc<Places>,
    shootdown: Arc<Shootdown>,
    processors: Vec<Processor>,
    ports: Vec<Port>,
    unmapper: Unmapper,
    model: Model,
    hpt: Arc<Hpt>,
    /// Entries that found another one of their page.
    duplicates: usize,
}

impl World {
    /// With `is_prompt` a call that prepares a table does so itself; else a thread does.
    pub(crate) fn new(is_prompt: bool) -> Self {
        let places = Arc::<Places>::default();
        let footprints: [_; PROCESSORS] = std::array::from_fn(|_| Arc::<Footprint>::default());
        let shootdown = seats(&places, &footprints);
        let table = Table::new(Order::MIN).expect("256 KiB");
        let current = Current::new(table.with_reverse_map(RAM_END).expect("some KiB"));
        let processors = footprints.map(|footprint| Processor {
            view: current.view(),
            footprint,
            held: Default::default(),
            unmapped: Vec::new(),
        });
        let hpt = Hpt::new(current, Box::new(Machine), Box::new(Arc::clone(&shootdown)))
            .with_duplicate_check(Box::new(|_| ()));
        let mut hpt = hpt.with_largest(Order::new(LARGEST as u32).expect("18 to 46"));
        if is_prompt {
            hpt = hpt.with_prompt_resizes();
        }
        let hpt = Arc::new(hpt);
        Self {
            places,
            shootdown,
            processors: processors.into(),
            ports: (0..PROCESSORS).map(|_| hpt.port()).collect(),
            unmapper: hpt.unmapper(),
            model: Model::new(false),
            hpt,
            duplicates: 0,
        }
    }

    /// Plays a step, compares the answers, and looks through what the processors hold.
    pub(crate) fn play(&mut self, step: &Step) {
        match step.what {
            What::Access { page, access, key } => self.access(step.processor, page, access, key),
            What::DropAll => {
                let processor = &mut self.processors[step.processor];
                processor.enter(step.processor, &self.places, &self.shootdown);
                processor.drop_all();
            }
            What::Leave => self.places.leave(step.processor),
            What::Unmap(ref range) => self.unmap(range),
            _ => {
                // A processor is outside while it is in a hypercall.
                self.places.leave(step.processor);
                let (port, model) = (&mut self.ports[step.processor], &mut self.model);
                if let Some(entered) = call(port, model, &step.what) {
                    self.duplicates += model.duplicates_of(entered);
                }
            }
        }
        self.check_held();
    }

    /// The host takes `range` away. The guest's table stays what it is.
    fn unmap(&mut self, range: &Range<u64>) {
        let unmapped = self
            .unmapper
            .unmap([range.clone()], &Endless)
            .expect("endless patience");
        assert!(!unmapped.everything, "{unmapped:?}");
        let (entries, unused) = self.model.mapping(range);
        assert_eq!(unmapped.entries, entries);
        // R may be the guest's own.
        assert!(unmapped.untouched >= unused, "{unmapped:?} of {unused}");
        for (number, processor) in self.processors.iter_mut().enumerate() {
            if self.places.is_inside(number) {
                processor.check_unmapped(number, range);
            } else {
                processor.unmapped.push(range.clone());
            }
        }
    }

    fn access(&mut self, number: usize, page: Page, access: u8, key: bool) {
        let processor = &mut self.processors[number];
        processor.enter(number, &self.places, &self.shootdown);
        let kind = [Access::Load, Access::Store, Access::Fetch][usize::from(access)];
        let found = processor
            .view
            .table()
            .walk_for(vpn(page), kind, key, &processor.footprint);
        match (found, self.model.walk(page, access, key)) {
            (Ok(found), Ok((real, actual, r))) => {
                assert_eq!((found.real, found.actual.shift()), (real, actual));
                assert_eq!(u64::from(found.wimg), r >> 3 & 0xf);
                assert_eq!(found.no_execute, r & 0xc != 0);
                // C may be the guest's own, which lets no processor store without a walk.
                assert!(if found.changed { r & 0x80 != 0 } else { access != 1 });
                let held = r & !0x80 | u64::from(found.changed) << 7;
                processor.held.insert(page, (real, actual, held));
            }
            (Err(fault), Err(expected)) => {
                let numbered = [WalkFault::NotFound, WalkFault::Protection, WalkFault::NoExecute];
                assert_eq!(fault, numbered[usize::from(expected)]);
            }
            (found, expected) => panic!("the walk of {page:x?} gave {found:x?}, not {expected:x?}"),
        }
    }

    /// What a processor in the guest holds must be what some entry says, R and C being set there.
    fn check_held(&self) {
        for (number, processor) in self.processors.iter().enumerate() {
            if !self.places.is_inside(number) {
                continue;
            }
            for (page, held) in &processor.held {
                let candidates = self.model.candidates(*page);
                let is_held = |now: &Found| {
                    let marks = held.2 & 0x180;
                    (now.0, now.1, now.2 & !0x180) == (held.0, held.1, held.2 & !0x180) && now.2 & marks == marks
                };
                assert!(
                    candidates.iter().any(|(_, now)| is_held(now)),
                    "processor {number} holds {page:x?} as {held:x?}: {candidates:x?}"
                );
            }
        }
    }

    /// The table is in the end what the oracle has; with `is_whole` also where the oracle has nothing.
    pub(crate) fn check_table(&mut self, is_whole: bool) {
        let table = self.hpt.table();
        assert_eq!(u64::from(table.order().log2_bytes()), self.model.shift);
        if is_whole {
            assert_eq!(table.survey(1).valid, self.model.entries.len() as u64);
        }
        assert_eq!(self.hpt.counts().duplicates, self.duplicates as u64);
        let mut groups: Vec<u64> = self.model.entries.keys().map(|ptex| ptex / 8).collect();
        groups.dedup();
        for ptex in groups.iter().flat_map(|group| [group * 8, group * 8 + 4]) {
            call(
                &mut self.ports[0],
                &mut self.model,
                &What::Read { flags: 1 << 37, ptex },
            );
        }
    }
}

/// A call, here and there. Returns where an entry was added.
fn call(port: &mut Port, model: &mut Model, what: &What) -> Option<u64> {
    match *what {
        What::Enter { flags, ptex, v, r } => {
            let ptex = model.fit(ptex);
            let answer = split(port.enter(flags, ptex, v, r), PteIndex::to_register);
            assert_eq!(answer, model.enter(flags, ptex, v, r));
            return (answer.0 == SUCCESS).then_some(answer.1);
        }
        What::Remove { flags, ptex, avpn } => {
            let ptex = model.fit(ptex);
            let (status, (v, r)) = split(port.remove(flags, ptex, avpn), |old| (old.v.raw(), old.r.raw()));
            assert_eq!((status, v, r), model.remove(flags, ptex, avpn));
        }
        What::Bulk(words) => {
            let mut words = words.map(|(high, low)| (model.fit_specifier(high), low));
            let mut specifiers = words.map(|(high, low)| Specifier { high, low });
            let status = port.bulk_remove(&mut specifiers);
            assert_eq!(code(status), model.bulk_remove(&mut words));
            assert_eq!(specifiers.map(|specifier| (specifier.high, specifier.low)), words);
        }
        What::Block { ava, specifiers } => {
            let mut specifiers = specifiers.map(|word| model.fit_specifier(word));
            let mut expected = specifiers;
            let status = code(port.block_remove(ava, &mut specifiers));
            assert_eq!(status, model.block_remove(ava, &mut expected));
            assert_eq!(specifiers, expected);
        }
        What::Evict(ref ptexes) => {
            let ptexes: Vec<_> = ptexes.iter().map(|&ptex| model.fit(ptex)).collect();
            let mut gone = Vec::new();
            let count = port.evict(
                |_| ptexes.iter().copied(),
                |at, old| {
                    gone.push((at.to_register(), (old.v.raw(), old.r.raw())));
                },
            );
            assert_eq!(count, gone.len());
            // Those that nobody used are gone before those that wait for a flush.
            gone.sort_unstable();
            let mut expected = model.evict(&ptexes);
            expected.sort_unstable();
            assert_eq!(gone, expected);
        }
        What::Prepare { flags, shift } => assert_eq!(prepare(port, flags, shift), model.prepare(flags, shift)),
        What::Commit { flags, shift } => {
            assert_eq!(code(port.resize_commit(flags, shift)), model.commit(flags, shift));
        }
        What::Protect { flags, ptex, avpn } => {
            let ptex = model.fit(ptex);
            assert_eq!(code(port.protect(flags, ptex, avpn)), model.protect(flags, ptex, avpn));
        }
        What::Read { flags, ptex } => {
            let ptex = model.fit(ptex);
            let (status, entries) = split(port.read(flags, ptex), |entries| match entries {
                Entries::One(one) => vec![one],
                Entries::Four(four) => four.to_vec(),
            });
            let (expected, words) = model.read(flags, ptex);
            assert_eq!((status, entries.len()), (expected, words.len()));
            for (entry, (v, r)) in entries.iter().zip(words) {
                assert_eq!(entry.v.raw(), v);
                // Doubleword 1 of an invalid entry means nothing.
                assert!(v == 0 || entry.r.raw() == r, "{entry:x?} instead of {r:x}");
            }
        }
        What::ClearRef { flags, ptex } => {
            let ptex = model.fit(ptex);
            assert_eq!(
                split(port.clear_ref(flags, ptex), HpteR::raw),
                model.clear(flags, ptex, 0x100)
            );
        }
        What::ClearMod { flags, ptex } => {
            let ptex = model.fit(ptex);
            assert_eq!(
                split(port.clear_mod(flags, ptex), HpteR::raw),
                model.clear(flags, ptex, 0x80)
            );
        }
        What::Access { .. } | What::DropAll | What::Leave | What::Unmap(_) => unreachable!("no hypercalls"),
    }
    None
}

/// What H_RESIZE_HPT_PREPARE says when it is done.
fn prepare(port: &mut Port, flags: u64, shift: u64) -> i64 {
    loop {
        match port.resize_prepare(flags, shift) {
            Status::LongBusy(_) => std::thread::yield_now(),
            status => return code(status),
        }
    }
}

fn code(status: Status) -> i64 {
    status.to_register().cast_signed()
}

/// The crate's answer in the oracle's words.
fn split<T, U: Default>(answer: Result<T, Status>, words: impl FnOnce(T) -> U) -> (i64, U) {
    match answer {
        Ok(value) => (SUCCESS, words(value)),
        Err(status) => (code(status), U::default()),
    }
}
