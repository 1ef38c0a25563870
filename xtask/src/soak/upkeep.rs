//! What host threads do to the guest's memory during a soak with `--upkeep`, through the control socket: discard, unmap, track and dump, at
//! random, until the run ends.
//!
//! Linux gets the lower part of memory ([`GUEST`]), where translations are taken away under it by pages and by gigabytes, stores are
//! logged, and all is dumped. What is above is nobody's: there whole gigabytes are discarded by force. Below only what the
//! guest has declared unused would go, which Linux does not do; the request is made all the same.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Flags of `pteg run`: memory, of which Linux is told the half.
pub(super) const MEMORY: [&str; 2] = ["--mem", "4G"];
/// For the kernel's command line.
pub(super) const GUEST_LIMIT: &str = "mem=2G";
const GUEST: u64 = 2 << 30;
const ALL: u64 = 4 << 30;

/// No request may take longer: a bound that hangs and lost wake-ups break, not a promise of speed.
const BOUND: Duration = Duration::from_secs(60);

/// The threads.
pub(super) struct Upkeep {
    threads: Vec<JoinHandle<Done>>,
}

/// What one thread has done.
struct Done {
    what: &'static str,
    requests: u64,
    /// Answered with a conflict, as another thread was at it.
    conflicts: u64,
    longest: Duration,
    /// The longest time that a piece of memory was withheld, as pteg says it.
    longest_withheld: f64,
    wrong: Option<String>,
}

impl Upkeep {
    /// Starts them at `socket`, which is there soon; dumps go to `folder`.
    pub(super) fn start(socket: &Path, folder: &Path) -> Self {
        let dump = folder.join("dump");
        let works: [(&'static str, Work); 4] = [
            ("discards", Box::new(discard)),
            ("unmaps", Box::new(unmap)),
            ("dirty logs", Box::new(track)),
            ("dumps", Box::new(move |random| dump_to(&dump, random))),
        ];
        let threads = (1..).zip(works).map(|(seed, (what, work))| {
            let socket = socket.to_owned();
            thread::spawn(move || repeat(&socket, what, seed, &*work))
        });
        Self {
            threads: threads.collect(),
        }
    }

    /// Waits for them, as the run is over: a line about each, and what was wrong.
    pub(super) fn finish(self) -> (Vec<String>, Vec<String>) {
        let done: Vec<Done> = self
            .threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect();
        let line = |done: &Done| {
            format!(
                "upkeep: {}: {} done, {} conflicts, longest {:.3} s, memory withheld for {:.6} s at most",
                done.what,
                done.requests,
                done.conflicts,
                done.longest.as_secs_f64(),
                done.longest_withheld
            )
        };
        (
            done.iter().map(line).collect(),
            done.iter().filter_map(Done::wrong).collect(),
        )
    }
}

impl Done {
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

/// The next request, path and body.
type Work = Box<dyn Fn(&mut Random) -> (&'static str, String) + Send>;

/// Makes requests until nobody listens any more.
fn repeat(socket: &Path, what: &'static str, seed: u64, work: &dyn Fn(&mut Random) -> (&'static str, String)) -> Done {
    let mut done = Done {
        what,
        requests: 0,
        conflicts: 0,
        longest: Duration::ZERO,
        longest_withheld: 0.0,
        wrong: None,
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
    let patience = Instant::now() + BOUND;
    while UnixStream::connect(socket).is_err() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(50));
    }
    loop {
        let (path, body) = work(&mut random);
        let began = Instant::now();
        // Nobody answers: the run is over.
        let Ok((status, answer)) = post(socket, path, &body) else {
            return done;
        };
        done.longest = done.longest.max(began.elapsed());
        match status {
            200 => {
                done.requests += 1;
                done.longest_withheld = done.longest_withheld.max(number(&answer, "longest_seconds"));
            }
            409 => done.conflicts += 1,
            410 | 503 => return done,
            _ => {
                done.wrong = Some(format!("{path} {body}: {status} {answer}"));
                return done;
            }
        }
        thread::sleep(Duration::from_micros(random.below(20_000)));
    }
}

/// Pages, now and then gigabytes, of `from` up to `to`.
fn range(random: &mut Random, from: u64, to: u64) -> String {
    const PAGE: u64 = 4096;
    let most = if random.below(8) == 0 { 1 << 30 } else { 256 * PAGE };
    let length = ((1 + random.below(most / PAGE)) * PAGE).min(to - from);
    let start = from + random.below((to - from - length) / PAGE + 1) * PAGE;
    format!("{{\"start\": {start}, \"length\": {length}}}")
}

fn discard(random: &mut Random) -> (&'static str, String) {
    let (force, from, to) = if random.below(4) == 0 {
        (false, 0, ALL)
    } else {
        (true, GUEST, ALL)
    };
    let range = range(random, from, to);
    ("/v1/discard", format!("{{\"ranges\": [{range}], \"force\": {force}}}"))
}

fn unmap(random: &mut Random) -> (&'static str, String) {
    ("/v1/unmap", format!("{{\"ranges\": [{}]}}", range(random, 0, ALL)))
}

/// Harvests mostly; what does not suit the state of the log is a conflict.
fn track(random: &mut Random) -> (&'static str, String) {
    let action = match random.below(16) {
        0 => "stop",
        1 | 2 => "start",
        _ => "harvest",
    };
    ("/v1/dirty", format!("{{\"action\": \"{action}\"}}"))
}

/// One image at a time, none of them kept.
fn dump_to(path: &PathBuf, random: &mut Random) -> (&'static str, String) {
    let _ = fs::remove_file(path);
    thread::sleep(Duration::from_millis(2000 + random.below(8000)));
    ("/v1/dump", format!("{{\"path\": {:?}}}", path.display().to_string()))
}

/// Status and body.
fn post(socket: &Path, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(2 * BOUND))?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: pteg\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    let (_, body) = reply.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.trim().to_owned()))
}

/// The number behind this name in JSON; 0 if there is none.
fn number(json: &str, name: &str) -> f64 {
    let behind = json
        .split_once(&format!("\"{name}\":"))
        .map_or("", |(_, behind)| behind);
    let text = behind.trim_start().split([',', '}']).next().unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// Marsaglia's xorshift numbers (13, 7, 17).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_whole_pages_of_what_they_are_for() {
        let mut random = Random(7);
        for _ in 0..10_000 {
            let text = range(&mut random, GUEST, ALL);
            let [start, length] = ["start", "length"].map(|name| number(&text, name) as u64);
            assert!(start >= GUEST && start + length <= ALL && length > 0, "{text}");
            assert!(start % 4096 == 0 && length % 4096 == 0, "{text}");
        }
    }

    #[test]
    fn a_thread_that_did_nothing_or_took_too_long_is_wrong() {
        let done = |requests, longest| Done {
            what: "dumps",
            requests,
            conflicts: 3,
            longest,
            longest_withheld: 0.0,
            wrong: None,
        };
        assert!(done(1, BOUND).wrong().is_none());
        assert!(done(0, BOUND).wrong().unwrap().contains("none"));
        assert!(done(1, 2 * BOUND).wrong().unwrap().contains("120.0 s"));
    }
}
