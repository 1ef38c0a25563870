//! The virtual terminal: `H_PUT_TERM_CHAR` and `H_GET_TERM_CHAR` (LoPAR, Virtual I/O, 5.2).
//!
//! Output goes straight to the sink and is flushed call by call, so none can be lost on the way out,
//! whatever way that is. Input is queued up to [`INPUT_BYTES`]; whoever reads it for the guest waits when
//! the queue is full, so that a pipe's writer is held back and no byte is dropped.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard};

use power::hcall::Status;

use crate::interrupt::Interrupt;

/// Unit address of the terminal: its `reg` property, and the number that guests pass.
pub const UNIT_ADDRESS: u64 = 0x3000_0000;

/// Bytes of input that wait for the guest at most.
pub const INPUT_BYTES: usize = 4096;

/// Bytes that one hypercall carries at most.
const CALL_BYTES: usize = 16;

/// Input that the guest fetched with one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// How many bytes there are, 0 to 16: the result in r4.
    pub bytes: u64,
    /// The bytes from the most significant of the first word on, zeros behind them: r5 and r6.
    pub words: [u64; 2],
}

/// The machine's console.
pub struct Vty {
    output: Mutex<Output>,
    input: Mutex<VecDeque<u8>>,
    room: Condvar,
    interrupt: Box<dyn Interrupt>,
}

struct Output {
    sink: Box<dyn Write + Send>,
    state: Sink,
}

enum Sink {
    Working,
    /// The first error, until somebody takes it.
    Broken(Option<io::Error>),
}

impl Vty {
    /// A console that writes to `sink`, whose writes may block but not fail for that
    /// ([`io::ErrorKind::WouldBlock`] is an error like any other), and that raises `interrupt` when
    /// input comes.
    pub fn new(sink: Box<dyn Write + Send>, interrupt: Box<dyn Interrupt>) -> Self {
        Self {
            output: Mutex::new(Output {
                sink,
                state: Sink::Working,
            }),
            input: Mutex::new(VecDeque::with_capacity(INPUT_BYTES)),
            room: Condvar::new(),
            interrupt,
        }
    }

    /// `H_PUT_TERM_CHAR`: sends the first `len` bytes of `words`. [`Status::Hardware`] means that
    /// the sink is broken; [`Self::take_error`] says how.
    pub fn put(&self, terminal: u64, len: u64, words: [u64; 2]) -> Status {
        if !is_ours(terminal) {
            return Status::Parameter;
        }
        let mut bytes = [0; CALL_BYTES];
        bytes[..8].copy_from_slice(&words[0].to_be_bytes());
        bytes[8..].copy_from_slice(&words[1].to_be_bytes());
        let Some(chunk) = usize::try_from(len).ok().and_then(|len| bytes.get(..len)) else {
            return Status::Parameter;
        };
        if self.write(chunk) {
            Status::Success
        } else {
            Status::Hardware
        }
    }

    /// Sends `bytes` (the RTAS call `display-character` uses the same console). Whether the sink took
    /// them and everything before them.
    pub fn write(&self, bytes: &[u8]) -> bool {
        let mut output = self.output.lock().expect("a sink that panics ends the machine");
        let Output { sink, state } = &mut *output;
        if let Sink::Broken(_) = state {
            return false;
        }
        match sink.write_all(bytes).and_then(|()| sink.flush()) {
            Ok(()) => true,
            Err(error) => {
                *state = Sink::Broken(Some(error));
                false
            }
        }
    }

    /// The error that broke the sink, once. The sink is not used again after it.
    pub fn take_error(&self) -> Option<io::Error> {
        match &mut self.output.lock().expect("a sink that panics ends the machine").state {
            Sink::Working => None,
            Sink::Broken(error) => error.take(),
        }
    }

    /// `H_GET_TERM_CHAR`: takes up to 16 bytes of input.
    pub fn get(&self, terminal: u64) -> Result<Fetched, Status> {
        if !is_ours(terminal) {
            return Err(Status::Parameter);
        }
        let mut input = self.lock_input();
        let count = input.len().min(CALL_BYTES);
        let mut bytes = [0; CALL_BYTES];
        for (to, from) in bytes.iter_mut().zip(input.drain(..count)) {
            *to = from;
        }
        // Half a queue of room before the reader is woken: otherwise it would run, and interrupt
        // the guest, once per 16 bytes.
        if has_room(&input) {
            self.room.notify_all();
        }
        let (first, second) = bytes.split_at(8);
        let word = |half: &[u8]| half.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        Ok(Fetched {
            bytes: count as u64,
            words: [word(first), word(second)],
        })
    }

    /// Queues input for the guest, from any thread, and returns how many bytes were taken: fewer
    /// than given when the queue is full.
    ///
    /// The manual wants an interrupt when the queue becomes non-empty. It is raised for whatever was
    /// taken: a guest that stopped reading half-way is called again, one that did not finds the
    /// queue empty.
    pub fn push_input(&self, bytes: &[u8]) -> usize {
        let taken = {
            let mut input = self.lock_input();
            let taken = bytes.len().min(INPUT_BYTES - input.len());
            input.extend(&bytes[..taken]);
            taken
        };
        if taken > 0 {
            self.interrupt.raise();
        }
        taken
    }

    /// Raises the interrupt again if there is input: the interrupt controller was reset, and has forgotten it.
    pub fn announce(&self) {
        if !self.lock_input().is_empty() {
            self.interrupt.raise();
        }
    }

