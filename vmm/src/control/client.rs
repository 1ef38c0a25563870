//! Whether a client is still there, for whoever works on its answer for long.
//!
//! One that has shut down its own side only still waits. The connection itself belongs to the thread that serves it: so this has a descriptor
//! of its own, and only asks the kernel.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Who waits for an answer.
#[derive(Clone)]
pub(super) struct Client(Option<Arc<OwnedFd>>);

impl Client {
    /// The one at the other end of `connection`. Without a descriptor to spare it counts as there until it has its answer.
    pub(super) fn new(connection: &impl AsFd) -> Self {
        let own = connection.as_fd().try_clone_to_owned();
        Self(own.ok().map(Arc::new))
    }

    /// Whether it has closed the connection: nobody will have the answer.
    pub(super) fn is_gone(&self) -> bool {
        let Some(own) = &self.0 else { return false };
        // These two are told unasked.
        let mut asked = [PollFd::new(&**own, PollFlags::empty())];
        let told = poll(&mut asked, Some(&Timespec::default()));
        told.is_ok() && asked[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    #[test]
    fn only_a_client_that_has_closed_its_connection_is_gone() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = Client::new(&ours);
        assert!(!client.is_gone());
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(!client.is_gone(), "it has said all, and waits");
        drop(theirs);
        assert!(client.is_gone());
    }
}
