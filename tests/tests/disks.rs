//! Disks: what Linux in a guest writes is what the host reads, and the other way round, and what was flushed outlives pteg.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use guest_images::{Cache, Image, ImageOptions, Stderr};
use rustix::process::Signal;
use tempfile::TempDir;
use tests::{Flushed, Guest, PATIENCE, Turns, assert_journal_mends};

/// Guests of a gibibyte at a time.
static TURNS: Turns = Turns::new(2);

const MIB: u64 = 1 << 20;

/// A guest of this image with these `flags`, in whose shell its devices are there.
fn start(image: &str, flags: &[&str]) -> Guest {
    // pteg would tell of what it fetches, and is to say nothing.
    let cache = Cache::from_environment().unwrap();
    let made = Image::by_name(image).unwrap();
    let made = made.prepare(&cache, &Stderr::new(), &ImageOptions::default());
    made.unwrap_or_else(|error| panic!("{error}"));
    let usual = [
        "run",
        image,
        "--append",
        "quiet pteg.console=pipe",
        "--accel",
        "emulated",
    ];
    let mut guest = Guest::start([&usual, flags].concat());
    guest.wait_for("Type exit to power off.");
    guest
}

/// A guest with these disks.
fn with_disks(disks: &[String]) -> Guest {
    let flags: Vec<&str> = disks.iter().flat_map(|disk| ["--disk", disk]).collect();
    start("debian", &flags)
}

fn end(mut guest: Guest) {
    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    // A busy host may take its time, of which pteg tells.
    let mut errors = ended.errors.lines().filter(|line| !line.contains("waits for the host"));
    assert_eq!(errors.next(), None);
}

/// Bytes without a pattern.
fn noise(bytes: u64, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes as usize / 8).flatten().collect()
}

fn sum(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, bytes).unwrap();
    let output = Command::new("md5sum").arg(file.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..32].to_owned()
}

