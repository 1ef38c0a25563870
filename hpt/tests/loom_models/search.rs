//! What the models share: a machine around a table of one group.

use std::sync::Arc;

use hpt::{Current, Hpt, Kick, Marking, Order, Port, PteIndex, RealKind, RealMap, Shadow, Shootdown, Table};
use power::hcall::Status;
use power::hpte::HpteV;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};

/// The first real page of a device, by its number; below is memory.
pub(crate) const DEVICE: u64 = 0x1000;

/// Memory and a device.
pub(crate) struct Everything;

impl RealMap for Everything {
    fn kind(&self, real: u64, _bytes: u64) -> Option<RealKind> {
        Some(if real >> 12 < DEVICE {
            RealKind::Ram
        } else {
            RealKind::Device
        })
    }

    fn zero(&self, _real: u64, _bytes: u64) {}

    fn synchronize_instructions(&self, _real: u64, _bytes: u64) {}
}

/// The modelled processors leave by themselves; loom sees a writer that would wait for ever.
pub(crate) struct NoBell;

impl Kick for NoBell {
    fn kick(&self) {}
}

pub(crate) fn shootdown(processors: usize) -> Arc<Shootdown> {
    Arc::new(Shootdown::new(
        (0..processors).map(|_| Box::new(NoBell) as Box<dyn Kick>).collect(),
    ))
}

pub(crate) fn machine(shadow: impl Shadow + 'static) -> Arc<Hpt> {
    Arc::new(unshared(shadow))
}

/// The same with walkers like KVM's: a writer never leaves the grace period out.
pub(crate) fn late_bytes(shadow: impl Shadow + 'static) -> Arc<Hpt> {
    Arc::new(with_marking(Marking::LateBytes, shadow))
}

pub(crate) fn unshared(shadow: impl Shadow + 'static) -> Hpt {
    with_marking(Marking::OneStep, shadow)
}

fn with_marking(marking: Marking, shadow: impl Shadow + 'static) -> Hpt {
    let table = Table::with_marking(Order::MIN, marking).expect("a modelled table");
    Hpt::new(Current::new(table), Box::new(Everything), Box::new(shadow))
}

/// Page `number`, each with another AVPN. Their hash ends in eleven zeros: what the AVPN leaves out is found again
/// from the number of the group, which is 0 in a table of one group.
pub(crate) fn page(number: u64) -> Vpn {
    const VSID: u64 = 5;
    Vpn::new(
        VSID,
        SegmentSize::Size256M,
        PageSize::Size4K,
        (number << 23) | (VSID << 12),
    )
}

/// Enters page `number` into slot 0, at real page `real`, with R and C as in `marks`; as a writer that must succeed.
pub(crate) fn enter(port: &mut Port, number: u64, real: u64, marks: u64) {
    enter_at(port, 0, number, real, marks).expect("slot 0 is free");
}

/// The same into `slot`, which may be taken.
pub(crate) fn enter_at(port: &mut Port, slot: u64, number: u64, real: u64, marks: u64) -> Result<PteIndex, Status> {
    let v = HpteV::new(page(number), PagePair::ALL[0], false).raw();
    port.enter(power::hcall::access::EXACT, slot, v, (real << 12) | marks | 0x12)
}
