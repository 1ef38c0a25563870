//! io_uring on one file, without unsafe code for whoever uses it: a buffer belongs to the ring while the kernel has it.
//!
//! What is done to the file is an [`Operation`]; [`Ring::push`] takes it with its buffer, [`Ring::submit`] hands what was pushed to the
//! kernel, [`Ring::finished`] gives finished ones back with their buffers. Requests are carried out in no particular order. What to do
//! where the kernel has no io_uring ([`Ring::new`] fails) is the caller's business, and so are short reads and writes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{IoUring, Probe, opcode, squeue};

/// `RWF_DSYNC` of `pwritev2(2)`: the write returns when its data is durable.
const DURABLE: i32 = 2;

/// Until the kernel is asked again that was short of something.
const PAUSE: Duration = Duration::from_millis(1);

/// What is done to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads from offset `at` into `range` of the buffer.
    Read {
        /// Offset in the file.
        at: u64,
        /// Bytes of the buffer.
        range: Range<usize>,
    },
    /// Writes `range` of the buffer to offset `at`.
    Write {
        /// Offset in the file.
        at: u64,
        /// Bytes of the buffer.
        range: Range<usize>,
        /// Whether it is done only when the data is durable.
        durable: bool,
    },
    /// `fdatasync(2)`.
    Sync,
    /// `fallocate(2)` with `mode`.
    Allocate {
        /// `FALLOC_FL_…`
        mode: i32,
        /// Offset in the file.
        at: u64,
        /// How many bytes.
        bytes: u64,
    },
}

/// An operation that is over.
#[derive(Debug)]
pub struct Finished {
    /// What [`Ring::push`] was given.
    pub token: u64,
    /// What [`Ring::push`] was given.
    pub buffer: Vec<u8>,
    /// Bytes that were read or written, which may be fewer than asked for; 0 of the others.
    pub result: io::Result<usize>,
}

/// Why an operation was not taken.
#[derive(Debug)]
pub enum Refused {
    /// As many as fit are in the ring.
    Full(Vec<u8>),
    /// The range is not one of the buffer, or longer than a request can be.
    Range(Vec<u8>),
}

/// An operation in the kernel's hands.
struct Flight {
    token: u64,
    buffer: Vec<u8>,
}

/// A ring for one file.
pub struct Ring {
    ring: IoUring,
    file: Arc<File>,
    /// By the number that the kernel was given.
    flights: Vec<Option<Flight>>,
}

