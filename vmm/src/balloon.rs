//! The memory behind a balloon: what the guest gives is taken by `upkeep`, as any memory that is taken while it runs.

use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock, Weak};

use devices::dma::Epoch;
use devices::virtio::balloon::{Balloon, Over, Reclaim};

use crate::dma::while_running;
use crate::machine::Machine;
use crate::upkeep::{Kind, Which};
use crate::virtio::Virtual;

/// A balloon on its way into a machine.
pub(crate) struct GuestBalloon {
    balloon: Arc<Balloon>,
    taker: Taker,
}

impl GuestBalloon {
    /// An empty one.
    ///
    /// # Errors
    /// The host has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let taker = Taker::default();
        let balloon = Arc::new(Balloon::new(Box::new(taker.clone()))?);
        Ok(Self { balloon, taker })
    }

    /// As a device. Its driver names pages by their real addresses, whatever is translated for others.
    pub(crate) fn device(&self) -> Virtual {
        Virtual::named("balloon", Arc::clone(&self.balloon) as Arc<_>)
    }

    /// Its memory is this machine's, whose guest has not run yet.
    pub(crate) fn serve(self, machine: &Arc<Machine>) -> Arc<Balloon> {
        self.taker.serve(machine);
        self.balloon
    }
}

/// Ranges, and bytes, that are taken together: so long may a pause have to wait.
const TOGETHER: usize = 16;
const BYTES_TOGETHER: u64 = 64 << 20;

/// Takes memory of a machine, from when there is one.
#[derive(Clone, Default)]
struct Taker(Arc<OnceLock<Weak<Machine>>>);

impl Taker {
    fn serve(&self, machine: &Arc<Machine>) {
        let is_first = self.0.set(Arc::downgrade(machine)).is_ok();
        debug_assert!(is_first, "a balloon is in one machine");
    }
}

/// `ranges` by what is taken together, cut where bytes are too many: at multiples, so that no page of the host's is.
fn portions(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Vec<Range<u64>>> {
    let mut all = Vec::new();
    let (mut some, mut bytes) = (Vec::new(), 0);
    for Range { mut start, end } in ranges {
        while start < end {
            let cut = end.min((start / BYTES_TOGETHER + 1) * BYTES_TOGETHER);
            if some.len() == TOGETHER || bytes + (cut - start) > BYTES_TOGETHER {
                all.push(std::mem::take(&mut some));
                bytes = 0;
            }
            some.push(start..cut);
            bytes += cut - start;
            start = cut;
        }
    }
    if !some.is_empty() {
        all.push(some);
    }
    all
}

impl Reclaim for Taker {
    fn reclaim(&self, epoch: Epoch, ranges: &[Range<u64>]) -> Result<u64, Over> {
        let machine = self.0.get().and_then(Weak::upgrade).ok_or(Over)?;
        let end = machine.ram.size().bytes();
        let of_ram = ranges.iter().map(|range| range.start..range.end.min(end));
        let mut taken = 0;
        for some in portions(of_ram) {
            let discard = || machine.upkeep.discard(&some, Which::Any);
            let Some(discarded) = while_running(&machine.pause, epoch, discard) else {
                // Of a guest that is gone nothing is taken any more.
                return if machine.stop.is_requested() {
                    Err(Over)
                } else {
                    Ok(taken)
                };
            };
            match discarded {
                Ok(discarded) => taken += discarded.bytes,
                Err(error) if error.kind() == Kind::Gone => return Err(Over),
                // A dump is being written, or the host has no memory to announce it with: the guest has no use for it, so it may lie there.
                Err(_) => {}
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::{slice, thread};

    use super::*;
    use crate::stop::Ending;
    use crate::test_machine::{RAM, machine};

    const FIRST: Epoch = Epoch(0);
    const PAGE: Range<u64> = 0x1000..0x2000;

    fn taker(machine: &Arc<Machine>) -> Taker {
        let taker = Taker::default();
        assert_eq!(
            taker.reclaim(FIRST, slice::from_ref(&(0..0x1000))),
            Err(Over),
            "it has no machine"
        );
        taker.serve(machine);
        taker
    }

    #[test]
    fn what_the_guest_gives_is_zero_and_the_rest_stays() {
        let machine = Arc::new(machine(1));
        let taker = taker(&machine);
        let pages = [0x1000, 0x2000, 0x3000, RAM - 0x1000];
        for page in pages {
            machine.ram.write(page, &[7; 0x1000]).unwrap();
        }
        let given = [
            0x1000..0x2000,
            0x3000..0x4000,
            RAM - 0x1000..RAM + 0x5000,
            RAM + 0x8000..RAM + 0x9000,
            1 << 40..1 << 41,
        ];
        assert_eq!(taker.reclaim(FIRST, &given), Ok(0x3000));
        assert_eq!(
            pages.map(|page| machine.ram.read(page)),
            [Some([0]), Some([7]), Some([0]), Some([0])]
        );
        let many: Vec<_> = (0..100).map(|page| 0x2000 * page..0x2000 * page + 0x1000).collect();
        assert_eq!(taker.reclaim(FIRST, &many), Ok(100 * 0x1000));
    }

    #[test]
    fn nothing_is_taken_while_the_run_is_paused_nor_when_it_is_over() {
        let machine = Arc::new(machine(1));
        let taker = taker(&machine);
        machine.ram.write(0x1000, &[7]).unwrap();
        machine.pause(Duration::from_secs(60)).unwrap();
        thread::scope(|scope| {
            let takes = scope.spawn(|| taker.reclaim(FIRST, slice::from_ref(&PAGE)));
            thread::yield_now();
            assert_eq!(machine.ram.read(0x1000), Some([7]));
            machine.resume().unwrap();
            assert_eq!(takes.join().unwrap(), Ok(0x1000));
        });
        machine.stop.request(Ending::Asked);
        assert_eq!(taker.reclaim(FIRST, slice::from_ref(&PAGE)), Err(Over));
    }

    #[test]
    fn nothing_is_taken_from_the_guest_that_comes_after() {
        let machine = Arc::new(machine(1));
        let taker = taker(&machine);
        let entry = crate::boot::Entry {
            pc: 0x100,
            device_tree: 0x1000,
        };
        machine.reset(|| Ok(entry)).unwrap();
        machine.ram.write(0x1000, &[7]).unwrap();
        assert_eq!(taker.reclaim(FIRST, slice::from_ref(&PAGE)), Ok(0));
        assert_eq!(machine.ram.read(0x1000), Some([7]));
        assert_eq!(taker.reclaim(Epoch(1), slice::from_ref(&PAGE)), Ok(0x1000));
    }

    #[test]
    fn what_is_taken_together_is_little_in_number_and_in_bytes() {
        let small = (0..100).map(|page| 0x2000 * page..0x2000 * page + 0x1000);
        let large = [0x1000..(300 << 20) + 0x1000, 1 << 30..1 << 31];
        let ranges: Vec<_> = small
            .clone()
            .chain(large.map(|range: Range<u64>| (range.start + (1 << 30))..(range.end + (1 << 30))))
            .collect();
        let portions = portions(ranges.iter().cloned());
        for some in &portions {
            let bytes: u64 = some.iter().map(|range| range.end - range.start).sum();
            assert!(some.len() <= TOGETHER && bytes <= BYTES_TOGETHER, "{some:x?}");
        }
        let mut joined: Vec<Range<u64>> = Vec::new();
        for piece in portions.into_iter().flatten() {
            match joined.last_mut() {
                Some(last) if last.end == piece.start => last.end = piece.end,
                _ => joined.push(piece),
            }
        }
        assert_eq!(joined, ranges);
    }
}
