//! The bits of the hypercalls' arguments and results, one module a call or family of calls, in the
//! manual's numbering (LoPAR, Logical Partitioning Option).

/// Flags of the calls that reach the page table or initialise a page (5.3, "Page Frame Table Access flags
/// field definition").
pub mod access {
    use crate::bits::{bit, field};

    /// `H_ENTER`: the entry goes to exactly the given index, or nowhere.
    pub const EXACT: u64 = bit(24);
    /// `H_READ`: real page numbers are to be the guest's.
    pub const TRANSLATE: u64 = bit(25);
    /// `H_READ`: four entries, from an index that is a multiple of four.
    pub const READ_4: u64 = bit(26);
    /// The page's usage state changes (12.3.2.1, "CMO Page Usage State flags Definition").
    pub const CHANGE_USAGE: u64 = bit(28);
    /// The new usage state: all bits are unused, none is active, the others are reserved.
    pub const USAGE_STATE: u64 = field(29, 30);
    /// Of an unused page that it is loaned, of an active one that it is critical.
    pub const USAGE_DEGREE: u64 = bit(31);
    /// `H_REMOVE`, `H_PROTECT`: only if the AVPN argument is that of the entry.
    pub const AVPN: u64 = bit(32);
    /// `H_REMOVE`: only if the AVPN argument and doubleword 0 of the entry have no bit in common.
    pub const ANDCOND: u64 = bit(33);
    /// `H_ENTER`, `H_PAGE_INIT`: drop the page's instruction cache blocks.
    pub const ICACHE_INVALIDATE: u64 = bit(40);
    /// `H_ENTER`, `H_PAGE_INIT`: write the page's data cache blocks back, then drop its instruction
    /// cache blocks.
    pub const ICACHE_SYNCHRONIZE: u64 = bit(41);
    /// `H_ENTER`, `H_PAGE_INIT`: zero the page.
    pub const ZERO_PAGE: u64 = bit(48);
    /// `H_PAGE_INIT`: copy the source page.
    pub const COPY_PAGE: u64 = bit(49);

    const KEY_HIGH: u64 = field(50, 51);
    const KEY_LOW: u64 = field(52, 54);
    const PP0: u64 = bit(55);
    const NO_EXECUTE_AND_PP: u64 = field(61, 63);

    /// The bits of an HPTE's doubleword 1 that `H_PROTECT` replaces: PP0, the key, N and PP.
    pub const PROTECTION_IN_ENTRY: u64 = protection_in_entry(u64::MAX);

    /// The protection that `flags` of `H_PROTECT` ask for, in place for an HPTE's doubleword 1.
    pub const fn protection_in_entry(flags: u64) -> u64 {
        ((flags & PP0) << 55) | ((flags & KEY_HIGH) << 48) | (flags & (KEY_LOW | NO_EXECUTE_AND_PP))
    }
}

/// The first doubleword of a translation specifier of `H_BULK_REMOVE` (5.4.1.7); the second is the
/// AVPN argument of `H_REMOVE`.
///
/// ```text
///      0   1 2    3 4 5 6   7 8                                  63
///     | type| code |R|C| mode |              PTEX                  |
/// ```
pub mod bulk_remove {
    use crate::bits::{bit, field};

    /// Specifiers of one call.
    pub const SPECIFIERS: usize = 4;

    /// Type of a specifier.
    pub const TYPE: u64 = field(0, 1);
    /// Type: this entry is to be removed.
    pub const REQUEST: u64 = bit(1);
    /// Type: this entry has been dealt with.
    pub const RESPONSE: u64 = bit(0);
    /// Type: no more entries.
    pub const END: u64 = TYPE;

    /// Code of a response: the entry was removed.
    pub const SUCCESS: u64 = 0;
    /// Code of a response: the entry was not there.
    pub const NOT_FOUND: u64 = bit(3);
    /// Code of a response: the specifier is wrong.
    pub const PARAMETER: u64 = bit(2);
    /// Bits of the response code.
    pub const CODE: u64 = field(2, 3);

    /// In a successful response: R of the removed entry.
    pub const REFERENCED: u64 = bit(4);
    /// In a successful response: C of the removed entry.
    pub const CHANGED: u64 = bit(5);

    /// The condition of a request: 0 is none.
    pub const MODE: u64 = field(6, 7);
    /// Condition: as with [`access::AVPN`](super::access::AVPN).
    pub const AVPN: u64 = bit(6);
    /// Condition: as with [`access::ANDCOND`](super::access::ANDCOND).
    pub const ANDCOND: u64 = bit(7);

    /// Index of the entry.
    pub const PTEX: u64 = field(8, 63);
}

/// The translation specifiers of `H_BLOCK_REMOVE` (5.4.1.8), as requests and as responses.
///
/// ```text
///      0   1 2    3 4   6    7   8                                63
///     |  01 | page  |    |  AVPN |              PTEX                |
///     |     | state |    |       |                                  |
///
///      0   1 2       4 5 6   7   8                                63
///     |  10 |  code   |R|C|  AVPN |             PTEX                |
/// ```
pub mod block_remove {
    use crate::bits::{bit, field};
    use crate::page::PagePair;

