//! Debian's kernels to a shell, a session there, and the power switch. The images are the user's, from the cache;
//! the first run needs the network.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tests::{Guest, Pty, Turns};

/// Guests of 1 GiB at a time.
static TURNS: Turns = Turns::new(2);

/// What BusyBox's prompt follows.
const READY: &str = "Type exit to power off.";

/// Boots `image`, works in its shell as a script would, and powers off.
fn session(image: &str, release: &str, processors: usize) {
    session_on(image, release, processors, processors);
}

/// The same on so many threads.
fn session_on(image: &str, release: &str, processors: usize, threads: usize) {
    session_of("power8", image, release, processors, threads);
}

/// The same on processors of this model.
fn session_of(cpu: &str, image: &str, release: &str, processors: usize, threads: usize) {
    let _turn = TURNS.take();
    let (processors_flag, threads) = (processors.to_string(), threads.to_string());
    let shape = ["--cpu", cpu, "--smp", &processors_flag, "--threads", &threads];
    // No echo and no carriage returns: a program reads this.
    let append = ["--append", "quiet pteg.console=pipe"];
    let mut guest = Guest::start([&["run", image], &shape[..], &append[..]].concat());
    guest.wait_for(READY);

    assert_eq!(guest.shell("uname -m"), "ppc64le\n");
    let running = guest.shell("uname -r");
    assert!(running.starts_with(release), "{image} runs Linux {running}");
    let root = guest.shell("ls /");
    for name in ["bin", "dev", "proc", "sys", "tmp"] {
        assert!(
            root.split_whitespace().any(|entry| entry == name),
            "no {name} in {root}"
        );
    }
    let about = guest.shell("cat /proc/cpuinfo");
    assert_eq!(
        about.lines().filter(|line| line.starts_with("processor\t")).count(),
        processors,
        "{about}"
    );
    assert!(
        about.contains(&cpu.to_uppercase()) && about.contains("512000000"),
        "{about}"
    );

    let loops = "i=0; while [ $i -lt 150 ]; do /bin/busybox true || echo failed; i=$((i + 1)); done; echo $i";
    assert_eq!(guest.shell(loops), "150\n");
    let children = "for n in 1 2 3 4 5 6 7 8; do (for i in $(seq 20); do /bin/busybox echo $n; done) & done | sort | uniq -c | wc -l";
    assert_eq!(guest.shell(children), "8\n");

    check_sums(&mut guest);
    check_arithmetic(&mut guest);

    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    assert!(
        ended.errors.lines().all(|line| line.starts_with("pteg: ")),
        "{}",
        ended.errors
    );
    assert!(!ended.errors.contains("not emulated"), "{}", ended.errors);
    assert!(!ended.output.contains("pteg: "), "{}", ended.output);
}

/// Data made in the guest, and data brought into it, have the sums that the host computes.
fn check_sums(guest: &mut Guest) {
    let made = guest.shell("yes | head -c 1000000 | md5sum");
    assert_eq!(first_word(&made), host_sum("md5sum", &b"y\n".repeat(500_000)));
    // Bytes without any pattern, always the same: xorshift.
    let mut state = 0x9e37_79b9_u32;
    let brought: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    })
    .take(48 << 10)
    .collect();
    let octets: Vec<String> = brought
        .chunks(32)
        .map(|line| line.iter().map(|b| format!("{b:02x}")).collect())
        .collect();
    guest.shell(&format!("xxd -r -p > /tmp/brought <<'.'\n{}\n.", octets.join("\n")));
    for program in ["md5sum", "sha256sum"] {
        let sum = guest.shell(&format!("dd if=/tmp/brought bs=1k 2>/dev/null | {program}"));
        assert_eq!(first_word(&sum), host_sum(program, &brought), "{program}");
    }
    let copied = "for i in 1 2 3; do dd if=/dev/urandom of=/tmp/f bs=64k count=16 2>/dev/null; cp /tmp/f /tmp/g; cmp /tmp/f /tmp/g; done";
    assert_eq!(guest.shell(copied), "");
}

/// Operations that IEEE 754 rounds in one way only; the inner loop is Newton's square root.
fn check_arithmetic(guest: &mut Guest) {
    let program = "BEGIN { for (i = 1; i <= 500; i++) { \
                   x = i; for (n = 0; n < 10; n++) x = (x + i / x) / 2; s += x / (i + 0.1) * 1.7; s -= i / 3 } \
                   printf \"%.17g\\n\", s }";
    let printed = guest.shell(&format!("awk '{program}'"));
    let root = |i: f64| (0..10).fold(i, |x, _| (x + i / x) / 2.0);
    let expected = (1..=500)
        .map(f64::from)
        .fold(0.0, |sum, i| sum + root(i) / (i + 0.1) * 1.7 - i / 3.0);
    assert_eq!(printed.trim().parse(), Ok(expected));
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// What the host's program of that name says of these bytes.
fn host_sum(program: &str, bytes: &[u8]) -> String {
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(bytes)
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    first_word(&String::from_utf8_lossy(&output.stdout)).to_owned()
}

#[test]
fn debian_on_one_processor() {
    session("debian", "6.1.", 1);
}

#[test]
fn debian_on_four_processors() {
    session("debian", "6.1.", 4);
}

#[test]
fn debian_with_linux_6_12_on_one_processor() {
    session("debian:6.12", "6.12.", 1);
}

#[test]
fn debian_with_linux_6_12_on_four_processors() {
    session("debian:6.12", "6.12.", 4);
}

#[test]
fn debian_with_linux_6_12_and_64k_pages_on_one_processor() {
    session("debian:6.12-64k", "6.12.", 1);
}

#[test]
fn debian_with_linux_6_12_and_64k_pages_on_four_processors() {
    session("debian:6.12-64k", "6.12.", 4);
}

#[test]
fn debian_on_four_processors_and_two_threads() {
    session_on("debian", "6.1.", 4, 2);
}

#[test]
fn debian_with_linux_6_12_on_two_processors_and_one_thread() {
    session_on("debian:6.12", "6.12.", 2, 1);
}

#[test]
fn debian_with_linux_6_12_and_64k_pages_on_two_power9s() {
    session_of("power9", "debian:6.12-64k", "6.12.", 2, 2);
}

/// Ctrl-C is the guest's, the prompt comes back, and `exit` powers off.
#[test]
fn a_person_works_in_debian_at_a_terminal() {
    let _turn = TURNS.take();
    let mut pty = Pty::open();
    let before = pty.settings();
    let mut guest = pty.run(["run", "debian"]);
    guest.wait_for(READY);
    guest.wait_for("# ");
    assert!(pty.is_raw());
    // Not before the shell has given the terminal to the program; the quotes tell its words from their echo.
    guest.send("sh -c 'echo sta\"\"rted; sleep 1000'\r");
    guest.wait_for("started\r\n");
    guest.send("\x03");
    guest.wait_for("# ");
    guest.send("echo $((6 * 7))\r");
    guest.wait_for("\n42\r\n");
    guest.send("exit\r");
    assert_eq!(guest.finish().status, Some(0));
    let after = pty.settings();
    assert_eq!(
        (after.input_modes, after.output_modes, after.local_modes),
        (before.input_modes, before.output_modes, before.local_modes)
    );
}
