//! Directories of the host that Linux in a guest mounts: each sees what the other does there, and what becomes of the guest when the server dies.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use guest_images::programs::Program;
use power::insn::Endian;
use rustix::process::{Pid, Signal, kill_process};
use tests::{ElfFile, Ended, Guest, PATIENCE, Turns, pteg};

/// Linux, one at a time.
static TURNS: Turns = Turns::new(1);

/// What BusyBox's prompt follows.
const READY: &str = "Type exit to power off.";

/// A guest that says hello and ends, with `share`.
fn say_hello(share: &str) -> Ended {
    let kernel = ElfFile::with(&Program::by_name("hello").unwrap().elf(Endian::Little));
    let kernel = kernel.path().to_str().unwrap();
    Guest::start(["run", "--kernel", kernel, "--accel", "emulated", "--share", share]).finish()
}

/// Processes of virtiofsd for `directory`.
fn servers(directory: &Path) -> Vec<Pid> {
    let all = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let serves = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        let program = arguments.split('\0').next().unwrap_or_default();
        program.ends_with("virtiofsd") && arguments.contains(directory.to_str().unwrap())
    };
    all.filter(serves).filter_map(Pid::from_raw).collect()
}

/// Otherwise it is `wrong`.
fn wait_until(wrong: &str, is_right: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_right() {
        assert!(Instant::now() < deadline, "{wrong}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn wait_until_nobody_serves(directory: &Path) {
    wait_until("virtiofsd is still there", || servers(directory).is_empty());
}

/// Debian's kernel of the image, on its way to [`READY`].
fn start(image: &str, flags: &[&str]) -> Guest {
    let always = [
        "run",
        image,
        "--accel",
        "emulated",
        "--append",
        "quiet pteg.console=pipe",
    ];
    let mut command = pteg([&always, flags].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Guest::spawn(&mut command)
}

/// Whether this host serves directories; if not, that is said. What is here ends with its guest.
fn can_share() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let ended = say_hello(folder.path().to_str().unwrap());
    let is_refused =
        ended.status == Some(2) && ended.errors.starts_with("pteg: --share ") && ended.errors.contains("virtiofsd");
    if is_refused {
        eprintln!("skipped: {}", ended.errors.trim_end());
    } else {
        assert_eq!((ended.status, &*ended.errors), (Some(0), ""), "{}", ended.output);
    }
    wait_until_nobody_serves(folder.path());
    !is_refused
}

/// Bytes without a pattern.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes / 8).flatten().collect()
}

/// A file's sum, by the host's program.
fn sum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_directory_that_cannot_be_shared_is_told_before_the_guest_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for (share, right) in [
        (
            folder.path().join("none").to_str().unwrap(),
            "give a directory that is there",
        ),
        (file.to_str().unwrap(), "give a directory that is there"),
        ("x,tag=a/b", "1 to 36 letters"),
    ] {
        let ended = say_hello(share);
        assert_eq!(ended.status, Some(2));
        assert!(ended.errors.contains(right), "{}", ended.errors);
    }
}

