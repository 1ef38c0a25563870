//! Requests one by one, as virtio 1.2, 5.2.6 has them.

use std::sync::Arc;

use super::rig::{
    DISCARD, Deed, F_DISCARD, F_FLUSH, F_MQ, F_RO, F_WRITE_ZEROES, FLUSH, GET_ID, IN, IOERR, OK, OUT, Remembering, Rig,
    UNSUPP, WRITE_ZEROES, block, inline, range, traits,
};
use crate::disk::Space;
use crate::virtio::Device as _;
use crate::virtio::block::{Cache, Traits};
use crate::virtio::testing::BASE;

const MIB: usize = 1 << 20;

#[test]
fn what_is_written_is_read_however_the_buffers_are_cut() {
    let data: Vec<u8> = (0..8192_u32).map(|n| (n / 7) as u8).collect();
    for cuts in [
        &[1 << 20][..],
        &[16, 512],
        &[1],
        &[7, 4096],
        &[16, 1 << 20],
        &[10, 6, 8192, 1],
    ] {
        // A buffer of one byte each, and there are so many descriptors.
        let data = if cuts == [1] { &data[..0] } else { &data[..] };
        let disk = Arc::new(Remembering::new(MIB));
        let mut rig = Rig::new(disk, inline, 0);
        rig.offer(OUT, 3, data, 0, cuts);
        rig.worker.kicked(0).unwrap();
        let used = rig.wait();
        assert_eq!((used.written, &used.bytes[..]), (1, &[OK][..]), "{cuts:?}");
        rig.offer(IN, 3, &[], data.len(), if cuts == [1] { &[16, 1] } else { cuts });
        rig.worker.kicked(0).unwrap();
        let used = rig.wait();
        assert_eq!(used.written as usize, data.len() + 1);
        assert_eq!(used.bytes.split_last(), Some((&OK, data)), "{cuts:?}");
    }
}

#[test]
fn a_request_outside_the_disk_is_an_error_and_touches_nothing() {
    let disk = Arc::new(Remembering::new(MIB));
    let mut rig = Rig::new(Arc::clone(&disk) as _, inline, 0);
    let sectors = (MIB / 512) as u64;
    for sector in [sectors, sectors - 1, u64::MAX, u64::MAX / 512] {
        let (data, status, written) = rig.request(IN, sector, &[], 1024);
        assert_eq!((status, written), (IOERR, 0), "{sector}");
        assert!(data.iter().all(|&byte| byte == 0));
        assert_eq!(rig.status(OUT, sector, &[1; 1024], 0), IOERR);
    }
    assert_eq!(rig.status(OUT, 0, &[1; 511], 0), IOERR, "half a sector");
    assert_eq!(rig.status(DISCARD, 0, &range(sectors, 1, 0), 0), IOERR);
    assert!(disk.deeds.lock().unwrap().is_empty());
    assert!(rig.said.lock().unwrap().is_empty(), "the host has refused nothing");
}

#[test]
fn requests_without_data_are_done() {
    let mut rig = Rig::new(Arc::new(Remembering::new(MIB)), inline, 0);
    for kind in [IN, OUT, FLUSH, DISCARD, WRITE_ZEROES, GET_ID] {
        assert_eq!(rig.request(kind, 0, &[], 0), (vec![], OK, 1), "{kind}");
    }
}

