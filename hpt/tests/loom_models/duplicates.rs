//! The model of the duplicate check: two processors add an entry of one page each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hpt::NoShadow;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use crate::search::{enter_at, explore, page, unshared};

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

/// One removes the page's entry while another enters the page elsewhere: that is the guest's own race, and it is reported
/// only if both entries were valid at once.
#[test]
fn an_entry_that_is_gone_by_then_is_no_duplicate() {
    explore(2, 50, || {
        let removed = Arc::new(AtomicBool::new(false));
        let reports = Arc::new(AtomicUsize::new(0));
        let hpt = unshared(NoShadow).with_duplicate_check(Box::new({
            let reports = Arc::clone(&reports);
            move |_| {
                reports.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let hpt = Arc::new(hpt);
        enter_at(&mut hpt.port(), 0, 1, 0x5, 0).expect("free");
        let remover = thread::spawn({
            let (hpt, removed) = (Arc::clone(&hpt), Arc::clone(&removed));
            move || {
                hpt.port().remove(0, 0, 0).expect("it is there");
                removed.store(true, Ordering::Release);
            }
        });
        let enterer = thread::spawn({
            let (hpt, removed) = (Arc::clone(&hpt), Arc::clone(&removed));
            move || {
                let after = removed.load(Ordering::Acquire);
                enter_at(&mut hpt.port(), 1, 1, 0x6, 0).expect("free");
                after
            }
        });
        remover.join().expect("no panic");
        let after = enterer.join().expect("no panic");
        assert!(
            !after || reports.load(Ordering::Relaxed) == 0,
            "an entry that was gone was reported"
        );
    });
}
