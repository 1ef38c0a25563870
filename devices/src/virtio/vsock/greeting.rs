//! What a program of the host says first: which port of the guest it wants, as `CONNECT 1234` and a line feed. The answer, when the guest has
//! granted it, is `OK` and the port that the guest sees.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;

/// Bytes of the longest line, with the largest port.
const LONGEST: usize = "CONNECT 4294967295\r\n".len();

/// How far somebody is with saying it.
#[derive(Debug)]
pub(super) enum Heard {
    /// The port of the guest that he wants.
    Port(u32),
    /// He has not said it yet.
    NotYet,
    /// He says something else, or has gone.
    Nothing,
}

/// Somebody who has connected, and has not said which port he wants.
#[derive(Debug)]
pub(super) struct Greeting {
    stream: UnixStream,
    line: Vec<u8>,
}

impl Greeting {
    /// Of the program at the other end of `stream`.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            line: Vec::new(),
        })
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Reads on, and nothing of what comes behind the line.
    pub(super) fn hear(&mut self) -> Heard {
        while self.line.len() < LONGEST {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) => return Heard::Nothing,
                Ok(_) if byte == *b"\n" => return port(&self.line).map_or(Heard::Nothing, Heard::Port),
                Ok(_) => self.line.extend(byte),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::NotYet,
                Err(_) => return Heard::Nothing,
            }
        }
        Heard::Nothing
    }
}

/// The port that `line` wants.
fn port(line: &[u8]) -> Option<u32> {
    let line = str::from_utf8(line).ok()?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let number = line
        .strip_prefix("CONNECT ")
        .or_else(|| line.strip_prefix("connect "))?;
    // Not what Rust takes for a number besides.
    number
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn hear(said: &[u8]) -> Heard {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(said).unwrap();
        Greeting::new(here).unwrap().hear()
    }

    #[test]
    fn a_port_is_a_number_of_32_bits_in_a_line() {
        for (said, port) in [
            ("CONNECT 0\n", 0),
            ("CONNECT 4294967295\r\n", u32::MAX),
            ("connect 52\nrest", 52),
        ] {
            assert!(
                matches!(hear(said.as_bytes()), Heard::Port(heard) if heard == port),
                "{said}"
            );
        }
    }

    #[test]
    fn whoever_says_something_else_is_not_heard_out() {
        for said in [
            "\n",
            "CONNECT\n",
            "CONNECT \n",
            "CONNECT +1\n",
            "CONNECT 4294967296\n",
            "CONNECT 1 2\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert!(matches!(hear(said.as_bytes()), Heard::Nothing), "{said}");
        }
        assert!(matches!(hear(&[b'C'; 1000]), Heard::Nothing));
        assert!(matches!(hear(b"\xff\xff\n"), Heard::Nothing));
        assert!(matches!(hear(b"CONN"), Heard::NotYet));
    }

    #[test]
    fn what_follows_the_line_is_left_for_the_guest() {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(b"CONNECT 7\nhello").unwrap();
        let mut greeting = Greeting::new(here).unwrap();
        assert!(matches!(greeting.hear(), Heard::Port(7)));
        let mut rest = [0; 9];
        assert_eq!(greeting.into_stream().read(&mut rest).unwrap(), 5);
        assert_eq!(&rest[..5], b"hello");
    }
}
