//! SDR1 and the SLB: where the kernel finds the guest's table, and what it makes of effective addresses.
//!
//! Setting them makes the kernel drop every shadow of the processor.

use hpt::View;
use kvm_ioctls::{Error, VcpuFd};
use kvm_ppc::{PpcVcpu as _, clear_slb, set_sdr1};

/// log2 of the smallest table in bytes, from which SDR1 counts (Power ISA v2.07, Book III-S, 5.7.7.2).
const SMALLEST: u32 = 18;

/// SDR1 for the table of `view`, as KVM-PR wants it: an address of this process, and what log2 of the size in bytes is above 18.
pub(super) fn sdr1(view: &View) -> u64 {
    let table = view.table();
    table.host_address() | u64::from(table.order().log2_bytes() - SMALLEST)
}

/// What the kernel has of one processor's segments.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// SDR1 as it was last set.
    sdr1: u64,
}

impl Segments {
    /// The processor starts: no segments, and with them no shadows.
    pub(super) fn reset(&mut self, vcpu: &VcpuFd) -> Result<(), Error> {
        let mut sregs = vcpu.get_sregs()?;
        clear_slb(&mut sregs);
        set_sdr1(&mut sregs, 0);
        self.sdr1 = 0;
        // SAFETY: the processor does not enter the guest before `follow` has given it a table: SDR1 is 0 until then, which
        // is not what `follow` finds.
        unsafe { vcpu.set_sregs(&sregs) }
    }

    /// The processor, which is about to enter the guest, shall walk the table of `view`; with `must_drop` it shall also forget what it
    /// has found in it. Its SLB stays.
    pub(super) fn follow(&mut self, vcpu: &VcpuFd, view: &View, must_drop: bool) -> Result<(), Error> {
        let sdr1 = sdr1(view);
        if sdr1 == self.sdr1 && !must_drop {
            return Ok(());
        }
        let mut sregs = vcpu.get_sregs()?;
        set_sdr1(&mut sregs, sdr1);
        // SAFETY: `sdr1` names the whole of a table that is mapped, to be read and written with atomic accesses only, and
        // stays so while `view` has it. Before `view` has another one and the processor enters the guest, this function is called
        // again, and if it fails then the processor does not enter.
        unsafe { vcpu.set_sregs(&sregs) }?;
        self.sdr1 = sdr1;
        Ok(())
    }
}
