//! The hypercalls of the console (LoPAR, Virtual I/O, 5.2).

use power::hcall::Status;

use crate::accel::Processor;
use crate::machine::Machine;

/// `H_PUT_TERM_CHAR`: terminal, length, two registers of text.
pub(super) fn put_term_char<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    let status = machine.console.put(cpu.gpr(4), cpu.gpr(5), [cpu.gpr(6), cpu.gpr(7)]);
    if status == Status::Hardware {
        machine.output_failed();
    }
    status
}

/// `H_GET_TERM_CHAR`: terminal; returns length and two registers of text.
pub(super) fn get_term_char<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    match machine.console.get(cpu.gpr(4)) {
        Ok(input) => {
            cpu.set_gpr(4, input.bytes);
            cpu.set_gpr(5, input.words[0]);
            cpu.set_gpr(6, input.words[1]);
            Status::Success
        }
        Err(status) => status,
    }
}
