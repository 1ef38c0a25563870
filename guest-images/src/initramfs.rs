//! Writes an initramfs: a cpio archive in the "newc" format that Linux unpacks before its first process.
//!
//! The same entries give the same bytes, and device nodes need no privilege, as nothing is ever made
//! on the host. Not compressed: the guest would spend longer unpacking than anyone saves.
//!
//! Format: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Error;

const DIRECTORY: u32 = 0o040_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// An archive under construction. A later entry replaces an earlier one of the same path.
#[derive(Debug, Default)]
pub(crate) struct Initramfs<'a> {
    /// By path without a leading slash; sorted, so that a directory comes before what is in it.
    entries: BTreeMap<&'a str, Entry<'a>>,
}

/// What stands at a path.
#[derive(Debug, Default)]
pub(crate) struct Entry<'a> {
    /// Type and permissions, as in `stat`.
    pub(crate) mode: u32,
    /// Of a device.
    pub(crate) major_minor: (u32, u32),
    /// A file's contents, or where a symbolic link leads; less than 4 GiB.
    pub(crate) data: &'a [u8],
}

impl<'a> Initramfs<'a> {
    /// An empty archive.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a directory with the given permissions. What leads to an entry is added by itself, for all
    /// to enter.
    pub(crate) fn directory(&mut self, path: &'a str, permissions: u32) -> Result<(), Error> {
        self.add(path, DIRECTORY | permissions, (0, 0), &[])
    }

    /// Adds a regular file.
    pub(crate) fn file(&mut self, path: &'a str, permissions: u32, data: &'a [u8]) -> Result<(), Error> {
        self.add(path, REGULAR | permissions, (0, 0), data)
    }

    /// Adds a symbolic link to `target`.
    pub(crate) fn symlink(&mut self, path: &'a str, target: &'a str) -> Result<(), Error> {
        self.add(path, SYMLINK | 0o777, (0, 0), target.as_bytes())
    }

    /// Adds a character device.
    pub(crate) fn character_device(
        &mut self,
        path: &'a str,
        permissions: u32,
        (major, minor): (u32, u32),
    ) -> Result<(), Error> {
        self.add(path, CHARACTER_DEVICE | permissions, (major, minor), &[])
    }

    fn add(&mut self, path: &'a str, mode: u32, major_minor: (u32, u32), data: &'a [u8]) -> Result<(), Error> {
        let refused = |reason| Error::BadGuestPath {
            path: path.to_owned(),
            reason,
        };
        let inside = path.strip_prefix('/').unwrap_or(path);
        if inside.contains('\0') {
            return Err(refused("it has a zero byte"));
        }
        if inside.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(refused("one of its parts is empty, `.` or `..`"));
        }
        if inside == TRAILER {
            return Err(refused("an initramfs ends at that name"));
        }
        if u32::try_from(data.len()).is_err() {
            return Err(refused("a file of an initramfs has less than 4096 MiB"));
        }
        for (slash, _) in inside.match_indices('/') {
            let parent = self.entries.entry(&inside[..slash]).or_insert(Entry {
                mode: DIRECTORY | 0o755,
                major_minor: (0, 0),
                data: &[],
            });
            if !is_directory(parent.mode) {
                return Err(refused("it leads through something that is not a directory"));
            }
        }
        let entry = Entry {
            mode,
            major_minor,
            data,
        };
        if let Some(old) = self.entries.insert(inside, entry)
            && is_directory(old.mode) != is_directory(mode)
        {
            return Err(refused("it is both a directory and something else"));
        }
        Ok(())
    }

    /// The archive.
    pub(crate) fn finish(&self) -> Vec<u8> {
        let data: usize = self.entries.values().map(|entry| entry.data.len()).sum();
        let mut out = Vec::with_capacity(data + 256 * (self.entries.len() + 1));
        for (number, (path, entry)) in (1..).zip(&self.entries) {
            append(&mut out, number, path.as_bytes(), entry);
        }
        append(&mut out, 0, TRAILER.as_bytes(), &Entry::default());
        out
    }
}

/// The name that ends an archive.
pub(crate) const TRAILER: &str = "TRAILER!!!";

fn is_directory(mode: u32) -> bool {
    mode & 0o170_000 == DIRECTORY
}