impl Ring {
    /// A ring for `file` that holds `entries` operations (a power of two).
    ///
    /// # Errors
    /// The kernel has no io_uring, does not let this process have one, or has one without these operations.
    pub fn new(file: Arc<File>, entries: u32) -> io::Result<Self> {
        let ring = IoUring::new(entries)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [
            opcode::Read::CODE,
            opcode::Write::CODE,
            opcode::Fsync::CODE,
            opcode::Fallocate::CODE,
        ];
        if !needed.iter().all(|&code| probe.is_supported(code)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let flights = (0..entries).map(|_| None).collect();
        Ok(Self { ring, file, flights })
    }

    /// Takes an operation, with the buffer that it is about, if it is about one; `token` names it.
    ///
    /// # Errors
    /// The ring is full, or `operation` goes beyond the buffer; the buffer comes back.
    pub fn push(&mut self, operation: &Operation, mut buffer: Vec<u8>, token: u64) -> Result<(), Refused> {
        let Some(number) = self.flights.iter().position(Option::is_none) else {
            return Err(Refused::Full(buffer));
        };
        let Some(entry) = self.entry(operation, &mut buffer) else {
            return Err(Refused::Range(buffer));
        };
        let entry = entry.user_data(number as u64);
        let mut queue = self.ring.submission();
        // SAFETY: The file stays open as long as the ring, which holds it. The buffer's bytes stay where they are, used by
        // nobody else, until the kernel has said that it is done: the vector is put into `flights` below, is not touched there, and
        // leaves it in `finished` alone, after the completion with its number. `drop` waits for those in the kernel, or leaks the vectors.
        #[expect(unsafe_code, reason = "the kernel is given an address")]
        let pushed = unsafe { queue.push(&entry) };
        drop(queue);
        if pushed.is_err() {
            return Err(Refused::Full(buffer));
        }
        self.flights[number] = Some(Flight { token, buffer });
        Ok(())
    }

    /// Hands to the kernel what was pushed. What it has no memory for at the moment stays for the next call; see [`Self::is_stalled`].
    ///
    /// # Errors
    /// The kernel takes nothing at all.
    pub fn submit(&mut self) -> io::Result<()> {
        while !self.ring.submission().is_empty() {
            match self.ring.submit() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_for_the_moment(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether operations wait for [`Self::submit`], and the kernel has no other whose end would make the descriptor readable.
    pub fn is_stalled(&mut self) -> bool {
        let waiting = self.ring.submission().len();
        waiting > 0 && waiting == self.in_flight()
    }

    /// An operation that is over; `None` when there is none at the moment.
    pub fn finished(&mut self) -> Option<Finished> {
        let completion = self.ring.completion().next()?;
        let number = usize::try_from(completion.user_data()).ok()?;
        let Flight { token, buffer } = self.flights.get_mut(number)?.take()?;
        let result = completion.result();
        Some(Finished {
            token,
            buffer,
            result: usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)),
        })
    }

    /// Waits for an operation to be over; `None` when there are none in the ring.
    ///
    /// # Errors
    /// The kernel does not take what was pushed, or lets nobody wait.
    pub fn wait(&mut self) -> io::Result<Option<Finished>> {
        loop {
            if let Some(finished) = self.finished() {
                return Ok(Some(finished));
            }
            if self.in_flight() == 0 {
                return Ok(None);
            }
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It may have put off waiting, too.
                Err(error) if is_for_the_moment(&error) => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
    }

    /// Operations that were pushed and are not over.
    pub fn in_flight(&self) -> usize {
        self.flights.iter().flatten().count()
    }

    /// The kernel's words for it; `None` if the range is not one of the buffer.
    fn entry(&self, operation: &Operation, buffer: &mut [u8]) -> Option<squeue::Entry> {
        let file = Fd(self.file.as_raw_fd());
        Some(match operation {
            Operation::Read { at, range } => {
                let into = buffer.get_mut(range.clone())?;
                let bytes = u32::try_from(into.len()).ok()?;
                opcode::Read::new(file, into.as_mut_ptr(), bytes).offset(*at).build()
            }
            Operation::Write { at, range, durable } => {
                let from = buffer.get(range.clone())?;
                let bytes = u32::try_from(from.len()).ok()?;
                let flags = if *durable { DURABLE } else { 0 };
                opcode::Write::new(file, from.as_ptr(), bytes)
                    .offset(*at)
                    .rw_flags(flags)
                    .build()
            }
            Operation::Sync => opcode::Fsync::new(file).flags(FsyncFlags::DATASYNC).build(),
            Operation::Allocate { mode, at, bytes } => {
                opcode::Fallocate::new(file, *bytes).offset(*at).mode(*mode).build()
            }
        })
    }
}

/// Whether `io_uring_enter(2)` is to be called again: the kernel is short of memory (EAGAIN), or has more completions than fit, which are to be taken first
/// (EBUSY).
fn is_for_the_moment(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy)
}

/// It can be read when an operation is over.
impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl Drop for Ring {
    /// Waits for the kernel to be done with the buffers.
    fn drop(&mut self) {
        while let Ok(Some(_)) = self.wait() {}
        // The kernel may still use what is left, if it let nobody wait.
        self.flights.drain(..).flatten().for_each(std::mem::forget);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// `None` where the kernel has no io_uring for us: said, as nothing is tested then.
    fn ring(entries: u32) -> Option<(Arc<File>, Ring)> {
        let file = Arc::new(tempfile::tempfile().unwrap());
        match Ring::new(Arc::clone(&file), entries) {
            Ok(ring) => Some((file, ring)),
            Err(error) => {
                eprintln!("skipped: this machine has no io_uring for tests: {error}");
                None
            }
        }
    }

    #[test]
    fn what_is_written_is_in_the_file_and_is_read_back() {
        let Some((file, mut ring)) = ring(4) else { return };
        let write = Operation::Write {
            at: 3,
            range: 1..5,
            durable: true,
        };
        ring.push(&write, b"xpteg".to_vec(), 17).unwrap();
        ring.submit().unwrap();
        let finished = ring.wait().unwrap().unwrap();
        assert_eq!((finished.token, finished.result.unwrap()), (17, 4));
        let mut bytes = [0xff; 7];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 7);
        assert_eq!(&bytes, b"\0\0\0pteg");

        let read = Operation::Read { at: 2, range: 2..9 };
        ring.push(&read, vec![9; 10], 18).unwrap();
        let finished = ring.wait().unwrap().unwrap();
        assert_eq!(finished.result.unwrap(), 5, "the file ends there");
        assert_eq!(finished.buffer, [9, 9, 0, b'p', b't', b'e', b'g', 9, 9, 9]);
        assert!(ring.wait().unwrap().is_none());
    }

    #[test]
    fn a_range_beyond_the_buffer_is_refused() {
        let Some((_, mut ring)) = ring(4) else { return };
        let read = Operation::Read { at: 0, range: 0..11 };
        assert!(matches!(ring.push(&read, vec![0; 10], 0), Err(Refused::Range(buffer)) if buffer.len() == 10));
        assert_eq!(ring.in_flight(), 0);
    }

    #[test]
    fn a_full_ring_gives_the_buffer_back() {
        let Some((_, mut ring)) = ring(2) else { return };
        for token in 0..2 {
            ring.push(&Operation::Sync, Vec::new(), token).unwrap();
        }
        let third = ring.push(&Operation::Sync, vec![1], 2);
        assert!(matches!(third, Err(Refused::Full(buffer)) if buffer == [1]));
        let mut tokens: Vec<u64> = std::iter::from_fn(|| ring.wait().unwrap())
            .map(|done| done.token)
            .collect();
        tokens.sort_unstable();
        assert_eq!(tokens, [0, 1]);
    }

    #[test]
    fn an_error_of_the_kernel_comes_back_with_the_buffer() {
        let Some((_, mut ring)) = ring(2) else { return };
        let hole = Operation::Allocate {
            mode: 3,
            at: 0,
            bytes: 0,
        };
        ring.push(&hole, vec![5], 0).unwrap();
        let finished = ring.wait().unwrap().unwrap();
        assert_eq!(finished.result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(finished.buffer, [5]);
    }

    #[test]
    fn a_ring_that_is_dropped_has_written_what_was_pushed() {
        let Some((file, mut ring)) = ring(8) else { return };
        for at in 0..8 {
            let write = Operation::Write {
                at,
                range: 0..1,
                durable: false,
            };
            ring.push(&write, vec![at as u8], at).unwrap();
        }
        drop(ring);
        let mut bytes = [0xff; 8];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 8);
        assert_eq!(bytes, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
