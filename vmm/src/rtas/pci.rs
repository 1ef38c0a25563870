//! The calls of PCI functions (LoPAR, RTAS Call Definition, "PCI Configuration Space" and "MSI Support"). Those without `ibm,` are of the
//! only host bridge there is, the others name it.

use devices::pci::{Bridge, Change, MessageKind, SourceNumber};
use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;

/// The bridge, unless there is none.
fn only(machine: &Machine) -> Result<&Bridge, RtasStatus> {
    machine.pci.as_deref().ok_or(RtasStatus::ParameterError)
}

/// The bridge with this unit ID.
fn named(machine: &Machine, high: u32, low: u32) -> Result<&Bridge, RtasStatus> {
    let is_named = u64::from(high) << 32 | u64::from(low) == Bridge::UNIT;
    only(machine)
        .ok()
        .filter(|_| is_named)
        .ok_or(RtasStatus::ParameterError)
}

/// What `result` says.
fn answer<const N: usize>(result: Result<[u32; N], RtasStatus>) -> Answer {
    match result {
        Ok(results) => Answer::with(results),
        Err(status) => status.into(),
    }
}

/// `read-pci-config`: address, size; returns the value.
pub(super) fn read_config(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let read = || {
        let [address, size] = buffer.inputs()?;
        Ok([only(machine)?.load_config(address, size)?])
    };
    answer(read())
}

/// `write-pci-config`: address, size, value.
pub(super) fn write_config(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let write = || {
        let [address, size, value] = buffer.inputs()?;
        only(machine)?.store_config(address, size, value)?;
        Ok([])
    };
    answer(write())
}

/// `ibm,read-pci-config`: address, unit ID in two words, size; returns the value.
pub(super) fn ibm_read_config(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let read = || {
        let [address, high, low, size] = buffer.inputs()?;
        Ok([named(machine, high, low)?.load_config(address, size)?])
    };
    answer(read())
}

/// `ibm,write-pci-config`: address, unit ID in two words, size, value.
pub(super) fn ibm_write_config(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let write = || {
        let [address, high, low, size, value] = buffer.inputs()?;
        named(machine, high, low)?.store_config(address, size, value)?;
        Ok([])
    };
    answer(write())
}

/// `ibm,change-msi`: address, unit ID in two words, function, number of interrupts, sequence number; returns the final number, the next
/// sequence number and the type. It is done at once, so there is no sequence of calls.
pub(super) fn change_msi(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    /// Type of the interrupts.
    const MSI_X: u32 = 2;
    const FIRST: u32 = 1;
    let change = || {
        let [address, high, low, function, count, sequence] = buffer.inputs()?;
        let kind = match function {
            // With room for the type the platform may choose.
            1 if buffer.outputs() >= 4 => MessageKind::Any,
            1 | 3 | 5 => MessageKind::Msi,
            _ => MessageKind::MsiX,
        };
        let change = match function {
            0 => Change::Query,
            1 | 3 | 4 | 5 => Change::Set(kind, count),
            2 => Change::Default,
            _ => return Err(RtasStatus::ParameterError),
        };
        if sequence != FIRST {
            return Err(RtasStatus::ParameterError);
        }
        let assigned = named(machine, high, low)?.change_msi(address, change)?;
        Ok([assigned.count, FIRST, MSI_X])
    };
    answer(change())
}

/// `ibm,query-interrupt-source-number`: address, unit ID in two words, number of the interrupt; returns its source and the trigger.
pub(super) fn query_interrupt_source_number(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    const LEVEL: u32 = 0;
    const EDGE: u32 = 1;
    let query = || {
        let [address, high, low, number] = buffer.inputs()?;
        Ok(match named(machine, high, low)?.source_number(address, number)? {
            SourceNumber::Level(source) => [source, LEVEL],
            SourceNumber::Edge(source) => [source, EDGE],
        })
    };
    answer(query())
}
