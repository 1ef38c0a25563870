//! Linux drives our virtio devices: Debian's kernel with its own drivers, and what it says of them afterwards.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::thread;
use std::time::Duration;

use serde_json::Value;
use tests::{Control, Guest, Turns};

/// Guests of 1 GiB at a time.
static TURNS: Turns = Turns::new(2);

/// A guest with these `flags`, in whose shell its devices are there.
fn start(flags: &[&str]) -> Guest {
    let usual = [
        "run",
        "debian",
        "--accel",
        "emulated",
        "--append",
        "quiet pteg.console=pipe",
    ];
    let mut guest = Guest::start([&usual, flags].concat());
    guest.wait_for("Type exit to power off.");
    guest
}

fn power_off(mut guest: Guest) {
    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    assert!(!ended.errors.contains("stands still"), "{}", ended.errors);
}

#[test]
fn linux_takes_randomness_from_the_host() {
    let _turn = TURNS.take();
    let mut guest = start(&["--rng", "--smp", "2"]);
    let device = guest.shell("cat /sys/bus/pci/devices/*/vendor /sys/bus/pci/devices/*/device");
    assert_eq!(device, "0x1af4\n0x1044\n");
    assert!(
        guest
            .shell("cat /sys/class/misc/hw_random/rng_available")
            .contains("virtio_rng.0")
    );
    assert_eq!(
        guest.shell("echo virtio_rng.0 > /sys/class/misc/hw_random/rng_current; echo $?"),
        "0\n"
    );
    let interrupts = |guest: &mut Guest| {
        let lines = guest.shell("grep virtio /proc/interrupts");
        let counts = lines.lines().flat_map(|line| line.split_whitespace().skip(1).take(2));
        counts.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>()
    };
    let before = interrupts(&mut guest);
    // Random bytes do not pack.
    let packed = guest.shell("head -c 200000 /dev/hwrng | gzip -c | wc -c");
    assert!(packed.trim().parse::<u64>().unwrap() > 199_000, "{packed}");
    let pieces = guest.shell("for n in 1 2 3 4 5 6 7 8; do head -c 32 /dev/hwrng | md5sum; done | sort -u | wc -l");
    assert_eq!(pieces, "8\n");
    assert!(interrupts(&mut guest) > before + 10, "the device signals");
    power_off(guest);
}

#[test]
fn linux_gives_memory_through_its_balloon_and_takes_it_back() {
    let _turn = TURNS.take();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut guest = start(&["--balloon", "--mem", "512M", "--control", socket.to_str().unwrap()]);
    let control = Control::new(&socket);
    let look = || serde_json::from_str::<Value>(&control.get("/v1/balloon").body).unwrap();
    // Each look makes the guest say what it has, which is work.
    let reach = |bytes: u64| {
        while look()["bytes"] != bytes {
            thread::sleep(Duration::from_millis(50));
        }
    };
    let want = |bytes: u64| {
        let reply = control.post("/v1/balloon", &format!("{{\"bytes\": {bytes}}}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reach(bytes);
    };
    let resident = || {
        let info: Value = serde_json::from_str(&control.get("/v1/info").body).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", info["pid"])).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("RssShmem:"))
            .unwrap()
            .to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    let free = |guest: &mut Guest| {
        let line = guest.shell("grep MemFree /proc/meminfo");
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    // All of its memory is touched first, so that the host has given it.
    guest.shell("mount -t tmpfs -o size=400m none /tmp");
    guest.shell("dd if=/dev/zero of=/tmp/all bs=1M count=300 2> /dev/null; rm /tmp/all");
    let before = free(&mut guest);
    // A slow guest has not said anything yet.
    let said = std::iter::repeat_with(|| look()["guest"].clone()).find(|said| said["total_bytes"].is_u64());
    let said = said.unwrap();
    assert!(said["total_bytes"].as_u64().unwrap() > 400 << 20, "{said}");
    want(256 << 20);
    // What the kernel gives up of its caches meanwhile becomes free.
    let given = before - free(&mut guest);
    assert!((200 << 20..270 << 20).contains(&given), "{given}");
    assert!(resident() < 264 << 20, "the host has it back: {}", resident());
    want(0);
    assert!(free(&mut guest) + (16 << 20) > before);
    // Another life of the device, and another one; what is wanted stays.
    want(64 << 20);
    for _ in 0..2 {
        let again =
            "cd /sys/bus/virtio/drivers/virtio_balloon; echo virtio0 > unbind; echo virtio0 > bind; echo $?; cd /root";
        assert_eq!(guest.shell(again), "0\n");
        reach(64 << 20);
    }
    want(0);
    // It works with what it got back.
    guest.shell("dd if=/dev/zero of=/tmp/all bs=1M count=100 2> /dev/null");
    let sum = guest.shell("dd if=/tmp/all bs=1M skip=50 2> /dev/null | md5sum; rm /tmp/all");
    assert!(sum.starts_with("25e317773f308e446cc84c503a6d1f85"), "{sum}");
    power_off(guest);
}

#[test]
fn linux_writes_to_its_second_console() {
    let _turn = TURNS.take();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("said");
    let mut guest = start(&["--virtio-console", path.to_str().unwrap()]);
    assert_eq!(guest.shell("seq 20000 > /dev/hvc1; echo $?"), "0\n");
    power_off(guest);
    let said = std::fs::read_to_string(&path).unwrap();
    let all: Vec<String> = (1..=20_000).map(|n| n.to_string()).collect();
    assert!(said.lines().eq(all.iter()), "{} bytes", said.len());
}
