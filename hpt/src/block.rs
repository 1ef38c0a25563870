//! `H_BLOCK_REMOVE`: invalidates up to eight entries of one block of pages (LoPAR, Logical Partitioning Option,
//! H_BLOCK_REMOVE).
//!
//! Every entry is locked and looked at before the first one is hidden: those that pass share one flush. No lock is waited for;
//! an entry that somebody holds is answered as busy, and guests ask again.
//!
//! A block is eight pages of the segment's *base* size, which is how the guest counts pages that it hashes. Then all of a block
//! have the same AVPN, so that one argument serves eight entries; 16 MiB pages, for which that is not true, are not removed
//! by the block. The pages' usage states are hints of the CMO option, without effect here.

use arrayvec::ArrayVec;
use power::hcall::{Status, block_remove as bits};
use power::page::PagePair;

use crate::gather::Gather;
use crate::lock::{Attempt, Locked};
use crate::port::page_of;
use crate::remove::Condition;
use crate::{Hpte, Port, PteIndex};

/// What all entries of a call have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Anchor {
    /// Actual and base page size, and the segment's size.
    sizes: (PagePair, u64),
    /// The virtual address's part above the block.
    block: u128,
}

impl Anchor {
    /// The block of a legal entry; `None` if its sizes are not removed by the block.
    fn of(at: PteIndex, entry: Hpte) -> Option<Self> {
        let (page, pair) = page_of(at, entry.v, entry.r).filter(|(_, pair)| bits::PAIRS.contains(pair))?;
        let base_pages_log2 = pair.base().shift() - 12;
        Some(Self {
            sizes: (pair, page.segment().encoding()),
            block: page.va_over_4k() >> (base_pages_log2 + bits::BLOCK_PAGES_LOG2),
        })
    }
}

fn respond(specifier: &mut u64, code: u64) {
    *specifier = bits::RESPONSE | code | (*specifier & (bits::AVPN | bits::PTEX));
}

impl Port {
    /// `H_BLOCK_REMOVE`: removes what `specifiers` ask for, up to the end mark; `ava` is the block's AVPN. Each one becomes
    /// its response.
    ///
    /// `Partial` if any entry was not removed; `Parameter` with one that is no request: then nothing
    /// was removed, and the specifiers are as they were.
    pub fn block_remove(&mut self, ava: u64, specifiers: &mut [u64; bits::SPECIFIERS]) -> Status {
        let port = self.begin();
        let asked = specifiers
            .iter()
            .position(|specifier| specifier & bits::TYPE == bits::END)
            .unwrap_or(bits::SPECIFIERS);
        let specifiers = &mut specifiers[..asked];
        if specifiers
            .iter()
            .any(|specifier| specifier & bits::TYPE != bits::REQUEST)
        {
            return Status::Parameter;
        }
        let mut anchor = None;
        let mut validated = ArrayVec::<_, { bits::SPECIFIERS }>::new();
        for (asked, specifier) in specifiers.iter_mut().enumerate() {
            match port.validate(ava, *specifier, &mut anchor) {
                Ok(entry) => validated.push((asked, entry)),
                Err(code) => respond(specifier, code),
            }
        }
        let status = if validated.len() == asked {
            Status::Success
        } else {
            Status::Partial
        };
        let mut removed = |asked: usize, _, old: Hpte| {
            let referenced = if old.r.is_referenced() { bits::REFERENCED } else { 0 };
            let changed = if old.r.is_changed() { bits::CHANGED } else { 0 };
            respond(&mut specifiers[asked], bits::SUCCESS | referenced | changed);
        };
        let mut gather = Gather::new(port);
        for (asked, entry) in validated {
            gather.take(asked, entry, &mut removed);
        }
        gather.flush(&mut removed);
        status
    }