/// Appends one entry: magic, thirteen numbers of eight hexadecimal digits, name, data; name and data
/// end at a multiple of four bytes.
pub(crate) fn append(out: &mut Vec<u8>, inode: u32, path: &[u8], entry: &Entry<'_>) {
    let links = if is_directory(entry.mode) { 2 } else { 1 };
    let (major, minor) = entry.major_minor;
    // Lengths: whoever calls has checked the data, and names are short. The owner is root, the time 1970, the
    // file system that the file was on is none, and "newc" has no checksum.
    let fields = [
        inode,
        entry.mode,
        0,
        0,
        links,
        0,
        entry.data.len() as u32,
        0,
        0,
        major,
        minor,
        path.len() as u32 + 1,
        0,
    ];
    let mut header = String::from("070701");
    for field in fields {
        write!(header, "{field:08x}").expect("a string takes all that is written");
    }
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(path);
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(entry.data);
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn sample() -> Initramfs<'static> {
        let mut archive = Initramfs::new();
        archive.file("/init", 0o755, b"#!/bin/sh\n").unwrap();
        archive.directory("root", 0o700).unwrap();
        archive.character_device("dev/console", 0o600, (5, 1)).unwrap();
        archive.symlink("bin/sh", "busybox").unwrap();
        archive.file("usr/share/a/b", 0o644, &[7; 4097]).unwrap();
        archive
    }

    /// What a reader of the format, written from its description alone, finds.
    pub(crate) fn read(mut archive: &[u8]) -> Vec<(String, [u32; 13], Vec<u8>)> {
        let whole = archive.len();
        let mut entries = Vec::new();
        loop {
            assert_eq!(&archive[..6], b"070701");
            let number = |at: usize| {
                let digits = str::from_utf8(&archive[6 + at * 8..14 + at * 8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            let fields: [u32; 13] = std::array::from_fn(number);
            let (size, name_size) = (fields[6] as usize, fields[11] as usize);
            let name = str::from_utf8(&archive[110..110 + name_size - 1]).unwrap().to_owned();
            assert_eq!(archive[110 + name_size - 1], 0);
            let data = (110 + name_size + 3) & !3;
            let end = (data + size + 3) & !3;
            if name == "TRAILER!!!" {
                assert_eq!(archive.len(), end);
                assert_eq!(whole % 4, 0);
                return entries;
            }
            entries.push((name, fields, archive[data..data + size].to_vec()));
            archive = &archive[end..];
        }
    }

    #[test]
    fn every_entry_is_found_again_and_directories_come_first() {
        let entries = read(&sample().finish());
        let names: Vec<&str> = entries.iter().map(|(name, ..)| &**name).collect();
        assert_eq!(
            names,
            [
                "bin",
                "bin/sh",
                "dev",
                "dev/console",
                "init",
                "root",
                "usr",
                "usr/share",
                "usr/share/a",
                "usr/share/a/b"
            ]
        );
        let entry = |name| entries.iter().find(|(n, ..)| n == name).unwrap();
        assert_eq!(entry("bin").1[1], 0o040_755);
        assert_eq!(entry("root").1[1], 0o040_700);
        assert_eq!(
            (entry("bin/sh").1[1], &*entry("bin/sh").2),
            (0o120_777, &b"busybox"[..])
        );
        assert_eq!(
            (entry("init").1[1], &*entry("init").2),
            (0o100_755, &b"#!/bin/sh\n"[..])
        );
        assert_eq!(entry("dev/console").1[1], 0o020_600);
        assert_eq!(entry("dev/console").1[9..11], [5, 1]);
        assert_eq!(entry("usr/share/a/b").2, [7; 4097]);
        let mut inodes: Vec<u32> = entries.iter().map(|(_, fields, _)| fields[0]).collect();
        inodes.dedup();
        assert_eq!(inodes.len(), entries.len());
    }

    #[test]
    fn the_systems_cpio_lists_the_same_names() {
        let listing = Command::new("cpio")
            .args(["--list", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = listing else {
            eprintln!("SKIPPED: this system has no cpio to compare with");
            return;
        };
        let archive = sample().finish();
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let names: Vec<String> = read(&archive).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(),
            names
        );
    }

    #[test]
    fn a_later_file_replaces_an_earlier_one() {
        let mut archive = sample();
        archive.file("init", 0o755, b"other").unwrap();
        let entries = read(&archive.finish());
        let inits: Vec<_> = entries.iter().filter(|(name, ..)| name == "init").collect();
        assert_eq!(inits.len(), 1);
        assert_eq!(inits[0].2, b"other");
    }

    #[test]
    fn paths_that_make_no_sense_are_refused() {
        let mut archive = sample();
        for path in [
            "",
            "/",
            "a//b",
            "../a",
            "a/./b",
            "a/",
            "a\0b",
            "TRAILER!!!",
            "init/x",
            "bin/sh/x",
        ] {
            let result = archive.file(path, 0o644, b"");
            assert!(
                matches!(result, Err(Error::BadGuestPath { .. })),
                "{path:?}: {result:?}"
            );
        }
        assert!(archive.file("dev", 0o644, b"").is_err());
        assert!(sample().directory("init", 0o755).is_err());
    }
}
