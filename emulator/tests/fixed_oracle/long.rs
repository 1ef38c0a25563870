//! The long mode: random programs on several threads until so many instructions have been executed.
//!
//! Each thread has seeds of its own, counted up from the first: with one seed and number of threads the programs are the same each
//! time, whatever the host is doing.

use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use power::insn::Endian;
use power::model::Model;

use crate::processor::Translation;
use crate::runner::Runner;

/// How often progress is said.
const PROGRESS: Duration = Duration::from_secs(10);
/// Instructions of one seed, before the thread takes its next.
const PER_SEED: u64 = 5_000_000;
/// Byte orders and translations, one after the other.
const WAYS: [(Endian, Translation); 6] = [
    (Endian::Little, Translation::SMALL),
    (Endian::Big, Translation::LARGE),
    (Endian::Little, Translation::None),
    (Endian::Big, Translation::SMALL),
    (Endian::Little, Translation::LARGE),
    (Endian::Big, Translation::None),
];

/// What the threads share.
struct Work {
    model: Model,
    /// Instructions that one thread executes.
    share: u64,
    executed: AtomicU64,
    /// A difference was found.
    stop: AtomicBool,
    difference: Mutex<Option<String>>,
}

/// Runs programs from `first_seed` on.
///
/// # Panics
/// With the least program that differs, if one does.
pub fn run(model: Model, first_seed: u64, threads: u64, instructions: u64) {
    let work = Work {
        model,
        share: instructions.div_ceil(threads),
        executed: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        difference: Mutex::new(None),
    };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let work = &work;
                scope.spawn(move || thread_of(work, first_seed + thread, threads))
            })
            .collect();
        let mut said = start;
        while threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                say(&work, instructions, start);
            }
        }
    });
    say(&work, instructions, start);
    let difference = work.difference.into_inner().expect("no thread panics with the lock");
    if let Some(difference) = difference {
        panic!("{difference}");
    }
    print(format_args!(
        "no difference on {model}, from seed {first_seed} on with {threads} threads"
    ));
}

fn say(work: &Work, instructions: u64, start: Instant) {
    print(format_args!(
        "{:>8.1} of {} million instructions, {:.0} s",
        work.executed.load(Ordering::Relaxed) as f64 / 1e6,
        instructions / 1_000_000,
        start.elapsed().as_secs_f64(),
    ));
}

/// A line, also when the output is a pipe. That nobody reads it is no reason to stop.
fn print(line: fmt::Arguments<'_>) {
    let mut output = std::io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Stops the others when its thread panics: what they would find on their way is not waited for.
struct StopsOthers<'a>(&'a AtomicBool);

impl Drop for StopsOthers<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn thread_of(work: &Work, first_seed: u64, step: u64) {
    let _guard = StopsOthers(&work.stop);
    let mut done = 0;
    for (seed, (endian, translation)) in (first_seed..).step_by(step as usize).zip(WAYS.into_iter().cycle()) {
        let mut runner = Runner::new(work.model, endian, translation, seed);
        let mut counted = 0;
        while counted < PER_SEED {
            if done >= work.share || work.stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(difference) = runner.next_programs() {
                work.stop.store(true, Ordering::Relaxed);
                *work.difference.lock().expect("no thread panics with the lock") = Some(difference);
                return;
            }
            let more = runner.executed() - counted;
            counted += more;
            done += more;
            work.executed.fetch_add(more, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_thread_that_panics_stops_the_others() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let _guard = StopsOthers(&stop);
            panic!("as when QEMU is gone");
        });
        assert!(ended.join().is_err());
    });
    assert!(stop.load(Ordering::Relaxed));
}
