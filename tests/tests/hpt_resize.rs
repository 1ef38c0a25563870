//! Linux resizes its page table while it works, by its own means: `hpt_order` in debugfs. The guest and the checks of
//! pteg then say whether anything was lost.

use tests::{Guest, Turns};

/// Guests of 1 GiB at a time.
static TURNS: Turns = Turns::new(1);

/// Boots `image`, makes its table twice as large and as it was again and again while processes come and go, and looks
/// whether all is well.
fn resizes(image: &str) {
    const TIMES: usize = 3;
    let _turn = TURNS.take();
    let mut guest = Guest::start([
        "run",
        image,
        "--smp",
        "2",
        "--check-walkers",
        "--check-duplicates",
        "--stats",
        "--append",
        "quiet pteg.console=pipe",
    ]);
    guest.wait_for("Type exit to power off.");
    guest.shell("mount -t debugfs none /sys/kernel/debug");
    let order = "/sys/kernel/debug/powerpc/hpt_order";
    assert_eq!(guest.shell(&format!("cat {order}")), "23\n", "that of 1 GiB");

    let child = "/bin/busybox true || echo failed >> /tmp/failures";
    // No job of the shell's, which would say when it is done.
    guest.shell(&format!(
        "touch /tmp/failures; ( (while [ ! -e /tmp/enough ]; do {child}; done; echo ended > /tmp/ended) & )"
    ));
    for _ in 0..TIMES {
        for wanted in ["24", "23"] {
            guest.shell(&format!("echo {wanted} > {order}"));
            assert_eq!(guest.shell(&format!("cat {order}")), format!("{wanted}\n"));
        }
    }
    guest.shell("touch /tmp/enough; while [ ! -e /tmp/ended ]; do sleep 0.1; done");
    assert_eq!(guest.shell("cat /tmp/failures"), "");
    let sum = guest.shell("yes | head -c 1000000 | md5sum");
    assert_eq!(sum, guest.shell("yes | head -c 1000000 | md5sum"));
    let said = guest.shell("dmesg");
    assert_eq!(said.matches("HPT resize to shift").count(), 2 * TIMES, "{said}");
    for complaint in ["Oops", "BUG", "WARNING", "rcu_sched"] {
        assert!(!said.contains(complaint), "{said}");
    }

    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    for line in [
        "the guest mapped a page twice: never",
        "a processor held what the table does not say: never",
        &format!("resizes: {}, duplicates found: 0", 2 * TIMES),
    ] {
        assert!(ended.errors.contains(line), "no {line:?} in {}", ended.errors);
    }
}

#[test]
fn linux_with_4k_pages_resizes_its_table_while_it_works() {
    resizes("debian:6.12");
}

#[test]
fn linux_with_64k_pages_resizes_its_table_while_it_works() {
    resizes("debian");
}
