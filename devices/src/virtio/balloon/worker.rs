//! Takes the pages that the guest gives, and its statistics.
//!
//! A page is the host's before the driver hears that it was taken: what it stores there afterwards stays. A page that is taken out of the balloon
//! needs nothing: the host gives memory when it is touched.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::Arc;

use super::numbers::{NUMBER_BYTES, PAGE, STATISTIC_BYTES, feature, queue};
use super::{GuestMemory, Over, Shared};
use crate::dma::Epoch;
use crate::virtio::{Chain, Kick, Queue, Worker};

/// Numbers of pages that are read at once.
const NUMBERS: usize = 1024;

/// Statistics that are read: more than there are.
const STATISTICS: usize = 32;

/// Chains of one queue that are served before the device looks at everything else.
const TURN: usize = 64;

/// Tokens of what is watched: somebody wants statistics; a queue may have more.
const WANTED: u32 = 0;
const AGAIN: u32 = 1;

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Inflate,
    Deflate,
    Statistics,
    Hints,
    Reports,
}

pub(super) struct BalloonWorker {
    shared: Arc<Shared>,
    features: u64,
    queues: Vec<(usize, Queue)>,
    /// The driver's buffer for statistics: given back when somebody wants to know.
    statistics: Option<Chain>,
    /// Somebody wants to know.
    is_wanted: bool,
    /// Rung when a turn was over before its queue was empty.
    again: Kick,
    /// These queues may have more.
    unfinished: Vec<usize>,
}

impl BalloonWorker {
    pub(super) fn new(shared: &Arc<Shared>, features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Self> {
        let shared = Arc::clone(shared);
        Ok(Self {
            shared,
            features,
            queues,
            statistics: None,
            is_wanted: false,
            again: Kick::new()?,
            unfinished: Vec::new(),
        })
    }

    fn role(&self, number: usize) -> Option<Role> {
        match number {
            queue::INFLATE => Some(Role::Inflate),
            queue::DEFLATE => Some(Role::Deflate),
            queue::STATISTICS if self.features & feature::STATISTICS != 0 => Some(Role::Statistics),
            queue::HINTS if self.features & feature::HINTS != 0 => Some(Role::Hints),
            queue::STATISTICS | queue::HINTS | queue::REPORTS if self.features & feature::REPORTS != 0 => {
                Some(Role::Reports)
            }
            _ => None,
        }
    }

    fn queue(&mut self, number: usize) -> Option<&mut Queue> {
        self.queues
            .iter_mut()
            .find(|(queue, _)| *queue == number)
            .map(|(_, queue)| queue)
    }

    /// Does what is to be done with `chain`; returns the one that the driver gets back, if it does.
    fn take(&mut self, role: Role, chain: Chain) -> io::Result<Option<Chain>> {
        match role {
            Role::Inflate => self.inflate(&chain)?,
            Role::Reports => self.take_reported(&chain),
            Role::Statistics => {
                let bytes = usize::try_from(chain.readable()).unwrap_or(usize::MAX);
                let mut report = vec![0; bytes.min(STATISTICS * STATISTIC_BYTES)];
                chain.read(0, &mut report).map_err(io::Error::other)?;
                self.shared.reports.note(GuestMemory::of(&report));
                // One that came before this one was asked for is not needed any more.
                return Ok(self.statistics.replace(chain));
            }
            Role::Deflate | Role::Hints => {}
        }
        Ok(Some(chain))
    }

    /// The pages whose numbers lie in `chain` are in the balloon.
    fn inflate(&self, chain: &Chain) -> io::Result<()> {
        let all = chain.readable() / NUMBER_BYTES as u64 * NUMBER_BYTES as u64;
        let mut bytes = [0; NUMBERS * NUMBER_BYTES];
        let mut offset = 0;
        while offset < all {
            let count = usize::try_from(all - offset).unwrap_or(usize::MAX).min(bytes.len());
            let piece = &mut bytes[..count];
            chain.read(offset, piece).map_err(io::Error::other)?;
            let numbers = piece.chunks_exact(NUMBER_BYTES).map(|number| {
                let number = u32::from_le_bytes(number.try_into().expect("four bytes each"));
                u64::from(number) * PAGE..(u64::from(number) + 1) * PAGE
            });
            if self.reclaim(chain.epoch(), numbers).is_err() {
                return Ok(());
            }
            offset += count as u64;
        }
        Ok(())
    }

    /// The buffers of `chain` are free pages.
    fn take_reported(&self, chain: &Chain) {
        let whole = chain.writable_buffers().iter().filter_map(|(at, bytes)| {
            let start = at.checked_next_multiple_of(PAGE)?;
            let end = at.checked_add(u64::from(*bytes))? / PAGE * PAGE;
            (start < end).then_some(start..end)
        });
        if let Ok(bytes) = self.reclaim(chain.epoch(), whole) {
            self.shared.sizes().reported += bytes;
        }
    }

    fn reclaim(&self, epoch: Epoch, ranges: impl Iterator<Item = Range<u64>>) -> Result<u64, Over> {
        let ranges = joined(ranges.collect());
        self.shared.reclaim.reclaim(epoch, &ranges)
    }

    /// Gives the driver its buffer back, for it to fill.
    fn ask(&mut self) -> io::Result<()> {
        if !self.is_wanted {
            return Ok(());
        }
        let Some(chain) = self.statistics.take() else {
            return Ok(());
        };
        self.is_wanted = false;
        match self.queue(queue::STATISTICS) {
            Some(queue) => {
                queue.push(chain, 0)?;
                queue.signal()
            }
            None => Ok(()),
        }
    }
}

/// `ranges` in order, those that touch or overlap as one.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}

impl Worker for BalloonWorker {
    fn watched(&self) -> Vec<(RawFd, u32)> {
        vec![
            (self.shared.wanted.as_raw_fd(), WANTED),
            (self.again.as_raw_fd(), AGAIN),
        ]
    }

    fn kicked(&mut self, number: usize) -> io::Result<()> {
        let Some(role) = self.role(number) else {
            return Ok(());
        };
        let mut left = TURN;
        while let Some(chain) = self.queue(number).map_or(Ok(None), Queue::pop)? {
            if let Some(chain) = self.take(role, chain)?
                && let Some(queue) = self.queue(number)
            {
                queue.push(chain, 0)?;
                queue.signal()?;
            }
            left -= 1;
            if left == 0 {
                if !self.unfinished.contains(&number) {
                    self.unfinished.push(number);
                }
                self.again.ring();
                break;
            }
        }
        self.ask()
    }

    fn ready(&mut self, token: u32) -> io::Result<()> {
        if token == AGAIN {
            self.again.take();
            let unfinished = std::mem::take(&mut self.unfinished);
            return unfinished.into_iter().try_for_each(|number| self.kicked(number));
        }
        self.is_wanted |= self.shared.wanted.take();
        self.ask()
    }

    fn stop(&mut self) {
        self.shared.forget();
    }
}
