//! The life of a guest, as Linux lives it: shut down from outside, started anew in place, and what it finds in NVRAM after its death.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tests::{Control, Guest, Turns};

/// Guests of 1 GiB at a time.
static TURNS: Turns = Turns::new(2);

/// What BusyBox's prompt follows.
const READY: &str = "Type exit to power off.";

/// Debian's kernel to its shell, with a control socket and a file for NVRAM in `folder`.
fn start(folder: &TempDir, flags: &[&str]) -> (Guest, Control) {
    let path = |name| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (socket, nvram) = (path("vm.sock"), path("vm.nvram"));
    let always = ["run", "debian", "--control", &socket, "--nvram", &nvram];
    let append = ["--append", "quiet pteg.console=pipe"];
    let mut guest = Guest::start([&always[..], &append[..], flags].concat());
    let control = Control::new(socket.as_ref());
    guest.wait_for(READY);
    (guest, control)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn linux_powers_off_when_it_is_asked_to() {
    let _turn = TURNS.take();
    let folder = folder();
    let (guest, control) = start(&folder, &[]);
    assert_eq!(control.post("/v1/powerdown", "").status, 200);
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    // Its own program did it, not the kernel in its place.
    assert!(ended.output.contains("Powering off."), "{}", ended.output);
    assert!(!ended.output.contains("forcing the issue"), "{}", ended.output);
}

#[test]
fn linux_comes_back_after_a_reboot_and_after_a_reset() {
    let _turn = TURNS.take();
    let folder = folder();
    let (mut guest, control) = start(&folder, &["--smp", "2"]);
    assert_eq!(guest.shell("touch /marked; nproc"), "2\n");
    guest.send("reboot -f\n");
    guest.wait_for(READY);
    assert_eq!(guest.shell("ls /marked 2>/dev/null; nproc"), "2\n");
    // A guest that hears nothing, with a processor that it has stopped.
    guest.send("echo 0 > /sys/devices/system/cpu/cpu1/online; echo $(nproc) is left; while :; do :; done\n");
    guest.wait_for("1 is left");
    assert_eq!(control.post("/v1/reset", "").status, 200);
    guest.wait_for(READY);
    assert_eq!(guest.shell("nproc"), "2\n");
    guest.send("exit\n");
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
}

#[test]
fn a_reboot_is_the_end_for_who_wants_it_so() {
    let _turn = TURNS.take();
    let folder = folder();
    let (mut guest, _) = start(&folder, &["--no-reboot"]);
    guest.send("reboot -f\n");
    let ended = guest.finish();
    assert_eq!(ended.status, Some(1), "{}\n{}", ended.output, ended.errors);
    assert!(ended.errors.contains("--no-reboot"), "{}", ended.errors);
}

/// Linux makes a partition for its log, writes it there when it dies, and leaves it alone when it is started again.
#[test]
fn what_linux_writes_to_nvram_when_it_dies_outlives_it() {
    const LAST: &str = "the-last-thing-that-was-done";
    let _turn = TURNS.take();
    let folder = folder();
    let (mut guest, _) = start(&folder, &[]);
    guest.send(format!("echo {LAST} > /dev/kmsg; echo c > /proc/sysrq-trigger\n"));
    let died = guest.finish();
    assert_eq!(died.status, Some(1), "{}\n{}", died.output, died.errors);
    assert!(
        died.errors.contains("the guest's operating system gave up"),
        "{}",
        died.errors
    );
    let nvram = || fs::read(folder.path().join("vm.nvram")).expect("the run has made it");
    let log = last_log(&nvram());
    assert!(log.contains(LAST) && log.contains("sysrq triggered crash"), "{log}");

    let (mut guest, _) = start(&folder, &[]);
    guest.send("exit\n");
    assert_eq!(guest.finish().status, Some(0));
    assert!(last_log(&nvram()) == log);
}

/// The log in Linux' partition, as gzip reads it: behind two headers (`struct err_log_info`, `struct oops_log_info`) it is a stream of zlib.
fn last_log(nvram: &[u8]) -> String {
    const NAME: &[u8] = b"lnx,oops-log";
    /// gzip's own header: method 8, no name, no time.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let name = nvram.windows(NAME.len()).position(|window| window == NAME);
    let data = &nvram[name.expect("Linux has made its partition") + NAME.len()..];
    let bytes = usize::from(u16::from_be_bytes([data[10], data[11]]));
    // Without zlib's header, which is not gzip's.
    let stream = [&HEADER[..], &data[22..20 + bytes]].concat();
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("gzip starts");
    gzip.stdin
        .take()
        .expect("it is piped")
        .write_all(&stream)
        .expect("it reads");
    // It misses a sum at the end, and has written what there is by then.
    let output = gzip.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
