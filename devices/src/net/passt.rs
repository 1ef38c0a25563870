//! Frames on a stream: each behind its length, 32 bits big-endian, as passt has it and other programs that serve virtual machines have taken from
//! QEMU.
//!
//! A stream gives frames in pieces and takes them in pieces: one frame that came in part is kept, and one that went in part. So nothing is lost here but with
//! the stream itself; whoever cannot take a frame makes the other side wait.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::{Buffer, HEADER, LONGEST, Port, SHORTEST, Sent};

/// Bytes of a length.
const LENGTH: usize = 4;

/// Bytes that are taken from the stream at once: a longest frame, and the next one's length.
const CHUNK: usize = LENGTH + LONGEST + LENGTH;

/// What the other side has said is no frame; nobody knows where the next one begins.
#[derive(Debug, thiserror::Error)]
#[error("it says that a frame of {0} bytes follows, and a frame has {SHORTEST} to {LONGEST}")]
struct NoFrame(u32);

/// A stream of frames.
#[derive(Debug)]
pub struct Stream {
    socket: UnixStream,
    /// What has come and was not taken: the bytes of `come` of this range.
    come: Box<[u8]>,
    from: usize,
    to: usize,
    /// What is left of a frame that went in part: the bytes of `left` from `gone` on.
    left: Vec<u8>,
    gone: usize,
}

impl Stream {
    /// A stream on `socket`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            come: vec![0; CHUNK].into(),
            from: 0,
            to: 0,
            left: Vec::new(),
            gone: 0,
        })
    }

    /// The length of the frame that comes next, if that is there.
    fn next_length(&self) -> io::Result<Option<usize>> {
        let Some((length, _)) = self.come[self.from..self.to].split_first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let said = u32::from_be_bytes(*length);
        match usize::try_from(said) {
            Ok(length) if (SHORTEST..=LONGEST).contains(&length) => Ok(Some(length)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, NoFrame(said))),
        }
    }

    /// Takes more from the stream. `false`: there is no more now.
    fn fetch(&mut self) -> io::Result<bool> {
        self.come.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        match self.socket.read(&mut self.come[self.to..]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                self.to += bytes;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Port for Stream {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn receive(&mut self, into: &mut Buffer) -> io::Result<Option<usize>> {
        loop {
            if let Some(length) = self.next_length()? {
                let frame = self.from + LENGTH;
                if frame + length <= self.to {
                    into[..HEADER].fill(0);
                    into[HEADER..HEADER + length].copy_from_slice(&self.come[frame..frame + length]);
                    self.from = frame + length;
                    return Ok(Some(HEADER + length));
                }
            }
            if !self.fetch()? {
                return Ok(None);
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        self.flush()?;
        if !self.left.is_empty() {
            return Ok(Sent::Full);
        }
        let frame = &frame[HEADER..];
        let length = u32::try_from(frame.len()).expect("a frame is shorter").to_be_bytes();
        self.left.extend(length);
        self.left.extend(frame);
        self.flush()?;
        Ok(Sent::Taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.gone < self.left.len() {
            match self.socket.write(&self.left[self.gone..]) {
                Ok(bytes) => self.gone += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.left.clear();
        self.gone = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::new_buffer;

    /// Frames as they come, without their headers, until there are no more now.
    fn received(stream: &mut Stream) -> Vec<Vec<u8>> {
        let mut buffer = new_buffer();
        let mut frames = Vec::new();
        while let Some(bytes) = stream.receive(&mut buffer).unwrap() {
            assert_eq!(buffer[..HEADER], [0; HEADER]);
            frames.push(buffer[HEADER..bytes].to_vec());
        }
        frames
    }

    fn with_header(frame: &[u8]) -> Vec<u8> {
        [&[0xee; HEADER], frame].concat()
    }

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let length = prop_oneof![Just(SHORTEST), Just(LONGEST), SHORTEST..200, SHORTEST..LONGEST];
        let frame = (length, any::<u8>())
            .prop_map(|(length, seed)| (0..length).map(|at| seed.wrapping_add((at % 251) as u8)).collect());
        proptest::collection::vec(frame, 1..12)
    }

    proptest! {
        /// The list of frames is the model: whatever the pieces in which the stream has them.
        #[test]
        fn frames_come_as_they_were_sent_whatever_the_pieces(frames in frames(), piece in 1..70_000_usize) {
            let (here, mut there) = UnixStream::pair().unwrap();
            let mut stream = Stream::new(here).unwrap();
            there.set_nonblocking(true).unwrap();
            let bytes: Vec<u8> =
                frames.iter().flat_map(|frame| [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat()).collect();
            let mut came = Vec::new();
            for piece in bytes.chunks(piece) {
                let mut rest = piece;
                while !rest.is_empty() {
                    match there.write(rest) {
                        Ok(count) => rest = &rest[count..],
                        Err(error) => prop_assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                    }
                    came.extend(received(&mut stream));
                }
            }
            prop_assert!(came == frames);
        }

        #[test]
        fn frames_go_as_they_were_sent_whatever_the_room(frames in frames(), sip in 1..100_000_usize) {
            let (here, mut there) = UnixStream::pair().unwrap();
            let mut stream = Stream::new(here).unwrap();
            there.set_nonblocking(true).unwrap();
            let mut gone = Vec::new();
            let mut drink = |gone: &mut Vec<u8>| {
                let mut sip = vec![0; sip];
                let count = there.read(&mut sip).unwrap_or(0);
                gone.extend(&sip[..count]);
                count
            };
            for frame in &frames {
                while stream.send(&with_header(frame)).unwrap() == Sent::Full {
                    drink(&mut gone);
                }
            }
            loop {
                stream.flush().unwrap();
                if drink(&mut gone) == 0 {
                    break;
                }
            }
            let bytes: Vec<u8> =
                frames.iter().flat_map(|frame| [&(frame.len() as u32).to_be_bytes(), &frame[..]].concat()).collect();
            prop_assert!(gone == bytes);
        }
    }

    #[test]
    fn one_frame_is_kept_and_the_next_one_waits() {
        let (here, _there) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(here).unwrap();
        let frame = with_header(&[7; LONGEST]);
        let taken = (0..)
            .take_while(|_| stream.send(&frame).unwrap() == Sent::Taken)
            .count();
        assert!(taken > 0 && stream.left.capacity() <= 2 * CHUNK, "{taken}");
        assert_eq!(stream.send(&frame).unwrap(), Sent::Full);
    }

    #[test]
    fn a_length_that_no_frame_has_is_the_end() {
        for length in [0, 13, LONGEST as u32 + 1, u32::MAX] {
            let (here, mut there) = UnixStream::pair().unwrap();
            let mut stream = Stream::new(here).unwrap();
            there.write_all(&length.to_be_bytes()).unwrap();
            let error = stream.receive(&mut new_buffer()).unwrap_err();
            assert!(
                error.to_string().contains(&format!("a frame of {length} bytes")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_side_that_has_gone_is_an_error_after_its_last_frame() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(here).unwrap();
        there.write_all(&[0, 0, 0, 14]).unwrap();
        there.write_all(&[1; 14]).unwrap();
        drop(there);
        crate::started::wait();
        let mut buffer = new_buffer();
        assert_eq!(stream.receive(&mut buffer).unwrap(), Some(HEADER + 14));
        assert_eq!(
            stream.receive(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert!(stream.send(&with_header(&[1; 14])).is_err());
    }
}
