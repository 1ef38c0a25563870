//! What is at the other end of a guest's network: a namespace with a tap interface, passt, an iperf3 that listens, and whoever asks for a server of the guest's.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

fn failed(program: &str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Run {
        program: program.to_owned(),
        source,
    }
}

/// Whether there is a program of this name in `PATH`.
pub fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    let said = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    said.status().is_ok()
}

/// A network namespace with a tap interface, which goes with this value.
pub struct Place(String);

impl Place {
    /// The interface, and the host's address there.
    pub const TAP: &'static str = "tap0";
    pub const ADDRESS: &'static str = "10.77.0.1";

    /// `None`: this host does not let us make one.
    pub fn new() -> Option<Self> {
        let place = Self(format!("pteg-bench-{}", std::process::id()));
        let address = format!("{}/24", Self::ADDRESS);
        let ip = |arguments: &[&str]| {
            let output = Command::new("ip").args(arguments).output();
            output.is_ok_and(|output| output.status.success())
        };
        let is_made = Path::new("/dev/net/tun").exists()
            && ip(&["netns", "add", &place.0])
            && ip(&["-n", &place.0, "tuntap", "add", Self::TAP, "mode", "tap"])
            && ip(&["-n", &place.0, "addr", "add", &address, "dev", Self::TAP])
            && ip(&["-n", &place.0, "link", "set", Self::TAP, "up"]);
        is_made.then_some(place)
    }

    /// `command` there.
    pub fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new("ip");
        entered.args(["netns", "exec", &self.0]);
        entered.arg(command.get_program()).args(command.get_args());
        entered
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that was not made is not there.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// A port of the host's loopback address that nobody has. Somebody could take it before it is used: then who was to have it says so.
pub fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Waits until a server behind `port` of the host says something that begins with `word`; `false`: it has not by `deadline`, or `is_over` came true before.
pub fn wait_for_server(port: u16, word: &[u8], deadline: Instant, is_over: &AtomicBool) -> bool {
    // A passt may take connections that the guest does not know of yet, and pass on what the guest says only once it was spoken to.
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"SSH-2.0-bench\r\n")?;
        let mut said = vec![0; word.len()];
        stream.read_exact(&mut said)?;
        Ok(said == word)
    };
    while !is_over.load(Relaxed) && Instant::now() < deadline {
        if ask().unwrap_or(false) {
            return true;
        }
        std::thread::sleep(PAUSE);
    }
    false
}

/// How long a server may take to answer, and how long it is left alone before it is asked again.
const ANSWER: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);

/// An iperf3 that listens. Dropping it ends it.
pub struct Listener {
    child: Child,
    port: u16,
}

impl Listener {
    /// One in `place`, or where this program is.
    pub fn start(place: Option<&Place>) -> Result<Self> {
        let failed = failed("iperf3");
        let port = free_port().map_err(&failed)?;
        let mut command = Command::new("iperf3");
        command.args(["--server", "--forceflush", "--port", &port.to_string()]);
        if let Some(place) = place {
            command = place.enter(&command);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(&failed)?;
        let said = child.stdout.take().expect("it is a pipe");
        let mut listener = Self { child, port };
        let mut lines = BufReader::new(said).lines();
        let mut is_ready = false;
        while !is_ready && let Some(line) = lines.next() {
            is_ready = line.map_err(&failed)?.starts_with("Server listening");
        }
        if !is_ready {
            let status = listener.child.wait().map_err(&failed)?;
            return Err(failed(io::Error::other(format!("it does not listen: {status}"))));
        }
        // What it says later is for nobody, but it must be able to say it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(listener)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A passt for a program that takes over one end of its socket; it ends when that is closed.
pub struct Passt {
    /// The other end, which a program that is started inherits.
    end: OwnedFd,
}

impl Passt {
    /// Starts it, with a port of the host's forwarded to one of the guest's if there is to be such; it is ready when this returns.
    pub fn start(forward: Option<(u16, u16)>) -> Result<Self> {
        let failed = failed("passt");
        let (ours, theirs) = UnixStream::pair().map_err(&failed)?;
        // Duplicates are inherited.
        let theirs = rustix::io::dup(&theirs).map_err(|errno| failed(errno.into()))?;
        let output = Command::new("passt")
            .args(["--quiet", "--fd", &theirs.as_raw_fd().to_string()])
            .args(forward.iter().flat_map(|(host, guest)| {
                [
                    "--tcp-ports".to_owned(),
                    format!("{}/{host}:{guest}", Ipv4Addr::LOCALHOST),
                ]
            }))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .map_err(&failed)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(failed(io::Error::other(said)));
        }
        let end = rustix::io::dup(&ours).map_err(|errno| failed(errno.into()))?;
        Ok(Self { end })
    }

    /// The number under which a program that is started finds the socket.
    pub fn descriptor(&self) -> i32 {
        self.end.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_waited_for_until_it_says_its_word() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            // The first one is not answered, the second one with something else.
            for answer in ["", "OOPS", "SSH-2.0"] {
                let (mut stream, _) = listener.accept().unwrap();
                // What is closed with something unread takes the answer with it.
                BufReader::new(&stream).read_line(&mut String::new()).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        assert!(wait_for_server(port, b"SSH-", deadline, &AtomicBool::new(false)));
        server.join().unwrap();
        assert!(!wait_for_server(port, b"SSH-", deadline, &AtomicBool::new(true)));
        assert!(!wait_for_server(port, b"SSH-", Instant::now(), &AtomicBool::new(false)));
    }
}
