//! A person's habits: a terminal that is as it was afterwards, keys, signals, pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use power::insn::Endian;
use rustix::io::ioctl_fionread;
use rustix::pipe::fcntl_getpipe_size;
use rustix::process::Signal;
use rustix::termios::Termios;
use tests::{ElfFile, Guest, PATIENCE, Pty, pteg, pteg_by_env, write_program};

/// A guest that sends back what it gets, until Ctrl-D.
fn echo() -> (ElfFile, Vec<String>) {
    let file = write_program("echo", Endian::Little);
    let arguments = [
        "run",
        "--kernel",
        file.path().to_str().expect("it is text"),
        "--mem",
        "64M",
    ];
    let arguments = arguments.map(str::to_owned).to_vec();
    (file, arguments)
}

/// What the guest says first.
const READY: &str = "guest program echo, little-endian\r\n";

fn same(left: &Termios, right: &Termios) -> bool {
    (
        left.input_modes,
        left.output_modes,
        left.control_modes,
        left.local_modes,
    ) == (
        right.input_modes,
        right.output_modes,
        right.control_modes,
        right.local_modes,
    )
}

/// Runs the guest at a terminal, ends it with `end`, and expects this exit status and the terminal as before.
fn at_a_terminal(end: impl FnOnce(&mut Guest), status: i32) -> String {
    let (_file, arguments) = echo();
    let mut pty = Pty::open();
    let before = pty.settings();
    assert!(!pty.is_raw());
    let mut guest = pty.run(arguments);
    guest.wait_for(READY);
    assert!(pty.is_raw(), "the terminal is not raw while the guest runs");
    end(&mut guest);
    let ended = guest.finish();
    assert_eq!(ended.status, Some(status), "{}", ended.output);
    assert!(same(&pty.settings(), &before), "the terminal is not as it was");
    ended.output
}

#[test]
fn ctrl_a_x_ends_the_guest() {
    let said = at_a_terminal(|guest| guest.send("\x01x"), 0);
    assert!(said.contains("pteg: stopped by Ctrl-A X"), "{said}");
}

#[test]
fn ctrl_a_h_lists_the_keys_and_the_guest_goes_on() {
    at_a_terminal(
        |guest| {
            guest.send("\x01h");
            guest.wait_for("Ctrl-A X");
            guest.wait_for("Ctrl-A H");
            guest.send("on\x04");
            guest.wait_for("on\r\nVERDICT echo: pass");
        },
        0,
    );
}

#[test]
fn every_other_key_is_the_guests() {
    at_a_terminal(
        |guest| {
            // Ctrl-C, Ctrl-Z, Ctrl-S, Ctrl-Q, Ctrl-\, DEL, and Ctrl-A itself when pressed twice.
            guest.send("a\x03\x1a\x13\x11\x1c\x7f\x01\x01\rz");
            guest.wait_for("a\x03\x1a\x13\x11\x1c\x7f\x01\rz");
            guest.send("\x04");
        },
        0,
    );
}

#[test]
fn a_power_off_gives_the_terminal_back() {
    let said = at_a_terminal(|guest| guest.send("\x04"), 0);
    assert!(said.contains("VERDICT echo: pass"), "{said}");
}

#[test]
fn signals_give_the_terminal_back() {
    for (signal, status, name) in [
        (Signal::TERM, 143, "SIGTERM"),
        (Signal::INT, 130, "SIGINT"),
        (Signal::HUP, 129, "SIGHUP"),
    ] {
        let said = at_a_terminal(|guest| guest.signal(signal), status);
        assert!(said.contains(&format!("pteg: stopped by {name}")), "{said}");
    }
}

#[test]
fn signals_end_a_guest_between_pipes() {
    for (signal, status, name) in [
        (Signal::TERM, 143, "SIGTERM"),
        (Signal::INT, 130, "SIGINT"),
        (Signal::HUP, 129, "SIGHUP"),
        (Signal::QUIT, 131, "SIGQUIT"),
    ] {
        let (_file, arguments) = echo();
        let mut guest = Guest::start(&arguments);
        guest.wait_for(READY);
        guest.signal(signal);
        let ended = guest.finish();
        assert_eq!(ended.status, Some(status), "{}", ended.errors);
        assert!(
            ended.errors.contains(&format!("pteg: stopped by {name}\n")),
            "{}",
            ended.errors
        );
    }
}

