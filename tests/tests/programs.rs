//! The guest programs judge themselves: `VERDICT <name>: pass`.

use guest_images::programs::Program;
use power::insn::Endian;
use tests::{Guest, write_program};

/// Runs a program to its end, and believes its last line and the exit status.
fn passes(name: &str, endian: Endian, flags: &[&str]) {
    let file = write_program(name, endian);
    let path = file.path().to_str().expect("it is text");
    let exactly = ["--append", "exact=1 tries=100 rounds=40"];
    // It takes somebody who touches what somebody else removes, or watches, or meets.
    let needs_two = ["stale_translations", "old_mappings", "sweep", "litmus"].contains(&name);
    let processors: &[&str] = match needs_two && !flags.contains(&"--smp") {
        true => &["--smp", "2"],
        false => &[],
    };
    let mut guest = Guest::start([&["run", "--kernel", path], &exactly[..], processors, flags].concat());
    match name {
        "echo" => guest.send("\x04"),
        // Each is for one life.
        "lives" => ["r", "r", "\x04"].into_iter().for_each(|typed| {
            guest.wait_for("waits");
            guest.send(typed);
        }),
        _ => {}
    }
    guest.close_input();
    let ended = guest.finish();
    let last = ended.output.lines().last().unwrap_or_default();
    assert_eq!(
        last,
        format!("VERDICT {name}: pass"),
        "{endian:?} {flags:?}\n{}\n{}",
        ended.output,
        ended.errors
    );
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
}

#[test]
fn every_program_passes_in_either_byte_order() {
    for program in &Program::ALL {
        for endian in [Endian::Big, Endian::Little] {
            passes(program.name, endian, &[]);
        }
    }
}

#[test]
fn several_processors_work_together() {
    for endian in [Endian::Big, Endian::Little] {
        for processors in ["2", "4", "7"] {
            passes("smp", endian, &["--smp", processors]);
        }
    }
}

#[test]
fn processors_meet_in_memory_as_the_architecture_allows() {
    for endian in [Endian::Big, Endian::Little] {
        for processors in ["2", "4"] {
            passes("litmus", endian, &["--smp", processors]);
        }
    }
}

#[test]
fn sixty_four_processors_start_and_stop() {
    passes("smp", Endian::Little, &["--smp", "64"]);
}

#[test]
fn processors_work_together_on_fewer_threads() {
    for (processors, threads) in [("2", "1"), ("4", "1"), ("4", "2"), ("7", "2"), ("4", "3"), ("64", "2")] {
        passes("smp", Endian::Little, &["--smp", processors, "--threads", threads]);
    }
    passes("smp", Endian::Big, &["--smp", "4", "--threads", "1"]);
}

#[test]
fn tables_and_memories_of_many_sizes_will_do() {
    for flags in [
        ["--hpt-order", "18"],
        ["--hpt-order", "30"],
        ["--mem", "64M"],
        ["--mem", "3G"],
    ] {
        for name in ["hypercalls", "page_faults"] {
            passes(name, Endian::Big, &flags);
        }
    }
    passes("hello", Endian::Big, &["--mem", "16M"]);
}

#[test]
fn hello_needs_no_file() {
    let guest = Guest::start(["run", "hello", "--smp", "3", "--mem", "256M"]);
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
    for text in [
        "Hello",
        "0x4d0200",
        "processors          3\r\n",
        "256 MiB",
        "VERDICT hello: pass\r\n",
    ] {
        assert!(ended.output.contains(text), "{text:?} is not in\n{}", ended.output);
    }
}

#[test]
fn the_list_of_images_has_hello_and_debian() {
    let ended = Guest::start(["run"]).finish();
    assert_eq!((ended.status, ended.errors.as_str()), (Some(0), ""));
    for name in ["hello", "debian", "debian:6.12", "debian:6.12-64k"] {
        assert!(
            ended
                .output
                .lines()
                .any(|line| line.split_whitespace().next() == Some(name)),
            "{}",
            ended.output
        );
    }
}
