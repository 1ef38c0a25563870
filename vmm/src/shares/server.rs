//! Starts virtiofsd: a program that serves a directory by vhost-user, shut into it.
//!
//! It has one end of a socket and ends when the other one is closed, whatever this program dies of; when its session ends it is killed besides. It stays in the
//! foreground: a thread reads what it says and waits for its end.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use devices::virtio::fs::{Session, SessionError};
use rustix::process::{Pid, PidfdFlags, Signal, getegid, geteuid, pidfd_open, pidfd_send_signal};

/// The program.
const PROGRAM: &str = "virtiofsd";

/// Where it may be besides `PATH`: as it is started by programs, not by people, systems have it apart.
const PLACES: [&str; 3] = ["/usr/libexec", "/usr/lib/qemu", "/usr/lib"];

/// How long it may take to start, on a host that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A line of it is heard up to here.
const LONGEST_LINE: u64 = 1024;

/// There is no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// It is not installed.
    #[error(
        "it needs the program virtiofsd, which is neither in PATH nor in {}; install the package virtiofsd (of Debian 12: qemu-system-common)",
        PLACES.join(", ")
    )]
    Missing,
    /// The one that came with QEMU until 7.2.
    #[error(
        "{} is QEMU's, which only root can start; install virtiofsd 1.10 or later (the package virtiofsd of Debian 13, or `cargo install virtiofsd`)",
        .0.display()
    )]
    NeedsRoot(PathBuf),
    /// It says why.
    #[error("virtiofsd does not start: {0}")]
    Refused(String),
    /// It does not do as it should.
    #[error("virtiofsd")]
    Session(#[source] SessionError),
    /// The system.
    #[error("starting virtiofsd")]
    Start(#[from] io::Error),
}

/// How it keeps the guest in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sandbox {
    /// A place of its own, where nothing but the directory is.
    Namespace,
    /// The directory as its root: for containers in which root cannot make such places.
    Chroot,
}

/// Whose virtiofsd it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    /// QEMU's, in C.
    Qemu,
    /// Its successor.
    Rust,
}

/// The program, as it is here.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    make: Make,
    /// How it is tried to be shut in.
    sandboxes: &'static [Sandbox],
}

impl Program {
    /// Looks for it.
    ///
    /// # Errors
    /// It is not there, or not for this user.
    pub(super) fn find() -> Result<Self, ServerError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let places = env::split_paths(&path).chain(PLACES.map(PathBuf::from));
        Self::find_in(places, geteuid().is_root())
    }

    fn find_in(places: impl IntoIterator<Item = PathBuf>, is_root: bool) -> Result<Self, ServerError> {
        let mut candidates = places.into_iter().map(|place| place.join(PROGRAM));
        let path = candidates.find(|path| path.is_file()).ok_or(ServerError::Missing)?;
        let version = Command::new(&path).arg("--version").stdin(Stdio::null()).output()?;
        // QEMU's has that name in its copyright, and does not even say so to others than root.
        let is_rust = version.status.success() && !String::from_utf8_lossy(&version.stdout).contains("QEMU");
        let make = if is_rust { Make::Rust } else { Make::Qemu };
        match (make, is_root) {
            (Make::Qemu, false) => Err(ServerError::NeedsRoot(path)),
            (_, true) => Ok(Self {
                path,
                make,
                sandboxes: &[Sandbox::Namespace, Sandbox::Chroot],
            }),
            (_, false) => Ok(Self {
                path,
                make,
                sandboxes: &[Sandbox::Namespace],
            }),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it for `directory`, an absolute path.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn start(&self, directory: &Path) -> Result<Session, ServerError> {
        let mut first = None;
        for sandbox in self.sandboxes {
            match self.start_in(*sandbox, directory) {
                Err(error) => first = first.or(Some(error)),
                started => return started,
            }
        }
        Err(first.expect("there is one way at least"))
    }

    fn start_in(&self, sandbox: Sandbox, directory: &Path) -> Result<Session, ServerError> {
        // One start at a time: the descriptor that a program is to inherit others would as well.
        static TURN: Mutex<()> = Mutex::new(());
        let (listener, socket) = connected()?;
        let turn = TURN.lock().expect("nothing panics while it starts a program");
        let inherited = rustix::io::dup(&listener).map_err(io::Error::from)?;
        let child = Command::new(&self.path)
            .arg(format!("--fd={}", inherited.as_raw_fd()))
            .args(arguments(self.make, sandbox, directory))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // What is typed to end pteg is not for it: it ends afterwards.
            .process_group(0)
            .spawn()?;
        drop((inherited, turn, listener));
        let (process, last_words) = Process::watch(child)?;
        Session::open(socket, Box::new(process), PATIENCE).map_err(|error| {
            // The session's end is the process'; what it has said before is all that it says.
            match last_words.recv_timeout(LAST_WORDS) {
                Ok(said) if !said.is_empty() => ServerError::Refused(said),
                _ => ServerError::Session(error),
            }
        })
    }
}

/// A socket that listens, and one that is connected to it, which nobody else can be.
fn connected() -> io::Result<(UnixListener, UnixStream)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("virtiofsd");
    let listener = UnixListener::bind(&path)?;
    let socket = UnixStream::connect(&path)?;
    Ok((listener, socket))
}