    /// Specifiers of one call.
    pub const SPECIFIERS: usize = 8;
    /// log2 of the pages in a block: naturally aligned, each of the segment's base size.
    pub const BLOCK_PAGES_LOG2: u32 = 3;
    /// The pairs of page sizes whose entries the call removes: those whose blocks lie within one AVPN. The system parameter
    /// "TLB Block Invalidate Characteristics" tells a guest.
    pub const PAIRS: [PagePair; 5] = {
        let [small, in_4k_64k, in_4k_16m, middle, in_64k_16m, _] = PagePair::ALL;
        [small, in_4k_64k, in_4k_16m, middle, in_64k_16m]
    };

    /// Type of a specifier.
    pub const TYPE: u64 = field(0, 1);
    /// Type: this entry is to be removed.
    pub const REQUEST: u64 = bit(1);
    /// Type: this entry has been dealt with.
    pub const RESPONSE: u64 = bit(0);
    /// Type: no more entries.
    pub const END: u64 = TYPE;

    /// Of a request: what becomes of the page's usage state (CMO option).
    pub const PAGE_STATE: u64 = field(2, 3);
    /// The page state that is reserved.
    pub const PAGE_STATE_RESERVED: u64 = bit(3);
    /// The entry goes only if its AVPN is that of the block.
    pub const AVPN: u64 = bit(7);
    /// Index of the entry.
    pub const PTEX: u64 = field(8, 63);

    /// Code of a response: the entry was removed.
    pub const SUCCESS: u64 = 0;
    /// Code of a response: the entry is invalid, bolted, or another one.
    pub const NOT_FOUND: u64 = bit(4);
    /// Code of a response: the specifier is wrong, or the entry's page sizes are not among [`PAIRS`].
    pub const PARAMETER: u64 = bit(3);
    /// Code of a response: page or segment size is not that of the block's first entry.
    pub const INCONSISTENT: u64 = bit(3) | bit(4);
    /// Code of a response: another processor is changing the entry.
    pub const BUSY: u64 = bit(2);
    /// Code of a response: the entry lies in another block than the first one.
    pub const CROSS_BOUNDARY: u64 = bit(2) | bit(4);

    /// In a successful response: R of the removed entry.
    pub const REFERENCED: u64 = bit(5);
    /// In a successful response: C of the removed entry.
    pub const CHANGED: u64 = bit(6);
}

/// Resources of `H_SET_MODE` (5.4.3.5) and their values.
pub mod set_mode {
    /// Completed instruction address breakpoint register.
    pub const CIABR: u64 = 1;
    /// First data address watchpoint register.
    pub const DAWR0: u64 = 2;
    /// Address translation mode on interrupt: LPCR\[AIL\], in the flags.
    pub const ADDRESS_TRANSLATION_MODE: u64 = 3;
    /// Interrupt endianness: LPCR\[ILE\], in the flags.
    pub const LITTLE_ENDIAN: u64 = 4;
}

/// Sub-functions of `H_REGISTER_VPA` (11.3.2): bits 16 to 23 of its flags.
pub mod register_vpa {
    use crate::bits::extract;

    /// Least size of a virtual processor area, in bytes.
    pub const VPA_BYTES_MIN: u64 = 640;
    /// Least size of a dispatch trace log, in bytes.
    pub const DISPATCH_LOG_BYTES_MIN: u64 = 48;
    /// Least size of a SLB shadow buffer, in bytes.
    pub const SLB_SHADOW_BYTES_MIN: u64 = 8;
    /// An area may not cross a multiple of this many bytes (the dispatch trace log may).
    pub const BOUNDARY_BYTES: u64 = 4096;

    /// What is registered or deregistered.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Function {
        /// Registers the virtual processor area.
        RegisterVpa,
        /// Registers the dispatch trace log.
        RegisterDispatchLog,
        /// Registers the SLB shadow buffer.
        RegisterSlbShadow,
        /// Deregisters the virtual processor area.
        DeregisterVpa,
        /// Deregisters the dispatch trace log.
        DeregisterDispatchLog,
        /// Deregisters the SLB shadow buffer.
        DeregisterSlbShadow,
    }

    impl Function {
        /// The sub-function that `flags` ask for; `None` for the reserved ones. The field's three
        /// defined bits are 16 to 18; the rest of its byte must be zero.
        pub const fn from_flags(flags: u64) -> Option<Self> {
            match extract(flags, 16, 23) {
                0b001_00000 => Some(Self::RegisterVpa),
                0b010_00000 => Some(Self::RegisterDispatchLog),
                0b011_00000 => Some(Self::RegisterSlbShadow),
                0b101_00000 => Some(Self::DeregisterVpa),
                0b110_00000 => Some(Self::DeregisterDispatchLog),
                0b111_00000 => Some(Self::DeregisterSlbShadow),
                _ => None,
            }
        }
    }
}

