//! What goes wrong, what is reset, and what is too much at once.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::rig::{Deed, FLUSH, IN, IOERR, OK, OUT, Remembering, Rig, inline, pool};
use crate::disk::BUFFER_BYTES;
use crate::virtio::testing::Call;

const MIB: usize = 1 << 20;

#[test]
fn the_hosts_errors_are_the_guests_and_are_said_once() {
    for engine in [inline, pool] {
        let is_full = Arc::new(AtomicBool::new(true));
        let full = Arc::clone(&is_full);
        let mut disk = Remembering::new(MIB);
        disk.ask = Box::new(move |deed| match deed {
            Some(Deed::Write(..)) if full.load(Ordering::Relaxed) => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        });
        let mut rig = Rig::new(Arc::new(disk), engine, 0);
        for _ in 0..3 {
            assert_eq!(rig.status(OUT, 0, &[1; 512], 0), IOERR);
        }
        assert_eq!(rig.status(IN, 0, &[], 512), OK, "the rest goes on");
        is_full.store(false, Ordering::Relaxed);
        assert_eq!(rig.status(OUT, 0, &[1; 512], 0), OK);
        let said = rig.said.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("writing: No space left on device"), "{said:?}");
    }
}

/// At whatever copy it ends: a byte of the disk is the old one or what was written.
#[test]
fn a_guest_that_is_gone_leaves_nothing_on_its_disk_that_it_has_not_written() {
    let mut failed = 0;
    for copies in 0..60 {
        let disk = Arc::new(Remembering::new(MIB));
        disk.bytes.lock().unwrap().fill(5);
        let mut rig = Rig::new(Arc::clone(&disk) as Arc<_>, inline, 0);
        rig.offer(OUT, 0, &[9; 4096], 0, &[16, 1000, 100]);
        rig.driver.memory.end_after(copies);
        failed += usize::from(rig.worker.kicked(0).is_err());
        let bytes = disk.bytes.lock().unwrap();
        assert!(bytes.iter().all(|byte| matches!(byte, 5 | 9)), "{copies}");
    }
    assert!((5..60).contains(&failed), "{failed}");
}

#[test]
fn a_driver_of_disks_that_panics_makes_errors() {
    let mut disk = Remembering::new(MIB);
    disk.ask = Box::new(|deed| match deed {
        Some(Deed::Flush) => panic!("as the test wants"),
        _ => Ok(()),
    });
    let mut rig = Rig::new(Arc::new(disk), pool, 0);
    assert_eq!(rig.status(OUT, 0, &[1; 512], 0), OK);
    assert_eq!(rig.status(FLUSH, 0, &[], 0), IOERR);
    assert_eq!(
        rig.status(IN, 0, &[], 512),
        IOERR,
        "nobody knows what it has left behind"
    );
}

#[test]
fn more_requests_than_slots_are_all_served_with_the_memory_of_the_slots() {
    let most = Arc::new(AtomicUsize::new(0));
    let now = Arc::new(AtomicUsize::new(0));
    let mut disk = Remembering::new(MIB);
    let (seen, running) = (Arc::clone(&most), Arc::clone(&now));
    disk.ask = Box::new(move |_| {
        seen.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        std::thread::yield_now();
        running.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    });
    let mut rig = Rig::new(Arc::new(disk), pool, 0);
    let heads: Vec<u16> = (0..40)
        .map(|n| rig.offer(OUT, n, &[n as u8; 512], 0, &[16, 512]))
        .collect();
    rig.worker.kicked(0).unwrap();
    let mut used: Vec<u16> = heads.iter().map(|_| rig.wait().head).collect();
    used.sort_unstable();
    let mut heads = heads;
    heads.sort_unstable();
    assert_eq!(used, heads);
    assert!(most.load(Ordering::Relaxed) <= super::super::DEPTH);
    for n in 0..40 {
        assert_eq!(rig.request(IN, n, &[], 512).0, [n as u8; 512]);
    }
}

#[test]
fn a_request_of_many_pieces_does_not_keep_the_thread() {
    let bytes = 17 * MIB;
    let disk = Arc::new(Remembering::new(bytes));
    disk.bytes.lock().unwrap()[bytes - 1] = 7;
    let mut rig = Rig::new(disk, inline, 0);
    rig.offer(IN, 0, &[], bytes, &[16, 1 << 30]);
    rig.worker.kicked(0).unwrap();
    assert_eq!(
        rig.driver.take_used(),
        None,
        "{} pieces are a burst and more",
        bytes / BUFFER_BYTES
    );
    let used = rig.wait();
    assert_eq!(used.bytes[bytes - 1..], [7, OK]);
}

#[test]
fn a_stop_waits_for_what_is_under_way_and_then_nothing_touches_the_guest() {
    let gate = Arc::new(Barrier::new(2));
    let is_written = Arc::new(AtomicBool::new(false));
    let mut disk = Remembering::new(MIB);
    let (barrier, written) = (Arc::clone(&gate), Arc::clone(&is_written));
    disk.ask = Box::new(move |deed| {
        if matches!(deed, Some(Deed::Write(..))) {
            barrier.wait();
            written.store(true, Ordering::SeqCst);
        }
        Ok(())
    });
    let disk = Arc::new(disk);
    let mut rig = Rig::new(Arc::clone(&disk) as _, pool, 0);
    rig.offer(OUT, 0, &[1; 512], 0, &[16, 512]);
    rig.offer(IN, 0, &[], 512, &[16, 512]);
    rig.worker.kicked(0).unwrap();
    rig.driver.memory.take_calls();
    let opener = std::thread::spawn(move || gate.wait());
    rig.worker.stop();
    assert!(is_written.load(Ordering::SeqCst));
    assert_eq!(
        disk.deeds.lock().unwrap().last(),
        Some(&Deed::Flush),
        "what was reported stays"
    );
    rig.worker.kicked(0).unwrap();
    for (_, token) in rig.worker.watched() {
        rig.worker.ready(token).unwrap();
    }
    let calls = rig.driver.memory.take_calls();
    assert!(!calls.iter().any(|call| matches!(call, Call::Write(..))), "{calls:?}");
    opener.join().unwrap();
}
