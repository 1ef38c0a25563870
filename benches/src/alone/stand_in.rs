//! Until the crate has these calls.

use hpt::{Hpte, Port, PteIndex};
use power::hcall::{Status, access};

pub(super) mod block_remove {
    pub const SPECIFIERS: usize = 8;
    pub const REQUEST: u64 = 1 << 62;
    pub const AVPN: u64 = 1 << 56;
    pub const CODE: u64 = 0xff << 56;
    pub const SUCCESS: u64 = 0x80 << 56;
}

pub(super) trait StandIn {
    fn block_remove(&mut self, ava: u64, specifiers: &mut [u64; 8]) -> Status;
    fn evict(&mut self, ptexes: impl IntoIterator<Item = u64>, gone: impl FnMut(PteIndex, Hpte)) -> usize;
}

impl StandIn for Port {
    fn block_remove(&mut self, ava: u64, specifiers: &mut [u64; 8]) -> Status {
        for it in specifiers {
            let at = *it & ((1 << 56) - 1);
            self.remove(access::AVPN, at, ava).expect("it is there");
            *it = block_remove::SUCCESS | at;
        }
        Status::Success
    }

    fn evict(&mut self, ptexes: impl IntoIterator<Item = u64>, mut gone: impl FnMut(PteIndex, Hpte)) -> usize {
        let mut count = 0;
        for at in ptexes {
            let old = self.remove(0, at, 0).expect("it is there");
            let at = self.table().index(at).expect("it is inside");
            gone(at, old);
            count += 1;
        }
        count
    }
}
