//! Engines, one as the other.

use std::os::unix::fs::FileExt as _;

use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

use super::*;
use crate::disk::{Access, Buffer, Caching, Format, Options, Space, open};

/// Whether the kernel has io_uring for tests; says it if not.
pub(crate) fn has_ring() -> bool {
    let file = tempfile::tempfile().unwrap();
    let has = file_ring::Ring::new(Arc::new(file), 1).is_ok();
    if !has {
        eprintln!("skipped: this machine has no io_uring for tests");
    }
    has
}

/// A raw disk of 1 MiB, whose first sector is 7s.
pub(super) fn disk() -> (tempfile::NamedTempFile, Arc<dyn Disk>) {
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(1 << 20).unwrap();
    image.as_file().write_all_at(&[7; 512], 0).unwrap();
    let disk = open(&Options {
        path: image.path().to_owned(),
        format: Some(Format::Raw),
        access: Access::ReadWrite,
        caching: Caching::Cached,
    });
    (image, disk.unwrap())
}

fn engines(disk: &Arc<dyn Disk>) -> Vec<Box<dyn Engine>> {
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(Inline::new(Arc::clone(disk)).unwrap())];
    engines.push(Box::new(Pool::new(disk, 8).unwrap()));
    engines.extend(RingEngine::new(disk, 8).map(|ring| Box::new(ring) as _));
    engines
}

fn job(token: usize, work: Work) -> Job {
    Job {
        token,
        work,
        durable: true,
        buffer: Buffer::default(),
    }
}

/// What is done next, for one who waits at the descriptor, as a device's thread does.
fn heard(engine: &mut dyn Engine) -> Done {
    let epoll = Epoll::new().unwrap();
    let readable = EpollEvent::new(EventSet::IN, 0);
    epoll.ctl(ControlOperation::Add, engine.descriptor(), readable).unwrap();
    loop {
        if let Some(done) = engine.done().unwrap() {
            return done;
        }
        while epoll.wait(-1, &mut [EpollEvent::default()]).is_err() {}
    }
}

#[test]
fn each_job_comes_back_once_with_its_buffer() {
    let (image, disk) = disk();
    for mut engine in engines(&disk) {
        assert!(engine.wait().unwrap().is_none() && engine.done().unwrap().is_none());
        let mut write = job(1, Work::Write { at: 4096, bytes: 65536 });
        write.buffer.data_mut(65536).fill(9);
        let (at, bytes) = (131_072, 4096);
        let space = Space::Released;
        let all = [
            job(0, Work::Read { at: 0, bytes: 512 }),
            write,
            job(2, Work::Flush),
            job(3, Work::Discard { at, bytes }),
            job(4, Work::Zero { at, bytes, space }),
            job(
                5,
                Work::Zero {
                    at,
                    bytes,
                    space: Space::Kept,
                },
            ),
        ];
        for job in all {
            engine.submit(job).unwrap();
        }
        engine.begin().unwrap();
        let mut done: Vec<Done> = std::iter::from_fn(|| engine.wait().unwrap()).collect();
        done.sort_by_key(|done| done.token);
        let tokens: Vec<usize> = done.iter().map(|done| done.token).collect();
        assert_eq!(tokens, [0, 1, 2, 3, 4, 5]);
        assert!(done.iter().all(|done| done.result.is_ok()), "{done:?}");
        assert_eq!(done[0].buffer.data(512), [7; 512]);
        let mut written = [0; 512];
        image.as_file().read_exact_at(&mut written, 4096 + 65024).unwrap();
        assert_eq!(written, [9; 512]);
    }
}

#[test]
fn zeros_are_written_where_the_file_system_makes_none() {
    // tmpfs has holes and no zeros in place.
    let Ok(image) = tempfile::NamedTempFile::new_in("/dev/shm") else {
        eprintln!("skipped: this machine has no tmpfs for tests");
        return;
    };
    let (at, bytes, end) = (4096, 300 << 10, 512 << 10);
    let disk = open(&Options {
        path: {
            image.as_file().set_len(end).unwrap();
            image.path().to_owned()
        },
        format: Some(Format::Raw),
        access: Access::ReadWrite,
        caching: Caching::Cached,
    });
    let disk = disk.unwrap();
    for mut engine in engines(&disk) {
        image.as_file().write_all_at(&vec![7; end as usize], 0).unwrap();
        for durable in [false, true] {
            let space = Space::Kept;
            let mut zero = job(3, Work::Zero { at, bytes, space });
            zero.durable = durable;
            zero.buffer.data_mut(crate::disk::BUFFER_BYTES).fill(9);
            engine.submit(zero).unwrap();
            engine.begin().unwrap();
            let done = heard(&mut *engine);
            assert!(done.token == 3 && done.result.is_ok(), "{done:?}");
        }
        let mut found = vec![0; end as usize];
        image.as_file().read_exact_at(&mut found, 0).unwrap();
        let is_right = |(at_byte, byte): (u64, &u8)| *byte == if (at..at + bytes).contains(&at_byte) { 0 } else { 7 };
        assert!((0..).zip(&found).all(is_right));
    }
}

#[test]
fn a_file_that_has_become_shorter_is_an_error() {
    let (image, disk) = disk();
    image.as_file().set_len(1024).unwrap();
    for mut engine in engines(&disk) {
        engine.submit(job(0, Work::Read { at: 512, bytes: 1024 })).unwrap();
        engine.begin().unwrap();
        let done = engine.wait().unwrap().unwrap();
        assert_eq!(done.result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn dropping_an_engine_waits_for_what_is_begun() {
    let (image, disk) = disk();
    for (number, mut engine) in engines(&disk).into_iter().enumerate() {
        let byte = number as u8 + 100;
        let mut write = job(0, Work::Write { at: 0, bytes: 512 });
        write.buffer.data_mut(512).fill(byte);
        engine.submit(write).unwrap();
        engine.begin().unwrap();
        engine.wait().unwrap().unwrap();
        engine.submit(job(1, Work::Flush)).unwrap();
        drop(engine);
        let mut found = [0; 512];
        image.as_file().read_exact_at(&mut found, 0).unwrap();
        assert_eq!(found, [byte; 512]);
    }
}
