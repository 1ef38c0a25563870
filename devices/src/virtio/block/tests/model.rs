//! Random requests on real images, against a model that is an array of bytes. The images are judged by `qemu-img` as well, where there is one.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};

use imago::file::File as Storage;
use imago::qcow2::Qcow2 as Image;
use imago::{FormatCreateBuilder as _, StorageOpenOptions};
use proptest::prelude::*;

use super::rig::{DISCARD, FLUSH, IN, OK, OUT, Rig, WRITE_ZEROES, inline, pool, range, ring};
use crate::disk::{Access, Caching, Format, Options, Space, open};
use crate::started;
use crate::virtio::block::StartEngine;

/// Requests of a batch are carried out at once, each in an area of its own.
const AREAS: u64 = 5;
const AREA_SECTORS: u64 = 401;
const DISK_BYTES: u64 = AREAS * AREA_SECTORS * 512;

/// What a request does, at a sector of its area.
#[derive(Clone, Debug)]
enum Ask {
    Read,
    Write(u8),
    Discard,
    Zero { unmap: bool },
    Flush,
}

#[derive(Clone, Debug)]
struct Request {
    ask: Ask,
    sector: u64,
    sectors: u64,
    cuts: Vec<usize>,
}

fn requests() -> impl Strategy<Value = Vec<Vec<Request>>> {
    let ask = prop_oneof![
        3 => Just(Ask::Read),
        4 => any::<u8>().prop_map(Ask::Write),
        1 => Just(Ask::Discard),
        1 => any::<bool>().prop_map(|unmap| Ask::Zero { unmap }),
        1 => Just(Ask::Flush),
    ];
    let place = (0..AREA_SECTORS).prop_flat_map(|sector| (Just(sector), 0..=AREA_SECTORS - sector));
    let cuts = prop::collection::vec(9_000..100_000_usize, 1..4);
    let first = 1..40_usize;
    let request = (ask, place, first, cuts).prop_map(|(ask, (sector, sectors), first, mut cuts)| {
        cuts.insert(0, first + 16);
        Request {
            ask,
            sector,
            sectors,
            cuts,
        }
    });
    prop::collection::vec(prop::collection::vec(request, AREAS as usize), 1..12)
}

/// The disk as the guest must find it. A discarded sector is what it was or zeros, until it is read.
struct Model {
    bytes: Vec<u8>,
    is_discarded: Vec<bool>,
}

impl Model {
    fn new() -> Self {
        Self {
            bytes: vec![0; DISK_BYTES as usize],
            is_discarded: vec![false; (DISK_BYTES / 512) as usize],
        }
    }

    fn set(&mut self, sector: u64, data: &[u8]) {
        self.bytes[sector as usize * 512..][..data.len()].copy_from_slice(data);
        self.is_discarded[sector as usize..][..data.len() / 512].fill(false);
    }

    fn check(&mut self, sector: u64, data: &[u8]) {
        for (number, found) in data.chunks(512).enumerate() {
            let sector = sector as usize + number;
            let held = &mut self.bytes[sector * 512..][..512];
            if std::mem::take(&mut self.is_discarded[sector]) && found == [0; 512] {
                held.fill(0);
            }
            assert!(
                found == held,
                "sector {sector}: {:?}, not {:?}",
                &found[..4],
                &held[..4]
            );
        }
    }
}

/// Does all requests, a batch at a time.
fn play(rig: &mut Rig, model: &mut Model, batches: &[Vec<Request>]) {
    for batch in batches {
        let mut heads = Vec::new();
        for (area, request) in batch.iter().enumerate() {
            let sector = area as u64 * AREA_SECTORS + request.sector;
            let bytes = request.sectors as usize * 512;
            let one = |flags| range(sector, request.sectors as u32, flags);
            let head = match request.ask {
                Ask::Read => rig.offer(IN, sector, &[], bytes, &request.cuts),
                Ask::Write(byte) => {
                    let data: Vec<u8> = (0..bytes).map(|n| byte.wrapping_add((n / 512) as u8)).collect();
                    model.set(sector, &data);
                    rig.offer(OUT, sector, &data, 0, &request.cuts)
                }
                Ask::Discard => {
                    model.is_discarded[sector as usize..][..request.sectors as usize].fill(true);
                    rig.offer(DISCARD, 0, &one(0), 0, &request.cuts)
                }
                Ask::Zero { unmap } => {
                    model.set(sector, &vec![0; bytes]);
                    rig.offer(WRITE_ZEROES, 0, &one(unmap.into()), 0, &request.cuts)
                }
                Ask::Flush => rig.offer(FLUSH, 0, &[], 0, &request.cuts),
            };
            heads.push((head, sector));
        }
        rig.worker.kicked(0).unwrap();
        for _ in batch {
            let used = rig.wait();
            let (_, sector) = heads.iter().find(|(head, _)| *head == used.head).unwrap();
            let (status, data) = used.bytes.split_last().unwrap();
            assert_eq!(*status, OK);
            assert_eq!(used.written as usize, used.bytes.len());
            model.check(*sector, data);
        }
    }
}

