//! 1 GiB that a guest uses on all its processors, unmapped under it.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use hpt::{Batch, Endless, Shadow as _};
use power::page::PageSize;

use super::guest::{DATA, Guest};

/// How long each is done, so that the longest delays are of the same time.
const TIME: Duration = Duration::from_secs(1);
/// From the start of one unmapping to that of the next.
const PERIOD: Duration = Duration::from_millis(20);

/// What is done to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Nothing,
    /// All of it is unmapped, fifty times a second.
    Unmap,
    /// A flush for each entry, one after the other.
    OneByOne,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::Unmap, Self::OneByOne];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Unmap => "unmapped",
            Self::OneByOne => "a flush each",
        })
    }
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Of 1 GiB.
    pub(super) milliseconds: f64,
    pub(super) flushes: f64,
    pub(super) kicks: f64,
    /// Of the guest: from one load to the next, on one of its processors.
    pub(super) longest_delay_milliseconds: f64,
    /// Of the guest.
    pub(super) million_loads_a_second: f64,
}

/// One second.
pub(super) fn sample(size: PageSize, processors: usize, way: Way, host: &[usize]) -> Seen {
    Guest::new(size, processors).run(host, |guest| {
        guest.take_longest();
        let (began, loads) = (Instant::now(), guest.all_loads());
        let mut seen = match way {
            Way::Nothing => {
                thread::sleep(TIME);
                Seen::default()
            }
            Way::Unmap => unmap(guest, began),
            Way::OneByOne => one_by_one(guest, began),
        };
        let seconds = began.elapsed().as_secs_f64();
        seen.longest_delay_milliseconds = guest.take_longest().as_secs_f64() * 1e3;
        seen.million_loads_a_second = (guest.all_loads() - loads) as f64 / seconds / 1e6;
        seen
    })
}

fn unmap(guest: &Guest, began: Instant) -> Seen {
    let mut unmapper = guest.hpt.unmapper();
    let (mut count, mut took) = (0, Duration::ZERO);
    let mut sum = Seen::default();
    while began.elapsed() < TIME {
        let before = Instant::now();
        let unmapped = unmapper.unmap([DATA], &Endless).expect("endless patience");
        took += before.elapsed();
        sum.flushes += unmapped.flushes as f64;
        sum.kicks += unmapped.kicks as f64;
        count += 1;
        thread::sleep((PERIOD * count).saturating_sub(began.elapsed()));
    }
    let count = f64::from(count);
    Seen {
        milliseconds: took.as_secs_f64() * 1e3 / count,
        flushes: sum.flushes / count,
        kicks: sum.kicks / count,
        ..sum
    }
}

/// From the first entry on until the time is over, again from the first if it is not.
fn one_by_one(guest: &Guest, began: Instant) -> Seen {
    let (mut flushes, mut kicks) = (0, 0_u64);
    let mut names = guest.names();
    while began.elapsed() < TIME {
        let Some(name) = names.next() else {
            names = guest.names();
            continue;
        };
        let mut batch = Batch::new();
        batch.push(name);
        kicks += u64::from(guest.shootdown.invalidate(&batch).kicked);
        flushes += 1;
    }
    let took = began.elapsed().as_secs_f64() * 1e3;
    // As many as there are entries.
    let times = guest.pages() as f64 / f64::from(flushes);
    Seen {
        milliseconds: took * times,
        flushes: guest.pages() as f64,
        kicks: kicks as f64 * times,
        ..Seen::default()
    }
}