#[test]
fn a_guest_and_its_host_see_what_the_other_does_until_the_server_dies() {
    if !can_share() {
        return;
    }
    let _turn = TURNS.take();
    let [ours, theirs] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let (ours, theirs) = (ours.path(), theirs.path());
    fs::write(ours.join("hello"), "hello from the host\n").unwrap();
    fs::create_dir(ours.join("folder")).unwrap();
    fs::write(ours.join("big"), noise(9 << 20)).unwrap();
    fs::write(theirs.join("file"), "as it was\n").unwrap();

    let shares = [
        ours.to_str().unwrap().to_owned(),
        format!("{},tag=theirs,readonly", theirs.display()),
    ];
    let mut guest = start("debian", &["--smp", "2", "--share", &shares[0], "--share", &shares[1]]);
    guest.wait_for(READY);
    guest.shell("mkdir /share /theirs && mount -t virtiofs share /share && mount -t virtiofs theirs /theirs");

    assert_eq!(guest.shell("cat /share/hello"), "hello from the host\n");
    assert_eq!(guest.shell("ls -1 /share"), "big\nfolder\nhello\n");
    let said = guest.shell("sha256sum < /share/big");
    assert_eq!(said.split_whitespace().next().unwrap(), sum(&ours.join("big")));
    guest.shell("cp /share/big /share/copy && echo hello from the guest > /share/new && sync");
    guest.shell("mv /share/new /share/folder/renamed && rm /share/hello && ln -s big /share/link");
    assert_eq!(sum(&ours.join("copy")), sum(&ours.join("big")));
    assert_eq!(
        fs::read_to_string(ours.join("folder/renamed")).unwrap(),
        "hello from the guest\n"
    );
    assert!(!ours.join("hello").exists() && !ours.join("new").exists());
    assert_eq!(fs::read_link(ours.join("link")).unwrap(), Path::new("big"));

    assert_eq!(guest.shell("cat /theirs/file"), "as it was\n");
    for attempt in [
        "touch /theirs/new",
        "echo x >> /theirs/file",
        "rm /theirs/file",
        "mkdir /theirs/folder",
    ] {
        let said = guest.shell(&format!("({attempt}) 2>&1 || true"));
        assert!(said.contains("Read-only file system"), "{attempt}: {said}");
    }
    assert_eq!(fs::read_to_string(theirs.join("file")).unwrap(), "as it was\n");
    assert_eq!(fs::read_dir(theirs).unwrap().count(), 1);

    // The driver is taken away and comes back, with a new life of each device.
    guest.shell("umount /share /theirs && rmmod virtiofs && modprobe virtiofs");
    guest.shell("mount -t virtiofs share /share && mount -t virtiofs theirs /theirs");
    assert_eq!(guest.shell("cat /share/folder/renamed"), "hello from the guest\n");

    let all = servers(ours);
    assert!(!all.is_empty(), "virtiofsd runs");
    // One may end before its turn, with another one.
    all.iter().for_each(|pid| _ = kill_process(*pid, Signal::KILL));
    guest.wait_for_error("pteg: share share: virtiofsd: it has hung up");
    let said = guest.shell("cat /share/another 2>&1 || true");
    assert!(said.contains("Input/output error"), "{said}");
    assert_eq!(guest.shell("cat /theirs/file"), "as it was\n");
    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    // A busy host may take its time, of which pteg tells.
    let told = ended.errors.lines().filter(|line| !line.contains("waits for the host"));
    assert_eq!(told.count(), 1, "{}", ended.errors);
    wait_until_nobody_serves(theirs);
}

#[test]
fn a_guest_that_reboots_finds_its_share_again() {
    if !can_share() {
        return;
    }
    let _turn = TURNS.take();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("file"), "hello from the host\n").unwrap();
    let mut guest = start("debian:6.12", &["--share", folder.to_str().unwrap()]);
    let mut first_servers = Vec::new();
    for life in ["first", "second"] {
        guest.wait_for(READY);
        guest.shell("mkdir /share && mount -t virtiofs share /share");
        assert_eq!(guest.shell("cat /share/file"), "hello from the host\n");
        guest.shell(&format!("echo {life} > /share/{life} && sync"));
        assert_eq!(fs::read_to_string(folder.join(life)).unwrap(), format!("{life}\n"));
        if life == "first" {
            first_servers = servers(folder);
            assert!(!first_servers.is_empty(), "virtiofsd runs");
            // It is mounted, and a file is open, when the machine starts anew.
            guest.send("exec 3</share/file; reboot -f\n");
        }
    }
    wait_until("virtiofsd serves a guest that is gone", || {
        servers(folder).iter().all(|pid| !first_servers.contains(pid))
    });
    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    wait_until_nobody_serves(folder);
}
