//! The thread that runs one processor: from start to stop, again and again, until the run is over.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use hpt::Port;

use crate::accel::{Exit, Processor};
use crate::hypercall::{self, Caller, Next};
use crate::machine::Machine;
use crate::stop::Ending;

/// Makes the thread of processor `server`. `make` is called in the thread when the processor starts for
/// the first time: processors that a guest never starts cost nothing.
pub(crate) fn spawn<P: Processor>(
    machine: Arc<Machine>,
    server: usize,
    make: impl FnOnce() -> P + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("cpu {server}")).spawn(move || {
        let _enlisted = machine.stop.enlist();
        live(
            Caller {
                machine: &machine,
                server,
            },
            make,
        );
    })
}

fn live<P: Processor>(caller: Caller<'_>, make: impl FnOnce() -> P) {
    let Caller { machine, server } = caller;
    let processor = machine.processors.by_server(server);
    let Some(mut start) = processor.wait_for_start(&machine.stop) else {
        return;
    };
    let mut cpu = make();
    let mut port = machine.hpt.port();
    loop {
        processor.areas().arrive(&machine.ram);
        cpu.start(start.pc, start.r3, start.msr);
        run_until_stopped(caller, &mut port, &mut cpu);
        match processor.wait_for_start(&machine.stop) {
            Some(again) => start = again,
            None => break,
        }
    }
    machine.note_unknown(cpu.unknown_instructions());
    machine.note_instructions(server, cpu.instructions());
}

fn run_until_stopped<P: Processor>(caller: Caller<'_>, port: &mut Port, cpu: &mut P) {
    let Caller { machine, server } = caller;
    let _running = machine.tally.as_ref().map(|tally| tally.run(server));
    while !machine.stop.is_requested() {
        match cpu.run() {
            Exit::Hypercall => {
                if hypercall::dispatch(caller, port, cpu) == Next::Stopped {
                    return;
                }
            }
            // Whoever rang has left the reason where the loop and the processor look. Without an
            // interrupt it is mostly another processor that waits for us to leave the guest, and on a host with fewer
            // processors than the guest it may wait for the very one that we run on.
            Exit::Attention => {
                if !cpu.interrupt_pending() {
                    thread::yield_now();
                }
            }
            Exit::Checkstop(why) => {
                machine.stop.request(Ending::Checkstop {
                    server,
                    why,
                    registers: cpu.registers(),
                });
                return;
            }
        }
    }
}
