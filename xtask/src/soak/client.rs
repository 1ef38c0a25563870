//! Requests to a run's control socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Status and body of the answer to a request with this body. `Err`: nobody answers; the run is over, or was answered by its end.
pub(super) fn post(socket: &Path, path: &str, body: &Value, patience: Duration) -> io::Result<(u16, Value)> {
    exchange(socket, "POST", path, &body.to_string(), patience)
}

/// The same for a request without a body.
pub(super) fn get(socket: &Path, path: &str, patience: Duration) -> io::Result<(u16, Value)> {
    exchange(socket, "GET", path, "", patience)
}

fn exchange(socket: &Path, method: &str, path: &str, body: &str, patience: Duration) -> io::Result<(u16, Value)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: pteg\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    understand(&reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn understand(reply: &str) -> Option<(u16, Value)> {
    let status = reply.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = reply.split_once("\r\n\r\n")?;
    Some((status, serde_json::from_str(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let whole = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"pages\": 3}";
        let (status, body) = understand(whole).unwrap();
        assert_eq!((status, &body["pages"]), (200, &3.into()));
        assert!((0..whole.len()).all(|end| understand(&whole[..end]).is_none()));
    }
}
