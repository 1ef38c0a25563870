//! A whole Debian on a disk: made, booted, logged in to, reached by ssh, given a package, started anew, shut down; and killed twenty times while it writes.
//! The same but ssh and the kills under KVM, on an emulated POWER host. It takes many minutes, and the host's network: `cargo test -p tests --test root_disk -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use guest_images::{Cache, DiskImage};
use tests::{Control, Flushed, Guest, assert_journal_mends, pteg};

/// Logs in at the console, to a shell that says no more than it must; tells how long that took.
fn log_in(guest: &mut Guest, began: Instant) {
    guest.wait_for(" login: ");
    eprintln!("login after {} s", began.elapsed().as_secs());
    guest.send("root\n");
    guest.wait_for("# ");
    // Bash edits lines, and asks the terminal for things.
    guest.send("stty -echo -onlcr; exec sh\n");
    guest.shell("true");
}

/// A program of the host's that must succeed; what it printed.
fn host(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs what takes minutes where nothing else runs, and so hours elsewhere: its exit status and what it said.
fn patiently(guest: &mut Guest, command: &str) -> (String, String) {
    // The shell has no job that it would tell of.
    guest.shell(&format!("rm -f done; ( ({command} > log 2>&1; echo $? > done) & )"));
    // Six hours of the guest's, which says something all the while.
    for _ in 0..2160 {
        let status = guest.shell("sleep 10; [ ! -e done ] || cat done");
        if !status.is_empty() {
            return (status, guest.shell("cat log"));
        }
    }
    panic!("{command} does not end: {}", guest.shell("cat log"))
}

/// What the host's own apt says when it reads the package lists of a guest's `sources`.
fn update_here(sources: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display();
    fs::create_dir_all(folder.path().join("lists/partial")).unwrap();
    fs::write(folder.path().join("some.sources"), sources).unwrap();
    fs::write(folder.path().join("apt.conf"), "#clear APT::Architectures;\n").unwrap();
    let mut command = Command::new("apt-get");
    command.args(["-q", "-c", &format!("{root}/apt.conf")]);
    for option in [
        format!("Dir::State={root}"),
        format!("Dir::State::status={root}/status"),
        format!("Dir::Cache={root}"),
        format!("Dir::Etc::sourcelist={root}/some.sources"),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        "APT::Architecture=ppc64el".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
        "APT::Update::Error-Mode=any".to_owned(),
        // As in the guest.
        "Acquire::Languages=en".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    let output = command.env("LC_ALL", "C").arg("update").output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Where the lists are that apt said it could not fetch.
fn not_fetched(said: &str) -> BTreeSet<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("E: Failed to fetch ")?.split(' ').next())
        // Each list is there in several compressions.
        .filter_map(|uri| Some(uri.rsplit_once('/')?.0))
        .collect()
}

/// What systemd waits for it waits for as long as the tests do. By itself it gives a device 90 seconds to come, and then the console has no login: too little
/// where other programs keep the host busy.
const PATIENT: &str =
    "[Manager]\nDefaultDeviceTimeoutSec=15min\nDefaultTimeoutStartSec=15min\nDefaultTimeoutStopSec=15min\n";

/// The disk, made in `folder`.
fn make(folder: &Path) -> PathBuf {
    let disk = folder.join("root.img");
    let began = Instant::now();
    let mut image = pteg(["image", "debian-disk", "--output", disk.to_str().unwrap()]);
    assert!(image.status().unwrap().success());
    eprintln!("the disk after {} s", began.elapsed().as_secs());
    let patient = folder.join("patient.conf");
    fs::write(&patient, PATIENT).unwrap();
    let write = format!("write {} {IN_DISK}/patient.conf", patient.display());
    let debugfs = |request: &str| host(Command::new("debugfs").args(["-w", "-R", request]).arg(&disk));
    debugfs(&format!("mkdir {IN_DISK}"));
    debugfs(&write);
    assert_eq!(debugfs(&format!("cat {IN_DISK}/patient.conf")), PATIENT);
    disk
}

/// Where systemd looks for it.
const IN_DISK: &str = "/etc/systemd/system.conf.d";

fn boot(disk: &Path, processors: &str, folder: &Path) {
    eprintln!("{processors} processors");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr();
    let port = port.unwrap().port().to_string();
    let socket = folder.join("socket");
    let mut began = Instant::now();
    let mut guest = Guest::start([
        "run",
        "debian-disk",
        "--accel",
        "emulated",
        "--mem",
        "2G",
        "--smp",
        processors,
        "--disk",
        &format!("{},format=raw", disk.display()),
        "--net",
        &format!("user,hostfwd=tcp:{port}-22"),
        "--control",
        socket.to_str().unwrap(),
    ]);
    log_in(&mut guest, began);
    assert_eq!(guest.shell("nproc"), format!("{processors}\n"));
    assert_eq!(guest.shell("dpkg --audit; systemctl is-enabled ssh"), "enabled\n");
    guest.shell("while ! systemctl is-active -q ssh; do sleep 1; done");

    let key = folder.join("key");
    if !key.exists() {
        host(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key),
        );
    }
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    guest.shell(&format!(
        "mkdir -p -m 700 .ssh && echo '{}' > .ssh/authorized_keys",
        public.trim()
    ));
    let said = host(
        Command::new("ssh")
            .args(["-p", &port, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-i"])
            .arg(&key)
            .args(["root@127.0.0.1", "uname -m; cat /etc/debian_version"]),
    );
    assert!(said.starts_with("ppc64le\n12."), "{said}");
    eprintln!("ssh after {} s", began.elapsed().as_secs());

    let (status, said) = patiently(&mut guest, "apt-get -q -o APT::Update::Error-Mode=any update");
    // A mirror may be out of step with itself, which is not the guest's fault.
    let sources = guest.shell("cat /etc/apt/sources.list.d/debian.sources");
    let missing = not_fetched(&said);
    assert_eq!(missing, not_fetched(&update_here(&sources)), "{said}");
    assert_eq!(status == "0\n", missing.is_empty(), "{status}: {said}");
    eprintln!("apt-get update after {} s", began.elapsed().as_secs());
    let install = "DEBIAN_FRONTEND=noninteractive apt-get -q -y --reinstall install hello < /dev/null";
    let (status, said) = patiently(&mut guest, install);
    assert_eq!(status, "0\n", "{said}");
    assert_eq!(guest.shell("hello"), "Hello, world!\n");
    eprintln!("hello after {} s", began.elapsed().as_secs());

    began = Instant::now();
    guest.send("reboot\n");
    log_in(&mut guest, began);
    assert_eq!(guest.shell("hello"), "Hello, world!\n");
    assert_eq!(Control::new(&socket).post("/v1/powerdown", "").status, 200);
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    host(Command::new("e2fsck").args(["-f", "-n"]).arg(disk));
}

#[test]
#[ignore = "it takes many minutes, and the network"]
fn debian_boots_from_its_disk_with_one_processor_and_with_four() {
    let folder = tempfile::tempdir().unwrap();
    let disk = make(folder.path());
    for processors in ["4", "1"] {
        boot(&disk, processors, folder.path());
    }
}

/// A package that needs no network: a command `pteg-hello`, in the file `to` of the host.
fn make_package(folder: &Path, to: &Path) {
    let tree = folder.join("package");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    let about = "Package: pteg-hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: says hello\n";
    fs::write(tree.join("DEBIAN/control"), about).unwrap();
    let command = tree.join("usr/bin/pteg-hello");
    fs::write(&command, "#!/bin/sh\necho hello from a package\n").unwrap();
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    host(
        Command::new("dpkg-deb")
            .args(["--build", "--root-owner-group"])
            .args([&tree, to]),
    );
}

/// A POWER8 that is emulated has the disk as its own, and a guest of that has it under KVM.
fn boot_under_kvm(processors: &str) {
    let folder = tempfile::tempdir().unwrap();
    let disk = make(folder.path());
    let package = folder.path().join("pteg-hello.deb");
    make_package(folder.path(), &package);
    let write = format!("write {} /root/pteg-hello.deb", package.display());
    host(Command::new("debugfs").args(["-w", "-R", &write]).arg(&disk));
    let image = DiskImage::by_name("debian-disk").unwrap();
    let made = image.in_cache(&Cache::from_environment().unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/root-disk-under-kvm.sh");
    let began = Instant::now();
    let mut run = Command::new(env!("CARGO"));
    run.args(["xtask", "power-host", "run", "--machine", "powernv8", "--mem", "3072"])
        .args(["--patience", "7200", "--disk"])
        .arg(&disk);
    for file in [&made.kernel, &made.initrd, &script] {
        run.arg("--file").arg(file);
    }
    run.args(["--", "sh", "root-disk-under-kvm.sh", processors, &made.append]);
    let mut ran = run.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = Vec::new();
    for bytes in BufReader::new(ran.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&bytes.unwrap()).trim_end().to_owned();
        eprintln!("{line}");
        said.push(line);
    }
    let status = ran.wait().unwrap();
    assert!(status.success(), "{status}");
    for line in [
        &format!("processors: {processors}"),
        "installed: hello from a package",
        "after a reboot: hello from a package",
        "pteg exits with 0",
    ] {
        assert!(said.iter().any(|other| other == line), "{line}");
    }
    host(Command::new("e2fsck").args(["-f", "-n"]).arg(&disk));
    eprintln!("{processors} processors under KVM: {} s", began.elapsed().as_secs());
}

#[test]
#[ignore = "it takes many minutes, and the network once"]
fn debian_boots_from_its_disk_under_kvm_with_one_processor() {
    boot_under_kvm("1");
}

#[test]
#[ignore = "it takes many minutes, and the network once"]
fn debian_boots_from_its_disk_under_kvm_with_four_processors() {
    boot_under_kvm("4");
}

/// How often pteg is killed.
const KILLS: u64 = 20;

#[test]
#[ignore = "it takes many minutes, and the network once"]
fn the_root_disk_stays_whole_and_keeps_what_was_flushed_when_pteg_is_killed_twenty_times() {
    let folder = tempfile::tempdir().unwrap();
    let disk = make(folder.path());
    let drive = format!("{},format=raw", disk.display());
    let start = |append: &str| {
        Guest::start([
            "run",
            "debian-disk",
            "--accel",
            "emulated",
            "--mem",
            "1G",
            "--smp",
            "2",
            "--disk",
            &drive,
            "--append",
            append,
        ])
    };
    // The root file system with a shell for its first process, where systemd would take most of the time.
    let start_shell = || {
        let mut guest = start("quiet init=/bin/sh");
        guest.wait_for("# ");
        guest.send("stty -echo -onlcr\n");
        guest.shell("mkdir -p /root/flushed && cd /root/flushed");
        guest
    };
    let mut flushed = Flushed::default();
    for kill in 0..KILLS {
        let mut guest = start_shell();
        flushed.check_new(&mut guest);
        let count = flushed.write_until_killed(guest, 1 + kill % 5);
        assert_journal_mends(&disk);
        eprintln!("{} kills, {count} files flushed", kill + 1);
    }
    // What is left is Debian still.
    let mut guest = start("");
    log_in(&mut guest, Instant::now());
    guest.shell("cd /root/flushed");
    flushed.check_all(&mut guest);
    guest.send("systemctl poweroff\n");
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    host(Command::new("e2fsck").args(["-f", "-n"]).arg(&disk));
}
