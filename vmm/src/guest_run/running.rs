//! One run of a hypervisor: its lines as they come, and its end.
//!
//! A thread reads each of its two streams, so that it is never held back for the wrong reason; it is held back by who does not
//! take its lines. Neither stream can make this program grow: lines have a longest, as many wait as [`WAITING`] says, and of what it
//! complains about the beginning is kept.

use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use tied_child::Tied as _;

/// Lines that may wait to be taken.
const WAITING: usize = 1024;

/// The longest line in bytes; what is longer comes in pieces.
const LONGEST: u64 = 4096;

/// How many bytes of its complaints are kept.
const KEPT: u64 = 16 << 10;

/// How long somebody who has closed its streams may take to end, or, when it has ended, others to close theirs.
const LAST_PATIENCE: Duration = Duration::from_secs(60);

/// A hypervisor that runs a guest. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    complaints: Receiver<String>,
}

/// What came of waiting for a line.
#[derive(Debug)]
pub(crate) enum Said {
    /// A line without its end.
    Line(String),
    /// It has ended, and has said all that it had to say.
    Ended(Ended),
    /// It has said nothing for as long as it was given.
    Nothing,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status. A hypervisor that does not end after it has closed its streams is killed.
    pub(crate) status: ExitStatus,
    /// The beginning of what it said on stderr.
    pub(crate) complaints: String,
}

impl Running {
    /// Starts `command`, whose output and complaints are taken from it. It ends with the thread that calls this, and is in a process group of its own: what a
    /// terminal sends to this program's (Ctrl-C, a hang-up) is for this program to judge, and the end of its child by it would look like a fault of the guest's.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).tied().spawn()?;
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        let (line, lines) = mpsc::sync_channel(WAITING);
        thread::spawn(move || send_lines(output, &line));
        let (complaint, complaints) = mpsc::sync_channel(1);
        thread::spawn(move || {
            // Nobody may be left who wants to know.
            let _ = complaint.send(beginning(errors));
        });
        Ok(Self {
            child,
            lines,
            complaints,
        })
    }

    /// The next line, if it comes within `patience`.
    ///
    /// # Errors
    /// The system does not say what became of it.
    pub(crate) fn line(&mut self, patience: Duration) -> io::Result<Said> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Said::Line(line)),
            Err(RecvTimeoutError::Timeout) => Ok(Said::Nothing),
            Err(RecvTimeoutError::Disconnected) => self.end().map(Said::Ended),
        }
    }

    /// Kills it; how it had ended, or ends now, with what it has complained about.
    ///
    /// # Errors
    /// As for [`Self::line`].
    pub(crate) fn kill(mut self) -> io::Result<Ended> {
        self.child.kill()?;
        self.end()
    }

    fn end(&mut self) -> io::Result<Ended> {
        let deadline = Instant::now() + LAST_PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                break self.child.wait()?;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let complaints = self.complaints.recv_timeout(LAST_PATIENCE).unwrap_or_default();
        Ok(Ended { status, complaints })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After its end there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the lines of `stream` until its end, or until nobody takes them.
fn send_lines(stream: impl Read, to: &SyncSender<String>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = stream.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if !read.is_ok_and(|bytes| bytes > 0) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        if to.send(text.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
            return;
        }
    }
}

/// Reads `stream` to its end, and returns its beginning.
fn beginning(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    // What cannot be read is not there.
    let _ = stream.by_ref().take(KEPT).read_to_end(&mut kept);
    let _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing here depends on anybody being quick.
    const PATIENCE: Duration = Duration::from_secs(600);

    fn shell(script: &str) -> Running {
        Running::spawn(Command::new("sh").args(["-c", script]).stdin(Stdio::null())).unwrap()
    }

    fn lines(running: &mut Running) -> (Vec<String>, Ended) {
        let mut lines = Vec::new();
        loop {
            match running.line(PATIENCE).unwrap() {
                Said::Line(line) => lines.push(line),
                Said::Ended(ended) => return (lines, ended),
                Said::Nothing => panic!("nothing came after {lines:?}"),
            }
        }
    }

    #[test]
    fn lines_come_without_their_ends_and_then_the_end() {
        let (lines, ended) = lines(&mut shell(r"printf 'one\r\ntwo\n\nlast'; echo complaint >&2; exit 3"));
        assert_eq!(lines, ["one", "two", "", "last"]);
        assert_eq!(
            (ended.status.code(), ended.complaints.as_str()),
            (Some(3), "complaint\n")
        );
    }

    /// What is sent to all of this program's group is not for it.
    #[test]
    fn it_is_in_a_process_group_of_its_own() {
        let (lines, _) = lines(&mut shell("echo $$; cut -d ' ' -f 5 /proc/$$/stat"));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], lines[1]);
    }

    #[test]
    fn one_that_dies_has_said_what_it_said_before() {
        let (lines, ended) = lines(&mut shell("echo before; kill -ABRT $$"));
        assert_eq!(lines, ["before"]);
        assert_eq!(ended.status.code(), None, "{}", ended.status);
    }

    #[test]
    fn one_that_says_nothing_is_left_alone_and_killed_at_last() {
        let mut running = shell("echo here; exec sleep 1000000");
        assert!(matches!(running.line(PATIENCE).unwrap(), Said::Line(line) if line == "here"));
        assert!(matches!(running.line(Duration::from_millis(1)).unwrap(), Said::Nothing));
        // It would be waited for here.
        drop(running);
    }

    #[test]
    fn no_stream_makes_this_program_grow() {
        // A hundred thousand bytes without an end of a line, and ten million complaints.
        let script = "head -c 100000 /dev/zero | tr '\\0' x; head -c 10000000 /dev/zero | tr '\\0' y >&2";
        let (lines, ended) = lines(&mut shell(script));
        assert_eq!(lines.iter().map(String::len).sum::<usize>(), 100_000);
        assert!(lines.iter().all(|line| line.len() as u64 <= LONGEST));
        assert_eq!(ended.complaints.len() as u64, KEPT);
    }
}
