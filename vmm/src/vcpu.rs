//! A processor of the guest with all that belongs to it alone, to be carried by one host thread or by another: what
//! it waits for while nobody carries it, and its way through hypercalls while somebody does.
//!
//! Who carries it when is for `carriers` to say.

use std::thread;
use std::time::Instant;

use hpt::{Accessor, Fault, Port};
use power::msr::Msr;

use crate::accel::{Exit, Processor};
use crate::hypercall::{self, Caller, Next, Wait, Waited};
use crate::machine::Machine;
use crate::stop::Ending;
use crate::waits::Delay;

/// A processor and its way to the page table.
struct Body<P> {
    cpu: P,
    port: Port,
    delay: Delay,
}

/// What it does.
enum Doing {
    /// Waits to be started.
    Stopped,
    /// Runs, or is carried by somebody who has seen the end of the run.
    Running,
    /// Sleeps until prodded or, with interrupts enabled, until one comes: the decrementer's at `until`.
    Asleep { waited: Waited, until: Option<Instant> },
    /// Could run, and waits for somebody to carry it.
    Ready(Waited),
}

/// What one who might carry it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It can run now.
    Runs,
    /// It can run from then on, or when somebody wakes it.
    Until(Instant),
    /// Only somebody else can wake it.
    Waits,
}

/// A processor of the guest. Whoever has it carries it.
pub(crate) struct Vcpu<P> {
    server: usize,
    doing: Doing,
    /// Of how many resets it knows.
    resets: u64,
    /// Its last turn ended as it conferred to all others.
    has_conferred_to_all: bool,
    /// Made when it starts for the first time: processors that a guest never starts cost nothing.
    body: Option<Body<P>>,
}

impl<P: Processor> Vcpu<P> {
    /// Processor `server`, which is stopped.
    pub(crate) fn new(server: usize) -> Self {
        Self {
            server,
            doing: Doing::Stopped,
            resets: 0,
            has_conferred_to_all: false,
            body: None,
        }
    }

    /// Its server number.
    pub(crate) fn server(&self) -> usize {
        self.server
    }

    /// Whether it waits because it has conferred to others.
    pub(crate) fn has_conferred(&self) -> bool {
        matches!(&self.doing, Doing::Ready(waited) if waited.is(Wait::Conferred))
    }

    /// Whether all others come before it, as it has conferred to them.
    pub(crate) fn has_conferred_to_all(&self) -> bool {
        self.has_conferred_to_all
    }

    /// Whether it can run, or when, seen at `now`. Notes the time when it is first seen to be able to.
    pub(crate) fn look(&mut self, machine: &Machine, now: Instant) -> Outlook {
        self.follow_reset(machine);
        match &mut self.doing {
            Doing::Ready(_) => Outlook::Runs,
            Doing::Running => Outlook::Waits,
            Doing::Stopped if machine.processors.by_server(self.server).is_starting() => Outlook::Runs,
            Doing::Stopped => Outlook::Waits,
            Doing::Asleep { waited, until } => {
                let Body { cpu, .. } = self.body.as_ref().expect(STARTED);
                if has_reason_to_run(cpu, machine, self.server) {
                    waited.note_ready(machine.partition.timebase());
                    return Outlook::Runs;
                }
                // Always the same time, so that two looks agree about it; but its clock may be behind ours.
                if until.is_some_and(|at| at <= now) {
                    *until = decrementer(cpu, now);
                }
                until.map_or(Outlook::Waits, Outlook::Until)
            }
        }
    }

    /// If the machine was reset, it is stopped.
    fn follow_reset(&mut self, machine: &Machine) {
        let resets = machine.processors.resets();
        if resets != self.resets {
            self.resets = resets;
            self.doing = Doing::Stopped;
            self.has_conferred_to_all = false;
        }
    }