    /// Locks the entry that a request names, and finds it to be of the block of `anchor`, which the first one sets. `Err`
    /// is the code of the response. The checks are in the manual's order.
    fn validate(&self, ava: u64, request: u64, anchor: &mut Option<Anchor>) -> Result<Locked<'_>, u64> {
        let at = self.table().index(request & bits::PTEX).ok_or(bits::PARAMETER)?;
        let entry = match self.table().try_lock(at, |v| v.is_valid() && !v.is_bolted()) {
            Attempt::Locked(entry) => entry,
            Attempt::Unwanted => return Err(bits::NOT_FOUND),
            Attempt::Busy => return Err(bits::BUSY),
        };
        let content = entry.entry();
        let own = Anchor::of(at, content).ok_or(bits::PARAMETER)?;
        if !Condition::new(request & bits::AVPN != 0, false, ava).holds(content.v) {
            return Err(bits::NOT_FOUND);
        }
        if let Some(anchor) = anchor {
            if own.sizes != anchor.sizes {
                return Err(bits::INCONSISTENT);
            }
            if own.block != anchor.block {
                return Err(bits::CROSS_BOUNDARY);
            }
        }
        if request & bits::PAGE_STATE == bits::PAGE_STATE_RESERVED {
            return Err(bits::PARAMETER);
        }
        *anchor = Some(own);
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use power::hpte::HpteV;
    use power::page::{SegmentSize, Vpn};

    use super::*;
    use crate::testing::{Machine, machines, page, r, v, whole};
    use crate::{Access, Marking};

    const SMALL: PagePair = PagePair::ALL[0];
    const MIDDLE: PagePair = PagePair::ALL[3];

    fn request(ptex: u64) -> u64 {
        bits::REQUEST | ptex
    }

    /// The control bytes of the specifiers.
    fn bytes(specifiers: [u64; 8]) -> [u8; 8] {
        specifiers.map(|specifier| (specifier >> 56) as u8)
    }

    /// The call for up to eight entries; the rest is end marks.
    fn call(machine: &Machine, ava: u64, requests: &[u64]) -> (Status, Vec<u8>) {
        let mut specifiers = [bits::END; 8];
        specifiers[..requests.len()].copy_from_slice(requests);
        let status = machine.port().block_remove(ava, &mut specifiers);
        (status, bytes(specifiers)[..requests.len()].to_vec())
    }

    #[test]
    fn eight_pages_go_in_one_batch_with_r_and_c_in_bits_5_and_6() {
        for machine in machines() {
            let pages: [_; 8] = std::array::from_fn(|i| page(16 + i as u64, SMALL));
            let ptex = pages.map(|page| machine.map(page, SMALL, 0x5000));
            machine.touch(pages[1], Access::Load);
            machine.touch(pages[2], Access::Store);
            let mut specifiers = ptex.map(|ptex| request(ptex) | bits::AVPN);
            let status = machine.port().block_remove(pages[0].avpn(), &mut specifiers);
            assert_eq!(status, Status::Success);
            // Where C tells nothing, a load may have been a store.
            let loaded = match machine.hpt.marking {
                Marking::OneStep => 0x85,
                Marking::LateBytes => 0x87,
            };
            assert_eq!(bytes(specifiers), [0x81, loaded, 0x87, 0x81, 0x81, 0x81, 0x81, 0x81]);
            assert_eq!(specifiers.map(|specifier| specifier & bits::PTEX), ptex);
            let used = pages[1..3].iter().map(|&page| whole(page, SMALL, 0x5000)).collect();
            assert_eq!(machine.asked(), machine.withdrawn(used));
        }
    }

    #[test]
    fn pages_of_every_listed_pair_go_and_16m_segments_are_refused() {
        for pair in PagePair::ALL {
            let machine = Machine::new();
            let pages = [0, 7].map(|number| page(number, pair));
            let requests = pages.map(|page| request(machine.map(page, pair, 0x100_0000)));
            let expected = if bits::PAIRS.contains(&pair) {
                (Status::Success, vec![0x80, 0x80])
            } else {
                (Status::Partial, vec![0x90, 0x90])
            };
            assert_eq!(call(&machine, 0, &requests), expected, "{pair:?}");
        }
    }

