//! Gives guest memory back to the host. It reads as zero afterwards, and costs the host memory again once the guest stores there.
//!
//! A range is done in pieces ([`PIECE`]), each announced by itself, so that a processor that needs one of them waits for no more
//! than that one. Of hinted memory only the unused frames go; what lies between them is unmapped for that moment, too.
//! Ranges that overlap are one range: each byte goes once, and counts once.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use hpt::{Patience as _, Why};
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

use super::{Upkeep, UpkeepError, not_announced};

/// Bytes that are in flight together, aligned: a page of the largest size.
const PIECE: u64 = 16 << 20;

/// Which pages of a range may be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that the guest has said it has no use for.
    Hinted,
    /// All: the user knows better than the guest.
    Any,
}

/// What was discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discarded {
    /// Bytes that read as zero now.
    pub(crate) bytes: u64,
    /// How many of them the host has back. The rest are parts of host pages, and were overwritten with zeros; or the host had
    /// given no memory for them.
    pub(crate) returned: u64,
    /// The longest time that a part of it was withheld from the guest, the wait for the processors to let go of it included.
    pub(crate) longest: Duration,
}

impl Upkeep {
    /// Gives the memory of the `ranges` back to the host, whole pages of 4 KiB. It reads as zero afterwards; of
    /// [`Which::Hinted`] only what the guest has declared unused goes.
    ///
    /// # Errors
    /// `BadRequest` for a range that is not whole pages of RAM, before anything is done. `Conflict` while a dump is being written.
    /// `NotPossible` if the host does not take it back, `Gone` if the run has ended; some of it may be done then.
    pub(crate) fn discard(&self, ranges: &[Range<u64>], which: Which) -> Result<Discarded, UpkeepError> {
        let ranges = self.check(WHAT, ranges)?;
        let _under_way = self.begin_discard()?;
        let mut sum = Discarded::default();
        for range in &ranges {
            for piece in pieces(range) {
                if self.stop.is_over() {
                    return Err(UpkeepError::gone(WHAT));
                }
                self.discard_piece(piece, which, &mut sum)?;
            }
        }
        Ok(sum)
    }

    fn discard_piece(&self, piece: Range<u64>, which: Which, sum: &mut Discarded) -> Result<(), UpkeepError> {
        let Some(hull) = self.hull(piece, which) else {
            return Ok(());
        };
        let since = Instant::now();
        let in_flight = self
            .ram
            .notifier()
            .begin(hull.clone(), Why::Discard, &*self.stop)
            .map_err(|error| not_announced(WHAT, error))?;
        let given_back = match which {
            Which::Any => self.give_back(hull, sum),
            // Only now: what has become active since is spared, and what becomes active waits for the end.
            Which::Hinted => {
                let _in_hand = self.hints.take_in_hand(&hull);
                self.hints.unused(&hull).try_for_each(|run| self.give_back(run, sum))
            }
        };
        drop(in_flight);
        sum.longest = sum.longest.max(since.elapsed());
        given_back
    }

    /// The part of `piece` that has all that is to go.
    fn hull(&self, piece: Range<u64>, which: Which) -> Option<Range<u64>> {
        match which {
            Which::Any => Some(piece),
            Which::Hinted => self.hints.unused(&piece).reduce(|first, last| first.start..last.end),
        }
    }

    /// Of `range`, which is in flight.
    fn give_back(&self, range: Range<u64>, sum: &mut Discarded) -> Result<(), UpkeepError> {
        let returned = punch(self.ram.file(), &range, rustix::param::page_size() as u64).map_err(|error| {
            UpkeepError::not_possible(format!(
                "{WHAT}: {:#x}-{:#x}: the host does not take it back: {error}",
                range.start, range.end
            ))
        });
        // Zeros are something new, also where only some are there.
        let bytes = range.end - range.start;
        match &self.kernel {
            // It sees to the instruction caches when it maps new memory; to do so here would bring all of it back.
            Some(_) => self.ram.frames().note_stored(range.start, bytes),
            None => self.ram.changed(range.start, bytes),
        }
        sum.returned += returned?;
        sum.bytes += bytes;
        Ok(())
    }

    fn begin_discard(&self) -> Result<UnderWay<'_>, UpkeepError> {
        let mut busy = self.busy();
        if busy.dump {
            return Err(UpkeepError::conflict(format!(
                "{WHAT}: a dump of the memory is being written; wait until that is done"
            )));
        }
        busy.discards += 1;
        Ok(UnderWay(self))
    }
}

