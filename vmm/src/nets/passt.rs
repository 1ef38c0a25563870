//! Starts passt: a program that has no rights of its own, and makes of a guest's frames what any program may do with the network.
//!
//! It has one end of a pair of sockets and ends when the other one is closed, whatever this program dies of. It goes into the background when it is
//! ready, and its first process then ends: so what it does not like is known before the guest starts, and nobody need wait for it later.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use super::arg::{Forward, Transport};

/// How many bytes of frames may wait for the guest, if the host allows as many to a socket (`net.core.wmem_max`). passt takes what does not fit for lost,
/// and notices late: TCP stands still meanwhile, for up to seconds. So this is as much as a TCP of Linux lets the other side send unasked.
const WAITING: usize = 4 << 20;

/// The program.
pub(crate) const PROGRAM: &str = "passt";

/// There is no user network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasstError {
    /// It is not installed.
    #[error("it needs the program passt, which is not in PATH; install the package passt, or give --net tap=NAME")]
    Missing,
    /// It says why.
    #[error("passt does not start: {0}")]
    Refused(String),
    /// The system.
    #[error("starting passt")]
    Start(#[source] io::Error),
}

/// Starts it with these `forwards`; returns the stream of frames.
///
/// # Errors
/// It is not there, or does not start.
pub(super) fn start(forwards: &[Forward]) -> Result<UnixStream, PasstError> {
    start_program(PROGRAM, forwards)
}

fn start_program(program: &str, forwards: &[Forward]) -> Result<UnixStream, PasstError> {
    let (ours, theirs) = UnixStream::pair().map_err(PasstError::Start)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&theirs, WAITING)
        .map_err(|errno| PasstError::Start(errno.into()))?;
    // Unlike all others here it is inherited; no other program is started at the same time.
    let inherited = rustix::io::dup(&theirs).map_err(|errno| PasstError::Start(errno.into()))?;
    let output = Command::new(program)
        .arg("--quiet")
        .arg("--fd")
        .arg(inherited.as_raw_fd().to_string())
        .args(forwards.iter().flat_map(arguments))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => PasstError::Missing,
            _ => PasstError::Start(error),
        })?;
    if output.status.success() {
        return Ok(ours);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(PasstError::Refused(match reason(&said) {
        Some(reason) => reason.to_owned(),
        None => output.status.to_string(),
    }))
}

/// What it takes for a forward.
fn arguments(forward: &Forward) -> [String; 2] {
    let Forward { transport, host, guest } = forward;
    let flag = match transport {
        Transport::Tcp => "--tcp-ports",
        Transport::Udp => "--udp-ports",
    };
    [flag.to_owned(), format!("{}/{}:{guest}", host.ip(), host.port())]
}

/// The line that says why: the last one, but for those about the system's log.
fn reason(said: &str) -> Option<&str> {
    let mut lines = said.lines().map(str::trim);
    lines.rfind(|line| !line.is_empty() && !line.ends_with("bytes to syslog"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::started::turn;

    /// Starts a program of this `script` in place of passt.
    fn start_script(script: &str) -> Result<UnixStream, PasstError> {
        let _turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        start_program(path.to_str().unwrap(), &[])
    }

    #[test]
    fn a_forward_is_said_in_its_words() {
        let forward = |transport, host: &str| Forward {
            transport,
            host: host.parse().unwrap(),
            guest: 22,
        };
        assert_eq!(
            arguments(&forward(Transport::Tcp, "127.0.0.1:2222")),
            ["--tcp-ports", "127.0.0.1/2222:22"]
        );
        assert_eq!(
            arguments(&forward(Transport::Udp, "[::1]:53")),
            ["--udp-ports", "::1/53:22"]
        );
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_its_package() {
        let _turn = turn();
        let error = start_program("pteg-no-such-program", &[]).unwrap_err();
        assert!(error.to_string().contains("install the package passt"), "{error}");
    }

    #[test]
    fn what_it_does_not_like_is_passed_on() {
        let error =
            start_script("echo Failed to bind any port >&2\necho Failed to send 67 bytes to syslog >&2\nexit 1")
                .unwrap_err();
        assert_eq!(error.to_string(), "passt does not start: Failed to bind any port");
    }

    #[test]
    fn one_that_says_nothing_is_known_by_its_status() {
        let error = start_script("exit 3").unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[test]
    fn more_frames_may_wait_than_in_any_socket() {
        // Nobody reads while it writes.
        start_script("timeout 10 head --bytes 256K /dev/zero >&$3").unwrap();
    }

    #[test]
    fn the_stream_is_the_one_that_it_has_in_the_background() {
        let mut stream = start_script("echo hello >&$3").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello\n", "and nobody else has it");
    }
}
