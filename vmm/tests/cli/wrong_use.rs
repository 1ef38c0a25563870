//! Wrong use and wrong inputs: one sentence on stderr that says what would be right, and exit status 2 (or 1
//! where the machine is to blame).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::guest::spinning;
use crate::{pteg, run};

#[track_caller]
fn assert_sentence((status, stdout, stderr): &(Option<i32>, String, String), code: i32, words: &[&str]) {
    assert_eq!(*status, Some(code), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("pteg: "), "{stderr}");
    let parts: Vec<&str> = stderr.trim_end().split(": ").collect();
    let stands_twice = |part: &&str| parts.iter().filter(|other| *other == part).count() > 1;
    assert_eq!(
        parts.iter().find(|part| stands_twice(part)),
        None,
        "twice in {stderr:?}"
    );
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in {stderr:?}");
    }
}

#[test]
fn wrong_flags_are_told_what_is_right() {
    for (args, words) in [
        (&["run", "debian", "--smp", "0"][..], &["--smp", "1 to 64"][..]),
        (&["run", "debian", "--smp", "65"], &["--smp", "1 to 64"]),
        (&["run", "debian", "--threads", "0"], &["--threads", "1 to 64"]),
        (&["run", "debian", "--threads", "2"], &["--threads 2", "1 to 1"]),
        (
            &["run", "debian", "--smp", "4", "--threads", "5"],
            &["--threads 5", "4 processors", "1 to 4"],
        ),
        (&["run", "debian", "--turns", "x"], &["--turns", "x"]),
        (
            &["run", "debian", "--smp", "4", "--turns", "1", "--threads", "2"],
            &["--threads 2", "with --turns", "give 1"],
        ),
        (
            &["run", "debian", "--turns", "1", "--net", "user"],
            &["--net", "leave out --net, or --turns"],
        ),
        (&["run", "debian", "--turns", "1", "--accel", "kvm"], &["--accel kvm"]),
        (&["run", "debian", "--hpt-order", "17"], &["--hpt-order", "18 to 46"]),
        (&["run", "debian", "--hpt-order", "47"], &["--hpt-order", "18 to 46"]),
        (&["run", "debian", "--mem", "much"], &["--mem", "512M"]),
        (&["run", "debian", "--mem", "1K"], &["1 KiB", "multiple of 16 MiB"]),
        (&["run", "debian", "--mem", "10T"], &["10 TiB", "this machine has"]),
        (&["run", "debian", "--accel", "magic"], &["--accel", "emulated"]),
        (&["run", "debian", "--irqchip", "magic"], &["--irqchip", "kernel"]),
        (
            &["run", "debian", "--accel", "emulated", "--irqchip", "kernel"],
            &["--irqchip kernel", "only KVM", "leave --irqchip out"],
        ),
        (&["run", "debian", "--colour"], &["--colour", "--help"]),
        (&["run", "debian", "--kernel", "vmlinux"], &["cannot be used with"]),
        (&["walk"], &["walk"]),
    ] {
        assert_sentence(&run(args), 2, words);
    }
}

#[test]
fn a_control_socket_that_cannot_be_made_is_told_before_the_guest_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let file = file.to_str().unwrap();
    let long = format!("{}/{}", folder.path().display(), "x".repeat(108));
    for (path, words) in [
        (
            "/nowhere/vm.sock",
            &["--control /nowhere/vm.sock", "a folder that exists", "No such file"][..],
        ),
        (&long, &["107 bytes at most", "a shorter one"]),
        (file, &[file, "no socket", "give a path where none is"]),
        (folder.path().to_str().unwrap(), &["no socket"]),
    ] {
        assert_sentence(&run(&["run", "hello", "--control", path]), 2, words);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
    let listener = std::os::unix::net::UnixListener::bind(folder.path().join("living")).unwrap();
    let living = folder.path().join("living");
    let living = living.to_str().unwrap();
    assert_sentence(
        &run(&["run", "hello", "--control", living]),
        2,
        &["somebody listens at this path already", living],
    );
    drop(listener);
    // A program that another test has just started may have it open for a moment still.
    while std::os::unix::net::UnixStream::connect(living).is_ok() {
        std::thread::yield_now();
    }
    // Whoever made it is gone.
    let (status, stdout, _) = run(&["run", "hello", "--control", living]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("VERDICT hello: pass"), "{stdout}");
    assert!(fs::symlink_metadata(living).is_err());
}

#[test]
fn wrong_use_leaves_what_a_second_console_has_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    fs::write(&log, "precious").unwrap();
    let log = log.to_str().unwrap();
    let console = ["run", "--virtio-console", log];
    for wrong in [
        &["beos"][..],
        &["--kernel", "/nowhere/kernel"],
        &["hello", "--nvram", "/nowhere/nvram"],
        &["hello", "--control", "/nowhere/vm.sock"],
    ] {
        let (status, _, stderr) = run(&[&console[..], wrong].concat());
        assert_eq!(status, Some(2), "{stderr}");
        assert_eq!(fs::read_to_string(log).unwrap(), "precious", "{wrong:?}");
    }
    let (status, _, stderr) = run(&[&console[..], &["hello"]].concat());
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(fs::read_to_string(log).unwrap(), "");
}

