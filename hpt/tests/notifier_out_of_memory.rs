//! A host without memory: no listener is registered and no range begun by halves.
#![cfg(not(loom))]

mod scarce;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use hpt::{Abandoned, Announced, BeginError, Endless, Listener, Notifier, Patience, RegisterError, Why};
use scarce::with_allocations;

const REGIONS: [Range<u64>; 3] = [0..0x10000, 0x10000..0x20000, 0x20000..0x30000];
const ALL: Range<u64> = 0..0x30000;

#[derive(Default)]
struct Count {
    starts: AtomicU32,
    ends: AtomicU32,
}

impl Listener for Count {
    fn start(&self, _: &Announced, _: &dyn Patience) -> Result<(), Abandoned> {
        self.starts.fetch_add(1, SeqCst);
        Ok(())
    }

    fn end(&self, _: &Announced) {
        self.ends.fetch_add(1, SeqCst);
    }
}

impl Count {
    fn read(&self) -> (u32, u32) {
        (self.starts.load(SeqCst), self.ends.load(SeqCst))
    }
}

#[test]
fn a_registration_without_memory_leaves_nothing() {
    let mut refused = 0;
    for left in 0.. {
        // Lists that others have made room in before would need nothing.
        let notifier = Notifier::new(REGIONS.to_vec());
        let count = Arc::new(Count::default());
        let listener = Arc::<Count>::clone(&count);
        let registration = with_allocations(left, || notifier.register(listener, &Endless));
        drop(notifier.begin(ALL, Why::Discard, &Endless).unwrap());
        match registration {
            Ok(_registration) => {
                assert_eq!(count.read(), (1, 1));
                break;
            }
            Err(error) => {
                assert_eq!(error, RegisterError::OutOfMemory);
                assert_eq!((count.read(), Arc::strong_count(&count)), ((0, 0), 1));
                refused += 1;
            }
        }
    }
    // The locks, a list for each region, the listeners.
    assert_eq!(refused, 5);
}

#[test]
fn a_range_without_memory_is_not_begun() {
    let mut refused = 0;
    for left in 0.. {
        let notifier = Notifier::new(REGIONS.to_vec());
        let count = Arc::new(Count::default());
        let listener = Arc::<Count>::clone(&count);
        let _registration = notifier.register(listener, &Endless).unwrap();
        match with_allocations(left, || notifier.begin(ALL, Why::Discard, &Endless)) {
            Ok(flight) => {
                assert!(notifier.is_in_flight(0));
                with_allocations(0, || drop(flight));
                assert_eq!(count.read(), (1, 1));
                break;
            }
            Err(error) => {
                assert_eq!(error, BeginError::OutOfMemory);
                assert_eq!(count.read(), (0, 0));
                refused += 1;
            }
        }
        assert!(REGIONS.iter().all(|region| !notifier.is_in_flight(region.start)));
    }
    // The locks, a list for each region, the listeners that are to be told.
    assert_eq!(refused, 5);
}

/// Somebody has a turn and does not come for it; who begins a range over it has given way for long enough when memory is short.
#[test]
fn a_range_without_memory_takes_nobodys_turn() {
    for left in 0.. {
        let notifier = Notifier::new(REGIONS.to_vec());
        let _registration = notifier.register(Arc::new(Count::default()), &Endless).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| notifier.wait(&ALL, &Endless).unwrap());
        });
        let begun = with_allocations(left, || notifier.begin(ALL, Why::Discard, &Endless).is_ok());
        // With memory it takes the turn; and then nothing is left.
        drop(notifier.begin(ALL, Why::Discard, &Endless).unwrap());
        assert!(
            format!("{notifier:?}").contains("in_flight: 0,"),
            "{left}: {notifier:?}"
        );
        if begun {
            break;
        }
    }
}

#[test]
fn what_cannot_fail_needs_no_memory() {
    let notifier = Notifier::new(REGIONS.to_vec());
    let registration = notifier.register(Arc::new(Count::default()), &Endless).unwrap();
    with_allocations(0, || {
        let leases = [(); 8].map(|()| notifier.lease(&ALL));
        drop(leases);
        assert_eq!(notifier.wait(&ALL, &Endless), Ok(()));
        assert!(!notifier.is_stale(notifier.sequence(), &ALL));
        registration.unregister();
    });
}
