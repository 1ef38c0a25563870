//! The interrupt controller under real threads: whatever was signalled is served in the end.
//!
//! Each processor is a thread that sleeps until its line is up, accepts, does the work that it finds (as
//! drivers do: work is put down before its interrupt is raised) and ends the interrupt. Signals come in
//! short bursts: when a burst is over and every processor sleeps, no work may be left. A later
//! signal would otherwise cover up for a lost one.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;

use devices::interrupt::Sources;
use devices::xics::{CpuLine, FIRST_SOURCE, IPI, Trigger, Xics};
use power::hcall::Status;
use power::rtas::RtasStatus;

const SERVERS: usize = 4;
const SOURCES: usize = 3;
const BURSTS: usize = 3000;
const SIGNALS: usize = 5;
const OPEN: u32 = 0xff << 24;
const IPI_PRIORITY: u64 = 4;

#[derive(Default)]
struct Board {
    level: [bool; SERVERS],
    asleep: [bool; SERVERS],
    over: bool,
}

#[derive(Default)]
struct Lines {
    board: Mutex<Board>,
    changed: Condvar,
}

impl CpuLine for Lines {
    fn set_external(&self, server: usize, level: bool) {
        self.board.lock().unwrap().level[server] = level;
        self.changed.notify_all();
    }
}

struct Machine {
    xics: Arc<Xics>,
    lines: Arc<Lines>,
    mail: [AtomicU64; SERVERS],
    work: [AtomicU64; SOURCES],
    serving: [AtomicBool; SOURCES],
    ipis: AtomicU64,
    handled: AtomicU64,
    spurious: AtomicU64,
    doubled: AtomicU64,
    left: AtomicU64,
}

impl Machine {
    fn new() -> Self {
        let lines = Arc::new(Lines::default());
        let triggers = [Trigger::Edge; SOURCES];
        let xics = Xics::new(SERVERS, &triggers, Arc::clone(&lines) as Arc<dyn CpuLine>);
        Self {
            xics: Arc::new(xics),
            lines,
            mail: Default::default(),
            work: Default::default(),
            serving: Default::default(),
            ipis: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            spurious: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            left: AtomicU64::new(0),
        }
    }

    fn send(&self, server: usize) {
        self.mail[server].fetch_add(1, Ordering::AcqRel);
        assert_eq!(self.xics.ipi(server as u64, IPI_PRIORITY), Status::Success);
    }

    fn signal(&self, source: usize) {
        self.work[source].fetch_add(1, Ordering::AcqRel);
        Sources::pulse(&*self.xics, FIRST_SOURCE + source as u32);
    }

    /// Sleeps until the line is up; false when the test is over.
    fn sleep(&self, server: usize) -> bool {
        let mut board = self.lines.board.lock().unwrap();
        board.asleep[server] = true;
        self.lines.changed.notify_all();
        let waits = |board: &mut Board| !board.level[server] && !board.over;
        board = self.lines.changed.wait_while(board, waits).unwrap();
        board.asleep[server] = false;
        board.level[server]
    }

    fn processor(&self, server: usize) {
        assert_eq!(self.xics.set_cppr(server, 0xff), Status::Success);
        while self.sleep(server) {
            let number = self.xics.xirr(server) & 0xff_ffff;
            if number == 0 {
                // Put down by hand: counted, but not a reason to go round for ever.
                self.spurious.fetch_add(1, Ordering::Relaxed);
                self.lines.set_external(server, false);
                continue;
            }
            let found = if number == IPI {
                self.ipis.fetch_add(1, Ordering::Relaxed);
                assert_eq!(self.xics.ipi(server as u64, 0xff), Status::Success);
                self.mail[server].swap(0, Ordering::AcqRel)
            } else {
                let source = (number - FIRST_SOURCE) as usize;
                if self.serving[source].swap(true, Ordering::AcqRel) {
                    self.doubled.fetch_add(1, Ordering::Relaxed);
                }
                let found = self.work[source].swap(0, Ordering::AcqRel);
                self.serving[source].store(false, Ordering::Release);
                found
            };
            self.handled.fetch_add(found, Ordering::Relaxed);
            assert_eq!(self.xics.eoi(server, OPEN | number), Status::Success);
        }
    }

    /// Runs the processors and, burst by burst, `bodies`, which get the number of the burst.
    fn run(&self, bodies: &[&(dyn Fn(usize) + Sync)]) {
        let (start, end) = (Barrier::new(bodies.len() + 1), Barrier::new(bodies.len() + 1));
        let (start, end) = (&start, &end);
        thread::scope(|scope| {
            for server in 0..SERVERS {
                scope.spawn(move || self.processor(server));
            }
            for body in bodies {
                scope.spawn(move || {
                    for burst in 0..BURSTS {
                        start.wait();
                        body(burst);
                        end.wait();
                    }
                });
            }
            for _ in 0..BURSTS {
                start.wait();
                end.wait();
                let board = self.lines.board.lock().unwrap();
                let busy = |board: &mut Board| board.asleep != [true; SERVERS] || board.level.contains(&true);
                let quiet = self.lines.changed.wait_while(board, busy).unwrap();
                for forgotten in self.mail.iter().chain(&self.work) {
                    self.left
                        .fetch_add(forgotten.swap(0, Ordering::AcqRel), Ordering::Relaxed);
                }
                drop(quiet);
            }
            self.lines.board.lock().unwrap().over = true;
            self.lines.changed.notify_all();
        });
        assert_eq!(self.left.load(Ordering::Relaxed), 0, "work was forgotten");
        assert_eq!(self.spurious.load(Ordering::Relaxed), 0, "lines were up for nothing");
        assert_eq!(self.doubled.load(Ordering::Relaxed), 0, "a source was in service twice");
    }
}

#[test]
fn no_ipi_is_lost_and_none_comes_out_of_nothing() {
    let machine = Machine::new();
    let send = |burst: usize| {
        for signal in 0..SIGNALS {
            machine.send((burst + signal) % SERVERS);
        }
    };
    machine.run(&[&send, &send, &send]);
    let sent = (3 * BURSTS * SIGNALS) as u64;
    assert_eq!(machine.handled.into_inner(), sent);
    assert!(machine.ipis.into_inner() <= sent);
}

#[test]
fn no_edge_is_lost_while_its_source_is_moved_and_masked() {
    let machine = Machine::new();
    let xics = &machine.xics;
    let numbers: Vec<u32> = (FIRST_SOURCE..).take(SOURCES).collect();
    let signal = |_| {
        for signal in 0..SIGNALS {
            machine.signal(signal % SOURCES);
        }
    };
    let send = |burst: usize| {
        machine.send(burst % SERVERS);
        machine.send((burst + 1) % SERVERS);
    };
    let move_about = |burst: usize| {
        for &number in &numbers {
            assert_eq!(xics.int_off(number), RtasStatus::Success);
            // Priorities on both sides of the IPIs', and all different.
            let priority = 3 + (burst as u32 + number) % 3;
            assert_eq!(xics.set_xive(number, (burst % 2) as u32, priority), RtasStatus::Success);
            assert_eq!(xics.int_on(number), RtasStatus::Success);
        }
    };
    machine.run(&[&signal, &send, &move_about]);
    assert_eq!(machine.handled.into_inner(), (BURSTS * (SIGNALS + 2)) as u64);
}