#[test]
fn who_asks_a_run_that_is_not_there_is_told_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "").unwrap();
    drop(std::os::unix::net::UnixListener::bind(path("dead")).unwrap());
    for (name, code, words) in [
        (
            "nothing",
            2,
            "there is no socket; give the path that pteg run --control was given",
        ),
        ("file", 2, "this is no socket"),
        ("dead", 1, "nobody listens at this socket any more"),
        (&"x".repeat(108), 2, "107 bytes at most"),
    ] {
        let path = path(name);
        assert_sentence(&run(&["ctl", &path, "info"]), code, &[&path, words]);
    }
}

#[test]
fn wrong_commands_for_a_run_are_told_what_is_right() {
    for (args, words) in [
        (&["ctl", "vm.sock", "fly"][..], &["fly", "pteg ctl --help"][..]),
        (&["ctl", "vm.sock", "discard"], &["START+LENGTH"]),
        (&["ctl", "vm.sock", "discard", "1G"], &["1G", "0x10000000+64K"]),
        (&["ctl", "vm.sock", "discard", "1G+0"], &["1G+0", "no bytes"]),
        (&["ctl", "vm.sock", "unmap", "1G-2G"], &["1G-2G", "START+LENGTH"]),
        (
            &["ctl", "vm.sock", "dirty", "--start", "--stop"],
            &["--start", "--stop", "cannot be used with"],
        ),
        (
            &["ctl", "vm.sock", "watch", "0+4K", "--seconds", "nan"],
            &["nan", "--seconds", "above 0 and no more than 3600"],
        ),
        (
            &["ctl", "vm.sock", "watch", "0+4K", "--seconds", "-1"],
            &["-1", "above 0"],
        ),
        (&["ctl", "vm.sock", "dump"], &["PATH"]),
        (&["ctl", "vm.sock", "info", "--colour"], &["--colour"]),
    ] {
        assert_sentence(&run(args), 2, words);
    }
}

/// Asks at a socket behind which something else answers: exit status, stdout, stderr.
fn ask_another(answer: &[u8], args: &[&str]) -> (Option<i32>, String, String) {
    use std::io::{Read as _, Write as _};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1000]).unwrap();
            // It may have heard enough.
            let _ = stream.write_all(answer);
        });
        run(&[&["ctl", path.to_str().unwrap()], args].concat())
    })
}

#[test]
fn what_is_no_answer_of_pteg_is_no_success() {
    let asked: [&[&str]; 8] = [
        &["info"],
        &["pause"],
        &["resume", "--json"],
        &["hpt"],
        &["hpt", "--json"],
        &["metrics"],
        &["discard", "0+64K"],
        &["dirty", "--json"],
    ];
    for args in asked {
        for body in ["{}", "hello", "[]", "null", "7", ""] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            assert_sentence(
                &ask_another(answer.as_bytes(), args),
                1,
                &["does not answer as pteg does"],
            );
        }
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(32 << 20, b' ');
    assert_sentence(&ask_another(&answer, &["info"]), 1, &["does not answer as pteg does"]);
}

#[test]
fn nothing_that_a_terminal_would_obey_is_said() {
    let body = r#"{"error": "gone\u001b[2J\u009bx\r"}"#;
    let answer = format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let said = ask_another(answer.as_bytes(), &["info"]);
    assert_sentence(&said, 1, &[r"gone\u001b[2J\u009bx\u000d"]);
    let page = "\u{1b}c\n# EOF\n";
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    let (status, stdout, _) = ask_another(answer.as_bytes(), &["metrics"]);
    assert_eq!((status, stdout.as_str()), (Some(0), "\\u001bc\n# EOF\n"));
}

/// A socket behind which something else answers.
#[test]
fn who_asks_something_else_than_pteg_is_told_so() {
    for (answer, words) in [
        ("", "the connection was closed before the answer came"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
            "the connection was closed before the answer came",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "does not answer as pteg does",
        ),
        (
            "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhello",
            "does not answer as pteg does",
        ),
        (
            "SSH-2.0-OpenSSH\r\n",
            "the connection was closed before the answer came",
        ),
    ] {
        assert_sentence(&ask_another(answer.as_bytes(), &["info"]), 1, &[words]);
    }
}

