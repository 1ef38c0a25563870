//! What host threads do to the guest's memory during a soak with `--upkeep`, through the control socket: discard, unmap, track, watch and dump, at
//! random, until the run ends.
//!
//! Linux gets the lower part of memory ([`GUEST`]), where translations are taken away under it by pages and by gigabytes, stores are
//! logged (`track`, with a ledger of its own), accesses are watched (`watch`), and all is dumped. What is above is nobody's: there pages are filled and whole gigabytes
//! discarded by force. Below only what the guest has declared unused would go, which Linux does not do; the request is made all the same.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ledger::{PAGE, data_behind};
use super::{client, track, watch};

/// Flags of `pteg run`: memory, of which Linux is told the half.
pub(super) const MEMORY: [&str; 2] = ["--mem", "4G"];
/// For the kernel's command line.
pub(super) const GUEST_LIMIT: &str = "mem=2G";
/// Bytes that are Linux'.
pub(super) const GUEST: u64 = 2 << 30;
/// Bytes of all of it.
pub(super) const ALL: u64 = 4 << 30;

/// No request may take longer: a bound that hangs and lost wake-ups break, not a promise of speed.
const BOUND: Duration = Duration::from_secs(60);

const DUMP: &str = "dump";

/// A sentence for each file that the run has left in `folder`, whatever it was doing when it ended. A dump that is complete may stay.
pub(super) fn left_behind(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let left = names.filter(|name| name != DUMP && name != super::STATISTICS);
    left.map(|name| format!("{} was left behind", name.display())).collect()
}

/// The threads.
pub(super) struct Upkeep {
    threads: Vec<JoinHandle<Done>>,
}

/// What one thread has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    what: &'static str,
    requests: u64,
    /// Answered with a conflict, as another thread was at it.
    conflicts: u64,
    longest: Duration,
    /// What else there is to tell.
    pub(super) notes: Vec<String>,
    wrong: Option<String>,
}

/// Why a thread ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The run is over.
    Over,
    /// Something is wrong: a sentence.
    Wrong(String),
}

/// What becomes of work that is done for as long as the run lasts.
pub(super) type Asked<T> = Result<T, End>;

/// What one thread does again and again.
type Work = Box<dyn FnMut(&mut Ask, &mut Random) -> Asked<()> + Send>;

impl Upkeep {
    /// Starts them at `socket`, which is there soon; dumps go to `folder`.
    pub(super) fn start(socket: &Path, folder: &Path) -> Self {
        let dump = folder.join(DUMP);
        let mut memory = None;
        let works: [(&'static str, Work); 5] = [
            (
                "discards",
                Box::new(move |ask, random| {
                    let memory = match &memory {
                        Some(memory) => memory,
                        None => memory.insert(ask.memory(true)?),
                    };
                    discard(ask, random, memory)
                }),
            ),
            ("unmaps", Box::new(unmap)),
            ("dirty logs", Box::new(track::track)),
            ("watches", Box::new(watch::watch)),
            ("dumps", Box::new(move |ask, random| dump_to(&dump, ask, random))),
        ];
        let threads = (1..).zip(works).map(|(seed, (what, work))| {
            let socket = socket.to_owned();
            thread::spawn(move || repeat(socket, what, seed, work))
        });
        Self {
            threads: threads.collect(),
        }
    }

    /// Waits for them, as the run is over: lines about each, and what was wrong.
    pub(super) fn finish(self) -> (Vec<String>, Vec<String>) {
        let done: Vec<Done> = self
            .threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect();
        (
            done.iter().flat_map(Done::lines).collect(),
            done.iter().filter_map(Done::wrong).collect(),
        )
    }
}

impl Done {
    fn lines(&self) -> Vec<String> {
        let Self {
            what,
            requests,
            conflicts,
            ..
        } = self;
        let longest = self.longest.as_secs_f64();
        let mut lines = vec![format!(
            "upkeep: {what}: {requests} answers, {conflicts} conflicts, the longest after {longest:.3} s"
        )];
        lines.extend(self.notes.iter().map(|note| format!("upkeep: {what}: {note}")));
        lines
    }

