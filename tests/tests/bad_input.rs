//! What cannot be started gets one sentence on stderr that says what, where, and what would be right.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use power::insn::Endian;
use tests::{ElfFile, Ended, Guest, pteg, write_program};

/// Status 2: wrong use, or an input that no machine could run. Status 1: this machine could not.
const WRONG: i32 = 2;
const FAILED: i32 = 1;

/// Runs `pteg` and expects this status, nothing on stdout, and one sentence with these words.
fn refused(arguments: &[&str], status: i32, words: &[&str]) {
    check(&Guest::start(arguments).finish(), status, words);
}

fn check(ended: &Ended, status: i32, words: &[&str]) {
    let Ended { errors, .. } = ended;
    assert_eq!(ended.status, Some(status), "{errors}");
    assert_eq!(ended.output, "", "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("pteg: "), "{errors}");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in: {errors}");
    }
}

#[test]
fn a_kernel_that_is_not_there() {
    refused(
        &["run", "--kernel", "/nonexistent/vmlinux"],
        WRONG,
        &["/nonexistent/vmlinux", "No such file"],
    );
    refused(&["run", "--kernel", "/"], WRONG, &["kernel /"]);
}

#[test]
fn an_initial_ram_disk_that_is_not_there() {
    let kernel = write_program("hello", Endian::Big);
    let kernel = kernel.path().to_str().unwrap();
    refused(
        &["run", "--kernel", kernel, "--initrd", "/nonexistent/initrd"],
        WRONG,
        &["/nonexistent/initrd", "No such file"],
    );
}

#[test]
fn a_file_that_is_no_kernel() {
    let hello = fs::read(write_program("hello", Endian::Little).path()).unwrap();
    // e_machine is at 18: 62 is x86-64. e_ident[4] is the class: 1 is 32 bits.
    let mut for_x86 = hello.clone();
    for_x86[18] = 62;
    let mut of_32_bits = hello.clone();
    of_32_bits[4] = 1;
    let cut_off = &hello[..hello.len() - 1];
    for (bytes, words) in [
        (&b"#!/bin/sh\nexit 0\n"[..], &["not an ELF file", "vmlinux"][..]),
        (&[], &["not an ELF file"]),
        (&[0x1f, 0x8b, 8, 0, 0, 0], &["compressed", "gunzip"]),
        (&for_x86, &["x86-64", "not for 64-bit POWER"]),
        (&of_32_bits, &["32 bits"]),
        (cut_off, &["damaged"]),
        (&hello[..40], &["damaged"]),
    ] {
        let file = ElfFile::with(bytes);
        let path = file.path().to_str().unwrap();
        refused(&["run", "--kernel", path], WRONG, &[&[path], words].concat());
    }
}

#[test]
fn an_image_that_does_not_exist() {
    refused(
        &["run", "debain"],
        WRONG,
        &["no image `debain`", "debian:6.12", "hello"],
    );
}

#[test]
fn too_little_and_too_much_memory() {
    refused(&["run", "hello", "--mem", "1K"], WRONG, &["--mem 1 KiB", "16 MiB"]);
    refused(
        &["run", "hello", "--mem", "10T"],
        WRONG,
        &["--mem 10 TiB", "this machine has"],
    );
    refused(
        &["run", "hello", "--mem", "100M"],
        WRONG,
        &["--mem 100 MiB", "multiple of 16 MiB"],
    );
    refused(&["run", "hello", "--mem", "plenty"], WRONG, &["plenty", "512M"]);
    // The kernel of an image is larger than this.
    let large = large_program();
    let path = large.path().to_str().unwrap();
    refused(
        &["run", "--kernel", path, "--mem", "16M"],
        WRONG,
        &[path, "--mem", "16 MiB"],
    );
}

/// A program that wants 1 GiB of zeros behind it.
fn large_program() -> ElfFile {
    let mut hello = fs::read(write_program("hello", Endian::Little).path()).expect("it was just written");
    // p_memsz of the first program header, at 64.
    hello[64 + 40..64 + 48].copy_from_slice(&(1_u64 << 30).to_le_bytes());
    ElfFile::with(&hello)
}

#[test]
fn a_number_of_processors_that_no_machine_has() {
    for wrong in ["0", "65", "-1", "many"] {
        refused(&["run", "hello", &format!("--smp={wrong}")], WRONG, &[wrong, "1 to 64"]);
    }
}

#[test]
fn a_page_table_that_no_machine_has() {
    refused(&["run", "hello", "--hpt-order", "17"], WRONG, &["17", "18 to 46"]);
    refused(
        &["run", "hello", "--hpt-order", "46"],
        WRONG,
        &["64 TiB", "this machine has"],
    );
}