/// Its flags but for the socket.
fn arguments(make: Make, sandbox: Sandbox, directory: &Path) -> Vec<OsString> {
    let sandbox = match sandbox {
        Sandbox::Namespace => "namespace",
        Sandbox::Chroot => "chroot",
    };
    let with = |flag: &str, value: &Path| {
        let mut whole = OsString::from(flag);
        whole.push(value);
        whole
    };
    match make {
        // QEMU's takes a backslash before a comma for one of the path; such a path is refused before.
        Make::Qemu => vec![
            "-o".into(),
            with("source=", directory),
            "-o".into(),
            format!("sandbox={sandbox},log_level=err").into(),
        ],
        Make::Rust => {
            let mut all = vec![
                with("--shared-dir=", directory),
                format!("--sandbox={sandbox}").into(),
                "--log-level=error".into(),
            ];
            if !geteuid().is_root() {
                // The guest's root is this user, and it has no other users.
                all.push(format!("--uid-map=:0:{}:1:", geteuid().as_raw()).into());
                all.push(format!("--gid-map=:0:{}:1:", getegid().as_raw()).into());
            }
            all
        }
    }
}

/// Kills it when it is dropped.
struct Process(OwnedFd);

impl Process {
    /// `child`, which is waited for, and what its last line will have been.
    fn watch(mut child: Child) -> io::Result<(Self, Receiver<String>)> {
        let pid = Pid::from_child(&child);
        let process = Self(pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| _ = child.kill())?);
        let (say, last_words) = channel();
        let attend = move || {
            let said = child.stderr.take().map(last_line).unwrap_or_default();
            // Nobody may want to know.
            _ = say.send(said);
            _ = child.wait();
        };
        thread::Builder::new().name(PROGRAM.into()).spawn(attend)?;
        Ok((process, last_words))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// Reads to the end; the last line that is not empty.
fn last_line(from: impl Read) -> String {
    let mut from = BufReader::new(from);
    let mut last = String::new();
    loop {
        let mut line = Vec::new();
        match from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line);
                if !line.trim().is_empty() {
                    line.trim().clone_into(&mut last);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_its_packages() {
        let empty = tempfile::tempdir().unwrap();
        let said = Program::find_in([empty.path().to_owned()], true)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("install the package virtiofsd (of Debian 12: qemu-system-common)"),
            "{said}"
        );
    }

    #[test]
    fn a_session_that_fails_says_what_the_program_said_last() {
        let last = last_line(&b"one\n\n  two \n\n"[..]);
        assert_eq!(last, "two");
        let long = [b'x'; 5000];
        assert!(last_line(&long[..]).len() <= 1024);
    }
}
