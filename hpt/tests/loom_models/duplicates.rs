//! The model of the duplicate check: two processors add an entry of one page each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hpt::NoShadow;
use loom::thread;

use crate::explore::explore;
use crate::search::{enter_at, page, unshared};

#[test]
fn of_two_that_enter_one_page_at_least_one_reports() {
    explore(3, 50, || {
        let reports = Arc::new(AtomicUsize::new(0));
        let hpt = unshared(NoShadow).with_duplicate_check(Box::new({
            let reports = Arc::clone(&reports);
            move |duplicate| {
                assert_eq!(duplicate.page, page(1));
                reports.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let hpt = Arc::new(hpt);
        let writers = [0, 1].map(|slot| {
            let hpt = Arc::clone(&hpt);
            thread::spawn(move || enter_at(&mut hpt.port(), slot, 1, 0x5 + slot, 0).is_ok())
        });
        for writer in writers {
            assert!(writer.join().expect("no panic"));
        }
        assert!(reports.load(Ordering::Relaxed) >= 1, "nobody found the other's entry");
    });
}

/// One enters the page; as soon as the entry is there, another moves it to another slot: at no moment there are two.
#[test]
fn an_entry_that_is_gone_by_then_is_no_duplicate() {
    explore(2, 500, || {
        let reports = Arc::new(AtomicUsize::new(0));
        let hpt = unshared(NoShadow).with_duplicate_check(Box::new({
            let reports = Arc::clone(&reports);
            move |_| {
                reports.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let hpt = Arc::new(hpt);
        let mover = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || {
                let mut port = hpt.port();
                if port.remove(0, 0, 0).is_ok() {
                    enter_at(&mut port, 1, 1, 0x6, 0).expect("slot 1 is free");
                }
            }
        });
        let enterer = thread::spawn({
            let hpt = Arc::clone(&hpt);
            move || enter_at(&mut hpt.port(), 0, 1, 0x5, 0).expect("slot 0 is free")
        });
        mover.join().expect("no panic");
        enterer.join().expect("no panic");
        assert_eq!(
            reports.load(Ordering::Relaxed),
            0,
            "an entry that was gone was reported"
        );
    });
}
