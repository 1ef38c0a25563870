//! What it costs to name translations, beside dropping all of them: the time of whoever unmaps, and the time that the guest's
//! processor loses, with what it takes to find again what it uses.
//!
//! One thread is both in turn: it unmaps as much as goes with one flush while the processor is outside, as it is after a kick; and the
//! processor applies that. So the wait for a processor that must leave is not in the figures, and they are processor time, as what else
//! the host has to do is not.

use std::hint::black_box;
use std::time::Duration;

use hpt::{Batch, Endless, Shadow as _, Unmapper};
use power::page::PageSize;
use rustix::time::{ClockId, clock_gettime};

use super::guest::{DATA, Guest};
use super::micros;

/// Pages that the processor uses. It keeps 4096 in mind.
pub(super) const USES: [u64; 3] = [256, 1024, 4096];
/// Names.
pub(super) const NAMES: [u64; 7] = [192, 384, 768, 1536, 3072, 4096, 8192];

/// How often it is done in a sample.
const TIMES: usize = 15;
/// Rounds through the pages in use before and after, of which the last ones are alike.
const ROUNDS: u64 = 2;
/// Names that go with one flush: as many as there is room for, less one of real mode and a run along a chain.
const TOGETHER: u64 = Unmapper::NAMES as u64 - 33;

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// So many entries, by their names. The processor has used them all, and uses the first ones.
    Names(u64),
    /// Everything, without a look at any entry.
    Everything,
}

/// A guest to do it to.
pub(super) fn guest() -> Guest {
    Guest::new(PageSize::Size4K, 1)
}

/// Microseconds that it takes, and that the processor of `guest` loses, which uses so many pages.
pub(super) fn sample(guest: &Guest, uses: u64, goes: Goes) -> Vec<f64> {
    let mut processor = guest.processor(0);
    let met = match goes {
        Goes::Names(names) => names.max(uses),
        Goes::Everything => uses,
    };
    let (mut dropping, mut lost) = (Vec::new(), Vec::new());
    guest.set_pages(0, met);
    processor.go(1);
    for _ in 0..TIMES {
        guest.set_pages(0, met);
        processor.go(1);
        guest.set_pages(0, uses);
        processor.go(2);
        let undisturbed = timed(|| processor.go(ROUNDS));
        let (mut others, mut own) = (Duration::ZERO, Duration::ZERO);
        match goes {
            Goes::Names(names) => {
                let mut unmapper = guest.hpt.unmapper();
                for first in (0..names).step_by(TOGETHER as usize) {
                    let pages = first..names.min(first + TOGETHER);
                    let range =
                        DATA.start + pages.start * guest.page_bytes()..DATA.start + pages.end * guest.page_bytes();
                    others += timed(|| {
                        let unmapped = unmapper.unmap([range], &Endless).expect("endless patience");
                        assert_eq!((unmapped.entries, unmapped.untouched), (pages.end - pages.start, 0));
                        assert!(!unmapped.everything);
                    });
                    own += timed(|| processor.apply());
                }
            }
            Goes::Everything => {
                others += timed(|| {
                    black_box(guest.shootdown.invalidate(&Batch::everything()));
                });
                own += timed(|| processor.apply());
            }
        }
        own += timed(|| processor.go(ROUNDS));
        dropping.push(micros(others));
        lost.push(micros(own) - micros(undisturbed));
    }
    [dropping, lost].map(median).to_vec()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time that `work` takes this thread.
fn timed(work: impl FnOnce()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec as u32)
    };
    let began = now();
    work();
    now().saturating_sub(began)
}
