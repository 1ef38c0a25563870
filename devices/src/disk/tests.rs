//! Images that users give, and what is said of those that will not do.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::started;

fn options(path: &Path) -> Options {
    Options {
        path: path.to_owned(),
        format: None,
        access: Access::ReadWrite,
        caching: Caching::Cached,
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn raw(directory: &tempfile::TempDir, bytes: u64) -> PathBuf {
    let path = directory.path().join("raw.img");
    File::create(&path).unwrap().set_len(bytes).unwrap();
    path
}

/// Runs `qemu-img`; whether there is one.
fn qemu_img(directory: &tempfile::TempDir, arguments: &[&str]) -> bool {
    let mut command = Command::new("qemu-img");
    match started::output(command.current_dir(directory.path()).args(arguments)) {
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            true
        }
        Err(_) => {
            eprintln!("skipped: there is no qemu-img here to make images (Debian's qemu-utils)");
            false
        }
    }
}

fn error(options: &Options) -> String {
    let error = open(options).err().expect("it is no disk");
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        said += &format!(": {error}");
        cause = error.source();
    }
    said
}

#[test]
fn a_format_that_was_found_out_cannot_be_changed_by_the_guest() {
    let directory = directory();
    let path = raw(&directory, 1 << 20);
    let mut header = [0; 512];
    header[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    let disk = open(&options(&path)).unwrap();
    let refused = disk.write(0, &header).unwrap_err();
    assert!(refused.to_string().contains("format=raw"), "{refused}");
    assert!(disk.allows(0, &header).is_err());
    disk.write(512, &header).unwrap();
    disk.write(0, &[1; 512]).unwrap();
    drop(disk);
    started::wait();
    let given = Options {
        format: Some(Format::Raw),
        ..options(&path)
    };
    let disk = open(&given).unwrap();
    disk.write(0, &header).unwrap();
    drop(disk);
    started::wait();
    let disk = open(&given).unwrap();
    let mut first = [0; 512];
    disk.read(0, &mut first).unwrap();
    assert_eq!(first, header, "what was given is not found out again");
}

#[test]
fn a_disk_has_whole_sectors_and_one_at_least() {
    let directory = directory();
    for bytes in [0, 511, 513, 4097] {
        let said = error(&options(&raw(&directory, bytes)));
        assert!(
            said.contains(&format!("has {bytes} bytes")) && said.contains("truncate"),
            "{said}"
        );
    }
    assert_eq!(open(&options(&raw(&directory, 512))).unwrap().bytes(), 512);
}

#[test]
fn what_is_no_file_is_refused_by_its_name() {
    let directory = directory();
    assert!(error(&options(directory.path())).contains("neither a file nor a block device"));
    assert!(error(&options(Path::new("/dev/null"))).contains("/dev/null is neither"));
    let missing = directory.path().join("missing.img");
    let said = error(&options(&missing));
    assert!(said.contains("missing.img") && said.contains("No such file"), "{said}");
}

#[test]
fn an_image_in_use_is_refused_with_who_has_it() {
    let directory = directory();
    let path = raw(&directory, 4096);
    let first = open(&options(&path)).unwrap();
    let said = error(&options(&path));
    assert!(said.contains("raw.img is in use by this run itself"), "{said}");
    let reader = Options {
        access: Access::ReadOnly,
        ..options(&path)
    };
    assert!(error(&reader).contains("in use"));
    drop(first);
    started::wait();
    let readers = [open(&reader).unwrap(), open(&reader).unwrap()];
    assert!(error(&options(&path)).contains("in use"));
    drop(readers);
}

#[test]
fn a_discard_gives_space_back_to_the_host() {
    let directory = directory();
    let path = raw(&directory, 1 << 20);
    let disk = open(&options(&path)).unwrap();
    disk.write(0, &[1; 1 << 19]).unwrap();
    disk.flush().unwrap();
    let before = fs::metadata(&path).unwrap().blocks();
    disk.discard(0, 1 << 18).unwrap();
    disk.write_zeroes(1 << 18, 1 << 17, Space::Released).unwrap();
    let after = fs::metadata(&path).unwrap().blocks();
    assert!(after <= before - (3 << 17) / 512, "{before} blocks, then {after}");
    let mut bytes = vec![1; 1 << 19];
    disk.read(0, &mut bytes).unwrap();
    assert!(bytes[..3 << 17].iter().all(|&byte| byte == 0));
    assert!(bytes[3 << 17..].iter().all(|&byte| byte == 1));
}

#[test]
fn a_discard_of_a_qcow2_disk_gives_space_back_too() {
    let directory = directory();
    if !qemu_img(&directory, &["create", "-f", "qcow2", "disk.qcow2", "8M"]) {
        return;
    }
    let path = directory.path().join("disk.qcow2");
    let disk = open(&options(&path)).unwrap();
    assert_eq!((disk.bytes(), disk.grain().discard), (8 << 20, 65536));
    disk.write(0, &vec![1; 4 << 20]).unwrap();
    disk.flush().unwrap();
    let before = fs::metadata(&path).unwrap().blocks();
    disk.discard(0, 2 << 20).unwrap();
    disk.flush().unwrap();
    let after = fs::metadata(&path).unwrap().blocks();
    assert!(after <= before - (2 << 20) / 512, "{before} blocks, then {after}");
    drop(disk);
    qemu_img(&directory, &["check", "-U", "disk.qcow2"]);
}

#[test]
fn a_backing_file_is_read_through_and_never_written() {
    let directory = directory();
    let base = raw(&directory, 1 << 20);
    fs::write(&base, vec![5; 1 << 20]).unwrap();
    let made = qemu_img(
        &directory,
        &["create", "-f", "qcow2", "-b", "raw.img", "-F", "raw", "middle.qcow2"],
    ) && qemu_img(
        &directory,
        &[
            "create",
            "-f",
            "qcow2",
            "-b",
            "middle.qcow2",
            "-F",
            "qcow2",
            "top.qcow2",
        ],
    );
    if !made {
        return;
    }
    let top = directory.path().join("top.qcow2");
    let disk = open(&options(&top)).unwrap();
    disk.write(512, &[6; 512]).unwrap();
    let mut bytes = [0; 1536];
    disk.read(0, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[512], bytes[1024]), (5, 6, 5));
    let said = error(&options(&base));
    assert!(said.contains("in use"), "a base is locked: {said}");
    drop(disk);
    assert!(fs::read(&base).unwrap().iter().all(|&byte| byte == 5));
}

