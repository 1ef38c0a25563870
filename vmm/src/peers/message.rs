//! What the socket carries: three words of the host's byte order at a time, with a file descriptor where there is one to pass.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// One message.
pub(super) type Message = [u64; 3];

const BYTES: usize = size_of::<Message>();

/// Sends a message, with `fd` if there is one.
pub(super) fn send(socket: &UnixStream, message: Message, fd: Option<&dyn AsFd>) -> io::Result<()> {
    let mut bytes = [0; BYTES];
    let (words, _) = bytes.as_chunks_mut();
    for (to, word) in words.iter_mut().zip(message) {
        *to = word.to_ne_bytes();
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd.as_fd()]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    let sent = sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent < BYTES {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// Receives a message and the file descriptor that comes with it; `None` when the other side has hung up.
pub(super) fn receive(socket: &UnixStream) -> io::Result<Option<(Message, Option<OwnedFd>)>> {
    let mut bytes = [0; BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::WAITALL | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    if received.bytes == 0 {
        return Ok(None);
    }
    if received.bytes < BYTES || received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let (words, _) = bytes.as_chunks();
    let message = std::array::from_fn(|n| u64::from_ne_bytes(words[n]));
    Ok(Some((message, fd)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn a_message_arrives_with_its_file() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"memory").unwrap();
        send(&one, [1, u64::MAX, 3], Some(&file)).unwrap();
        send(&one, [4, 5, 6], None).unwrap();
        let (message, fd) = receive(&other).unwrap().unwrap();
        assert_eq!(message, [1, u64::MAX, 3]);
        let mut same = File::from(fd.unwrap());
        let mut content = String::new();
        same.rewind().unwrap();
        same.read_to_string(&mut content).unwrap();
        assert_eq!(content, "memory");
        let (message, fd) = receive(&other).unwrap().unwrap();
        assert!(message == [4, 5, 6] && fd.is_none());
        drop(one);
        assert!(receive(&other).unwrap().is_none());
    }

    #[test]
    fn half_a_message_is_none() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(&[1; 10]).unwrap();
        drop(one);
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
