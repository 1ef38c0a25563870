//! The hypercalls about the processor time that the partition gets (LoPAR, Logical Partitioning Option, 11.3.6 to
//! 11.3.9).
//!
//! The processors are shared, as the virtual processor area says too: pool 0 has as many as the guest, the
//! partition is entitled to all of them, and nothing can change that. What the host's scheduler and
//! `--threads` make of it is not promised; what a processor waits is in its dispatch trace log.

use power::hcall::Status;

use crate::accel::Processor;
use crate::machine::Machine;

/// Fields of the register of `H_GET_PPP` that tells the platform's capacities.
mod capacities {
    /// The partition never gets more than it is entitled to: it has no more processors.
    pub(super) const CAPPED: u64 = 1 << 48;
    /// Place of the number of processors in the partition's pool.
    pub(super) const IN_POOL_SHIFT: u32 = 16;
}

/// In percent of a processor.
fn entitled(processors: u64) -> u64 {
    100 * processors
}

fn processors(machine: &Machine) -> u64 {
    machine.processors.iter().count() as u64
}

/// `H_GET_PPP`: returns the capacity that the partition is entitled to, what of its pool is unallocated, the
/// numbers of its group and pool, and the platform's capacities.
pub(super) fn get_ppp<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let processors = processors(machine);
    cpu.set_gpr(4, entitled(processors));
    cpu.set_gpr(5, 0);
    cpu.set_gpr(6, 0);
    cpu.set_gpr(
        7,
        capacities::CAPPED | processors << capacities::IN_POOL_SHIFT | processors,
    );
    Status::Success
}

/// `H_SET_PPP`: capacity that the partition wants to be entitled to, weight among those that want more. The
/// partition's constraints leave one value to each.
pub(super) fn set_ppp<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let (capacity, weight) = (cpu.gpr(4), cpu.gpr(5));
    if weight > u64::from(u8::MAX) {
        Status::Parameter
    } else if (capacity, weight) == (entitled(processors(machine)), 0) {
        Status::Success
    } else {
        Status::Constrained
    }
}

/// `H_PURR`: returns the register, which runs with the time base, as no other partition takes time.
pub(super) fn purr<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    cpu.set_gpr(4, machine.partition.timebase());
    Status::Success
}

/// `H_POLL_PENDING`: no work of the hypervisor's waits for a processor.
pub(super) fn poll_pending() -> Status {
    Status::Success
}