    /// Waits until the guest has read so much that half of the queue is free.
    pub fn wait_for_room(&self) {
        let input = self.lock_input();
        let _input = self
            .room
            .wait_while(input, |input| !has_room(input))
            .expect("nothing panics with the input locked");
    }

    fn lock_input(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.input.lock().expect("nothing panics with the input locked")
    }
}

/// Guests that do not read the device tree take terminal 0, which means the only one.
fn is_ours(terminal: u64) -> bool {
    matches!(terminal, 0 | UNIT_ADDRESS)
}

fn has_room(input: &VecDeque<u8>) -> bool {
    input.len() <= INPUT_BYTES / 2
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A sink that its test can look into; it fails from the given number of bytes on.
    #[derive(Clone, Default)]
    struct Paper {
        text: Arc<Mutex<Vec<u8>>>,
        full_at: Option<usize>,
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut text = self.text.lock().unwrap();
            if self.full_at.is_some_and(|limit| text.len() + bytes.len() > limit) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            text.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn vty() -> (Vty, Paper, Arc<AtomicUsize>) {
        let paper = Paper::default();
        let edges = Arc::new(AtomicUsize::new(0));
        let interrupt = {
            let edges = Arc::clone(&edges);
            move || {
                edges.fetch_add(1, Ordering::Relaxed);
            }
        };
        (Vty::new(Box::new(paper.clone()), Box::new(interrupt)), paper, edges)
    }

    #[test]
    fn bytes_go_out_from_the_most_significant_end() {
        let (vty, paper, _) = vty();
        let words = [u64::from_be_bytes(*b"hello, w"), u64::from_be_bytes(*b"orld\n???")];
        assert_eq!(vty.put(UNIT_ADDRESS, 13, words), Status::Success);
        assert_eq!(vty.put(0, 16, words), Status::Success);
        assert_eq!(vty.put(0, 0, words), Status::Success);
        assert_eq!(*paper.text.lock().unwrap(), b"hello, world\nhello, world\n???");
    }

    #[test]
    fn a_length_over_16_or_another_terminal_is_h_parameter() {
        let (vty, paper, _) = vty();
        assert_eq!(vty.put(0, 17, [0; 2]), Status::Parameter);
        assert_eq!(vty.put(0, u64::MAX, [0; 2]), Status::Parameter);
        assert_eq!(vty.put(1, 1, [0; 2]), Status::Parameter);
        assert_eq!(vty.get(UNIT_ADDRESS + 1), Err(Status::Parameter));
        assert!(paper.text.lock().unwrap().is_empty());
    }

    #[test]
    fn a_broken_sink_is_h_hardware_from_then_on_and_tells_why_once() {
        let paper = Paper {
            full_at: Some(3),
            ..Paper::default()
        };
        let vty = Vty::new(Box::new(paper.clone()), Box::new(|| ()));
        assert_eq!(
            vty.put(0, 3, [u64::from_be_bytes(*b"abc\0\0\0\0\0"), 0]),
            Status::Success
        );
        assert!(vty.take_error().is_none());
        assert_eq!(vty.put(0, 3, [0; 2]), Status::Hardware);
        assert_eq!(vty.put(0, 0, [0; 2]), Status::Hardware);
        assert_eq!(vty.take_error().unwrap().kind(), io::ErrorKind::StorageFull);
        assert!(vty.take_error().is_none());
        assert!(!vty.write(b"x"));
        assert_eq!(*paper.text.lock().unwrap(), b"abc");
    }

    #[test]
    fn input_comes_in_chunks_of_sixteen_and_then_none() {
        let (vty, _, edges) = vty();
        assert_eq!(vty.push_input(b"0123456789abcdefgh"), 18);
        assert_eq!(edges.load(Ordering::Relaxed), 1);
        let words = [u64::from_be_bytes(*b"01234567"), u64::from_be_bytes(*b"89abcdef")];
        assert_eq!(vty.get(0), Ok(Fetched { bytes: 16, words }));
        assert_eq!(
            vty.get(0),
            Ok(Fetched {
                bytes: 2,
                words: [0x6768 << 48, 0]
            })
        );
        assert_eq!(vty.get(0), Ok(Fetched::default()));
    }

    #[test]
    fn a_full_queue_takes_no_more_and_raises_no_interrupt() {
        let (vty, _, edges) = vty();
        assert_eq!(vty.push_input(&[b'x'; INPUT_BYTES + 1]), INPUT_BYTES);
        assert_eq!(vty.push_input(b"y"), 0);
        assert_eq!(vty.push_input(b""), 0);
        assert_eq!(edges.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_long_input_reaches_a_slow_guest_whole_and_in_order() {
        let text: Vec<u8> = (0..10 * INPUT_BYTES).map(|n| (n % 251) as u8).collect();
        let (vty, _, _) = vty();
        let mut read: Vec<u8> = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut rest = &text[..];
                while !rest.is_empty() {
                    let taken = vty.push_input(rest);
                    rest = &rest[taken..];
                    if taken == 0 {
                        vty.wait_for_room();
                    }
                }
            });
            while read.len() < text.len() {
                let Fetched { bytes, words } = vty.get(0).unwrap();
                let chunk = [words[0].to_be_bytes(), words[1].to_be_bytes()].concat();
                read.extend(&chunk[..bytes as usize]);
            }
        });
        assert!(read == text);
    }
}