/// As under `nohup`.
#[test]
fn a_hang_up_that_it_was_started_to_ignore_ends_nothing() {
    let (_file, arguments) = echo();
    let mut command = pteg_by_env("--ignore-signal=HUP", &arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut guest = Guest::spawn(&mut command);
    guest.wait_for(READY);
    guest.signal(Signal::HUP);
    guest.send("still here\n");
    guest.wait_for("still here");
    guest.signal(Signal::TERM);
    let ended = guest.finish();
    assert_eq!(ended.status, Some(143), "{}", ended.errors);
    assert!(ended.errors.contains("pteg: stopped by SIGTERM\n"), "{}", ended.errors);
}

#[test]
fn what_is_piped_in_comes_back_whole() {
    let (_file, arguments) = echo();
    let mut guest = Guest::start(&arguments);
    guest.wait_for(READY);
    let lines: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    guest.send(&lines);
    guest.send("\x04");
    assert!(
        guest.wait_for("\r\nVERDICT echo: pass\r\n") == lines,
        "something was lost"
    );
    assert_eq!(guest.finish().status, Some(0));
}

#[test]
fn the_end_of_the_input_is_not_the_end_of_the_guest() {
    let (_file, arguments) = echo();
    let mut guest = Guest::start(&arguments);
    guest.send("last words");
    guest.close_input();
    guest.wait_for("last words");
    guest.signal(Signal::TERM);
    assert_eq!(guest.finish().status, Some(143));
}

#[test]
fn nothing_on_stdin_is_no_obstacle() {
    let mut command = pteg(["run", "hello"]);
    let ended = Guest::spawn(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )
    .finish();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
}

/// As with `| head -1`.
#[test]
fn a_closed_output_ends_the_guest() {
    let (_file, arguments) = echo();
    let (guest, mut stdin, stdout) = Guest::start_at_pipes(&arguments);
    let mut first = String::new();
    let mut reader = BufReader::new(stdout);
    reader.read_line(&mut first).unwrap();
    assert_eq!(first, READY);
    drop(reader);
    // The guest notices when it speaks; not perhaps at its next word, as a process that another test is just
    // starting holds the other end until it has become its program.
    while stdin.write_all(b"anybody there?\n").is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
    let ended = guest.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.errors);
    assert!(
        ended.errors.contains("writing the guest's output: Broken pipe"),
        "{}",
        ended.errors
    );
}

/// A guest whose output nobody reads has to wait, but a signal still ends it.
#[test]
fn an_output_that_nobody_reads_keeps_no_signal_out() {
    let (_file, arguments) = echo();
    let (guest, mut stdin, stdout) = Guest::start_at_pipes(&arguments);
    // More comes back than the pipe holds.
    let typist = thread::spawn(move || stdin.write_all(&[b'x'; 1 << 20]));
    // A pipe is full when none of its pages has room for one more word of the guest's.
    let nearly_full = fcntl_getpipe_size(&stdout).unwrap() as u64 * 15 / 16;
    let deadline = Instant::now() + PATIENCE;
    while ioctl_fionread(&stdout).unwrap() < nearly_full {
        assert!(Instant::now() < deadline, "the guest does not fill its output");
        thread::sleep(Duration::from_millis(10));
    }
    guest.signal(Signal::TERM);
    let ended = guest.finish();
    assert_eq!(ended.status, Some(143), "{}", ended.errors);
    assert!(ended.errors.contains("pteg: stopped by SIGTERM\n"), "{}", ended.errors);
    assert!(typist.join().unwrap().is_err(), "all was taken");
}

#[test]
fn help_is_on_stdout_and_a_page() {
    for arguments in [&["--help"][..], &["run", "--help"], &["-h"], &["run", "-h"]] {
        let ended = Guest::start(arguments).finish();
        assert_eq!((ended.status, ended.errors.as_str()), (Some(0), ""));
        assert!(ended.output.contains("Usage: pteg"), "{}", ended.output);
    }
    let page = Guest::start(["run", "--help"]).finish().output;
    for flag in [
        "--kernel",
        "--initrd",
        "--append",
        "--mem",
        "--smp",
        "--hpt-order",
        "--accel",
    ] {
        assert!(page.contains(flag), "{flag} is not in\n{page}");
    }
}
