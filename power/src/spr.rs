//! Special purpose registers: the numbers that `mtspr` and `mfspr` take, and their names
//! (Power ISA v2.07B, Book I, 3.3.17; Book III-S, 4.4.4; POWER8 Processor User's Manual, Special-Purpose Registers).

/// The number of a special purpose register, 0 to 1023.
///
/// A register that is read and written under different numbers has a constant for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Spr(u16);

/// Defines the registers: constant, number and name in assembler text.
macro_rules! registers {
    ($($(#[$doc:meta])* $constant:ident $number:literal $name:literal;)*) => {
        impl Spr {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*
        }

        /// Every register with a name, in ascending order of numbers.
        const NAMED: &[(Spr, &str)] = &[$((Spr::$constant, $name)),*];
    };
}

registers! {
    /// Fixed-point exception register.
    XER 1 "xer";
    /// Data stream control register, as problem state sees it.
    UDSCR 3 "udscr";
    /// Link register.
    LR 8 "lr";
    /// Count register.
    CTR 9 "ctr";
    /// Authority mask register, as problem state sees it.
    UAMR 13 "uamr";
    /// Data stream control register.
    DSCR 17 "dscr";
    /// Cause of a data storage interrupt.
    DSISR 18 "dsisr";
    /// Effective address of a data storage interrupt.
    DAR 19 "dar";
    /// Decrementer.
    DEC 22 "dec";
    /// Place and size of the page table (hypervisor).
    SDR1 25 "sdr1";
    /// Address to which `rfid` returns.
    SRR0 26 "srr0";
    /// Machine state to which `rfid` returns.
    SRR1 27 "srr1";
    /// Address of the last taken branch.
    CFAR 28 "cfar";
    /// Authority mask register: what each virtual page class key permits.
    AMR 29 "amr";
    /// Available coprocessors.
    ACOP 31 "acop";
    /// Process identifier (POWER9).
    PIDR 48 "pidr";
    /// Instruction authority mask register.
    IAMR 61 "iamr";
    /// Address of the transaction failure handler.
    TFHAR 128 "tfhar";
    /// Address of the instruction that failed a transaction.
    TFIAR 129 "tfiar";
    /// Why a transaction failed.
    TEXASR 130 "texasr";
    /// High half of TEXASR.
    TEXASRU 131 "texasru";
    /// Control register, to be read.
    CTRL_READ 136 "ctrl_read";
    /// Thread identifier (POWER9).
    TIDR 144 "tidr";
    /// Control register, to be written.
    CTRL 152 "ctrl";
    /// Facility status and control register.
    FSCR 153 "fscr";
    /// User authority mask override register.
    UAMOR 157 "uamor";
    /// Problem state priority boost.
    PSPB 159 "pspb";
    /// Directed privileged doorbell exception state (hypervisor).
    DPDES 176 "dpdes";
    /// Data address watchpoint (hypervisor).
    DAWR0 180 "dawr0";
    /// Relative priority register (hypervisor).
    RPR 186 "rpr";
    /// Completed instruction address breakpoint (hypervisor).
    CIABR 187 "ciabr";
    /// Extension of the data address watchpoint (hypervisor).
    DAWRX0 188 "dawrx0";
    /// Facility status and control register of the hypervisor.
    HFSCR 190 "hfscr";
    /// Vector registers in use.
    VRSAVE 256 "vrsave";
    /// SPRG3, as problem state reads it.
    USPRG3 259 "usprg3";
    /// Time base, to be read.
    TB 268 "tb";
    /// High half of the time base, to be read.
    TBU 269 "tbu";
    /// Software's register 0.
    SPRG0 272 "sprg0";
    /// Software's register 1.
    SPRG1 273 "sprg1";
    /// Software's register 2.
    SPRG2 274 "sprg2";
    /// Software's register 3.
    SPRG3 275 "sprg3";
    /// Low half of the time base, to be written (hypervisor).
    TBL_WRITE 284 "tbl_write";
    /// High half of the time base, to be written (hypervisor).
    TBU_WRITE 285 "tbu_write";
    /// High 40 bits of the time base, to be written (hypervisor).
    TBU40 286 "tbu40";
    /// Processor version register.
    PVR 287 "pvr";
    /// Software's hypervisor register 0.
    HSPRG0 304 "hsprg0";
    /// Software's hypervisor register 1.
    HSPRG1 305 "hsprg1";
    /// Cause of a hypervisor data storage interrupt.
    HDSISR 306 "hdsisr";
    /// Effective address of a hypervisor data storage interrupt.
    HDAR 307 "hdar";
    /// Scaled processor utilization of resources register.
    SPURR 308 "spurr";
    /// Processor utilization of resources register.
    PURR 309 "purr";
    /// Hypervisor decrementer.
    HDEC 310 "hdec";
    /// Real mode offset (hypervisor).
    RMOR 312 "rmor";
    /// Hypervisor real mode offset.
    HRMOR 313 "hrmor";
    /// Address to which `hrfid` returns.
    HSRR0 314 "hsrr0";
    /// Machine state to which `hrfid` returns.
    HSRR1 315 "hsrr1";
    /// Logical partitioning control register (hypervisor).
    LPCR 318 "lpcr";
    /// Logical partition identity (hypervisor).
    LPIDR 319 "lpidr";
    /// Hypervisor maintenance exceptions.
    HMER 336 "hmer";
    /// Which hypervisor maintenance exceptions interrupt.
    HMEER 337 "hmeer";
    /// Processor compatibility register (hypervisor).
    PCR 338 "pcr";
    /// Instruction that caused a hypervisor emulation assistance interrupt.
    HEIR 339 "heir";
    /// Authority mask override register (hypervisor).
    AMOR 349 "amor";
    /// Thread number.
    TIR 446 "tir";
    /// Sampled instruction events, as problem state sees them.
    USIER 768 "usier";
    /// Monitor mode control 2, as problem state sees it.
    UMMCR2 769 "ummcr2";
    /// Monitor mode control A, as problem state sees it.
    UMMCRA 770 "ummcra";
    /// Performance counter 1, as problem state sees it.
    UPMC1 771 "upmc1";
    /// Performance counter 2, as problem state sees it.
    UPMC2 772 "upmc2";
    /// Performance counter 3, as problem state sees it.
    UPMC3 773 "upmc3";
    /// Performance counter 4, as problem state sees it.
    UPMC4 774 "upmc4";
    /// Performance counter 5, as problem state sees it.
    UPMC5 775 "upmc5";
    /// Performance counter 6, as problem state sees it.
    UPMC6 776 "upmc6";
    /// Monitor mode control 0, as problem state sees it.
    UMMCR0 779 "ummcr0";
    /// Sampled instruction address, as problem state sees it.
    USIAR 780 "usiar";
    /// Sampled data address, as problem state sees it.
    USDAR 781 "usdar";
    /// Monitor mode control 1, as problem state sees it.
    UMMCR1 782 "ummcr1";
    /// Sampled instruction events.
    SIER 784 "sier";
    /// Monitor mode control 2.
    MMCR2 785 "mmcr2";
    /// Monitor mode control A.
    MMCRA 786 "mmcra";
    /// Performance counter 1.
    PMC1 787 "pmc1";
    /// Performance counter 2.
    PMC2 788 "pmc2";
    /// Performance counter 3.
    PMC3 789 "pmc3";
    /// Performance counter 4.
    PMC4 790 "pmc4";
    /// Performance counter 5.
    PMC5 791 "pmc5";
    /// Performance counter 6.
    PMC6 792 "pmc6";
    /// Monitor mode control 0.
    MMCR0 795 "mmcr0";
    /// Sampled instruction address.
    SIAR 796 "siar";
    /// Sampled data address.
    SDAR 797 "sdar";
    /// Monitor mode control 1.
    MMCR1 798 "mmcr1";
    /// Sets bits of BESCR.
    BESCRS 800 "bescrs";
    /// Sets bits of the high half of BESCR.
    BESCRSU 801 "bescrsu";
    /// Resets bits of BESCR.
    BESCRR 802 "bescrr";
    /// Resets bits of the high half of BESCR.
    BESCRRU 803 "bescrru";
    /// Address of the event-based branch handler.
    EBBHR 804 "ebbhr";
    /// Address to which `rfebb` returns.
    EBBRR 805 "ebbrr";
    /// Event-based branch status and control.
    BESCR 806 "bescr";
    /// Branch target address register.
    TAR 815 "tar";
    /// Processor stop status and control register, as the supervisor sees it (POWER9).
    PSSCR_SUPERVISOR 823 "psscr_s";
    /// Instructions completed.
    IC 848 "ic";
    /// Virtual time base.
    VTB 849 "vtb";
    /// Monitor mode control C (hypervisor).
    MMCRC 851 "mmcrc";
    /// Work counter (hypervisor).
    WORC 863 "worc";
    /// Trigger 0: writes that the core's trace logic sees.
    TRIG0 880 "trig0";
    /// Trigger 1.
    TRIG1 881 "trig1";
    /// Trigger 2.
    TRIG2 882 "trig2";
    /// Thread allocation control.
    TACR 888 "tacr";
    /// Thread control.
    TCSCR 889 "tcscr";
    /// Coprocessor signal.
    CSIGR 890 "csigr";
    /// Supervisor performance counter 1.
    SPMC1 892 "spmc1";
    /// Supervisor performance counter 2.
    SPMC2 893 "spmc2";
    /// Monitor mode control S.
    MMCRS 894 "mmcrs";
    /// Workload optimization register.
    WORT 895 "wort";
    /// Program priority register.
    PPR 896 "ppr";
    /// Program priority register, 32 bits.
    PPR32 898 "ppr32";
    /// Thread status and control (hypervisor).
    TSCR 921 "tscr";
    /// Hardware implementation 0 (hypervisor).
    HID0 1008 "hid0";
    /// Hardware implementation 1 (hypervisor).
    HID1 1009 "hid1";
    /// Hardware implementation 4 (hypervisor).
    HID4 1012 "hid4";
    /// Hardware implementation 5 (hypervisor).
    HID5 1014 "hid5";
    /// Processor identity.
    PIR 1023 "pir";
}

impl Spr {
    /// The register of a number, of which the low ten bits count.
    pub const fn new(number: u16) -> Self {
        Self(number & 0x3ff)
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether problem state may not name it at all (Power ISA v2.07B, Book III-S, 4.4.4: bit 0 of the low half).
    pub const fn is_privileged(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The name in assembler text, in lower case.
    pub fn name(self) -> Option<&'static str> {
        let at = NAMED.binary_search_by_key(&self, |&(spr, _)| spr).ok()?;
        Some(NAMED[at].1)
    }

    /// The register that has this name.
    pub fn by_name(name: &str) -> Option<Self> {
        NAMED.iter().find(|&&(_, known)| known == name).map(|&(spr, _)| spr)
    }
}

impl std::fmt::Display for Spr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::fmt::Debug for Spr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spr({}", self.0)?;
        match self.name() {
            Some(name) => write!(f, " {name})"),
            None => f.write_str(")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_each_other() {
        assert!(NAMED.is_sorted_by(|a, b| a.0 < b.0));
        for &(spr, name) in NAMED {
            assert_eq!(spr.name(), Some(name));
            assert_eq!(Spr::by_name(name), Some(spr));
        }
    }

    #[test]
    fn the_numbers_say_who_may_use_them() {
        for spr in [
            Spr::LR,
            Spr::TAR,
            Spr::USPRG3,
            Spr::TB,
            Spr::USIER,
            Spr::PPR,
            Spr::VRSAVE,
        ] {
            assert!(!spr.is_privileged(), "{spr:?}");
        }
        for spr in [
            Spr::SRR0,
            Spr::SPRG3,
            Spr::SIER,
            Spr::PVR,
            Spr::DEC,
            Spr::TRIG2,
            Spr::CTRL,
        ] {
            assert!(spr.is_privileged(), "{spr:?}");
        }
    }

    #[test]
    fn a_register_without_a_name_is_shown_by_its_number() {
        assert_eq!(format!("{} {:?}", Spr::new(1000), Spr::new(1000)), "1000 Spr(1000)");
        assert_eq!(format!("{} {:?}", Spr::SRR0, Spr::SRR0), "srr0 Spr(26 srr0)");
    }
}
