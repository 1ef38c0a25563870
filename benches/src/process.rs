//! A program that runs a guest, watched: what its console says and when, what processor time it has used.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Result};
use crate::procfs;

/// How long a guest may take to say the next thing that is waited for.
const LIMIT: Duration = Duration::from_secs(300);

/// Bytes of output that an error shows.
const TAIL: usize = 2000;

/// A program that runs a guest. Dropping it ends it.
pub struct Running {
    who: String,
    child: Child,
    keyboard: Option<ChildStdin>,
    console: ChildStdout,
    said: Vec<u8>,
    /// How much of `said` has been looked at.
    seen: usize,
    stderr: File,
    started: Instant,
}

/// A guest that has powered off, and its program.
#[derive(Debug)]
pub struct Ended {
    /// All the processor time that the program used.
    pub cpu_time: Duration,
    /// Its console.
    pub console: String,
    /// The program's own words.
    pub stderr: String,
}

impl Running {
    /// Starts `command`, which is called `who` in errors.
    pub fn start(who: &str, command: Command) -> Result<Self> {
        Self::start_reading(who, command, Stdio::null())
    }

    /// The same, at whose console somebody types.
    pub fn start_with_keyboard(who: &str, command: Command) -> Result<Self> {
        Self::start_reading(who, command, Stdio::piped())
    }

    fn start_reading(who: &str, mut command: Command, keyboard: Stdio) -> Result<Self> {
        let failed = |source| Error::Run {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        };
        // A file, as nobody reads it before the end.
        let stderr = tempfile::tempfile().map_err(&failed)?;
        let errors = stderr.try_clone().map_err(&failed)?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(keyboard).stdout(Stdio::piped()).stderr(errors);
        let started = Instant::now();
        let mut child = command.spawn().map_err(|source| Error::Run { program, source })?;
        let console = child.stdout.take().expect("it is a pipe");
        Ok(Self {
            who: who.to_owned(),
            keyboard: child.stdin.take(),
            child,
            console,
            said: Vec::new(),
            seen: 0,
            stderr,
            started,
        })
    }

    /// Which process it is.
    pub fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Returns as soon as the console has said `text`, with the time since the start.
    pub fn wait_for(&mut self, text: &str) -> Result<Duration> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = find(&self.said[self.seen..], text.as_bytes()) {
                self.seen += at + text.len();
                return Ok(self.started.elapsed());
            }
            if !self.read(deadline)? {
                return Err(self.silent(text));
            }
        }
    }

    /// Types `line` at the console, if it was started with a keyboard.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let typed = self.keyboard.as_mut().map(|keyboard| writeln!(keyboard, "{line}"));
        typed.unwrap_or(Ok(())).map_err(|source| self.error(source))
    }

    /// Waits for the end of the program, which must be a good one.
    pub fn wait_for_end(mut self) -> Result<Ended> {
        let deadline = Instant::now() + LIMIT;
        while self.read(deadline)? {}
        if Instant::now() >= deadline {
            return Err(self.silent("power-off"));
        }
        // Its clock can be read until it has been waited for.
        let ended = waitid(Id::Pid(self.id()), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        ended.map_err(|errno| self.error(errno.into()))?;
        let cpu_time = procfs::cpu_time(self.id())?;
        let status = self.child.wait().map_err(|source| self.error(source))?;
        if !status.success() {
            return Err(self.failed(status));
        }
        Ok(Ended {
            cpu_time,
            console: String::from_utf8_lossy(&self.said).into_owned(),
            stderr: self.words(),
        })
    }

    /// Reads some of the console; false at its end or at the deadline.
    fn read(&mut self, deadline: Instant) -> Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("it is some minutes");
        let mut descriptors = [PollFd::new(&self.console, PollFlags::IN)];
        let ready = poll(&mut descriptors, Some(&left)).map_err(|errno| self.error(errno.into()))?;
        if ready == 0 {
            return Ok(false);
        }
        let mut bytes = [0; 4096];
        let count = self.console.read(&mut bytes).map_err(|source| self.error(source))?;
        self.said.extend(&bytes[..count]);
        Ok(count > 0)
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Run {
            program: self.who.clone(),
            source,
        }
    }

    fn silent(&mut self, awaited: &str) -> Error {
        Error::Silent {
            who: self.who.clone(),
            awaited: awaited.to_owned(),
            seconds: self.started.elapsed().as_secs(),
            said: self.tail(),
        }
    }

    fn failed(&mut self, status: ExitStatus) -> Error {
        Error::Failed {
            who: self.who.clone(),
            status,
            said: self.tail(),
        }
    }

    /// What it has written on stderr.
    fn words(&mut self) -> String {
        let mut bytes = Vec::new();
        // Without it an error tells less; nothing else depends on it.
        let _ = self.stderr.rewind().and_then(|()| self.stderr.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn tail(&mut self) -> String {
        let console = String::from_utf8_lossy(&self.said[self.said.len().saturating_sub(TAIL)..]).into_owned();
        console + &self.words()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or nobody is interested in how it does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `text` begins in `bytes`.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start("a script", command).unwrap()
    }

    #[test]
    fn a_program_is_watched_from_line_to_line() {
        let mut running = shell("echo one; echo two; echo three >&2");
        running.wait_for("one").unwrap();
        running.wait_for("two").unwrap();
        let ended = running.wait_for_end().unwrap();
        assert_eq!((&*ended.console, &*ended.stderr), ("one\ntwo\n", "three\n"));
        assert!(ended.cpu_time > Duration::ZERO);
    }

    #[test]
    fn what_is_typed_is_read() {
        let mut command = Command::new("sh");
        command.args(["-c", "read word; echo it was $word"]);
        let mut running = Running::start_with_keyboard("a script", command).unwrap();
        running.type_line("this").unwrap();
        running.wait_for("it was this").unwrap();
        running.wait_for_end().unwrap();
    }

    #[test]
    fn a_line_is_found_once() {
        let mut running = shell("echo one; echo two; exit 3");
        running.wait_for("two").unwrap();
        let error = running.wait_for("one").unwrap_err();
        assert!(matches!(error, Error::Silent { said, .. } if said == "one\ntwo\n"));
    }

    #[test]
    fn a_program_that_fails_says_how() {
        let error = shell("echo because >&2; exit 3").wait_for_end().unwrap_err();
        assert!(matches!(error, Error::Failed { said, status, .. } if said == "because\n" && status.code() == Some(3)));
    }

    #[test]
    fn a_program_that_is_no_longer_wanted_is_ended() {
        let mut running = shell("echo here; exec sleep 1000");
        running.wait_for("here").unwrap();
        let id = running.id();
        drop(running);
        assert!(procfs::cpu_time(id).is_err());
    }
}
