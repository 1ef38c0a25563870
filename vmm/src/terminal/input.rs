//! From stdin to the guest's console. The end of stdin is not the guest's.

use std::io;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stdin;

use super::keys::{HELP, Keys, Wish};
use super::say;
use crate::machine::Machine;
use crate::stop::Ending;

/// Who is at the other end of stdin.
pub(super) enum Source {
    /// A person at a raw terminal.
    Keyboard(Keys),
    /// A file or a pipe, whose writer is held back while the guest does not read.
    Stream,
}

/// Typed bytes that wait for a guest that does not read; what is typed beyond them is lost.
const MOST_TYPED: usize = 64 << 10;

/// How often a guest that did not read is offered its input again while keys are watched.
const RETRY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Makes the thread that reads stdin. It is left behind when the run ends: nothing wakes a read of a terminal.
pub(super) fn forward(machine: Arc<Machine>, source: Source) -> io::Result<()> {
    thread::Builder::new()
        .name("input".into())
        .spawn(move || match source {
            Source::Keyboard(keys) => read_keys(&machine, keys),
            Source::Stream => read_stream(&machine),
        })?;
    Ok(())
}

fn read_stream(machine: &Machine) {
    let mut buffer = [0; 4096];
    while let Some(mut bytes) = read(&mut buffer) {
        while !bytes.is_empty() {
            let taken = machine.console.push_input(bytes);
            bytes = &bytes[taken..];
            if taken == 0 {
                machine.console.wait_for_room();
            }
        }
    }
}

/// Reads on while the guest does not, as Ctrl-A X must always work.
fn read_keys(machine: &Machine, mut keys: Keys) {
    let mut buffer = [0; 1024];
    let mut typed = Vec::new();
    loop {
        let taken = machine.console.push_input(&typed);
        typed.drain(..taken);
        if !typed.is_empty() && !is_readable_within(RETRY) {
            continue;
        }
        let Some(mut bytes) = read(&mut buffer) else {
            return;
        };
        loop {
            match keys.read(bytes, &mut typed) {
                Some((Wish::Help, rest)) => {
                    say(HELP);
                    bytes = rest;
                }
                Some((Wish::Quit, _)) => return machine.stop.request(Ending::Quit),
                None => break,
            }
        }
        typed.truncate(MOST_TYPED);
    }
}

/// The next bytes of stdin. `None`: there are no more.
fn read(buffer: &mut [u8]) -> Option<&[u8]> {
    loop {
        match rustix::io::read(stdin(), &mut *buffer) {
            Ok(0) => return None,
            Ok(count) => return Some(&buffer[..count]),
            Err(Errno::INTR) => {}
            // Somebody shares stdin with us and has set it so.
            Err(Errno::AGAIN) => {
                is_readable_within(Timespec {
                    tv_sec: 3600,
                    tv_nsec: 0,
                });
            }
            // As good as its end: a guest does not stop because nobody can type.
            Err(error) => {
                say(&format!("pteg: reading stdin: {error}; the guest gets no more input"));
                return None;
            }
        }
    }
}

fn is_readable_within(time: Timespec) -> bool {
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut fds, Some(&time)).is_ok_and(|ready| ready > 0)
}