#[test]
fn the_id_is_twenty_bytes_filled_with_zeros() {
    let mut rig = Rig::new(Arc::new(Remembering::new(MIB)), inline, 0);
    let (id, status, written) = rig.request(GET_ID, 0, &[], 20);
    assert_eq!(
        (&id[..], status, written),
        (&b"a disk\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], OK, 21)
    );
    let (id, status, written) = rig.request(GET_ID, 0, &[], 4);
    assert_eq!((&id[..], status, written), (&b"a di"[..], OK, 5));
    let (id, status, written) = rig.request(GET_ID, 0, &[], 30);
    assert_eq!((&id[20..], status, written), (&[0; 10][..], OK, 20));
}

#[test]
fn ranges_are_discarded_and_made_zero_one_after_the_other() {
    let disk = Arc::new(Remembering::new(MIB));
    let mut rig = Rig::new(Arc::clone(&disk) as _, inline, 0);
    let two = [range(8, 16, 0), range(100, 0, 0), range(64, 8, 0)].concat();
    assert_eq!(rig.status(DISCARD, 0, &two, 0), OK);
    let zeros = [range(1, 1, 0), range(2, 2, 1)].concat();
    assert_eq!(rig.status(WRITE_ZEROES, 0, &zeros, 0), OK);
    let deeds = std::mem::take(&mut *disk.deeds.lock().unwrap());
    let expected = [
        Deed::Discard(4096, 8192),
        Deed::Discard(32768, 4096),
        Deed::Zero(512, 512, Space::Kept),
        Deed::Zero(1024, 1024, Space::Released),
    ];
    assert_eq!(deeds, expected);
    assert_eq!(rig.status(DISCARD, 0, &range(0, 1, 1), 0), UNSUPP, "unmap");
    assert_eq!(
        rig.status(WRITE_ZEROES, 0, &range(0, 1, 2), 0),
        UNSUPP,
        "an unknown flag"
    );
    assert_eq!(rig.status(DISCARD, 0, &[0; 15], 0), IOERR, "less than a range");
    assert_eq!(rig.status(DISCARD, 0, &vec![0; 16 * 65], 0), IOERR, "too many ranges");
    assert!(disk.deeds.lock().unwrap().is_empty());
}

#[test]
fn what_was_not_negotiated_is_not_supported() {
    let disk = Arc::new(Remembering::new(MIB));
    let mut rig = Rig::new(disk, inline, F_DISCARD | F_WRITE_ZEROES);
    assert_eq!(rig.status(DISCARD, 0, &range(0, 1, 0), 0), UNSUPP);
    assert_eq!(rig.status(WRITE_ZEROES, 0, &range(0, 1, 0), 0), UNSUPP);
    assert_eq!(rig.status(2, 0, &[0; 512], 512), UNSUPP);
}

#[test]
fn a_flush_is_done_before_it_is_reported_and_writes_do_not_wait_for_one() {
    let disk = Arc::new(Remembering::new(MIB));
    let mut rig = Rig::new(Arc::clone(&disk) as _, inline, 0);
    assert_eq!(rig.status(OUT, 0, &[1; 512], 0), OK);
    assert_eq!(*disk.deeds.lock().unwrap(), [Deed::Write(0, 512)]);
    assert_eq!(rig.status(FLUSH, 0, &[], 0), OK);
    assert_eq!(*disk.deeds.lock().unwrap(), [Deed::Write(0, 512), Deed::Flush]);
}

#[test]
fn without_flushes_every_change_is_durable_when_it_is_reported() {
    let disk = Arc::new(Remembering::new(MIB));
    let mut rig = Rig::new(Arc::clone(&disk) as _, inline, F_FLUSH);
    let zero = range(0, 1, 0);
    for (kind, data) in [(OUT, &[1; 512][..]), (DISCARD, &zero), (WRITE_ZEROES, &zero)] {
        assert_eq!(rig.status(kind, 0, data, 0), OK);
        let deeds = std::mem::take(&mut *disk.deeds.lock().unwrap());
        assert_eq!(deeds.len(), 2, "{deeds:?}");
        assert_eq!(deeds[1], Deed::Flush);
    }
    assert_eq!(rig.status(IN, 0, &[], 512), OK);
    assert!(disk.deeds.lock().unwrap().is_empty(), "a read changes nothing");
}

#[test]
fn a_read_only_disk_says_so_and_refuses_changes() {
    let mut disk = Remembering::new(MIB);
    disk.is_read_only = true;
    let disk = Arc::new(disk);
    let (device, _) = block(Arc::clone(&disk) as _, &traits(), inline);
    assert_ne!(device.features() & F_RO, 0);
    assert_eq!(device.features() & (F_FLUSH | F_DISCARD | F_WRITE_ZEROES), 0);
    let mut rig = Rig::new(Arc::clone(&disk) as _, inline, 0);
    assert_eq!(rig.status(OUT, 0, &[1; 512], 0), IOERR);
    for kind in [DISCARD, WRITE_ZEROES] {
        assert_eq!(rig.status(kind, 0, &range(0, 1, 0), 0), UNSUPP);
    }
    assert_eq!(rig.status(IN, 0, &[], 512), OK);
    rig.worker.stop();
    assert!(disk.deeds.lock().unwrap().is_empty());
}

#[test]
fn memory_that_is_not_there_is_an_error_of_that_request_alone() {
    let disk = Arc::new(Remembering::new(MIB));
    let mut rig = Rig::new(Arc::clone(&disk) as _, inline, 0);
    let nowhere = BASE - 0x1000;
    // The first descriptors: a header of zeros (a read), data nowhere, a status.
    let header = rig.driver.memory.reserve(16, 1);
    let status = rig.driver.memory.reserve(1, 1);
    rig.driver.memory.set(status, &[0xaa]);
    let good = rig.offer(IN, 0, &[], 512, &[16, 512, 1]);
    let first = 64;
    rig.driver.describe(first, header, 16, 1, first + 1);
    rig.driver.describe(first + 1, nowhere, 512, 3, first + 2);
    rig.driver.describe(first + 2, status, 1, 2, 0);
    rig.driver.publish(first);
    rig.worker.kicked(0).unwrap();
    assert_eq!(rig.wait().head, good);
    assert_eq!(rig.driver.memory.get(status, 1), [IOERR]);
}

#[test]
fn a_request_without_a_status_or_a_header_breaks_the_queue() {
    for (readable, writable) in [(vec![0; 16], vec![]), (vec![0; 15], vec![1]), (vec![], vec![512, 1])] {
        let mut rig = Rig::new(Arc::new(Remembering::new(MIB)), inline, 0);
        let readable: Vec<&[u8]> = if readable.is_empty() { vec![] } else { vec![&readable] };
        rig.driver.offer(&readable, &writable).unwrap();
        let broken = rig.worker.kicked(0).unwrap_err();
        assert_eq!(broken.kind(), std::io::ErrorKind::InvalidData);
    }
}

#[test]
fn the_configuration_is_where_the_specification_has_it() {
    let traits = Traits {
        queues: 3,
        cache: Cache::Writethrough,
        ..traits()
    };
    let (device, _) = block(Arc::new(Remembering::new(MIB)), &traits, inline);
    assert_eq!(device.features() & F_FLUSH, 0);
    assert_ne!(device.features() & F_MQ, 0);
    assert_eq!(device.queue_sizes().len(), 3);
    let mut all = [0xff; 96];
    device.load_config(0, &mut all);
    let word = |at: usize| u32::from_le_bytes(*all[at..].first_chunk().unwrap());
    assert_eq!(u64::from_le_bytes(*all.first_chunk().unwrap()), 2048, "capacity");
    assert_eq!(word(20), 512, "blk_size");
    assert_eq!(all[24], 3, "physical_block_exp");
    assert_eq!(u16::from_le_bytes([all[34], all[35]]), 3, "num_queues");
    assert_eq!(word(44), 128, "discard_sector_alignment");
    assert_eq!(all[56], 1, "write_zeroes_may_unmap");
    assert!(all[60..].iter().all(|&byte| byte == 0));
    for offset in [59, 60, 4096, u64::MAX] {
        let mut bytes = [0xff; 8];
        device.load_config(offset, &mut bytes);
        assert_eq!(bytes, [0; 8], "{offset}");
    }
}
