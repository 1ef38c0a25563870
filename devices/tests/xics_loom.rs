//! Every interleaving of the interrupt controller's locks in small cases. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p devices --test xics_loom`.
//!
//! A driver's rule is checked: work is put down, then the interrupt raised; when nothing moves any more
//! and no line is up, no work may be left. All racing bodies are spawned, and the runs counted.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use devices::interrupt::Sources;
use devices::xics::{CpuLine, FIRST_SOURCE, IPI, Trigger, Xics};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

const OPEN: u8 = 0xff;

struct Lines([AtomicBool; 2]);

impl CpuLine for Lines {
    fn set_external(&self, server: usize, level: bool) {
        self.0[server].store(level, Ordering::Release);
    }
}

struct Machine {
    xics: StdArc<Xics>,
    lines: StdArc<Lines>,
    mail: [AtomicUsize; 2],
    work: [AtomicUsize; 2],
}

impl Machine {
    /// Two processors and two edge-triggered sources, at priorities 5 and 6 of processor 0.
    fn new() -> Arc<Self> {
        let lines = StdArc::new(Lines([AtomicBool::new(false), AtomicBool::new(false)]));
        let xics = Xics::new(2, &[Trigger::Edge; 2], StdArc::clone(&lines) as StdArc<dyn CpuLine>);
        for source in 0..2 {
            let _ = xics.set_xive(FIRST_SOURCE + source, 0, 5 + source);
            let _ = xics.int_on(FIRST_SOURCE + source);
        }
        for server in 0..2 {
            let _ = xics.set_cppr(server, OPEN.into());
        }
        let new = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        Arc::new(Self {
            xics: StdArc::new(xics),
            lines,
            mail: new(),
            work: new(),
        })
    }

    fn signal(&self, source: usize) {
        self.work[source].store(1, Ordering::Release);
        Sources::pulse(&*self.xics, FIRST_SOURCE + source as u32);
    }

    fn send(&self, server: usize, priority: u64) {
        self.mail[server].store(1, Ordering::Release);
        let _ = self.xics.ipi(server as u64, priority);
    }

    /// What a processor does when its line is up.
    fn serve(&self, server: usize) {
        if !self.lines.0[server].load(Ordering::Acquire) {
            return;
        }
        let xirr = self.xics.xirr(server);
        match xirr & 0xff_ffff {
            0 => return,
            IPI => {
                let _ = self.xics.ipi(server as u64, OPEN.into());
                self.mail[server].swap(0, Ordering::AcqRel);
            }
            number => {
                self.work[(number - FIRST_SOURCE) as usize].swap(0, Ordering::AcqRel);
            }
        }
        let _ = self.xics.eoi(server, xirr);
    }

    /// Nothing else runs any more: serves what is shown, and looks for what was forgotten.
    fn settle(&self) {
        for _ in 0..6 {
            self.serve(0);
            self.serve(1);
        }
        for server in 0..2 {
            let shown = self.xics.ipoll(server as u64).unwrap().xirr & 0xff_ffff;
            assert_eq!(shown, 0, "server {server} is still interrupted");
            assert!(
                !self.lines.0[server].load(Ordering::Acquire),
                "line {server} is still up"
            );
            assert_eq!(self.mail[server].load(Ordering::Acquire), 0, "mail of {server} is left");
        }
        for (source, work) in self.work.iter().enumerate() {
            assert_eq!(work.load(Ordering::Acquire), 0, "work of source {source} is left");
        }
    }
}

/// Runs `bodies` against each other in every order and settles; at least `floor` orders must exist.
fn explore(floor: usize, bodies: &'static [fn(&Machine)]) {
    let runs = StdArc::new(Count::new(0));
    let counter = StdArc::clone(&runs);
    loom::model(move || {
        counter.fetch_add(1, Relaxed);
        let machine = Machine::new();
        let threads: Vec<_> = bodies
            .iter()
            .map(|&body| {
                let machine = Arc::clone(&machine);
                thread::spawn(move || body(&machine))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        machine.settle();
    });
    let runs = runs.load(Relaxed);
    assert!(runs >= floor, "only {runs} runs");
}

#[test]
fn an_ipi_and_the_end_of_the_last_one() {
    explore(
        300,
        &[
            |m| m.send(0, 4),
            |m| {
                m.send(0, 4);
                m.serve(0);
            },
        ],
    );
}

#[test]
fn an_edge_and_a_relaxing_processor() {
    explore(
        30,
        &[
            |m| m.signal(0),
            |m| {
                let _ = m.xics.set_cppr(0, 3);
                let _ = m.xics.set_cppr(0, OPEN.into());
            },
        ],
    );
}

#[test]
fn a_displaced_interrupt_and_a_relaxing_processor() {
    explore(
        100,
        &[
            |m| {
                m.signal(1);
                m.signal(0);
            },
            |m| m.serve(0),
        ],
    );
}

#[test]
fn an_ipi_displaces_while_the_source_is_moved() {
    explore(
        200,
        &[
            |m| {
                m.signal(1);
                m.send(0, 4);
            },
            |m| {
                let _ = m.xics.set_xive(FIRST_SOURCE + 1, 1, 5);
            },
        ],
    );
}

#[test]
fn an_edge_and_the_end_of_the_last_one() {
    explore(
        5000,
        &[
            |m| m.signal(0),
            |m| {
                m.signal(0);
                m.serve(0);
            },
        ],
    );
}

#[test]
fn two_sources_and_their_processor() {
    explore(7000, &[|m| m.signal(0), |m| m.signal(1), |m| m.serve(0)]);
}

/// Devices go on while the machine is reset: afterwards nothing is shown, and the next guest gets what is signalled to it.
#[test]
fn a_reset_while_one_interrupt_displaces_another() {
    let runs = StdArc::new(Count::new(0));
    let counter = StdArc::clone(&runs);
    loom::model(move || {
        counter.fetch_add(1, Relaxed);
        let machine = Machine::new();
        let devices = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || {
                machine.signal(1);
                machine.signal(0);
            })
        };
        let reset = {
            let machine = Arc::clone(&machine);
            thread::spawn(move || machine.xics.reset())
        };
        devices.join().unwrap();
        reset.join().unwrap();
        for server in 0..2 {
            assert_eq!(machine.xics.ipoll(server as u64).unwrap().xirr, 0);
            assert!(!machine.lines.0[server].load(Ordering::Acquire), "line {server} is up");
        }
        for source in 0..2 {
            let _ = machine.xics.set_xive(FIRST_SOURCE + source, 0, 5 + source);
            let _ = machine.xics.int_on(FIRST_SOURCE + source);
        }
        for server in 0..2 {
            let _ = machine.xics.set_cppr(server, OPEN.into());
        }
        machine.signal(0);
        machine.signal(1);
        machine.settle();
    });
    let runs = runs.load(Relaxed);
    assert!(runs >= 50, "only {runs} runs");
}
