//! What the host does to a guest's memory while the guest works: translations of ranges are taken from the processors, and stores are logged, as by
//! whoever takes memory back or copies it. It is asked for at the control socket, at random. The guest must not notice.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use guest_images::stress::Round;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ctl::{Asked, ClientError, ask};
use crate::random::Stream;

/// Between two requests, at most; more if a request takes longer, so that the guest has half of the time; but not for ever.
const PAUSE_US: u64 = 4000;
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What ranges are made of: whole pages of any host.
const UNIT: u64 = 64 << 10;

/// Ranges of a request, at most.
const MOST_RANGES: u64 = 8;

/// The thread that asks.
pub(super) struct Ranges {
    until: Until,
    thread: JoinHandle<Result<Taken, String>>,
}

/// Dropping it ends the thread.
struct Until(Arc<AtomicBool>);

impl Drop for Until {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Requests that took translations of some ranges.
    pub(super) unmaps: u64,
    /// Entries of the table whose translations were taken, where the host says it.
    pub(super) entries: u64,
    /// Logs of stores that were taken in.
    pub(super) harvests: u64,
    /// How long the longest request took; also one that was not answered when the run was over.
    pub(super) longest_seconds: f64,
}

impl Taken {
    /// Adds that of another round.
    pub(super) fn add(&mut self, other: &Self) {
        self.unmaps += other.unmaps;
        self.entries += other.entries;
        self.harvests += other.harvests;
        self.longest_seconds = self.longest_seconds.max(other.longest_seconds);
    }
}

/// What is asked for.
enum Request {
    /// Take away the translations of ranges.
    Unmap(Value),
    /// Log stores; take in the log; log no more.
    Start,
    Harvest,
    Stop,
}

impl Request {
    fn asked(&self) -> Asked {
        let dirty = |action: &str| Asked::post("/v1/dirty", &json!({ "action": action }));
        match self {
            Self::Unmap(ranges) => Asked::post("/v1/unmap", &json!({ "ranges": ranges })),
            Self::Start => dirty("start"),
            Self::Harvest => dirty("harvest"),
            Self::Stop => dirty("stop"),
        }
    }
}

/// What is asked for next, by a seed.
struct Requests {
    stream: Stream,
    /// Of the guest's pages.
    frames: Range<u64>,
    memory_bytes: u64,
}

impl Requests {
    fn of(round: &Round) -> Self {
        Self {
            // The guest draws from the seed itself.
            stream: Stream(!round.seed),
            frames: round.frames(),
            memory_bytes: u64::from(round.memory_mib()) << 20,
        }
    }

    fn next(&mut self) -> Request {
        match self.stream.below(16) {
            0 => Request::Start,
            1 | 2 => Request::Harvest,
            3 => Request::Stop,
            4 => Request::Unmap(json!([{ "start": 0, "length": self.memory_bytes }])),
            _ => {
                let count = 1 + self.stream.below(MOST_RANGES);
                Request::Unmap((0..count).map(|_| self.range()).collect())
            }
        }
    }

    /// Mostly of what pages are in.
    fn range(&mut self) -> Value {
        let among = match self.stream.below(8) {
            0 => 0..self.memory_bytes,
            _ => self.frames.clone(),
        };
        let start = among.start + UNIT * self.stream.below((among.end - among.start) / UNIT);
        let length = UNIT << self.stream.below(6);
        json!({ "start": start, "length": length.min(self.memory_bytes - start) })
    }

    fn pause(&mut self) -> Duration {
        Duration::from_micros(self.stream.below(PAUSE_US))
    }
}

impl Ranges {
    /// Begins at the control socket of `round`'s guest, which is at `socket` soon.
    pub(super) fn begin(round: &Round, socket: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (told, mut requests) = (Arc::clone(&is_over), Requests::of(round));
        let thread = thread::spawn(move || repeat(&socket, &mut requests, &told));
        Self {
            until: Until(is_over),
            thread,
        }
    }

    /// Ends. Whoever asks for it has seen the guest's end.
    ///
    /// # Errors
    /// A sentence: pteg did not do what it must.
    pub(super) fn end(self) -> Result<Taken, String> {
        drop(self.until);
        self.thread.join().expect("it does not panic")
    }
}

