//! What a hypercall answers in r3 (LoPAR, Logical Partitioning Option, 5.3, "Hypervisor Call Return Code Table").

/// The return code of a hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Status {
    /// Done.
    Success,
    /// Busy: call again.
    Busy,
    /// The connection or the thing that was to be committed is not open.
    Closed,
    /// The resource is not available.
    NotAvailable,
    /// Less was granted than was asked for.
    Constrained,
    /// Done in part.
    Partial,
    /// Go on: the last unjoined processor called `H_JOIN`.
    Continue,
    /// Busy: call again in about 10 to the power of this many milliseconds (0 to 5).
    LongBusy(u8),
    /// The hardware failed.
    Hardware,
    /// No such function.
    Function,
    /// The caller was in problem state.
    Privilege,
    /// An argument is out of range or in conflict.
    Parameter,
    /// A processor is in a state that the call does not allow.
    BadMode,
    /// The PTE group has no free entry.
    PtegFull,
    /// There is no such entry.
    NotFound,
    /// The breakpoint address is reserved.
    ReservedDabr,
    /// Out of memory.
    NoMem,
    /// The caller has no authority for it.
    Authority,
    /// The mapping does not allow the transfer.
    Permission,
    /// Packets could not be delivered.
    Dropped,
    /// A resource is in use or missing.
    Resource,
    /// The second argument (r5) is invalid.
    P2,
    /// The third argument (r6) is invalid.
    P3,
    /// The fourth argument (r7) is invalid.
    P4,
    /// The fifth argument (r8) is invalid.
    P5,
    /// The page is too big for what the flags ask.
    TooBig,
    /// The state of the thing does not allow the call.
    State,
    /// The flag of this bit number (0 = most significant) is not supported.
    UnsupportedFlag(u8),
}

impl Status {
    /// The value that goes into r3.
    pub const fn to_register(self) -> u64 {
        let code: i64 = match self {
            Self::Success => 0,
            Self::Busy => 1,
            Self::Closed => 2,
            Self::NotAvailable => 3,
            Self::Constrained => 4,
            Self::Partial => 5,
            Self::Continue => 18,
            Self::LongBusy(order) => 9900 + order as i64,
            Self::Hardware => -1,
            Self::Function => -2,
            Self::Privilege => -3,
            Self::Parameter => -4,
            Self::BadMode => -5,
            Self::PtegFull => -6,
            Self::NotFound => -7,
            Self::ReservedDabr => -8,
            Self::NoMem => -9,
            Self::Authority => -10,
            Self::Permission => -11,
            Self::Dropped => -12,
            Self::Resource => -16,
            Self::P2 => -55,
            Self::P3 => -56,
            Self::P4 => -57,
            Self::P5 => -58,
            Self::TooBig => -64,
            Self::State => -75,
            Self::UnsupportedFlag(bit) => -256 - bit as i64,
        };
        code.cast_unsigned()
    }

    /// The answer to `flags` of which only those in `supported` may be set: `Err` names the most
    /// significant unsupported one.
    pub const fn check_flags(flags: u64, supported: u64) -> Result<(), Self> {
        match flags & !supported {
            0 => Ok(()),
            rest => Err(Self::UnsupportedFlag(rest.leading_zeros() as u8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_negative_numbers_of_64_bits() {
        assert_eq!(Status::Parameter.to_register(), 0xffff_ffff_ffff_fffc);
        assert_eq!(Status::LongBusy(2).to_register(), 9902);
    }

    /// LoPAR, H_SET_MODE: the reserved address translation mode 1 is answered with -318 = -256 - 62.
    #[test]
    fn an_unsupported_flag_is_named_by_its_bit() {
        assert_eq!(Status::check_flags(0b10, 0b01), Err(Status::UnsupportedFlag(62)));
        assert_eq!(Status::UnsupportedFlag(62).to_register().cast_signed(), -318);
        assert_eq!(Status::check_flags(0b01, 0b01), Ok(()));
    }
}