    #[test]
    fn what_is_invalid_bolted_or_another_page_is_not_found() {
        let machine = Machine::new();
        let bolted = v(page(1, SMALL), SMALL) | HpteV::BOLTED;
        machine.port().enter(0, 0, bolted, r(0x5000, SMALL)).unwrap();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let ava = page(1, SMALL).avpn();
        let requests = [request(0), request(99), request(ptex) | bits::AVPN];
        let not_found = (Status::Partial, vec![0x88, 0x88, 0x89]);
        assert_eq!(call(&machine, ava ^ 0x80, &requests), not_found);
        assert_eq!(call(&machine, ava | 1, &requests), not_found, "as in H_REMOVE");
        assert_eq!(call(&machine, ava, &requests[2..]), (Status::Success, vec![0x81]));
        assert!(machine.port().remove(0, 0, 0).is_ok(), "the bolted one is there");
    }

    #[test]
    fn the_first_entry_decides_sizes_and_block() {
        let machine = Machine::new();
        let first = machine.map(page(8, SMALL), SMALL, 0x5000);
        let next_block = machine.map(page(16, SMALL), SMALL, 0x5000);
        let larger = machine.map(page(9, PagePair::ALL[1]), PagePair::ALL[1], 0x1_0000);
        let far = Vpn::new(0x123, SegmentSize::Size1T, SMALL.base(), 8 << 12);
        let other_segment = machine.map(far, SMALL, 0x5000);
        let requests = [first, next_block, larger, other_segment].map(request);
        let expected = (Status::Partial, vec![0x80, 0xa8, 0x98, 0x98]);
        assert_eq!(call(&machine, 0, &requests), expected);
        assert_eq!(machine.hpt.counts().removed, 1);
    }

    /// LoPAR establishes the block only with an entry that passed all checks.
    #[test]
    fn an_entry_that_is_refused_does_not_decide() {
        let machine = Machine::new();
        let small = machine.map(page(8, SMALL), SMALL, 0x5000);
        let middle = machine.map(page(8, MIDDLE), MIDDLE, 0x1_0000);
        let requests = [request(small) | bits::PAGE_STATE_RESERVED, request(middle)];
        assert_eq!(call(&machine, 0, &requests), (Status::Partial, vec![0x90, 0x80]));
    }

    #[test]
    fn page_states_are_hints_but_for_the_reserved_one() {
        for (state, status) in [(0b00, 0x80), (0b10, 0x80), (0b11, 0x80), (0b01, 0x90)] {
            let machine = Machine::new();
            let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
            let (_, answer) = call(&machine, 0, &[request(ptex) | (state << 60)]);
            assert_eq!(answer, [status], "page state {state:02b}");
        }
    }

    #[test]
    fn a_ptex_past_the_end_is_marked_and_does_not_stop_the_call() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let requests = [request(1 << 14), request(ptex)];
        assert_eq!(call(&machine, 0, &requests), (Status::Partial, vec![0x90, 0x80]));
    }

    #[test]
    fn a_specifier_that_is_no_request_means_that_nothing_happens() {
        for wrong in [0, bits::RESPONSE] {
            let machine = Machine::new();
            let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
            let given = [request(ptex), wrong];
            assert_eq!(
                call(&machine, 0, &given),
                (Status::Parameter, vec![0x40, (wrong >> 56) as u8])
            );
            assert_eq!(call(&machine, 0, &[request(ptex), bits::END, wrong]).0, Status::Success);
        }
    }

    #[test]
    fn an_entry_that_somebody_holds_is_busy_and_so_is_one_asked_for_twice() {
        let machine = Machine::new();
        let ptexes = [1, 2].map(|number| machine.map(page(number, SMALL), SMALL, 0x5000));
        let requests = [ptexes[0], ptexes[1], ptexes[1]].map(request);
        let table = machine.hpt.table();
        let held = table.lock(table.index(ptexes[0]).unwrap(), |_| true);
        assert_eq!(call(&machine, 0, &requests), (Status::Partial, vec![0xa0, 0x80, 0xa0]));
        drop(held);
        assert_eq!(call(&machine, 0, &requests[..2]), (Status::Partial, vec![0x80, 0x88]));
    }
}