fn repeat(socket: &Path, requests: &mut Requests, is_over: &AtomicBool) -> Result<Taken, String> {
    let mut taken = Taken::default();
    let mut has_listened = false;
    while !is_over.load(Ordering::Relaxed) {
        let (request, begun) = (requests.next(), Instant::now());
        // An answer is waited for until the run is over. That one never comes is not found here: rounds are short, and a host may be slow.
        let answered = ask(socket, &request.asked().without_haste());
        taken.longest_seconds = taken.longest_seconds.max(begun.elapsed().as_secs_f64());
        match answered.as_ref().err().map(|error| Next::after(error, has_listened)) {
            None => {
                has_listened = true;
                note(&mut taken, &request, &answered.unwrap_or_default());
            }
            Some(Next::GoOn) => {}
            Some(Next::End) => break,
            Some(Next::Accuse(what)) => return Err(format!("taking translations from the processors: {what}")),
        }
        thread::sleep(requests.pause().max(begun.elapsed()).min(LONGEST_PAUSE));
    }
    Ok(taken)
}

/// What to do after a request that was not done.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    /// The run is over; what came of it others judge.
    End,
    /// pteg did not do what it must.
    Accuse(String),
}

impl Next {
    fn after(error: &ClientError, has_listened: bool) -> Self {
        match error {
            // It listens in a moment, or no more: the socket goes with the run.
            ClientError::NoSocket(_) | ClientError::NobodyListens(_) | ClientError::OtherFile(_) if !has_listened => {
                Self::GoOn
            }
            ClientError::NoSocket(_) | ClientError::NobodyListens(_) | ClientError::OtherFile(_) => Self::End,
            ClientError::NoAnswer(_) => Self::End,
            // Of the host, which may be better off later.
            ClientError::Connect(..) | ClientError::Crowded(_) => Self::GoOn,
            // Not now (stores are logged already, or not yet), not on this host, or no more.
            ClientError::Refused {
                status: StatusCode::CONFLICT | StatusCode::NOT_IMPLEMENTED | StatusCode::SERVICE_UNAVAILABLE,
                ..
            } => Self::GoOn,
            error => Self::Accuse(error.to_string()),
        }
    }
}

/// Counts what was done.
fn note(taken: &mut Taken, request: &Request, answer: &str) {
    match request {
        Request::Unmap(_) => {
            let answer: Value = serde_json::from_str(answer).unwrap_or_default();
            taken.unmaps += 1;
            taken.entries += answer["entries"].as_u64().unwrap_or_default();
        }
        Request::Harvest => taken.harvests += 1,
        Request::Start | Request::Stop => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_of_the_guests_memory() {
        let round = Round::of_seed(7, 4);
        let mut requests = Requests::of(&round);
        let (mut unmaps, mut others) = (0, 0);
        for _ in 0..1000 {
            let Request::Unmap(ranges) = requests.next() else {
                others += 1;
                continue;
            };
            unmaps += 1;
            let ranges = ranges.as_array().unwrap();
            assert!((1..=MOST_RANGES as usize).contains(&ranges.len()));
            for range in ranges {
                let [start, length] = ["start", "length"].map(|word| range[word].as_u64().unwrap());
                assert!(length > 0 && start % UNIT == 0 && length % UNIT == 0);
                assert!(start + length <= u64::from(round.memory_mib()) << 20);
            }
        }
        assert!(unmaps > 500 && others > 100, "{unmaps} {others}");
    }

    #[test]
    fn only_what_a_right_pteg_never_answers_accuses_it() {
        let path = || PathBuf::from("socket");
        let refused = |status| ClientError::Refused {
            status,
            sentence: "so".to_owned(),
        };
        let closed = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for (error, before, later) in [
            (ClientError::NoSocket(path()), Next::GoOn, Next::End),
            (ClientError::NobodyListens(path()), Next::GoOn, Next::End),
            (ClientError::OtherFile(path()), Next::GoOn, Next::End),
            (ClientError::NoAnswer(path()), Next::End, Next::End),
            (ClientError::Connect(path(), closed()), Next::GoOn, Next::GoOn),
            (ClientError::Crowded(path()), Next::GoOn, Next::GoOn),
            (refused(StatusCode::CONFLICT), Next::GoOn, Next::GoOn),
            (refused(StatusCode::SERVICE_UNAVAILABLE), Next::GoOn, Next::GoOn),
        ] {
            assert_eq!(Next::after(&error, false), before, "{error}");
            assert_eq!(Next::after(&error, true), later, "{error}");
        }
        for status in [StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR] {
            assert_eq!(Next::after(&refused(status), true), Next::Accuse("so".to_owned()));
        }
        assert!(matches!(
            Next::after(&ClientError::NotPteg(path()), true),
            Next::Accuse(_)
        ));
    }

    #[test]
    fn a_guest_that_nobody_can_ask_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let ranges = Ranges::begin(&Round::of_seed(7, 4), folder.path().join("socket"));
        let taken = ranges.end().expect("nobody is accused");
        assert_eq!((taken.unmaps, taken.entries, taken.harvests), (0, 0, 0));
    }
}
