//! Other ways to take translations of a range from the processors under KVM, to be compared with pteg's: `pteg ctl unmap` takes the one
//! whose name stands in the file that the environment variable `PTEG_UNMAP_WAY` of the run names. Only with the cargo feature `comparisons`.
//!
//! | name | what is done |
//! |---|---|
//! | `slot` | the memory slot goes and comes back, with every processor outside: what a virtual machine monitor does that has nothing smaller. All memory goes, whatever the range. KVM-PR drops no translation when a slot goes, so all of it is taken from the mapping before |
//! | `pages` | `madvise` for each page of the host, while the processors run: QEMU's balloon discards so |
//! | `4k`, `64k` | `madvise` for each such page, with every processor outside for each: a flush for each entry of the table |
//!
//! None of them is for use: `pages` leaves KVM-PR's race with an instruction that is emulated.

use std::env;
use std::fs;
use std::ops::Range;

use hpt::Shadow as _;
use kvm_ppc::PpcVm as _;

use super::ram::Ram;

/// A way.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Slot,
    Pages,
    /// Bytes of an entry's page.
    Entries(u64),
}

impl Way {
    /// The one that the file names, if it names one: it may change from one request to the next.
    pub(super) fn chosen() -> Option<Self> {
        let name = fs::read_to_string(env::var_os("PTEG_UNMAP_WAY")?).ok()?;
        match name.trim() {
            "slot" => Some(Self::Slot),
            "pages" => Some(Self::Pages),
            "4k" => Some(Self::Entries(0x1000)),
            "64k" => Some(Self::Entries(0x1_0000)),
            _ => None,
        }
    }

    /// Takes every translation of `range` away.
    pub(super) fn unmap(self, ram: &Ram, range: &Range<u64>) {
        let memory = &ram.shared.memory;
        // For figures alone: they would show a refusal.
        let discard = |range: Range<u64>| drop(memory.discard(range));
        let alone = |work: &mut dyn FnMut()| ram.shared.shootdown.exclusively(work);
        match self {
            Self::Slot => alone(&mut || {
                discard(0..memory.size());
                ram.vm.take_and_give_back(&ram.slot).expect("it was taken once");
            }),
            Self::Pages => parts(range, rustix::param::page_size() as u64).for_each(discard),
            Self::Entries(bytes) => parts(range, bytes).for_each(|part| alone(&mut || discard(part.clone()))),
        }
    }
}

/// `range` in parts of `bytes`.
fn parts(range: &Range<u64>, bytes: u64) -> impl Iterator<Item = Range<u64>> + use<> {
    let end = range.end;
    range
        .clone()
        .step_by(bytes as usize)
        .map(move |start| start..(start + bytes).min(end))
}
