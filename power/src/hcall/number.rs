//! Which hypercalls exist: the numbers in r3, for those that this machine answers. Every other
//! number is answered with [`Status::Function`](super::Status::Function).

macro_rules! hcalls {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A hypercall that this machine implements (LoPAR, Logical Partitioning Option, 5.4,
        /// "Hypervisor Call Function Table").
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Hcall {
            $($(#[$doc])* $variant,)*
        }

        impl Hcall {
            /// Every hypercall, by number.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The call that `number` (r3 at `sc 1`) asks for.
            pub const fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The value of r3 that asks for it.
            pub const fn number(self) -> u64 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The name in the manual.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

hcalls! {
    /// Invalidates one HPTE.
    Remove = 0x04, "H_REMOVE";
    /// Enters an HPTE into a group.
    Enter = 0x08, "H_ENTER";
    /// Reads one HPTE or four.
    Read = 0x0c, "H_READ";
    /// Clears C of an HPTE.
    ClearMod = 0x10, "H_CLEAR_MOD";
    /// Clears R of an HPTE.
    ClearRef = 0x14, "H_CLEAR_REF";
    /// Changes the protection of an HPTE.
    Protect = 0x18, "H_PROTECT";
    /// Reads a translation control entry.
    GetTce = 0x1c, "H_GET_TCE";
    /// Sets a translation control entry.
    PutTce = 0x20, "H_PUT_TCE";
    /// Sets SPRG0.
    SetSprg0 = 0x24, "H_SET_SPRG0";
    /// Sets the data address breakpoint.
    SetDabr = 0x28, "H_SET_DABR";
    /// Zeroes or copies a page.
    PageInit = 0x2c, "H_PAGE_INIT";
    /// Loads from a real address, caching inhibited.
    LogicalCiLoad = 0x3c, "H_LOGICAL_CI_LOAD";
    /// Stores to a real address, caching inhibited.
    LogicalCiStore = 0x40, "H_LOGICAL_CI_STORE";
    /// Invalidates an instruction cache block at a real address.
    LogicalIcbi = 0x4c, "H_LOGICAL_ICBI";
    /// Flushes a data cache block at a real address.
    LogicalDcbf = 0x50, "H_LOGICAL_DCBF";
    /// Receives up to 16 bytes from a virtual terminal.
    GetTermChar = 0x54, "H_GET_TERM_CHAR";
    /// Sends up to 16 bytes to a virtual terminal.
    PutTermChar = 0x58, "H_PUT_TERM_CHAR";
    /// Ends an external interrupt.
    Eoi = 0x64, "H_EOI";
    /// Sets the current processor priority.
    Cppr = 0x68, "H_CPPR";
    /// Sends an inter-processor interrupt.
    Ipi = 0x6c, "H_IPI";
    /// Looks at a pending interrupt without accepting it.
    Ipoll = 0x70, "H_IPOLL";
    /// Accepts an external interrupt.
    Xirr = 0x74, "H_XIRR";
    /// Registers a per-processor area.
    RegisterVpa = 0xdc, "H_REGISTER_VPA";
    /// Gives the processor up until something happens.
    Cede = 0xe0, "H_CEDE";
    /// Gives the processor up in favour of another.
    Confer = 0xe4, "H_CONFER";
    /// Wakes a processor that has ceded or conferred.
    Prod = 0xe8, "H_PROD";
    /// Returns how much processor time the partition gets.
    GetPpp = 0xec, "H_GET_PPP";
    /// Asks for more or less processor time.
    SetPpp = 0xf0, "H_SET_PPP";
    /// Returns the processor utilization of resources register.
    Purr = 0xf4, "H_PURR";
    /// Invalidates up to four HPTEs.
    BulkRemove = 0x124, "H_BULK_REMOVE";
    /// Sets up to 512 translation control entries to the same.
    StuffTce = 0x138, "H_STUFF_TCE";
    /// Sets up to 512 translation control entries from a page of them.
    PutTceIndirect = 0x13c, "H_PUT_TCE_INDIRECT";
    /// Says which speculation barriers the processor needs.
    GetCpuCharacteristics = 0x1c8, "H_GET_CPU_CHARACTERISTICS";
    /// Whether the hypervisor would use the processor if it were ceded.
    PollPending = 0x1d8, "H_POLL_PENDING";
    /// Accepts an external interrupt and tells when it came.
    XirrX = 0x2fc, "H_XIRR_X";
    /// Returns 64 random bits.
    Random = 0x300, "H_RANDOM";
    /// Sets a mode or breakpoint register.
    SetMode = 0x31c, "H_SET_MODE";
    /// Invalidates up to eight HPTEs of one block of pages.
    BlockRemove = 0x328, "H_BLOCK_REMOVE";
    /// Prepares a table of another size, or gives a prepared one up.
    ResizeHptPrepare = 0x36c, "H_RESIZE_HPT_PREPARE";
    /// Makes the prepared table the guest's.
    ResizeHptCommit = 0x370, "H_RESIZE_HPT_COMMIT";
    /// Says how the guest translates addresses: by which kind of table, and where the one of its processes is.
    RegisterProcTbl = 0x37c, "H_REGISTER_PROC_TBL";
    /// Runs a RTAS call whose argument buffer is at the address in r4. Ours: the first number
    /// that LoPAR leaves to the platform; only the RTAS blob calls it.
    Rtas = 0xf000, "H_RTAS";
}

impl std::fmt::Display for Hcall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_call() {
        for &call in Hcall::ALL {
            assert_eq!(Hcall::from_number(call.number()), Some(call));
        }
    }

    #[test]
    fn a_number_has_both_low_bits_clear() {
        for call in Hcall::ALL {
            assert_eq!(call.number() % 4, 0, "{call}");
        }
    }

    #[test]
    fn unknown_numbers_are_no_calls() {
        for number in [0, 0x05, 0x1_0000_0004, 0xf004, u64::MAX] {
            assert_eq!(Hcall::from_number(number), None, "{number:#x}");
        }
    }
}