const WHAT: &str = "discard";

/// A discard that has not ended.
struct UnderWay<'u>(&'u Upkeep);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.busy().discards -= 1;
    }
}

/// The parts of `range` that lie in one piece each.
pub(super) fn pieces(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let (mut at, end) = (range.start, range.end);
    std::iter::from_fn(move || {
        let start = at;
        // The last piece may end at the end of all addresses.
        at = (start - start % PIECE).saturating_add(PIECE).min(end);
        (start < end).then_some(start..at)
    })
}

/// Makes `range` of the memory file zero. Its whole host pages, of `page` bytes, go back to the host: how many bytes were there.
fn punch(file: &File, range: &Range<u64>, page: u64) -> io::Result<u64> {
    let start = range.start.next_multiple_of(page);
    let end = range.end - range.end % page;
    if start >= end {
        zero(file, range.clone())?;
        return Ok(0);
    }
    zero(file, range.start..start)?;
    zero(file, end..range.end)?;
    let there = data_bytes(file, start..end);
    fallocate(
        file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        start,
        end - start,
    )?;
    Ok(there)
}

/// How many bytes of `range` the host has given memory for; all of them where it does not say.
fn data_bytes(file: &File, range: Range<u64>) -> u64 {
    let mut bytes = 0;
    let mut at = range.start;
    while at < range.end {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data.min(range.end),
            Err(Errno::NXIO) => range.end,
            Err(_) => at,
        };
        let hole = seek(file, SeekFrom::Hole(data)).unwrap_or(range.end).min(range.end);
        bytes += hole.saturating_sub(data);
        // Nobody gives memory to what is in flight; but this must end whatever the host says.
        at = hole.max(data).max(at + 1);
    }
    bytes
}

fn zero(file: &File, range: Range<u64>) -> io::Result<()> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut at = range.start;
    while at < range.end {
        let count = (range.end - at).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..count as usize], at)?;
        at += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_the_range_cut_at_multiples(start in 0..(5 * PIECE), bytes in 1..(5 * PIECE)) {
            let range = start..start + bytes;
            let pieces: Vec<_> = pieces(&range).collect();
            prop_assert_eq!(pieces[0].start, range.start);
            prop_assert_eq!(pieces[pieces.len() - 1].end, range.end);
            prop_assert!(pieces.windows(2).all(|two| two[0].end == two[1].start && two[1].start % PIECE == 0));
            prop_assert!(pieces.iter().all(|piece| piece.end - piece.start <= PIECE));
        }
    }

    #[test]
    fn what_the_host_has_given_no_memory_for_is_not_returned() {
        let file = File::from(memfd_create("memory", MemfdFlags::CLOEXEC).unwrap());
        let page = rustix::param::page_size() as u64;
        file.set_len(16 * page).unwrap();
        for at in [1, 2, 5, 15] {
            file.write_all_at(&[7], at * page).unwrap();
        }
        let returned = |pages: Range<u64>| punch(&file, &(pages.start * page..pages.end * page), page).unwrap();
        assert_eq!(returned(0..1), 0);
        assert_eq!(returned(2..6), 2 * page);
        assert_eq!(returned(0..16), 2 * page);
        assert_eq!(returned(0..16), 0);
    }

    /// As on a host with pages of 64 KiB.
    #[test]
    fn parts_of_host_pages_become_zero_and_the_rest_stays() {
        const PAGE: u64 = 0x1_0000;
        let file = File::from(memfd_create("memory", MemfdFlags::CLOEXEC).unwrap());
        for (range, returned) in [
            (0x1_0000..0x3_0000, 0x2_0000),
            (0x0_f000..0x3_1000, 0x2_0000),
            (0x1_1000..0x2_f000, 0),
            (0x1_1000..0x1_2000, 0),
            (0x1_0000..0x2_1000, 0x1_0000),
        ] {
            file.write_all_at(&[7; 0x4_0000], 0).unwrap();
            assert_eq!(punch(&file, &range, PAGE).unwrap(), returned, "{range:x?}");
            let mut all = vec![1; 0x4_0000];
            file.read_exact_at(&mut all, 0).unwrap();
            for (at, byte) in all.iter().enumerate() {
                assert_eq!(
                    *byte,
                    if range.contains(&(at as u64)) { 0 } else { 7 },
                    "{range:x?} {at:x}"
                );
            }
        }
    }
}
