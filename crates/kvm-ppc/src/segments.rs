//! SDR1 and the SLB in [`kvm_sregs`], whose parts lie in a union.
//!
//! What a table at SDR1 must be is with [`PpcVcpu::set_sregs`](crate::PpcVcpu::set_sregs).

use kvm_bindings::kvm_sregs;

/// SDR1 of `sregs`.
pub fn sdr1(sregs: &kvm_sregs) -> u64 {
    // SAFETY: every member of the union begins with eight bytes of integers, where `s` has SDR1, so those are never without
    // a value, and any bits are good.
    unsafe { sregs.u.s.sdr1 }
}

/// Makes `sdr1` the SDR1 of `sregs`. It has no effect before the vCPU is given them.
pub fn set_sdr1(sregs: &mut kvm_sregs, sdr1: u64) {
    sregs.u.s.sdr1 = sdr1;
}

/// Makes every entry of the SLB in `sregs` invalid. It has no effect before the vCPU is given them.
pub fn clear_slb(sregs: &mut kvm_sregs) {
    sregs.u.s.ppc64 = Default::default();
}

#[cfg(test)]
mod tests {
    use kvm_bindings::kvm_sregs__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 as Segments;

    use super::*;

    #[test]
    fn sdr1_and_the_slb_are_changed_apart() {
        let mut sregs = kvm_sregs::default();
        let mut segments = Segments::default();
        segments.slb[7].slbe = 0x0800_0007;
        sregs.u.s.ppc64 = segments;
        set_sdr1(&mut sregs, 0x0001_0000_0000_0006);
        assert_eq!(sdr1(&sregs), 0x0001_0000_0000_0006);
        assert_eq!(bytes_of(&sregs)[16 + 7 * 16..][..8], 0x0800_0007_u64.to_ne_bytes());
        clear_slb(&mut sregs);
        assert_eq!(sdr1(&sregs), 0x0001_0000_0000_0006);
        assert!(bytes_of(&sregs)[16..16 + 64 * 16].iter().all(|&byte| byte == 0));
    }

    /// As the kernel gets them.
    fn bytes_of(sregs: &kvm_sregs) -> [u8; size_of::<kvm_sregs>()] {
        // SAFETY: `kvm_sregs::default` has zeroed every byte, also those between members.
        unsafe { std::mem::transmute(*sregs) }
    }
}