/// Runs a program of the host's; `None` where there is none, which is said.
fn host(program: &str, arguments: &[&str], package: &str) -> Option<Vec<u8>> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
            Some(output.stdout)
        }
        Err(_) => {
            eprintln!("skipped in part: there is no {program} here (Debian's {package})");
            None
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An image of so many bytes of noise.
fn raw(directory: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_guest_and_the_host_read_what_the_other_has_written() {
    let _turn = TURNS.take();
    let directory = tempfile::tempdir().unwrap();
    let before = noise(16 * MIB, 1);
    let first = raw(&directory, "first.img", &before);
    let kept = raw(&directory, "kept.img", &noise(MIB, 2));
    let mut disks = vec![
        format!("{},format=raw,serial=first", text(&first)),
        format!("{},readonly", text(&kept)),
    ];
    let file_system = raw(&directory, "ext4.img", &[]);
    File::options()
        .write(true)
        .open(&file_system)
        .unwrap()
        .set_len(64 * MIB)
        .unwrap();
    let has_ext4 = host("mkfs.ext4", &["-q", text(&file_system)], "e2fsprogs").is_some();
    disks.push(format!("{},format=raw,queues=2", text(&file_system)));
    let qcow2 = directory.path().join("disk.qcow2");
    let has_qcow2 = host(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", text(&qcow2), "32M"],
        "qemu-utils",
    )
    .is_some();
    if has_qcow2 {
        disks.push(text(&qcow2).to_owned());
    }

    let mut guest = with_disks(&disks);
    assert_eq!(guest.shell("echo $(cat /sys/block/vda/serial)"), "first\n");
    assert_eq!(
        guest.shell("cat /sys/block/vda/queue/write_cache /sys/block/vdb/ro"),
        "write back\n1\n"
    );
    assert_eq!(&guest.shell("md5sum /dev/vda")[..32], sum(&before));
    let change = "dd if=/dev/urandom of=/dev/vda bs=512 seek=1001 count=9000 conv=notrunc,fsync 2>/dev/null";
    let after = guest.shell(&format!("{change} && md5sum /dev/vda"));
    guest.shell("! dd if=/dev/zero of=/dev/vdb bs=512 count=1 conv=fsync 2>/dev/null");
    if has_ext4 {
        guest.shell("mkdir -p /mnt && mount -t ext4 -o discard /dev/vdc /mnt");
        guest.shell("cp /bin/busybox /mnt/copy && sync && echo hello > /mnt/hello && dd if=/dev/urandom of=/mnt/big bs=1M count=20 2>/dev/null");
        guest.shell("sync && rm /mnt/big && sync");
        // Linux discards behind everyone's back, and gives up on it when the file system is unmounted.
        let deadline = Instant::now() + PATIENCE;
        while fs::metadata(&file_system).unwrap().blocks() * 512 >= 20 * MIB {
            assert!(Instant::now() < deadline, "what was removed is given back");
            thread::sleep(Duration::from_millis(50));
        }
        guest.shell("umount /mnt");
    }
    let mut written = String::new();
    if has_qcow2 {
        written = guest.shell("dd if=/dev/urandom of=/dev/vdd bs=64k seek=3 count=100 conv=notrunc 2>/dev/null && sync && md5sum /dev/vdd");
    }
    end(guest);

    let found = fs::read(&first).unwrap();
    assert_eq!(sum(&found), after[..32]);
    assert_eq!(found[..1001 * 512], before[..1001 * 512]);
    assert_eq!(found[10_001 * 512..], before[10_001 * 512..]);
    assert_eq!(fs::read(&kept).unwrap(), noise(MIB, 2));
    if has_ext4 {
        host("e2fsck", &["-f", "-n", text(&file_system)], "e2fsprogs");
        if let Some(hello) = host("debugfs", &["-R", "cat /hello", text(&file_system)], "e2fsprogs") {
            assert_eq!(hello, b"hello\n");
        }
    }
    if has_qcow2 {
        let plain = directory.path().join("plain");
        host("qemu-img", &["check", "-q", text(&qcow2)], "qemu-utils");
        host(
            "qemu-img",
            &["convert", "-O", "raw", text(&qcow2), text(&plain)],
            "qemu-utils",
        );
        assert_eq!(sum(&fs::read(&plain).unwrap()), written[..32]);
    }
}

#[test]
fn what_a_guest_has_flushed_is_there_when_pteg_is_killed() {
    let _turn = TURNS.take();
    let directory = tempfile::tempdir().unwrap();
    let first = raw(&directory, "first.img", &noise(8 * MIB, 3));
    let qcow2 = directory.path().join("disk.qcow2");
    let mut disks = vec![format!("{},format=raw", text(&first))];
    let has_qcow2 = host(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", text(&qcow2), "32M"],
        "qemu-utils",
    )
    .is_some();
    if has_qcow2 {
        disks.push(text(&qcow2).to_owned());
    }
    let mut guest = with_disks(&disks);
    let pattern = "dd if=/bin/busybox bs=512 count=4000 seek=100 conv=notrunc,fsync 2>/dev/null";
    for disk in ["vda", "vdb"].into_iter().take(disks.len()) {
        guest.shell(&format!("{pattern} of=/dev/{disk}"));
    }
    let wanted = guest.shell("head -c 2048000 /bin/busybox | md5sum");
    // Writes that nobody waits for go on while it is killed.
    guest.send("while true; do dd if=/dev/urandom of=/dev/vda bs=64k seek=40 count=40 conv=notrunc; done & \n");
    guest.send("while true; do dd if=/dev/urandom of=/dev/vdb bs=64k seek=40 count=40 conv=notrunc; sync; done & \n");
    guest.wait_for("records out");
    guest.wait_for("records out");
    guest.signal(Signal::KILL);
    guest.finish();

    let mut found = vec![0; 4000 * 512];
    File::open(&first)
        .unwrap()
        .read_exact_at(&mut found, 100 * 512)
        .unwrap();
    assert_eq!(sum(&found), wanted[..32]);
    if has_qcow2 {
        let plain = directory.path().join("plain");
        host(
            "qemu-img",
            &["convert", "-O", "raw", text(&qcow2), text(&plain)],
            "qemu-utils",
        );
        File::open(&plain)
            .unwrap()
            .read_exact_at(&mut found, 100 * 512)
            .unwrap();
        assert_eq!(sum(&found), wanted[..32]);
        // Clusters that nobody uses are all that may be wrong.
        let checked = Command::new("qemu-img").args(["check", text(&qcow2)]).output().unwrap();
        assert!(matches!(checked.status.code(), Some(0 | 3)), "{checked:?}");
    }
}

#[test]
fn each_image_finds_its_devices_and_file_systems() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["debian:6.12", "debian:6.12-64k"] {
        let _turn = TURNS.take();
        let disk = raw(&directory, "disk.img", &noise(MIB, 4));
        let disk = format!("{},format=raw", text(&disk));
        let mut guest = start(name, &["--disk", &disk, "--rng", "--balloon"]);
        assert_eq!(&guest.shell("md5sum /dev/vda")[..32], sum(&noise(MIB, 4)));
        guest.shell("lsmod | grep -q ^virtio_rng && lsmod | grep -q ^virtio_balloon");
        // The kernel looks for a file system by itself, before it sees that this is no disk.
        guest.shell("mkdir /mnt; ! mount -t ext4 /dev/null /mnt 2>/dev/null && grep -q ext4 /proc/filesystems");
        // Newer kernels have it built in, and no such module.
        guest.shell("modprobe -q virtiofs; grep -q virtiofs /proc/filesystems");
        end(guest);
    }
}

/// How often pteg is killed.
const KILLS: u64 = 20;

#[test]
#[ignore = "it takes minutes: cargo test -p tests --test disks -- --ignored"]
fn a_file_system_stays_whole_and_keeps_what_was_flushed_when_pteg_is_killed_twenty_times() {
    let _turn = TURNS.take();
    let directory = tempfile::tempdir().unwrap();
    let disk = raw(&directory, "ext4.img", &[]);
    File::options()
        .write(true)
        .open(&disk)
        .unwrap()
        .set_len(256 * MIB)
        .unwrap();
    if host("mkfs.ext4", &["-q", text(&disk)], "e2fsprogs").is_none() {
        return;
    }
    let flags = ["--disk", &format!("{},format=raw", text(&disk)), "--smp", "2"];
    let start = || {
        let mut guest = start("debian", &flags);
        guest.shell("mkdir /mnt && mount -t ext4 /dev/vda /mnt && cd /mnt");
        guest
    };
    let mut flushed = Flushed::default();
    for kill in 0..KILLS {
        let mut guest = start();
        flushed.check_new(&mut guest);
        let count = flushed.write_until_killed(guest, 1 + kill % 5);
        assert_journal_mends(&disk);
        eprintln!("{} kills, {count} files flushed", kill + 1);
    }
    let mut guest = start();
    flushed.check_all(&mut guest);
    guest.shell("cd /; umount /mnt");
    end(guest);
    host("e2fsck", &["-f", "-n", text(&disk)], "e2fsprogs");
}
