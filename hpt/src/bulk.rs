//! `H_BULK_REMOVE`: invalidates up to four entries (LoPAR, Logical Partitioning Option, H_BULK_REMOVE).
//!
//! All entries that a call can lock at once share one grace period and one flush. An entry that
//! somebody else holds is waited for with none held: what was gathered is flushed first.

use power::hcall::{Status, bulk_remove as bits};
use power::hpte::HpteR;

use crate::gather::Gather;
use crate::remove::Condition;
use crate::{Hpte, Port, PteIndex};

/// A translation specifier: a request on the way in, a response on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Specifier {
    /// Type, code, R and C, condition, PTEX.
    pub high: u64,
    /// The AVPN argument.
    pub low: u64,
}

impl Specifier {
    fn respond(&mut self, code: u64) {
        let kept = self.high & (bits::MODE | bits::PTEX);
        self.high = bits::RESPONSE | code | kept;
    }
}

/// R and C of a removed entry, in place for a response.
fn response_of(r: HpteR) -> u64 {
    (if r.is_referenced() { bits::REFERENCED } else { 0 }) | (if r.is_changed() { bits::CHANGED } else { 0 })
}

/// What answers the specifier that asked for an entry when that is gone.
fn answering(specifiers: &mut [Specifier]) -> impl FnMut(usize, PteIndex, Hpte) {
    |asked, _, old| specifiers[asked].respond(bits::SUCCESS | response_of(old.r))
}

impl Port {
    /// `H_BULK_REMOVE`: removes what the specifiers ask for, up to the end mark or the first wrong one.
    /// Each one that was dealt with becomes its response.
    ///
    /// `Success` also if entries were not found; `Parameter` with a wrong specifier, which is marked
    /// as such. What was removed before it stays removed, and is flushed.
    pub fn bulk_remove(&mut self, specifiers: &mut [Specifier; bits::SPECIFIERS]) -> Status {
        let port = self.begin();
        let mut gather = Gather::new(port);
        let mut status = Status::Success;
        for asked in 0..specifiers.len() {
            let request = specifiers[asked];
            if request.high & bits::TYPE == bits::END {
                break;
            }
            let Some((at, condition)) = port.parse(request) else {
                specifiers[asked].respond(bits::PARAMETER);
                status = Status::Parameter;
                break;
            };
            let entry = gather.lock(at, |v| condition.holds(v), &mut answering(specifiers));
            if let Some(entry) = entry {
                port.counters.evicted.add(u64::from(condition.none_of != 0));
                gather.take(asked, entry, &mut answering(specifiers));
            } else {
                specifiers[asked].respond(bits::NOT_FOUND);
            }
        }
        gather.flush(&mut answering(specifiers));
        status
    }

    /// The entry and the condition that a specifier names; `None` if it is wrong.
    fn parse(&self, request: Specifier) -> Option<(PteIndex, Condition)> {
        if request.high & bits::TYPE != bits::REQUEST {
            return None;
        }
        let (avpn, andcond) = match request.high & bits::MODE {
            0 => (false, false),
            bits::AVPN => (true, false),
            // As in H_REMOVE, with all bits of the entry: docs/specs.md, "Known slips".
            bits::ANDCOND => (false, true),
            _ => return None,
        };
        let at = self.table().index(request.high & bits::PTEX)?;
        Some((at, Condition::new(avpn, andcond, request.low)))
    }
}

#[cfg(test)]
mod tests {
    use power::hpte::HpteV;
    use power::page::PagePair;

    use super::*;
    use crate::Access;
    use crate::testing::{Asked, Machine, page, r, v};

    const SMALL: PagePair = PagePair::ALL[0];
    const END: Specifier = Specifier {
        high: bits::END,
        low: 0,
    };

    fn request(mode: u64, ptex: u64, low: u64) -> Specifier {
        Specifier {
            high: bits::REQUEST | mode | ptex,
            low,
        }
    }

    fn highs(specifiers: [Specifier; 4]) -> [u64; 4] {
        specifiers.map(|specifier| specifier.high)
    }

    #[test]
    fn four_entries_go_in_one_batch_with_r_and_c_in_bits_4_and_5() {
        let machine = Machine::new();
        let pages: [_; 4] = std::array::from_fn(|i| page(i as u64, SMALL));
        let ptex = pages.map(|page| machine.map(page, SMALL, 0x5000));
        machine.touch(pages[1], Access::Load);
        machine.touch(pages[2], Access::Store);
        let mut specifiers = std::array::from_fn(|i| request(bits::AVPN, ptex[i], pages[i].avpn()));
        assert_eq!(machine.port().bulk_remove(&mut specifiers), Status::Success);
        let expected = [0x82 << 56, 0x8a << 56, 0x8e << 56, 0x82 << 56];
        assert_eq!(highs(specifiers), std::array::from_fn(|i| expected[i] | ptex[i]));
        // The other two were never used.
        let asked = machine.asked();
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[2], Asked::EndOfBatch);
    }

    #[test]
    fn an_entry_that_is_not_found_does_not_stop_the_call() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let mut specifiers = [
            request(0, 99, 0),
            request(bits::AVPN, ptex, 0x8000),
            request(0, ptex, 0),
            END,
        ];
        assert_eq!(machine.port().bulk_remove(&mut specifiers), Status::Success);
        let expected = [(0x90 << 56) | 99, (0x92 << 56) | ptex, (0x80 << 56) | ptex, bits::END];
        assert_eq!(highs(specifiers), expected);
    }

    #[test]
    fn a_wrong_specifier_is_marked_and_what_came_before_is_flushed() {
        for (wrong, marked) in [
            (request(0, 1 << 14, 0), (0xa0 << 56) | (1 << 14)),
            (request(bits::MODE, 0, 0), 0xa3 << 56),
            (Specifier::default(), 0xa0 << 56),
            (
                Specifier {
                    high: bits::RESPONSE,
                    low: 0,
                },
                0xa0 << 56,
            ),
        ] {
            let machine = Machine::new();
            let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
            let other = machine.map(page(2, SMALL), SMALL, 0x5000);
            machine.touch(page(1, SMALL), Access::Load);
            let mut specifiers = [request(0, ptex, 0), wrong, request(0, other, 0), END];
            assert_eq!(machine.port().bulk_remove(&mut specifiers), Status::Parameter);
            let expected = [(0x88 << 56) | ptex, marked, request(0, other, 0).high, bits::END];
            assert_eq!(highs(specifiers), expected);
            assert_eq!(machine.asked().last(), Some(&Asked::EndOfBatch));
            assert!(machine.port().remove(0, other, 0).is_ok());
        }
    }

    #[test]
    fn the_same_entry_twice_is_found_once() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let mut specifiers = [request(0, ptex, 0), request(0, ptex, 0), END, END];
        assert_eq!(machine.port().bulk_remove(&mut specifiers), Status::Success);
        assert_eq!(highs(specifiers)[..2], [(0x80 << 56) | ptex, (0x90 << 56) | ptex]);
    }

    #[test]
    fn andcond_spares_what_it_names() {
        let machine = Machine::new();
        machine
            .port()
            .enter(0, 0, v(page(1, SMALL), SMALL) | HpteV::BOLTED, r(0x5000, SMALL))
            .unwrap();
        let mut specifiers = [request(bits::ANDCOND, 0, HpteV::BOLTED), END, END, END];
        assert_eq!(machine.port().bulk_remove(&mut specifiers), Status::Success);
        assert_eq!(specifiers[0].high, 0x91 << 56);
        assert_eq!(machine.asked(), []);
    }
}
