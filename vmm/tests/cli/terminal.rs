//! A person's terminal, played by a pseudo-terminal: raw while the guest runs, its own again afterwards.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OutputModes, Termios, tcgetattr};

use crate::guest::{echoing, spinning};
use crate::{finish, pteg, signal, wait_for_ready};

struct Desk {
    /// The person's side.
    person: File,
    /// The program's side.
    terminal: OwnedFd,
    before: Termios,
}

impl Desk {
    fn new() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let before = tcgetattr(&terminal).unwrap();
        assert!(before.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO));
        Self {
            person: File::from(person),
            terminal,
            before,
        }
    }

    /// A guest in front of which somebody sits; what it prints is taken.
    fn start(&self, kernel: &tempfile::NamedTempFile) -> Child {
        pteg(&["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()])
            .stdin(Stdio::from(self.terminal.try_clone().unwrap()))
            .spawn()
            .unwrap()
    }

    fn assert_raw(&self) {
        let now = tcgetattr(&self.terminal).unwrap();
        assert!(
            !now.local_modes
                .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
        );
        assert!(!now.output_modes.contains(OutputModes::OPOST));
    }

    #[track_caller]
    fn assert_restored(&self) {
        let now = tcgetattr(&self.terminal).unwrap();
        assert_eq!(now.local_modes, self.before.local_modes);
        assert_eq!(now.input_modes, self.before.input_modes);
        assert_eq!(now.output_modes, self.before.output_modes);
    }
}

#[test]
fn ctrl_a_x_ends_the_guest_and_gives_the_terminal_back() {
    let (mut desk, kernel) = (Desk::new(), spinning());
    let mut child = desk.start(&kernel);
    wait_for_ready(&mut child);
    desk.assert_raw();
    // Ctrl-C is the guest's; Ctrl-A H answers on stderr.
    desk.person.write_all(b"\x03\x01h\x01x").unwrap();
    let (status, stderr) = finish(child);
    assert_eq!(status.code(), Some(0), "{stderr}");
    for words in ["Ctrl-A X", "Ctrl-A H", "Ctrl-A Ctrl-A", "stopped by Ctrl-A X"] {
        assert!(stderr.contains(words), "{stderr}");
    }
    desk.assert_restored();
}

#[test]
fn keys_reach_the_guest_as_they_are_pressed() {
    let (mut desk, kernel) = (Desk::new(), echoing());
    let mut child = desk.start(&kernel);
    let mut output = child.stdout.take().unwrap();
    for key in *b"l\x03\x04\x1a\r\x7f" {
        desk.person.write_all(&[key]).unwrap();
        let mut echo = [0];
        output.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [key]);
    }
    desk.person.write_all(b"\x01\x01q").unwrap();
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x01q");
    assert_eq!(finish(child).0.code(), Some(0));
    desk.assert_restored();
}

#[test]
fn every_signal_gives_the_terminal_back() {
    let (desk, kernel) = (Desk::new(), spinning());
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        let mut child = desk.start(&kernel);
        wait_for_ready(&mut child);
        desk.assert_raw();
        signal(&child, name);
        assert!(finish(child).0.code() > Some(128));
        desk.assert_restored();
    }
}

#[test]
fn ctrl_a_x_works_when_the_guest_reads_nothing() {
    let (mut desk, kernel) = (Desk::new(), spinning());
    let mut child = desk.start(&kernel);
    wait_for_ready(&mut child);
    for _ in 0..50 {
        desk.person.write_all(&[b'x'; 1000]).unwrap();
    }
    desk.person.write_all(b"\x01x").unwrap();
    assert_eq!(finish(child).0.code(), Some(0));
    desk.assert_restored();
}
