//! The list of figures: what is measured on a POWER host, by pteg and by what it is compared with.

use crate::{File, Pages, Place};

/// A measurement on a host: nothing is judged but the exit status.
#[derive(Debug)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub side: Side,
    /// As a case's.
    pub command: &'static str,
    /// As a case's.
    pub files: &'static [File],
    /// Where it can be taken.
    pub places: fn(Place) -> bool,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// pteg.
    Ours,
    /// What it is compared with: the kernel's own handlers, QEMU.
    Theirs,
    /// Both, in turns: what takes memory from the processors.
    Unmapping,
}

impl Side {
    /// All.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Theirs, Self::Unmapping];
}

/// A guest that says when it is up, and ends.
const UP: File = File::Initrd("up", "debian", "echo guest: is up");

/// Times the hypercalls of a guest.
macro_rules! costs {
    ($name:literal, $side:expr, $flags:literal) => {
        Figure {
            name: $name,
            side: $side,
            command: concat!(
                "pteg run --accel kvm --mem 64M ",
                $flags,
                " --kernel hypercall_costs-le --append 'ops=100 rounds=5'"
            ),
            files: &[File::Program("hypercall_costs")],
            places: |_| true,
        }
    };
}

/// Takes memory that a guest maps with pages of 2 to the power of `$shift` bytes, and that `$processors` use.
macro_rules! unmap {
    ($name:literal, $shift:literal, $processors:literal) => {
        Figure {
            name: $name,
            side: Side::Unmapping,
            command: concat!(include_str!("scripts/unmap.sh"), "figures ", $shift, " ", $processors),
            files: &[File::Program("sweep")],
            places: |_| true,
        }
    };
}

/// Every figure.
pub const FIGURES: &[Figure] = &[
    costs!("hypercalls_of_pteg", Side::Ours, ""),
    costs!("hypercalls_of_the_kernel", Side::Theirs, "--kernel-hcalls"),
    Figure {
        name: "boot_with_pteg",
        side: Side::Ours,
        command: concat!(
            include_str!("scripts/boot.sh"),
            "boot pteg run --accel kvm --mem 512M --kernel debian-6.12.vmlinux --initrd up.initrd \
             --append 'console=hvc0 quiet pteg.console=pipe'"
        ),
        files: &[File::Kernel("debian:6.12"), UP],
        places: has_large_pages,
    },
    Figure {
        name: "boot_with_qemu",
        side: Side::Theirs,
        command: concat!(include_str!("scripts/boot.sh"), include_str!("scripts/boot_qemu.sh")),
        files: &[File::Kernel("debian:6.12"), UP, File::Qemu],
        places: has_large_pages,
    },
    unmap!("unmap_4k_1_processor", 12, 1),
    unmap!("unmap_4k_4_processors", 12, 4),
    unmap!("unmap_64k_1_processor", 16, 1),
    unmap!("unmap_64k_4_processors", 16, 4),
];

/// QEMU refuses KVM with a POWER8 where the host's pages are small: it wants pages of 64 KiB for devices.
fn has_large_pages(place: Place) -> bool {
    !matches!(place, Place::Emulated(_, Pages::Small))
}