#[test]
fn a_backing_file_without_a_format_is_refused_with_the_way_out() {
    let directory = directory();
    raw(&directory, 1 << 20);
    let path = directory.path().join("top.qcow2");
    let create = ["create", "-f", "qcow2", "-b", "raw.img", "-F", "raw", "top.qcow2"];
    if !qemu_img(&directory, &create) {
        return;
    }
    // QEMU's program makes none any more: the extension of the header that has the format becomes the end of them.
    let mut image = fs::read(&path).unwrap();
    let extension = image.windows(4).position(|word| word == [0xe2, 0x79, 0x2a, 0xca]);
    image[extension.unwrap()..][..4].fill(0);
    fs::write(&path, image).unwrap();
    let said = error(&options(&path));
    assert!(
        said.contains("raw.img without its format") && said.contains("rebase"),
        "{said}"
    );
}

#[test]
fn backing_files_in_a_circle_come_to_an_end() {
    let directory = directory();
    let make = |name, base| {
        qemu_img(
            &directory,
            &["create", "-u", "-f", "qcow2", "-b", base, "-F", "qcow2", name, "1M"],
        )
    };
    if !make("one.qcow2", "two.qcow2") || !make("two.qcow2", "one.qcow2") {
        return;
    }
    let reader = Options {
        access: Access::ReadOnly,
        ..options(&directory.path().join("one.qcow2"))
    };
    let said = error(&reader);
    assert!(said.contains("more than 32 backing files"), "{said}");
}

#[test]
fn what_only_looks_like_qcow2_is_refused_whatever_is_in_it() {
    let directory = directory();
    for seed in 0..64_u8 {
        // A file of its own: a child that another test starts has the last one's lock until it is another program.
        let path = directory.path().join(format!("{seed}-bad.qcow2"));
        let mut bytes: Vec<u8> = (0..4096_u32)
            .map(|n| (n.wrapping_mul(u32::from(seed) * 97 + 31) >> 3) as u8)
            .collect();
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        fs::write(&path, &bytes).unwrap();
        let said = error(&options(&path));
        assert!(said.contains("bad.qcow2 as a qcow2 image"), "{said}");
    }
}

#[test]
fn past_the_page_cache_the_disk_is_the_same() {
    let directory = directory();
    let path = raw(&directory, 1 << 20);
    let direct = Options {
        caching: Caching::Direct,
        ..options(&path)
    };
    let disk = match open(&direct) {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("skipped: no direct I/O where temporary files are: {error}");
            return;
        }
    };
    let block = disk.grain().logical as usize;
    let mut buffer = Buffer::default();
    buffer.data_mut(block).fill(3);
    disk.write(block as u64, buffer.data(block)).unwrap();
    buffer.data_mut(block).fill(0);
    disk.read(block as u64, buffer.data_mut(block)).unwrap();
    assert_eq!(buffer.data(block), vec![3; block]);
    disk.write_zeroes(0, 2 * block as u64, Space::Kept).unwrap();
    assert!(fs::read(&path).unwrap().iter().all(|&byte| byte == 0));
}

/// In the page cache and past it, where blocks may be larger.
#[test]
fn what_is_checked_is_what_is_opened() {
    for bytes in [0, 511, 512, 4608, 8192] {
        for caching in [Caching::Cached, Caching::Direct] {
            // One for each: a lock may outlast its file while another test starts a program.
            let directory = directory();
            let options = Options {
                caching,
                ..options(&raw(&directory, bytes))
            };
            let [opened, checked] =
                [open(&options).map(drop), check(&options)].map(|done| done.map_err(|why| why.to_string()));
            assert_eq!(checked, opened, "{bytes} bytes");
        }
    }
}