#[test]
fn an_unknown_image_is_told_the_known_ones() {
    assert_sentence(&run(&["run", "beos"]), 2, &["beos", "debian", "hello"]);
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_guest_starts() {
    for flag in ["--stats-json", "--hpt-report"] {
        assert_sentence(
            &run(&["run", "hello", flag, "/nowhere/file"]),
            2,
            &[flag, "/nowhere/file", "give a file", "No such file"],
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let (path, same) = (folder.path().join("file"), folder.path().join("./file"));
    let args = [
        "--stats-json",
        path.to_str().unwrap(),
        "--hpt-report",
        same.to_str().unwrap(),
    ];
    assert_sentence(
        &run(&[&["run", "hello"][..], &args].concat()),
        2,
        &["--stats-json and --hpt-report", "a file of its own"],
    );
    let missing = ["run", "--kernel", "/nowhere/kernel"];
    let other = folder.path().join("other");
    let args = [
        "--stats-json",
        path.to_str().unwrap(),
        "--hpt-report",
        other.to_str().unwrap(),
    ];
    assert_sentence(&run(&[&missing[..], &args].concat()), 2, &["/nowhere/kernel"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was to report");
    assert_sentence(
        &run(&["run", "hello", "--hide", "enter"]),
        2,
        &["--hide", "bulk-remove"],
    );
}

#[test]
#[cfg(not(target_arch = "powerpc64"))]
fn kvm_on_another_machine_than_power_is_refused_before_anything_is_fetched() {
    assert_sentence(
        &run(&["run", "debian", "--accel", "kvm"]),
        2,
        &[
            "--accel kvm",
            "no POWER machine",
            std::env::consts::ARCH,
            "give --accel emulated",
        ],
    );
}

#[test]
fn wrong_kernels_are_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let own = fs::read(env!("CARGO_BIN_EXE_pteg")).unwrap();
    for (path, words) in [
        (missing, "No such file"),
        (file("script", b"#!/bin/sh\n"), "not an ELF file"),
        (file("empty", b""), "not an ELF file"),
        (file("packed", b"\x1f\x8b\x08\x00"), "gunzip"),
        (file("program", &own), "for x86-64"),
    ] {
        if words == "for x86-64" && !cfg!(target_arch = "x86_64") {
            continue;
        }
        assert_sentence(&run(&["run", "--kernel", &path]), 2, &[&path, words]);
    }
}

#[test]
fn a_ram_disk_that_is_missing_or_too_large_says_so() {
    let kernel = spinning();
    let kernel = kernel.path().to_str().unwrap();
    let missing = run(&["run", "--kernel", kernel, "--initrd", "/nonexistent"]);
    assert_sentence(&missing, 2, &["/nonexistent", "No such file"]);
    let folder = run(&["run", "--kernel", kernel, "--initrd", "/"]);
    assert_sentence(&folder, 2, &["/: not a regular file"]);
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(17 << 20).unwrap();
    let large = run(&[
        "run",
        "--kernel",
        kernel,
        "--mem",
        "16M",
        "--initrd",
        large.path().to_str().unwrap(),
    ]);
    assert_sentence(&large, 2, &["16 MiB", "initial RAM disk"]);
}

#[test]
fn a_host_without_address_space_is_to_blame_itself() {
    let kernel = spinning();
    let shell = format!(
        "ulimit -v 1000000; exec {} run --kernel {} --mem 2G",
        env!("CARGO_BIN_EXE_pteg"),
        kernel.path().display()
    );
    let output = std::process::Command::new("sh").args(["-c", &shell]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_sentence(
        &(output.status.code(), String::new(), said),
        1,
        &["mapping 2 GiB", "Cannot allocate memory"],
    );
}

#[test]
fn an_image_that_cannot_be_kept_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let output = pteg(&["run", "debian"]).env("PTEG_CACHE", &file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_sentence(
        &(output.status.code(), String::new(), said),
        1,
        &[file.to_str().unwrap()],
    );
}

#[test]
fn run_alone_lists_the_images() {
    let (status, stdout, stderr) = run(&["run"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    for image in ["debian ", "debian:6.12 ", "debian:6.12-64k ", "hello "] {
        assert!(stdout.contains(image), "{stdout}");
    }
}

#[test]
fn help_is_a_line_a_flag_or_a_paragraph_each() {
    let (status, short, _) = run(&["run", "-h"]);
    assert_eq!(status, Some(0));
    let (status, long, _) = run(&["run", "--help"]);
    assert_eq!(status, Some(0));
    for flag in [
        "--config",
        "--kernel",
        "--initrd",
        "--append",
        "--mem",
        "--smp",
        "--threads",
        "--turns",
        "--hpt-order",
        "--cpu",
        "--accel",
        "--compile",
        "--irqchip",
        "--stats",
        "--stats-json",
        "--no-profile",
        "--hpt-report",
        "--control",
        "--share-memory",
        "--disk",
        "--net",
        "--vsock",
        "--share",
        "--rng",
        "--balloon",
        "--virtio-console",
        "--nvram",
        "--no-reboot",
        "--hide",
        "--check-duplicates",
        "--check-walkers",
    ] {
        assert!(short.contains(flag) && long.contains(flag), "{flag}");
    }
    assert!(long.lines().count() > 2 * short.lines().count());
    let words: Vec<&str> = long.split_whitespace().collect();
    assert_eq!(words.join(" ").matches("Example: --").count(), 27, "{long}");
    let (status, top, _) = run(&["--help"]);
    let (_, statuses) = top.split_once("Exit status:\n").expect("they are told");
    let numbers = ["0", "1", "2", "128+N"];
    let is_in_place = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        line.starts_with("         ") || numbers.contains(&first)
    };
    assert!(status == Some(0) && statuses.lines().all(is_in_place), "{top}");
}
