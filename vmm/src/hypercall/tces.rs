//! The hypercalls of the table that translates for PCI devices (LoPAR, Logical Partitioning Option, "Translation Control Entry
//! Access"). Arguments: logical bus number, bus address, and what is to be there.

use devices::pci::{Bridge, Tce, TceTable};
use power::hcall::Status;

use crate::accel::Processor;
use crate::machine::Machine;

/// Bytes that an entry translates, and of a list of entries.
const PAGE: u64 = 4096;

/// The table of this logical bus number.
fn table(machine: &Machine, number: u64) -> Result<&TceTable, Status> {
    let bridge = machine.pci.as_deref().filter(|_| number == u64::from(Bridge::LIOBN));
    bridge.map(Bridge::tces).ok_or(Status::Parameter)
}

/// Whether the page at `real` is the guest's memory.
fn is_memory(machine: &Machine) -> impl Fn(u64) -> bool {
    |real| machine.ram.contains(real, PAGE)
}

/// `H_GET_TCE`; returns the entry.
pub(super) fn get<P: Processor>(machine: &Machine, cpu: &mut P) -> Status {
    match table(machine, cpu.gpr(4)).and_then(|table| table.get(cpu.gpr(5))) {
        Ok(tce) => {
            cpu.set_gpr(4, tce.raw());
            Status::Success
        }
        Err(status) => status,
    }
}

/// `H_PUT_TCE`: an entry.
pub(super) fn put<P: Processor>(machine: &Machine, cpu: &P) -> Status {
    let put = |table: &TceTable| table.put(cpu.gpr(5), Tce::from_raw(cpu.gpr(6)), is_memory(machine));
    table(machine, cpu.gpr(4)).map_or_else(|status| status, put)
}

/// `H_STUFF_TCE`: an entry, and how often.
pub(super) fn stuff<P: Processor>(machine: &Machine, cpu: &P) -> Status {
    let tce = Tce::from_raw(cpu.gpr(6));
    let stuff = |table: &TceTable| table.stuff(cpu.gpr(5), tce, cpu.gpr(7), is_memory(machine));
    table(machine, cpu.gpr(4)).map_or_else(|status| status, stuff)
}

/// `H_PUT_TCE_INDIRECT`: the page with the entries, and how many. A negative bus number means several tables, an option that is not here.
pub(super) fn put_indirect<P: Processor>(machine: &Machine, cpu: &P) -> Status {
    let number = cpu.gpr(4);
    if number.cast_signed() < 0 {
        return Status::Function;
    }
    let at = cpu.gpr(6);
    let list = || machine.ram.read(at).filter(|_| at.is_multiple_of(PAGE));
    let put = |table: &TceTable| table.put_list(cpu.gpr(5), cpu.gpr(7), list, is_memory(machine));
    table(machine, number).map_or_else(|status| status, put)
}
