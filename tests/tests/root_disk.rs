//! A whole Debian on a disk: made, booted, logged in to, reached by ssh, given a package, started anew, shut down. It takes many minutes, and the host's
//! network: `cargo test -p tests --test root_disk -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tests::{Control, Guest, pteg};

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
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
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

    guest.shell("apt-get -q update");
    eprintln!("apt-get update after {} s", began.elapsed().as_secs());
    guest.shell("DEBIAN_FRONTEND=noninteractive apt-get -q -y --reinstall install hello < /dev/null");
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
    let disk = folder.path().join("root.img");
    let began = Instant::now();
    let mut image = pteg(["image", "debian-disk", "--output", disk.to_str().unwrap()]);
    assert!(image.status().unwrap().success());
    eprintln!("the disk after {} s", began.elapsed().as_secs());
    for processors in ["1", "4"] {
        boot(&disk, processors, folder.path());
    }
}