/// What `H_GET_CPU_CHARACTERISTICS` returns: what the processor has in r4 (`characteristics`), what the guest
/// is asked to do in r5 (`behaviour`). LoPAR does not hold this call; bit numbers are those that guests read.
pub mod cpu_characteristics {
    use crate::bits::bit;

    /// r4: `ori 31,31,0` holds back speculation.
    pub const SPECULATION_BARRIER_ORI31: u64 = bit(0);
    /// r4: `bcctr` is not predicted.
    pub const BCCTR_SERIALISED: u64 = bit(1);
    /// r4: `ori 30,30,0` flushes the L1 data cache.
    pub const L1D_FLUSH_ORI30: u64 = bit(2);
    /// r4: a write of TRIG2 flushes the L1 data cache.
    pub const L1D_FLUSH_TRIG2: u64 = bit(3);
    /// r4: threads share no L1 data cache entries.
    pub const L1D_THREAD_PRIVATE: u64 = bit(4);
    /// r4: the count cache is off.
    pub const COUNT_CACHE_DISABLED: u64 = bit(7);

    /// r5: security goes before speed.
    pub const FAVOUR_SECURITY: u64 = bit(0);
    /// r5: flush the L1 data cache on the way to problem state.
    pub const FLUSH_L1D_TO_PROBLEM_STATE: u64 = bit(1);
    /// r5: bounds checks want a speculation barrier.
    pub const BARRIER_AFTER_BOUNDS_CHECK: u64 = bit(2);
    /// r5: flush the count cache on context switches.
    pub const FLUSH_COUNT_CACHE: u64 = bit(5);
    /// r5: flush the link stack on context switches.
    pub const FLUSH_LINK_STACK: u64 = bit(6);
    /// r5: no flush of the L1 data cache is needed on entry to the kernel.
    pub const NO_L1D_FLUSH_ON_ENTRY: u64 = bit(7);
    /// r5: no flush of the L1 data cache is needed after the kernel reads user memory.
    pub const NO_L1D_FLUSH_ON_USER_ACCESS: u64 = bit(8);
    /// r5: no barrier is needed between stores and loads on entry and exit.
    pub const NO_STORE_FORWARD_BARRIER: u64 = bit(9);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values as guests of today send them.
    #[test]
    fn flags_are_where_linux_sends_them() {
        assert_eq!(access::AVPN, 1 << 31);
        assert_eq!(access::ANDCOND, 1 << 30);
        assert_eq!(access::EXACT, 1 << 39);
        assert_eq!(access::READ_4, 1 << 37);
        assert_eq!(access::ZERO_PAGE, 1 << 15);
        assert_eq!(access::COPY_PAGE, 1 << 14);
        assert_eq!(bulk_remove::REQUEST, 0x4000_0000_0000_0000);
        assert_eq!(bulk_remove::RESPONSE, 0x8000_0000_0000_0000);
        assert_eq!(bulk_remove::END, 0xc000_0000_0000_0000);
        assert_eq!(bulk_remove::AVPN, 0x0200_0000_0000_0000);
        assert_eq!(bulk_remove::NOT_FOUND, 0x1000_0000_0000_0000);
        assert_eq!(bulk_remove::PARAMETER, 0x2000_0000_0000_0000);
        assert_eq!(block_remove::AVPN, 0x0100_0000_0000_0000);
        let responses = [
            (block_remove::SUCCESS, 0x80),
            (block_remove::NOT_FOUND, 0x88),
            (block_remove::PARAMETER, 0x90),
            (block_remove::INCONSISTENT, 0x98),
            (block_remove::BUSY, 0xa0),
            (block_remove::CROSS_BOUNDARY, 0xa8),
        ];
        for (code, byte) in responses {
            assert_eq!((block_remove::RESPONSE | code) >> 56, byte);
        }
    }

    /// LoPAR: key0-key4 are bits 50 to 54 of the flags, pp0 is 55, N 61, pp1 and pp2 62 and 63; in
    /// the entry PP0 is bit 0, the key bits 2, 3, 52, 53 and 54.
    #[test]
    fn every_protection_flag_finds_its_bit_of_the_entry() {
        let pairs = [
            (50, 2),
            (51, 3),
            (52, 52),
            (53, 53),
            (54, 54),
            (55, 0),
            (61, 61),
            (62, 62),
            (63, 63),
        ];
        let mut all = 0;
        for (flag, entry) in pairs {
            assert_eq!(access::protection_in_entry(1 << (63 - flag)), 1 << (63 - entry));
            all |= 1 << (63 - entry);
        }
        assert_eq!(access::PROTECTION_IN_ENTRY, all);
    }

    #[test]
    fn a_reserved_sub_function_of_register_vpa_is_none() {
        use register_vpa::Function;
        assert_eq!(Function::from_flags(1 << 45), Some(Function::RegisterVpa));
        assert_eq!(Function::from_flags(7 << 45), Some(Function::DeregisterSlbShadow));
        assert_eq!(Function::from_flags(4 << 45), None);
        assert_eq!(Function::from_flags(0), None);
        assert_eq!(Function::from_flags((1 << 45) | (1 << 40)), None);
    }
}
