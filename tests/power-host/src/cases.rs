//! The list of cases: what `pteg` must do on a POWER host. An entry is all that a new one takes.

use std::time::Duration;

use crate::{Accelerator, Case, File, Machine, On, Pages, Place};

const USUAL: Case = Case::USUAL;

/// Says how large the pages of the host's kernel are: what the first process has is told in KiB and in pages.
const PAGES: &str =
    "echo pages of $(awk '/^VmSize/ { n = $2 } NF == 7 { print n / $1 }' /proc/1/status /proc/1/statm) KiB";

/// A guest program that judges itself, in either byte order, with flags for `pteg run` and what is typed.
macro_rules! program {
    ($name:literal, $flags:literal, $typed:literal) => {
        Case {
            name: concat!($name, "_passes_in_either_byte_order"),
            command: concat!(
                "for order in be le; do printf '",
                $typed,
                "' | pteg run --accel $accel --mem 64M ",
                $flags,
                " --kernel ",
                $name,
                "-$order || exit; done"
            ),
            files: &[File::Program($name)],
            on: On::Each,
            verdicts: &[($name, 2)],
            patience: Duration::from_secs(600),
            ..USUAL
        }
    };
}

/// What Linux does once it is up: all of it in userspace, processes on every processor.
const USERSPACE: File = File::Initrd("userspace", "debian:6.12", include_str!("scripts/userspace.sh"));

/// A Linux guest that stays, to be killed, or reboots when it is told to; if it has a disk, it works with its devices instead. One for several cases: a host's
/// initramfs, of which QEMU takes 128 MiB, has no room for more.
const FOREVER: File = File::Initrd(
    "forever",
    "debian:6.12",
    concat!(include_str!("scripts/drive.sh"), include_str!("scripts/forever.sh")),
);

/// What the race of removals found.
const RACE: &[&str] = &["stale-translations: "];

/// How many cases of each byte order, page and segment size passed, failed and were skipped.
const CONFORMANCE: &[&str] = &["be-", "le-"];

/// Boots Linux on two processors to [`USERSPACE`].
macro_rules! linux {
    ($name:literal, $image:literal, $kernel:literal, $says:literal, $is_long:literal) => {
        Case {
            name: $name,
            is_long: $is_long,
            command: concat!(
                "pteg run --accel $accel --smp 2 --mem 512M --kernel ",
                $kernel,
                ".vmlinux --initrd userspace.initrd --append 'console=hvc0 quiet pteg.console=pipe'"
            ),
            files: &[File::Kernel($image), USERSPACE],
            on: On::One(Accelerator::Kvm),
            says: &[$says, "guest: 2 processors", "guest: forked 200", "guest: is well"],
            patience: Duration::from_secs(900),
            ..USUAL
        }
    };
}

/// What is done to the memory of a guest that goes on storing through mappings that it never changes.
macro_rules! memory {
    ($name:literal, $script:literal, $says:expr) => {
        Case {
            name: $name,
            command: concat!(
                include_str!("scripts/memory.sh"),
                include_str!(concat!("scripts/", $script, ".sh"))
            ),
            files: &[File::Program("old_mappings")],
            on: On::Each,
            says: $says,
            verdicts: &[("old_mappings", 1)],
            patience: Duration::from_secs(900),
            ..USUAL
        }
    };
}

/// Linux with devices on PCI, and interrupts from the `irqchip`.
macro_rules! devices {
    ($name:literal, $irqchip:literal) => {
        Case {
            name: $name,
            is_long: true,
            command: concat!("irqchip=", $irqchip, "\n", include_str!("scripts/devices.sh")),
            files: &[File::Kernel("debian:6.12"), FOREVER],
            on: On::One(Accelerator::Kvm),
            says: &["each finds what the other has left", "Powering off."],
            shown: &["stores that came to pteg: "],
            // The host gets an interface for the network card. Nobody has seen it on the others, and it takes long.
            places: |place| matches!(place, Place::Emulated(Machine::PowerNv8, Pages::Small)),
            patience: Duration::from_secs(5400),
            ..USUAL
        }
    };
}

