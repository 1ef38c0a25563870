//! The lock on an image: any number of readers, or one who writes.
//!
//! The locks are Linux's on open file descriptions, on the bytes that QEMU's programs use, so `qemu-img` refuses an image that a guest
//! runs on, and this program one that QEMU runs on. Each user holds, as locks for reading, a byte for everything it does to the
//! image, and a byte for everything that it lets nobody else do; then it looks whether anybody else does what it does not let
//! them, or does not let it do what it does. As everyone first holds and then looks, of two who come at once at least one sees the other. The
//! locks go with the open file, so also when the program is killed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::open::Access;

/// Byte of the first thing that somebody does.
const DOES: i64 = 100;
/// Byte of the first thing that somebody lets nobody else do.
const FORBIDS: i64 = 200;

/// What may be done to an image, by the number of its bytes.
const READS: i64 = 0;
const WRITES: i64 = 1;
const RESIZES: i64 = 3;

/// What nobody else may do to an image that a guest has, whether it reads or writes it: what it has read would change.
const EXCLUSIVE: [i64; 2] = [WRITES, RESIZES];

/// Locks `file` for this use of it; whether that worked.
///
/// # Errors
/// The host has no such locks for this file.
pub(crate) fn lock(file: &File, access: Access) -> io::Result<bool> {
    let does: &[i64] = match access {
        Access::ReadOnly => &[READS],
        Access::ReadWrite => &[READS, WRITES, RESIZES],
    };
    for byte in does
        .iter()
        .map(|thing| DOES + thing)
        .chain(EXCLUSIVE.map(|thing| FORBIDS + thing))
    {
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&one(byte, libc::F_RDLCK))) {
            Ok(_) => {}
            // Somebody holds it for writing: nobody who keeps to the protocol does.
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    let forbidden = does.iter().map(|thing| FORBIDS + thing);
    for byte in forbidden.chain(EXCLUSIVE.map(|thing| DOES + thing)) {
        let mut found = one(byte, libc::F_WRLCK);
        fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut found))?;
        if i32::from(found.l_type) != libc::F_UNLCK {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A lock on one byte.
fn one(byte: i64, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::path::Path;

    use super::Access::{ReadOnly, ReadWrite};
    use super::*;
    use crate::started;

    fn open(path: &Path, access: Access) -> File {
        let is_written = access == ReadWrite;
        OpenOptions::new().read(true).write(is_written).open(path).unwrap()
    }

    #[test]
    fn there_are_several_readers_or_one_who_writes() {
        for (first, second, together) in [
            (ReadOnly, ReadOnly, true),
            (ReadOnly, ReadWrite, false),
            (ReadWrite, ReadOnly, false),
            (ReadWrite, ReadWrite, false),
        ] {
            let image = tempfile::NamedTempFile::new().unwrap();
            let held = open(image.path(), first);
            assert!(lock(&held, first).unwrap());
            let other = open(image.path(), second);
            assert_eq!(lock(&other, second).unwrap(), together, "{first:?}, {second:?}");
            drop(other);
            drop(held);
            started::wait();
            let other = open(image.path(), second);
            assert!(lock(&other, second).unwrap(), "a lock goes with its file");
        }
    }

    /// What QEMU's programs say to a lock of ours, and we to one of theirs.
    #[test]
    fn qemus_programs_respect_the_lock() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(1 << 20).unwrap();
        let path = image.path().to_str().unwrap();
        let qemu_io = |command: &str, more: &[&str]| {
            let mut qemu = std::process::Command::new("qemu-io");
            qemu.args(["-f", "raw", "-c", command]).args(more).arg(path);
            started::output(&mut qemu).map(|output| {
                String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
            })
        };
        let Ok(alone) = qemu_io("write 0 4k", &[]) else {
            eprintln!("skipped: there is no qemu-io here (Debian's qemu-utils)");
            return;
        };
        assert!(alone.contains("wrote 4096/4096"), "{alone}");
        let reader = open(image.path(), ReadOnly);
        assert!(lock(&reader, ReadOnly).unwrap());
        assert!(qemu_io("read 0 4k", &["-r"]).unwrap().contains("read 4096/4096"));
        assert!(qemu_io("write 0 4k", &[]).unwrap().contains("lock"));
        drop(reader);
        started::wait();
        let writer = open(image.path(), ReadWrite);
        assert!(lock(&writer, ReadWrite).unwrap());
        assert!(qemu_io("write 0 4k", &[]).unwrap().contains("lock"));
    }
}
