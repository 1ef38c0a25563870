//! System parameters (LoPAR, RTAS Call Definition, 16; LoPAR, SPLPAR Characteristics and TLB Block Invalidate
//! Characteristics).

use power::hcall::block_remove;
use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;
use crate::offer::Feature;

/// Token of the characteristics of a partition that shares processors.
const SPLPAR_CHARACTERISTICS: u32 = 20;

/// Token of the characteristics of block invalidations: what `H_BLOCK_REMOVE` takes.
const BLOCK_INVALIDATE_CHARACTERISTICS: u32 = 50;

/// `ibm,get-system-parameter`: parameter, address, length; puts a 16-bit length and the value there, cut
/// off where the buffer ends.
pub(super) fn get(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let status = match buffer.inputs() {
        Ok([parameter, at, length]) => {
            let value = match parameter {
                SPLPAR_CHARACTERISTICS => characteristics(machine).into_bytes(),
                BLOCK_INVALIDATE_CHARACTERISTICS => block_invalidate(machine),
                _ => return RtasStatus::ParameterError.into(),
            };
            let count = u16::try_from(value.len()).expect("each value is short");
            let mut bytes = [&count.to_be_bytes()[..], &value].concat();
            bytes.truncate(length as usize);
            match buffer.ram().write(at.into(), &bytes) {
                Some(()) => RtasStatus::Success,
                None => RtasStatus::BufferError,
            }
        }
        // -3 as well.
        Err(status) => status,
    };
    status.into()
}

/// `ibm,set-system-parameter`: parameter, address. None can be set.
pub(super) fn set(buffer: &Buffer<'_>) -> Answer {
    let status = match buffer.inputs() {
        Ok([SPLPAR_CHARACTERISTICS | BLOCK_INVALIDATE_CHARACTERISTICS, _]) => RtasStatus::NotAuthorized,
        Ok(_) => RtasStatus::ParameterError,
        Err(status) => status,
    };
    status.into()
}

/// How many pages go in one block, and which pages may: one page of no size where the guest has no `H_BLOCK_REMOVE`.
fn block_invalidate(machine: &Machine) -> Vec<u8> {
    /// The L bit of an entry.
    const LARGE: u8 = 1 << 7;
    if !machine.offer.has(Feature::BlockRemove) {
        return vec![0, 0];
    }
    let encodings: Vec<u8> = block_remove::PAIRS
        .iter()
        .map(|pair| pair.encoding() as u8 | if pair.is_large() { LARGE } else { 0 })
        .collect();
    [
        &[block_remove::BLOCK_PAGES_LOG2 as u8, encodings.len() as u8],
        &encodings[..],
    ]
    .concat()
}

/// Keywords and values, with the zero byte at the end. Each processor may use a whole one of the machine's.
fn characteristics(machine: &Machine) -> String {
    let processors = machine.processors.iter().count();
    let memory_mib = machine.ram.size().bytes() >> 20;
    let capacity = processors * 100;
    format!(
        "BoundThrds=0,CapInc=100,MinEntCap=100,MinEntCapPerVP=100,MinMem={memory_mib},MinProcs=1,\
         MaxEntCap={capacity},MaxPlatProcs={processors},DesEntCap={capacity},DesMem={memory_mib},\
         DesProcs={processors},DesVarCapWt=0,DedDonMode=0\0"
    )
}
