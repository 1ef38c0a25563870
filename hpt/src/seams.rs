//! Stand-ins of this branch for what other branches bring: patience, the notifier, the unmapper.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::shadow::Batch;
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Ordering, PoisonError, fence, lock};
use crate::{Hpt, Shadow};

pub trait Patience: Sync {
    fn is_over(&self) -> bool;
}
#[derive(Debug)]
pub struct Endless;
impl Patience for Endless {
    fn is_over(&self) -> bool {
        false
    }
}
impl Patience for AtomicBool {
    fn is_over(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Discard,
    Protect,
    Remap,
}
#[derive(Clone, Debug)]
pub struct Announced {
    pub range: Range<u64>,
    pub why: Why,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("given up")]
pub struct Abandoned;
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    #[error("given up")]
    Abandoned,
    #[error("out of memory")]
    OutOfMemory,
    #[error("outside")]
    Outside,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    #[error("interrupted")]
    Interrupted,
    #[error("out of memory")]
    OutOfMemory,
}
pub trait Listener: Send + Sync {
    fn start(&self, announced: &Announced, patience: &dyn Patience) -> Result<(), Abandoned>;
    fn end(&self, announced: &Announced);
}
pub struct Notifier {
    regions: Vec<Range<u64>>,
    count: AtomicU64,
    ranges: Mutex<Vec<Range<u64>>>,
    over: Condvar,
    listeners: Mutex<Vec<Arc<dyn Listener>>>,
}
pub struct Registration;
pub struct InFlight {
    notifier: Arc<Notifier>,
    announced: Announced,
}
pub struct Lease<'n>(&'n Notifier);
impl Drop for Lease<'_> {
    fn drop(&mut self) {}
}
fn meet(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}
impl Notifier {
    pub fn new(regions: Vec<Range<u64>>) -> Arc<Self> {
        Arc::new(Self {
            regions,
            count: AtomicU64::new(0),
            ranges: Mutex::new(Vec::new()),
            over: Condvar::new(),
            listeners: Mutex::new(Vec::new()),
        })
    }
    pub fn register(
        self: &Arc<Self>,
        listener: Arc<dyn Listener>,
        _patience: &dyn Patience,
    ) -> Result<Registration, RegisterError> {
        lock(&self.listeners).push(listener);
        Ok(Registration)
    }
    pub fn begin(
        self: &Arc<Self>,
        range: Range<u64>,
        why: Why,
        patience: &dyn Patience,
    ) -> Result<InFlight, BeginError> {
        if !self
            .regions
            .iter()
            .any(|region| region.start <= range.start && range.end <= region.end)
        {
            return Err(BeginError::Outside);
        }
        let mut ranges = lock(&self.ranges);
        ranges.push(range.clone());
        self.count.store(ranges.len() as u64, Ordering::SeqCst);
        drop(ranges);
        fence(Ordering::SeqCst);
        let in_flight = InFlight {
            notifier: Arc::clone(self),
            announced: Announced { range, why },
        };
        let listeners: Vec<_> = lock(&self.listeners).clone();
        for listener in listeners {
            listener
                .start(&in_flight.announced, patience)
                .map_err(|Abandoned| BeginError::Abandoned)?;
        }
        Ok(in_flight)
    }
    pub fn is_in_flight(&self, real: u64) -> bool {
        self.count.load(Ordering::Acquire) != 0 && lock(&self.ranges).iter().any(|range| range.contains(&real))
    }
    pub fn wait(&self, range: &Range<u64>, patience: &dyn Patience) -> Result<(), Abandoned> {
        let mut ranges = lock(&self.ranges);
        while ranges.iter().any(|other| meet(other, range)) {
            if patience.is_over() {
                return Err(Abandoned);
            }
            ranges = self
                .over
                .wait_timeout(ranges, Duration::from_millis(10))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(())
    }
    pub fn lease(&self, range: &Range<u64>) -> Lease<'_> {
        let _ = self.wait(range, &Endless);
        Lease(self)
    }
}
impl Drop for InFlight {
    fn drop(&mut self) {
        let listeners: Vec<_> = lock(&self.notifier.listeners).clone();
        for listener in listeners {
            listener.end(&self.announced);
        }
        let mut ranges = lock(&self.notifier.ranges);
        let at = ranges.iter().position(|range| *range == self.announced.range);
        ranges.remove(at.expect("it is in flight"));
        self.notifier.count.store(ranges.len() as u64, Ordering::Release);
        drop(ranges);
        self.notifier.over.notify_all();
    }
}
pub struct Unmapper {
    hpt: Arc<Hpt>,
}
#[derive(Clone, Debug, Default)]
pub struct Unmapped {
    pub entries: u64,
    pub untouched: u64,
    pub flushes: u64,
    pub kicks: u64,
    pub steps: u64,
    pub longest_step: Duration,
    pub everything: bool,
}
impl Unmapper {
    pub fn unmap(
        &mut self,
        ranges: impl IntoIterator<Item = Range<u64>>,
        patience: &dyn Patience,
    ) -> Result<Unmapped, Abandoned> {
        if patience.is_over() {
            return Err(Abandoned);
        }
        if ranges.into_iter().count() > 0 {
            self.hpt.shadow.invalidate(&Batch::everything());
        }
        Ok(Unmapped::default())
    }
}
impl Hpt {
    pub fn unmapper(self: &Arc<Self>) -> Unmapper {
        Unmapper { hpt: Arc::clone(self) }
    }
}