/// Every case, in the order in which they are run.
pub const CASES: &[Case] = &[
    Case {
        name: "pteg_says_its_version",
        command: "pteg --version",
        says: &["pteg "],
        ..USUAL
    },
    Case {
        name: "wrong_use_is_told",
        command: "pteg run --accel steam",
        status: 2,
        says: &["steam", "--help"],
        ..USUAL
    },
    Case {
        name: "the_kernel_has_a_hashed_page_table",
        command: "uname -m; grep -i mmu /proc/cpuinfo",
        says: &["ppc64", "Hash"],
        places: is_emulated,
        ..USUAL
    },
    Case {
        name: "the_kernel_has_kvm",
        command: "test -c /dev/kvm",
        places: is_emulated,
        ..USUAL
    },
    Case {
        name: "pages_are_small",
        command: PAGES,
        says: &["pages of 4 KiB"],
        places: |place| matches!(place, Place::Emulated(_, Pages::Small)),
        ..USUAL
    },
    Case {
        name: "pages_are_large",
        command: PAGES,
        says: &["pages of 64 KiB"],
        places: |place| matches!(place, Place::Emulated(_, Pages::Large)),
        ..USUAL
    },
    Case {
        name: "the_doctor_finds_nothing_to_change",
        command: "pteg doctor",
        says: &["KVM-PR makes guests"],
        places: is_emulated,
        ..USUAL
    },
    program!("hello", "", ""),
    // Ctrl-D ends it.
    program!("echo", "", "\\004"),
    program!("decrementer", "", ""),
    program!("hypercalls", "", ""),
    program!("page_faults", "", ""),
    program!("smp", "--smp 4", ""),
    program!("sweep", "--smp 3 --append 'tries=3 mib=4 shift=16'", ""),
    Case {
        name: "smp_passes_with_the_interrupt_controller_of_pteg",
        command: "for order in be le; do pteg run --accel $accel --irqchip user --smp 2 --mem 64M --kernel smp-$order || exit; \
                  done",
        files: &[File::Program("smp")],
        on: On::One(Accelerator::Kvm),
        verdicts: &[("smp", 2)],
        patience: Duration::from_secs(600),
        ..USUAL
    },
    Case {
        name: "smp_passes_with_the_interrupt_controller_of_the_kernel",
        command: "for order in be le; do pteg run --accel $accel --irqchip kernel --smp 2 --mem 64M --kernel smp-$order || exit; \
                  done",
        files: &[File::Program("smp")],
        on: On::One(Accelerator::Kvm),
        verdicts: &[("smp", 2)],
        // A POWER9 has another controller below it, in whose place the kernel's is of no use to KVM-PR.
        places: |place| matches!(place, Place::Emulated(Machine::PowerNv8, _)),
        patience: Duration::from_secs(600),
        ..USUAL
    },
    Case {
        name: "the_interrupt_controller_of_the_kernel_is_kvms",
        command: "pteg run --accel emulated --irqchip kernel --mem 64M --kernel smp-le",
        files: &[File::Program("smp")],
        status: 2,
        says: &["only KVM has it"],
        ..USUAL
    },
    program!("hypercall_costs", "--append 'ops=10 rounds=3'", ""),
    Case {
        name: "hypercall_costs_passes_where_the_kernel_answers",
        command: "pteg run --accel $accel --mem 64M --kernel-hcalls --kernel hypercall_costs-le --append 'ops=10 rounds=3'",
        files: &[File::Program("hypercall_costs")],
        on: On::One(Accelerator::Kvm),
        verdicts: &[("hypercall_costs", 1)],
        ..USUAL
    },
    Case {
        name: "cases_of_conformance_with_small_pages_pass",
        command: "pteg conformance --accel $accel --patience 300 --page 4K --segment 256M",
        on: On::One(Accelerator::Kvm),
        says: &["be-4k-256m ", "le-4k-256m "],
        shown: CONFORMANCE,
        patience: Duration::from_secs(1200),
        ..USUAL
    },
    Case {
        name: "all_cases_of_conformance_pass",
        is_long: true,
        command: "pteg conformance --accel $accel --patience 300",
        on: On::One(Accelerator::Kvm),
        says: &["be-4k-256m ", "be-16m-1t ", "le-64k-1t ", "le-16m-1t "],
        shown: CONFORMANCE,
        patience: Duration::from_secs(3600),
        // As long as no other host has seen it.
        places: |place| matches!(place, Place::Emulated(Machine::PowerNv8, Pages::Small)),
        ..USUAL
    },
    // Those that need more than there are skip themselves.
    Case {
        name: "cases_of_conformance_pass_with_one_to_eight_processors",
        is_long: true,
        command: "for vcpus in 1 2 8; do pteg conformance --accel $accel --smp $vcpus --patience 300 --page 4K --segment 256M || exit; \
                  done",
        on: On::One(Accelerator::Kvm),
        says: &["be-4k-256m ", "le-4k-256m "],
        shown: CONFORMANCE,
        patience: Duration::from_secs(3600),
        // As long as no other host has seen it.
        places: |place| matches!(place, Place::Emulated(Machine::PowerNv8, Pages::Small)),
        ..USUAL
    },
    // A round with pages of 64 KiB, and one with pages of 4 KiB in segments of 1 TiB, a table that is resized and ranges that are unmapped.
    Case {
        name: "stress_finds_nothing",
        command: "pteg stress --accel $accel --vcpus 2 --seed 5 --rounds 2",
        on: On::One(Accelerator::Kvm),
        says: &["2 rounds, nothing found"],
        patience: Duration::from_secs(1200),
        ..USUAL
    },
    Case {
        name: "stress_finds_nothing_with_one_to_eight_processors",
        is_long: true,
        command: "for vcpus in 1 2 4 8; do pteg stress --accel $accel --vcpus $vcpus --seed 5 --rounds 4 || exit; done",
        on: On::One(Accelerator::Kvm),
        says: &["4 rounds, nothing found"],
        patience: Duration::from_secs(5400),
        // As long as no other host has seen it.
        places: |place| matches!(place, Place::Emulated(Machine::PowerNv8, Pages::Small)),
        ..USUAL
    },
    // The tries of both orders together are a million when there is time.
    Case {
        name: "nothing_is_stale_lost_or_corrupted_when_a_page_goes_while_others_touch_it",
        command: "for order in be le; do pteg run --accel $accel --smp 2 --mem 64M --kernel stale_translations-$order \
                  --append tries=$((2500 * often)) || exit; done",
        files: &[File::Program("stale_translations")],
        on: On::One(Accelerator::Kvm),
        verdicts: &[("stale_translations", 2)],
        shown: RACE,
        patience: Duration::from_secs(600),
        ..USUAL
    },
    Case {
        name: "the_kernels_own_removals_leave_stale_translations",
        command: include_str!("scripts/kernel_race.sh"),
        files: &[File::Program("stale_translations")],
        on: On::One(Accelerator::Kvm),
        says: &["of the kernel: stale_translations: fail number of tries with something stale"],
        shown: RACE,
        patience: Duration::from_secs(600),
        ..USUAL
    },
    memory!("no_store_is_missing_in_the_dirty_log", "dirty", &["the same at "]),
    memory!(
        "processors_store_to_new_memory_when_theirs_is_discarded",
        "discard",
        &["all rise after "]
    ),
    memory!(
        "a_run_is_looked_at_paused_resumed_and_stopped_through_its_socket",
        "control",
        &["stands still in ", "ends when it is running", "ends when it is paused"]
    ),
    memory!(
        "a_dump_of_a_paused_run_is_what_memory_is_and_the_guest_goes_on",
        "dump",
        &["the same in "]
    ),
    memory!(
        "who_touches_withheld_memory_is_told_of_and_goes_on",
        "watch",
        &[
            "told of all in ",
            "goes on while it is watched",
            "ends while it is watched"
        ]
    ),
    memory!(
        "a_guest_goes_on_while_a_process_that_shares_its_memory_removes_it_and_moves_its_view",
        "share",
        &["rises after "]
    ),
    Case {
        name: "pteg_that_is_killed_leaves_the_host_clean",
        command: include_str!("scripts/killed.sh"),
        files: &[
            File::Kernel("debian:6.12"),
            FOREVER,
            File::Program("smp"),
            File::Program("hello"),
        ],
        on: On::Each,
        says: &["clean after 10 kills"],
        verdicts: &[("hello", 1)],
        patience: Duration::from_secs(900),
        ..USUAL
    },
    Case {
        name: "a_guest_finds_nothing_of_its_last_life",
        command: include_str!("scripts/lives.sh"),
        files: &[File::Program("lives")],
        on: On::Each,
        verdicts: &[("lives", 2)],
        patience: Duration::from_secs(900),
        ..USUAL
    },
    Case {
        name: "a_guest_finds_nothing_of_its_last_life_with_the_interrupt_controller_of_pteg",
        command: concat!("irqchip=user\n", include_str!("scripts/lives.sh")),
        files: &[File::Program("lives")],
        on: On::One(Accelerator::Kvm),
        verdicts: &[("lives", 2)],
        patience: Duration::from_secs(900),
        ..USUAL
    },
    linux!(
        "linux_6_12_with_small_pages_comes_to_userspace",
        "debian:6.12",
        "debian-6.12",
        "guest: pages of 4 KiB",
        false
    ),
    Case {
        name: "linux_comes_to_userspace_with_the_interrupt_controller_of_pteg",
        is_long: true,
        command: "pteg run --accel $accel --irqchip user --smp 2 --mem 512M --kernel debian-6.12.vmlinux \
                  --initrd userspace.initrd --append 'console=hvc0 quiet pteg.console=pipe'",
        files: &[File::Kernel("debian:6.12"), USERSPACE],
        on: On::One(Accelerator::Kvm),
        says: &["guest: 2 processors", "guest: is well"],
        patience: Duration::from_secs(900),
        ..USUAL
    },
    Case {
        name: "linux_reboots_is_reset_and_shut_down",
        is_long: true,
        command: include_str!("scripts/again.sh"),
        files: &[File::Kernel("debian:6.12"), FOREVER],
        on: On::One(Accelerator::Kvm),
        says: &["comes to work in every life", "Powering off."],
        places: |place| matches!(place, Place::Emulated(Machine::PowerNv8, Pages::Small)),
        patience: Duration::from_secs(7200),
        ..USUAL
    },
    devices!("linux_drives_its_devices", "auto"),
    devices!("linux_drives_its_devices_with_the_interrupt_controller_of_pteg", "user"),
    linux!(
        "linux_6_1_with_large_pages_comes_to_userspace",
        "debian",
        "debian",
        "guest: pages of 64 KiB",
        true
    ),
];

fn is_emulated(place: Place) -> bool {
    matches!(place, Place::Emulated(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::HashSet;

    use guest_images::Image;
    use guest_images::programs::Program;

    use crate::FIGURES;

    #[test]
    fn names_are_words_and_no_two_are_alike() {
        let cases = CASES.iter().map(|case| case.name);
        let names: Vec<&str> = cases.chain(FIGURES.iter().map(|figure| figure.name)).collect();
        for name in &names {
            let is_of_a_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(
                name.chars().all(is_of_a_word) && *name != crate::protocol::POWER_OFF,
                "{name}"
            );
        }
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn the_files_that_are_named_can_be_made() {
        let cases = CASES.iter().flat_map(|case| case.files);
        for file in cases.chain(FIGURES.iter().flat_map(|figure| figure.files)) {
            match *file {
                File::Program(name) => assert!(Program::by_name(name).is_some(), "{name}"),
                File::Kernel(name) | File::Initrd(_, name, _) => assert!(Image::by_name(name).is_ok(), "{name}"),
                File::Qemu => {}
            }
        }
    }
}
