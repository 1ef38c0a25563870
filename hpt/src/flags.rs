//! Which flags a call of the page table knows.
//!
//! LoPAR lets the platform ignore flags that a call does not define, but asks for a mode that checks them
//! (Logical Partitioning Option, 5.4, R1-8 and R1-10). Ours: always that mode, but for the hints of
//! options (memory over-commitment, usage instrumentation), which are free to have no effect.

use power::bits::{bit, field};
use power::hcall::Status;

/// Hints of the CMO option: the page's usage state.
pub(crate) const USAGE_HINTS: u64 = field(28, 31);
/// `H_ENTER`: coalesce candidate, and the hints of the MUI option.
pub(crate) const ENTER_HINTS: u64 = field(42, 46);
/// `H_ENTER` and `H_REMOVE`: compress or decompress the page.
pub(crate) const COMPRESSION: u64 = bit(56);
/// `H_PROTECT`: key, PP and N.
pub(crate) const PROTECTION: u64 = field(50, 55) | field(61, 63);
/// With [`COMPRESSION`]: a checksum as well; without it, of no effect.
pub(crate) const CHECKSUM: u64 = bit(57);

/// `H_Parameter` for flags outside `known`.
pub(crate) fn check(flags: u64, known: u64) -> Result<(), Status> {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(Status::Parameter)
    }
}

/// `H_Function` if compression is asked for: no partition here is authorised to use the coprocessor.
pub(crate) fn refuse_compression(flags: u64) -> Result<(), Status> {
    if flags & COMPRESSION == 0 {
        Ok(())
    } else {
        Err(Status::Function)
    }
}