    fn wrong(&self) -> Option<String> {
        let what = self.what;
        if let Some(wrong) = &self.wrong {
            return Some(format!("{what}: {wrong}"));
        }
        if self.longest > BOUND {
            return Some(format!("{what}: one took {:.1} s", self.longest.as_secs_f64()));
        }
        (self.requests == 0).then(|| format!("{what}: none was done"))
    }
}

/// A way to ask the run, and what has come of it.
pub(super) struct Ask {
    socket: PathBuf,
    /// How long an answer may take before nobody waits for it any more.
    patience: Duration,
    pub(super) done: Done,
}

impl Ask {
    /// The answer; nothing after a conflict.
    pub(super) fn post(&mut self, path: &str, body: &Value) -> Asked<Option<Value>> {
        let began = Instant::now();
        let asked = client::post(&self.socket, path, body, self.patience);
        let (status, answer) = asked.map_err(|error| self.unanswered(&format!("{path} {body}"), &error))?;
        self.done.longest = self.done.longest.max(began.elapsed());
        match status {
            200 => {
                self.done.requests += 1;
                Ok(Some(answer))
            }
            409 => {
                self.done.conflicts += 1;
                Ok(None)
            }
            503 if self.is_over() => Err(End::Over),
            _ => Err(End::Wrong(format!("{path} {body}: {status} {}", answer["error"]))),
        }
    }

    /// Why a request was not answered: the run is over, or it ought to have been.
    fn unanswered(&self, request: &str, error: &io::Error) -> End {
        match is_silence(error) {
            true => End::Wrong(format!("{request}: no answer for {} s", self.patience.as_secs_f64())),
            false if self.is_over() => End::Over,
            false => End::Wrong(format!("{request}: no answer, and the run goes on: {error}")),
        }
    }

    fn is_over(&self) -> bool {
        match self.info() {
            Ok(info) => info["state"] == "stopping",
            Err(error) => !is_silence(&error),
        }
    }

    fn info(&self) -> io::Result<Value> {
        let (_, info) = client::get(&self.socket, "/v1/info", self.patience)?;
        Ok(info)
    }

    /// The run's memory file, found without its help.
    pub(super) fn memory(&self, write: bool) -> Asked<File> {
        let info = self.info().map_err(|error| self.unanswered("/v1/info", &error))?;
        let pid = &info["pid"];
        memory_of(&format!("/proc/{pid}/fd"), write)
            .map_err(|error| End::Wrong(format!("the memory file of process {pid}: {error}")))
    }
}

/// Whether nobody said anything in time; else somebody has hung up, or is not there.
fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn memory_of(descriptors: &str, write: bool) -> io::Result<File> {
    for entry in fs::read_dir(descriptors)? {
        let path = entry?.path();
        if fs::read_link(&path).is_ok_and(|file| file.starts_with("/memfd:pteg-ram (deleted)")) {
            return File::options().read(true).write(write).open(path);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Does `work` until the run is over.
fn repeat(socket: PathBuf, what: &'static str, seed: u64, mut work: Work) -> Done {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
    let patience = Instant::now() + BOUND;
    while UnixStream::connect(&socket).is_err() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(50));
    }
    let mut ask = Ask {
        socket,
        patience: 2 * BOUND,
        done: Done {
            what,
            ..Done::default()
        },
    };
    loop {
        match work(&mut ask, &mut random) {
            Ok(()) => thread::sleep(Duration::from_micros(random.below(20_000))),
            Err(End::Over) => return ask.done,
            Err(End::Wrong(wrong)) => {
                ask.done.wrong = Some(wrong);
                return ask.done;
            }
        }
    }
}

/// Pages, now and then gigabytes, of `within`.
pub(super) fn range(random: &mut Random, within: Range<u64>) -> Range<u64> {
    let most = if random.below(8) == 0 { 1 << 30 } else { 256 * PAGE };
    let length = ((1 + random.below(most / PAGE)) * PAGE).min(within.end - within.start);
    let start = within.start + random.below((within.end - within.start - length) / PAGE + 1) * PAGE;
    start..start + length
}

/// As the interface has it.
pub(super) fn ranges(range: &Range<u64>) -> Value {
    json!([{ "start": range.start, "length": range.end - range.start }])
}

/// Of the guest's memory what it does not need, which is nothing; or of the other half all, and some of it has something.
fn discard(ask: &mut Ask, random: &mut Random, memory: &File) -> Asked<()> {
    let failed = |error: io::Error| End::Wrong(format!("the memory file: {error}"));
    if random.below(4) == 0 {
        let request = json!({ "ranges": ranges(&range(random, 0..ALL)) });
        return ask.post("/v1/discard", &request).map(drop);
    }
    let range = range(random, GUEST..ALL);
    for _ in 0..random.below(4096) {
        let page = range.start / PAGE + random.below((range.end - range.start) / PAGE);
        memory.write_all_at(&[0xd1], page * PAGE).map_err(failed)?;
    }
    let request = json!({ "ranges": ranges(&range), "force": true });
    if ask.post("/v1/discard", &request)?.is_some() {
        let data = data_behind(memory, range.start).map_err(failed)?;
        if data < range.end {
            return Err(End::Wrong(format!("{data:#x} of {range:x?} is not discarded")));
        }
    }
    Ok(())
}

fn unmap(ask: &mut Ask, random: &mut Random) -> Asked<()> {
    let request = json!({ "ranges": ranges(&range(random, 0..ALL)) });
    ask.post("/v1/unmap", &request).map(drop)
}

/// One image at a time, none of them kept.
fn dump_to(path: &Path, ask: &mut Ask, random: &mut Random) -> Asked<()> {
    let _ = fs::remove_file(path);
    thread::sleep(Duration::from_millis(2000 + random.below(8000)));
    ask.post("/v1/dump", &json!({ "path": path.to_string_lossy() }))
        .map(drop)
}

/// Marsaglia's xorshift numbers (13, 7, 17).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn ranges_are_whole_pages_of_what_they_are_for() {
        let mut random = Random(7);
        for _ in 0..10_000 {
            let Range { start, end } = range(&mut random, GUEST..ALL);
            assert!(start >= GUEST && end <= ALL && start < end, "{start:x}-{end:x}");
            assert!(start % PAGE == 0 && end % PAGE == 0, "{start:x}-{end:x}");
        }
    }