    /// Somebody carries it from here on; it could run when it was looked at. `make` makes the processor. `false`: it can run no more, as the
    /// machine was reset since then.
    #[must_use]
    pub(crate) fn arrive(&mut self, machine: &Machine, make: impl FnOnce(usize) -> P) -> bool {
        self.follow_reset(machine);
        let processor = machine.processors.by_server(self.server);
        match std::mem::replace(&mut self.doing, Doing::Running) {
            Doing::Stopped => {
                let Some(start) = processor.take_start() else {
                    self.doing = Doing::Stopped;
                    return false;
                };
                let body = self.body.get_or_insert_with(|| {
                    let cpu = make(self.server);
                    let port = machine.hpt.port().with_own_flush(cpu.own_flush());
                    Body {
                        cpu,
                        port,
                        delay: Delay::default(),
                    }
                });
                processor.areas().arrive(&machine.ram);
                body.cpu.start(start.pc, start.r3, start.msr);
            }
            Doing::Asleep { waited, .. } => {
                processor.take_prod();
                self.arrive_after(machine, &waited);
            }
            Doing::Ready(waited) => self.arrive_after(machine, &waited),
            Doing::Running => {}
        }
        true
    }

    fn arrive_after(&self, machine: &Machine, waited: &Waited) {
        let now = machine.partition.timebase();
        let mut areas = machine.processors.by_server(self.server).areas();
        areas.arrive_after(&machine.ram, waited, now);
    }

    /// Its turn begins, of so many instructions.
    pub(crate) fn begin_turn(&mut self, instructions: u64) {
        self.body.as_mut().expect(STARTED).cpu.begin_turn(instructions);
    }

    /// Runs it until it has no use for the thread that carries it: it sleeps, confers, stops; the run is over; its turn is
    /// over; or somebody has made it leave the guest and `is_slice_over`. Returns the processor that it confers to. Between two visits to
    /// the guest it waits while the run is paused.
    ///
    /// There is one of it for all kinds of carriers, so that the compiler puts the hypercalls into it, and no more than a jump lies between the guest and them.
    pub(crate) fn run(&mut self, machine: &Machine, is_slice_over: &dyn Fn() -> bool) -> Option<usize> {
        let caller = Caller {
            machine,
            server: self.server,
        };
        let Body { cpu, port, delay } = self.body.as_mut().expect(STARTED);
        let run = || machine.tally.as_ref().map(|tally| tally.run(self.server));
        let mut _running = run();
        let mut confers_to = None;
        self.has_conferred_to_all = false;
        let doing = loop {
            if machine.pause.is_wanted() {
                _running = None;
                machine.pause.leave(self.server);
                // The pauser waits for those who stand.
                hpt::settle();
                machine.pause.enter(self.server);
                _running = run();
            }
            if machine.stop.is_requested() {
                return None;
            }
            // Its areas are gone, and nobody has an account of it to keep.
            if machine.processors.resets() != self.resets {
                break Doing::Stopped;
            }
            let exit = cpu.run(|cpu| hypercall::answer_inside(caller, port, cpu));
            if let Some(count) = cpu.instructions() {
                machine.processors.by_server(self.server).note_instructions(count);
            }
            if let Some(tally) = &machine.tally {
                tally.note_exit(self.server, &exit);
                if matches!(exit, Exit::Attention) {
                    note_work(cpu, machine, self.server);
                }
            }
            match exit {
                Exit::Hypercall => match hypercall::dispatch(caller, port, cpu) {
                    Next::Run => {}
                    Next::Stopped => break Doing::Stopped,
                    Next::Sleep(wait) => {
                        if !has_reason_to_run(cpu, machine, self.server) {
                            _running = None;
                            let waited = Waited::since(machine.partition.timebase(), wait);
                            if !P::DOZES {
                                let until = decrementer(cpu, machine.partition.now());
                                break Doing::Asleep { waited, until };
                            }
                            doze(cpu, machine, self.server, self.resets, waited);
                            _running = run();
                        }
                        machine.processors.by_server(self.server).take_prod();
                    }
                    Next::Confer(target) => {
                        confers_to = target;
                        self.has_conferred_to_all = target.is_none();
                        break Doing::Ready(Waited::since(machine.partition.timebase(), Wait::Conferred));
                    }
                },
                Exit::Attention if cpu.is_turn_over() || is_slice_over() => {
                    break Doing::Ready(Waited::since(machine.partition.timebase(), Wait::Preempted));
                }
                // Whoever rang has left the reason where the loop and the processor look. Without an
                // interrupt it is mostly another processor that waits for us to leave the guest, and on a host with fewer
                // processors than the guest it may wait for the very one that we run on.
                Exit::Attention => {
                    if !cpu.interrupt_pending() {
                        thread::yield_now();
                    }
                }
                // It waits in its carrier's hands, outside its seat: whoever takes the memory away waits for the processor, never the
                // other way round. If the run ends meanwhile, the loop sees it.
                Exit::Withheld { real, access, pc } => {
                    let server = self.server;
                    let by = Accessor::Processor { server, pc };
                    let fault = Fault { real, access, by };
                    machine.pause.leave(self.server);
                    let began = Instant::now();
                    let _: Result<_, _> = machine.ram.frames().wait_for(&fault, &*machine.stop);
                    machine.ram.waits().note_at(delay, cpu.instructions(), began.elapsed());
                    machine.pause.enter(self.server);
                }
                // Outside its seat as well: a device may wait for a lock whose holder takes memory away.
                Exit::Load { real, bytes } => {
                    let mut answer = [0; 8];
                    let answer = &mut answer[..bytes];
                    machine.bus.load(real, answer);
                    cpu.answer(answer);
                }
                Exit::Store { real, operand } => machine.bus.store(real, operand.as_bytes()),
                Exit::Checkstop(why) => {
                    cpu.settle();
                    machine.stop.request(Ending::Checkstop {
                        server: self.server,
                        why,
                        registers: cpu.registers(),
                    });
                    return None;
                }
            }
        };
        cpu.settle();
        if machine.tally.is_some() {
            note_work(cpu, machine, self.server);
        }
        if let Doing::Asleep { .. } | Doing::Ready(_) = doing {
            let mut areas = machine.processors.by_server(self.server).areas();
            if self.has_conferred_to_all {
                areas.leave_to_all(&machine.ram);
            } else {
                areas.leave(&machine.ram);
            }
        }
        self.doing = doing;
        self.follow_reset(machine);
        confers_to
    }