#[test]
fn flags_that_contradict_each_other_or_do_not_exist() {
    refused(&["run", "hello", "--kernel", "vmlinux"], WRONG, &["--kernel"]);
    refused(&["run", "hello", "--initrd", "initrd"], WRONG, &["--initrd", "IMAGE"]);
    refused(&["run", "--initrd", "initrd"], WRONG, &["--kernel"]);
    refused(&["run", "hello", "--fast"], WRONG, &["--fast"]);
    refused(&["launch"], WRONG, &["launch"]);
}

/// Nothing but zeros, which are no instruction, where the program and its interrupt handlers should be.
#[test]
fn a_program_that_cannot_run() {
    let mut hello = fs::read(write_program("hello", Endian::Big).path()).expect("it was just written");
    hello[0x1000..].fill(0);
    let file = ElfFile::with(&hello);
    let ended = Guest::start([OsStr::new("run"), OsStr::new("--kernel"), file.as_ref()]).finish();
    assert_eq!(
        (ended.status, ended.output.as_str()),
        (Some(FAILED), ""),
        "{}",
        ended.errors
    );
    for words in [
        "pteg: processor 0 of the guest cannot go on",
        "not emulated",
        "srr0",
        "r31",
    ] {
        assert!(ended.errors.contains(words), "{words:?} is not in\n{}", ended.errors);
    }
}

/// A full disk under the guest's output.
#[test]
fn output_to_a_full_disk() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = pteg(["run", "hello"]);
    let ended = Guest::spawn(command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped())).finish();
    assert_eq!(ended.status, Some(FAILED), "{}", ended.errors);
    assert!(ended.errors.contains("No space left on device"), "{}", ended.errors);
}

/// A full disk under the cache: in a mount namespace of its own, which needs no root where users may make one.
#[test]
fn an_image_for_which_the_disk_has_no_room() {
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().to_str().unwrap();
    let inside = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("mount -t tmpfs -o size=4k tmpfs '{cache}' && {script}"));
        command.env("PTEG_CACHE", cache).stdin(Stdio::null());
        command
    };
    let allowed = inside("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("SKIPPED: this machine does not let a user mount a small disk, so a full one was not tried");
        return;
    }
    let program = pteg(["run"]).get_program().to_str().unwrap().to_owned();
    let mut command = inside(&format!("exec '{program}' run debian"));
    let ended = Guest::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).finish();
    assert_eq!(
        (ended.status, ended.output.as_str()),
        (Some(FAILED), ""),
        "{}",
        ended.errors
    );
    let last = ended.errors.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("pteg: ") && last.contains("No space left on device"),
        "{}",
        ended.errors
    );
}

#[test]
fn a_disk_that_cannot_be() {
    let hello = write_program("hello", Endian::Little);
    let hello = hello.path().to_str().unwrap();
    let disk = |disk: &str, words: &[&str]| refused(&["run", "--kernel", hello, "--disk", disk], WRONG, words);
    disk(
        "/nonexistent/root.img",
        &["--disk", "/nonexistent/root.img", "No such file"],
    );
    disk("/dev/null", &["/dev/null", "neither a file nor a block device"]);
    disk(
        "x.img,cache=fast",
        &["--disk", "cache=fast", "cache=writeback|none|writethrough"],
    );
    disk("x.img,queues=99", &["queues=99", "1 to 16"]);
    disk(hello, &[hello, "has ", "whole ones"]);
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("root.img");
    fs::write(&image, [0; 4096]).unwrap();
    let image = image.to_str().unwrap();
    let twice = ["run", "--kernel", hello, "--disk", image, "--disk", image];
    refused(&twice, WRONG, &[image, "is in use by this run itself"]);
    disk(&format!("{image},format=qcow2"), &[image, "as a qcow2 image"]);
}

#[test]
fn two_flags_that_would_write_one_file() {
    let kernel = write_program("hello", Endian::Big);
    let kernel = kernel.path().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both");
    let both = both.to_str().unwrap();
    for flags in [
        ["--stats-json", "--hpt-report"],
        ["--stats-json", "--stats-series"],
        ["--hpt-report", "--stats-series"],
    ] {
        let said = format!(
            "{} and {}: both are {both}; give each a file of its own",
            flags[0], flags[1]
        );
        refused(
            &["run", "--kernel", kernel, flags[0], both, flags[1], both],
            WRONG,
            &[&said],
        );
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}
