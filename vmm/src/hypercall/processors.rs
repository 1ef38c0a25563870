//! The hypercalls by which processors give time to one another (LoPAR, Logical Partitioning Option, 11.3).

use power::hcall::Status;
use power::msr::Msr;

use super::Caller;
use super::dispatch_log::Wait;
use crate::accel::Processor;
use crate::machine::Machine;
use crate::processors::Nap;

/// `H_CEDE`: sleeps until an interrupt or `H_PROD`, with interrupts enabled on return.
pub(super) fn cede<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    cpu.set_msr(Msr::from_raw(cpu.msr().raw() | Msr::EE));
    sleep(caller, cpu, Wait::Ceded);
    Status::Success
}

/// `H_CONFER`: target, its dispatch number.
pub(super) fn confer<P: Processor>(caller: Caller<'_>, cpu: &mut P) -> Status {
    /// All processors of the partition; the argument has 32 bits.
    const ALL: u32 = u32::MAX;
    let (target, dispatches) = (cpu.gpr(4), cpu.gpr(5) as u32);
    let Caller { machine, server } = caller;
    if target as u32 != ALL {
        let Some(processor) = machine.processors.get(target) else {
            return Status::Parameter;
        };
        if target == server as u64 {
            sleep(caller, cpu, Wait::Conferred);
            return Status::Success;
        }
        // Bound, so that no lock of ours is held while we yield.
        let waits_since = processor.areas().waiting_since();
        if waits_since != Some(dispatches) {
            return Status::Success;
        }
    }
    // The host's scheduler gives the target, whose thread is runnable or waits for a reason of its
    // own, its turn.
    let processor = machine.processors.by_server(server);
    processor.areas().leave(&machine.ram);
    std::thread::yield_now();
    processor.areas().arrive(&machine.ram);
    Status::Success
}

/// `H_PROD`: target.
pub(super) fn prod<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    match machine.processors.get(cpu.gpr(4)) {
        Some(processor) => {
            processor.prod();
            Status::Success
        }
        None => Status::Parameter,
    }
}

/// Sleeps until prodded or, with interrupts enabled, until one comes.
fn sleep<P: Processor>(Caller { machine, server }: Caller<'_>, cpu: &mut P, wait: Wait) {
    let processor = machine.processors.by_server(server);
    let interrupts = cpu.msr().has(Msr::EE);
    let nap = || match interrupts {
        false => Nap::Forever,
        true if cpu.interrupt_pending() => Nap::Wake,
        true => Nap::For(cpu.decrementer_remaining()),
    };
    let began = machine.partition.timebase();
    if processor.sleep(&machine.stop, nap, || processor.areas().leave(&machine.ram)) {
        let mut areas = processor.areas();
        areas.arrive(&machine.ram);
        areas.log(&machine.ram, wait, began, machine.partition.timebase());
    }
}