    /// The run is over: what it has to tell.
    pub(crate) fn report(self, machine: &Machine) {
        if let Some(Body { mut cpu, .. }) = self.body {
            machine.note_unknown(cpu.unknown_instructions());
            note_work(&cpu, machine, self.server);
            if let Some(executed) = cpu.take_executed() {
                machine.note_executed(executed);
            }
        }
    }
}

/// Lets others see what it has counted of its work.
fn note_work<P: Processor>(cpu: &P, machine: &Machine, server: usize) {
    if let Some(counts) = cpu.work() {
        machine.processors.by_server(server).note_work(counts);
    }
}

const STARTED: &str = "a processor that has run has been made";

/// Whether a processor that sleeps, or is about to, shall not.
fn has_reason_to_run<P: Processor>(cpu: &P, machine: &Machine, server: usize) -> bool {
    machine.processors.by_server(server).is_prodded() || cpu.interrupt_pending() && cpu.msr().has(Msr::EE)
}

/// Lets a processor that sees to its own sleep sleep here, in its carrier's hands. To the others it does not run meanwhile.
/// A reset of the machine, of which it knows `resets`, ends its sleep.
fn doze<P: Processor>(cpu: &mut P, machine: &Machine, server: usize, resets: u64, mut waited: Waited) {
    let processor = machine.processors.by_server(server);
    let is_reset = || machine.processors.resets() != resets;
    processor.areas().leave(&machine.ram);
    machine.pause.leave(server);
    cpu.doze(&|| processor.is_prodded() || machine.stop.is_requested() || is_reset());
    machine.pause.enter(server);
    if is_reset() {
        return;
    }
    let now = machine.partition.timebase();
    waited.note_ready(now);
    processor.areas().arrive_after(&machine.ram, &waited, now);
}

/// When the decrementer will give a sleeping processor a reason to run. A time that the host's clock cannot tell does
/// not come.
fn decrementer<P: Processor>(cpu: &P, now: Instant) -> Option<Instant> {
    let remaining = cpu.msr().has(Msr::EE).then(|| cpu.decrementer_remaining())?;
    now.checked_add(remaining)
}

#[cfg(test)]
mod tests;
