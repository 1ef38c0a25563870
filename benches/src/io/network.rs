//! What is at the other end of a guest's network: a namespace with a tap interface, passt, and an iperf3 that listens.

use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};

fn failed(program: &str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Run {
        program: program.to_owned(),
        source,
    }
}

/// Whether there is a program of this name in `PATH`.
pub(super) fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    let said = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    said.status().is_ok()
}

/// A network namespace with a tap interface, which goes with this value.
pub(super) struct Place(String);

impl Place {
    /// The interface, and the host's address there.
    pub(super) const TAP: &'static str = "tap0";
    pub(super) const ADDRESS: &'static str = "10.77.0.1";

    /// `None`: this host does not let us make one.
    pub(super) fn new() -> Option<Self> {
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
    pub(super) fn enter(&self, command: &Command) -> Command {
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

/// An iperf3 that listens. Dropping it ends it.
pub(super) struct Listener {
    child: Child,
    port: u16,
}

impl Listener {
    /// One in `place`, or where this program is.
    pub(super) fn start(place: Option<&Place>) -> Result<Self> {
        let failed = failed("iperf3");
        // Somebody could take it in between: then iperf3 does not listen.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(&failed)?.port();
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
    pub(super) fn port(&self) -> u16 {
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
pub(super) struct Passt {
    /// The other end, which a program that is started inherits.
    end: OwnedFd,
}

impl Passt {
    /// Starts it; it is ready when this returns.
    pub(super) fn start() -> Result<Self> {
        let failed = failed("passt");
        let (ours, theirs) = UnixStream::pair().map_err(&failed)?;
        // Duplicates are inherited.
        let theirs = rustix::io::dup(&theirs).map_err(|errno| failed(errno.into()))?;
        let output = Command::new("passt")
            .args(["--quiet", "--fd", &theirs.as_raw_fd().to_string()])
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
    pub(super) fn descriptor(&self) -> i32 {
        self.end.as_raw_fd()
    }
}
