//! What comes out of a stream, gathered by a thread of its own so that no writer is ever held back.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before it counts as hung. No test depends on anything being quick.
pub const PATIENCE: Duration = Duration::from_secs(900);

struct Gathered {
    bytes: Vec<u8>,
    is_over: bool,
}

/// The bytes of a stream so far.
#[derive(Clone)]
pub(crate) struct Output(Arc<(Mutex<Gathered>, Condvar)>);

impl Default for Output {
    /// Of no stream at all.
    fn default() -> Self {
        Self(Arc::new((
            Mutex::new(Gathered {
                bytes: Vec::new(),
                is_over: true,
            }),
            Condvar::new(),
        )))
    }
}

impl Output {
    /// Gathers `stream` until its end, or until it cannot be read any more.
    pub(crate) fn gather(mut stream: impl Read + Send + 'static) -> Self {
        let output = Self(Arc::new((
            Mutex::new(Gathered {
                bytes: Vec::new(),
                is_over: false,
            }),
            Condvar::new(),
        )));
        let gathered = output.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).unwrap_or(0);
                let mut state = gathered.lock();
                state.bytes.extend(&buffer[..count]);
                state.is_over = count == 0;
                gathered.0.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        output
    }

    /// Waits until `text` comes behind the first `from` bytes; returns where it ends, or `None` if the stream ended
    /// or [`PATIENCE`] did.
    pub(crate) fn wait_for(&self, text: &str, from: usize) -> Option<usize> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        loop {
            let found = state.bytes[from..]
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            if let Some(at) = found {
                return Some(from + at + text.len());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.is_over || left.is_zero() {
                return None;
            }
            state = self.0.1.wait_timeout(state, left).expect(UNPOISONED).0;
        }
    }

    /// Waits for the end of the stream, as far as [`PATIENCE`] goes.
    pub(crate) fn wait_for_end(&self) {
        let state = self.lock();
        drop(
            self.0
                .1
                .wait_timeout_while(state, PATIENCE, |state| !state.is_over)
                .expect(UNPOISONED),
        );
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// The bytes in between.
    pub(crate) fn between(&self, from: usize, to: usize) -> String {
        String::from_utf8_lossy(&self.lock().bytes[from..to]).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.0.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with the output locked";
