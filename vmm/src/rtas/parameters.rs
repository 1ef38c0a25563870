//! System parameters (LoPAR, RTAS Call Definition, 16; LoPAR, SPLPAR Characteristics).

use power::rtas::RtasStatus;

use super::{Answer, Buffer};
use crate::machine::Machine;

/// Token of the characteristics of a partition that shares processors.
const SPLPAR_CHARACTERISTICS: u32 = 20;

/// `ibm,get-system-parameter`: parameter, address, length; puts a 16-bit length and the value there, cut
/// off where the buffer ends.
pub(super) fn get(machine: &Machine, buffer: &Buffer<'_>) -> Answer {
    let status = match buffer.inputs() {
        Ok([SPLPAR_CHARACTERISTICS, at, length]) => {
            let text = characteristics(machine);
            let count = u16::try_from(text.len()).expect("the text is short");
            let mut value = count.to_be_bytes().to_vec();
            value.extend(text.as_bytes());
            value.truncate(length as usize);
            match buffer.ram().write(at.into(), &value) {
                Some(()) => RtasStatus::Success,
                None => RtasStatus::BufferError,
            }
        }
        // Both -3: no such parameter, or no such call.
        Ok(_) => RtasStatus::ParameterError,
        Err(status) => status,
    };
    status.into()
}

/// `ibm,set-system-parameter`: parameter, address. None can be set.
pub(super) fn set(buffer: &Buffer<'_>) -> Answer {
    let status = match buffer.inputs() {
        Ok([SPLPAR_CHARACTERISTICS, _]) => RtasStatus::NotAuthorized,
        Ok(_) => RtasStatus::ParameterError,
        Err(status) => status,
    };
    status.into()
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
