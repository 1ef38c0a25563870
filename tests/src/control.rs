//! A client of a control socket that writes its requests itself, and may write wrong ones.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::output::PATIENCE;

/// The control socket of a run.
#[derive(Clone, Debug)]
pub struct Control(PathBuf);

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// The lines of the header, in lower case.
    pub header: String,
    /// The body.
    pub body: String,
}

impl Control {
    /// That at `path`, which the run need not have made yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// A connection.
    ///
    /// # Panics
    /// Nobody listens.
    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.0).unwrap_or_else(|error| panic!("{}: {error}", self.0.display()));
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time that is not zero");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a time that is not zero");
        stream
    }

    /// Waits until somebody listens.
    ///
    /// # Panics
    /// Nobody does.
    pub fn wait(&self) {
        const PAUSE: Duration = Duration::from_millis(10);
        let tries = PATIENCE.as_millis() / PAUSE.as_millis();
        let listens = (0..tries).any(|_| {
            let connected = UnixStream::connect(&self.0).is_ok();
            if !connected {
                std::thread::sleep(PAUSE);
            }
            connected
        });
        assert!(listens, "nobody listens at {}", self.0.display());
    }

    /// Gets what is at `path`.
    ///
    /// # Panics
    /// As [`Self::send`].
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, "")
    }

    /// Sends `body` to `path`.
    ///
    /// # Panics
    /// As [`Self::send`].
    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.request("POST", path, body)
    }

    /// Any other request.
    ///
    /// # Panics
    /// As [`Self::send`].
    pub fn request(&self, method: &str, path: &str, body: &str) -> Reply {
        let length = body.len();
        self.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: pteg\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// Sends these very bytes.
    ///
    /// # Panics
    /// There is no answer, or none of HTTP.
    pub fn send(&self, request: &str) -> Reply {
        let mut stream = self.connect();
        // Who refuses it may not read to its end.
        let _ = stream.write_all(request.as_bytes());
        read(&mut stream)
            .unwrap_or_else(|error| panic!("no answer to {:?}: {error}", &request[..request.len().min(200)]))
    }
}

/// An answer, up to the end of the connection.
///
/// # Errors
/// The connection has ended before it, or it is none of HTTP.
pub fn read(stream: &mut UnixStream) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let reply = text.split_once("\r\n\r\n").and_then(|(header, body)| {
        let status = header.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Reply {
            status,
            header: header.to_ascii_lowercase(),
            body: body.to_owned(),
        })
    });
    match (reply, ended) {
        (Some(reply), _) => Ok(reply),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(io::Error::other(format!("not HTTP: {text:?}"))),
    }
}