    #[test]
    fn what_a_run_makes_may_stay_and_its_socket_may_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in [DUMP, super::super::STATISTICS, "socket"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(left_behind(folder.path()), ["socket was left behind"]);
    }

    /// A run that answers what it is, and nothing else.
    fn run_that_only_says_what_it_is(listener: &UnixListener, state: &'static str, hangs_up: bool) {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            if head[0].starts_with("GET /v1/info ") {
                write!(stream, "HTTP/1.1 200 OK\r\n\r\n{}", json!({ "state": state })).unwrap();
            } else if !hangs_up {
                held.push(stream);
            }
        }
    }

    #[test]
    fn a_request_that_is_not_answered_is_wrong_unless_the_run_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let short = Duration::from_millis(100);
        for (name, state, patience, wrong) in [
            ("silent", "stopping", short, Some("no answer for 0.1 s")),
            ("hangs up", "running", BOUND, Some("the run goes on")),
            ("over", "stopping", BOUND, None),
        ] {
            let hangs_up = patience > short;
            let socket = folder.path().join(name);
            let listener = UnixListener::bind(&socket).unwrap();
            // Until the test ends.
            thread::spawn(move || run_that_only_says_what_it_is(&listener, state, hangs_up));
            let mut ask = Ask {
                socket,
                patience,
                done: Done::default(),
            };
            let end = ask.post("/v1/unmap", &json!({})).unwrap_err();
            match (end, wrong) {
                (End::Over, None) => {}
                (End::Wrong(said), Some(words)) => assert!(said.contains(words), "{said}"),
                (end, _) => panic!("{name}: {end:?}"),
            }
        }
        let mut ask = Ask {
            socket: folder.path().join("nobody"),
            patience: BOUND,
            done: Done::default(),
        };
        assert_eq!(ask.post("/v1/unmap", &json!({})), Err(End::Over));
    }

    #[test]
    fn a_thread_that_did_nothing_or_took_too_long_is_wrong() {
        let done = |requests, longest| Done {
            what: "dumps",
            requests,
            longest,
            ..Done::default()
        };
        assert!(done(1, BOUND).wrong().is_none());
        assert!(done(0, BOUND).wrong().unwrap().contains("none"));
        assert!(done(1, 2 * BOUND).wrong().unwrap().contains("120.0 s"));
    }
}
