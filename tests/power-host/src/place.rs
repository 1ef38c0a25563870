//! Where cases run: machines that QEMU emulates, with the page sizes that a kernel is built for, or this machine itself.

use std::fmt;
use std::str::FromStr;

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// A POWER8 without a hypervisor below Linux.
    PowerNv8,
    /// A POWER9 without a hypervisor below Linux, with a hashed page table.
    PowerNv9,
    /// A guest of QEMU's own hypervisor, with POWER8 processors. That hypervisor takes every `sc 1`, also that of a
    /// guest under KVM-PR.
    PSeries,
}

impl Machine {
    /// Every machine, the usual one first.
    pub const ALL: [Self; 3] = [Self::PowerNv8, Self::PowerNv9, Self::PSeries];

    /// What users call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerNv8 => "powernv8",
            Self::PowerNv9 => "powernv9",
            Self::PSeries => "pseries",
        }
    }

    /// QEMU's arguments for it.
    pub(crate) const fn arguments(self) -> &'static [&'static str] {
        // Without a baseboard controller, powernv does not come to its end after it was powered off.
        match self {
            Self::PowerNv8 => &[
                "-machine",
                "powernv8",
                "-cpu",
                "power8",
                "-device",
                "ipmi-bmc-sim,id=bmc0",
                "-device",
                "isa-ipmi-bt,bmc=bmc0,irq=10",
            ],
            Self::PowerNv9 => &[
                "-machine",
                "powernv9",
                "-cpu",
                "power9",
                "-device",
                "ipmi-bmc-sim,id=bmc0",
                "-device",
                "isa-ipmi-bt,bmc=bmc0,irq=10",
            ],
            // QEMU's own firmware starts in a fifth of the time of the usual one.
            Self::PSeries => &["-machine", "pseries,x-vof=on", "-cpu", "power8"],
        }
    }

    /// QEMU's arguments for a disk of the drive `disk`.
    pub(crate) const fn disk_arguments(self) -> &'static [&'static str] {
        match self {
            // They have no PCI bus unless they are given one. QEMU aborts where a port's name is that of one of its properties.
            Self::PowerNv8 | Self::PowerNv9 => &[
                "-device",
                "pnv-phb,chip-id=0,index=0,id=phb",
                "-device",
                "pnv-phb-root-port,id=rp0",
                "-device",
                "virtio-blk-pci,drive=disk,bus=rp0",
            ],
            Self::PSeries => &["-device", "virtio-blk-pci,drive=disk"],
        }
    }
}

impl FromStr for Machine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|machine| machine.name() == text)
            .ok_or_else(|| format!("`{text}` is not a machine: there are powernv8, powernv9, pseries"))
    }
}

/// The size of the pages of the host's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// 4 KiB.
    Small,
    /// 64 KiB.
    Large,
}

impl Pages {
    /// Both, the usual one first.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// What users call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "4k",
            Self::Large => "64k",
        }
    }
}

impl FromStr for Pages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|pages| pages.name() == text)
            .ok_or_else(|| format!("`{text}` is not a page size: there are 4k, 64k"))
    }
}

/// A host for cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine.
    Native,
    /// One that QEMU emulates.
    Emulated(Machine, Pages),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Emulated(machine, pages) => write!(f, "{}-{}", machine.name(), pages.name()),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "native" {
            return Ok(Self::Native);
        }
        let (machine, pages) = text
            .split_once('-')
            .ok_or_else(|| format!("`{text}` is not a host such as powernv8-4k, or native"))?;
        Ok(Self::Emulated(machine.parse()?, pages.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_from_its_name() {
        let emulated = Machine::ALL
            .into_iter()
            .flat_map(|machine| Pages::ALL.map(|pages| Place::Emulated(machine, pages)));
        for place in emulated.chain([Place::Native]) {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
    }

    #[test]
    fn a_name_that_is_no_place_is_told_what_would_be() {
        for (wrong, right) in [
            ("power", "powernv8-4k"),
            ("powernv10-4k", "powernv9"),
            ("pseries-16k", "64k"),
        ] {
            let message = wrong.parse::<Place>().unwrap_err();
            assert!(message.contains(right), "{message}");
        }
    }
}