/// Makes an image; `cluster` bytes of it for qcow2.
fn make(path: &Path, cluster: Option<usize>) {
    let file = File::create(path).unwrap();
    match cluster {
        None => file.set_len(DISK_BYTES).unwrap(),
        Some(cluster) => {
            let file = File::options().read(true).write(true).open(path).unwrap();
            let storage = Storage::from_open_file(file, StorageOpenOptions::new().write(true)).unwrap();
            let builder = Image::<Storage>::create_builder(storage)
                .size(DISK_BYTES)
                .cluster_size(cluster);
            builder.create().unwrap();
        }
    }
}

fn options(path: &Path, cluster: Option<usize>) -> Options {
    Options {
        path: path.to_owned(),
        format: Some(if cluster.is_some() { Format::Qcow2 } else { Format::Raw }),
        access: Access::ReadWrite,
        caching: Caching::Cached,
    }
}

/// What `qemu-img` says; `None` where there is none.
fn qemu_img(arguments: &[&str]) -> Option<String> {
    match started::output(Command::new("qemu-img").args(arguments)) {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            // 3: clusters that nobody uses, which is what a killed process may leave.
            assert!(matches!(output.status.code(), Some(0 | 3)), "{arguments:?}: {said}");
            Some(said)
        }
        Err(_) => {
            eprintln!("skipped: there is no qemu-img here to judge images (Debian's qemu-utils)");
            None
        }
    }
}

/// What an image that nobody has open holds, in the eyes of another program; `None` where there is none.
fn content(directory: &Path, image: &Path) -> Option<Vec<u8>> {
    let raw = directory.join("content");
    let (image, to) = (image.to_str().unwrap(), raw.to_str().unwrap());
    // Without locks: a process that another test is starting may still have our file.
    qemu_img(&["check", "-U", "-f", "qcow2", image])?;
    qemu_img(&["convert", "-U", "-f", "qcow2", "-O", "raw", image, to])?;
    Some(std::fs::read(raw).unwrap())
}

fn compare(engine: StartEngine, cluster: Option<usize>, batches: &[Vec<Request>]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    make(&path, cluster);
    let disk = open(&options(&path, cluster)).unwrap();
    let mut model = Model::new();
    let mut rig = Rig::new(Arc::clone(&disk), engine, 0);
    play(&mut rig, &mut model, batches);
    rig.worker.stop();
    drop((rig, disk));
    let found = match cluster {
        None => Some(std::fs::read(&path).unwrap()),
        Some(_) => content(directory.path(), &path),
    };
    if let Some(found) = found {
        model.check(0, &found);
    }
}

/// Each in a part of its own of clusters that hold nothing yet.
#[test]
fn zeros_beside_a_write_leave_what_is_written() {
    const CLUSTER: u64 = 65536;
    let directory = tempfile::tempdir().unwrap();
    for image in 0..40 {
        let path = directory.path().join(image.to_string());
        make(&path, Some(CLUSTER as usize));
        let disk = open(&options(&path, Some(CLUSTER as usize))).unwrap();
        let clusters = || (0..DISK_BYTES - CLUSTER).step_by(CLUSTER as usize);
        let begin = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for at in clusters() {
                    begin.wait();
                    disk.write_zeroes(at, 4096, Space::Kept).unwrap();
                }
            });
            for at in clusters() {
                begin.wait();
                disk.write(at + 8192, &[7; 4096]).unwrap();
            }
        });
        for at in clusters() {
            let mut found = [1; 12288];
            disk.read(at, &mut found).unwrap();
            let is_right = |(n, byte): (usize, &u8)| *byte == if n < 8192 { 0 } else { 7 };
            assert!(found.iter().enumerate().all(is_right), "at {at:#x}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_raw_disk_is_an_array_of_bytes(batches in requests()) {
        compare(inline, None, &batches);
        compare(pool, None, &batches);
    }

    #[test]
    fn a_raw_disk_by_io_uring_is_an_array_of_bytes(batches in requests()) {
        if crate::disk::engine::tests::has_ring() {
            compare(ring, None, &batches);
        }
    }

    #[test]
    fn a_qcow2_disk_is_an_array_of_bytes(batches in requests()) {
        for cluster in [512, 4096, 65536] {
            compare(pool, Some(cluster), &batches);
        }
    }

    /// A process that is killed leaves the file as it is at that moment.
    #[test]
    fn a_qcow2_image_that_is_left_at_any_moment_is_whole_and_has_what_was_flushed(
        flushed in requests(),
        rest in requests(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        let left = directory.path().join("left");
        make(&path, Some(4096));
        let disk = open(&options(&path, Some(4096))).unwrap();
        let mut model = Model::new();
        let mut rig = Rig::new(disk, pool, 0);
        play(&mut rig, &mut model, &flushed);
        prop_assert_eq!(rig.status(FLUSH, 0, &[], 0), OK);
        std::fs::copy(&path, &left).unwrap();
        if let Some(found) = content(directory.path(), &left) {
            model.check(0, &found);
            for batch in rest.chunks(2) {
                play(&mut rig, &mut model, batch);
                std::fs::copy(&path, &left).unwrap();
                content(directory.path(), &left);
            }
        }
    }
}
