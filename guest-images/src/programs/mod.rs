//! Guest programs without an operating system: assembled here, started from an ELF file, judged by their last line.
//!
//! Each says `VERDICT <name>: pass`, or `VERDICT <name>: fail <what> expected <value> got <value>`, and powers
//! off. They come in either byte order, and run on any machine that starts an ELF program at its entry in real
//! mode with the device tree's address in r3, so that another hypervisor can confirm what they expect.
//!
//! - `runtime/` is the part they share: entry, interrupts, console, device tree, RTAS, verdict.
//! - `hypercalls`, `page_faults` and `facilities` are lists of steps, which `script` turns into assembler text; the others are such text, in part
//!   made from a list.
//!
//! Users tell them something by words of the kernel's command line. One is for all: `exact=1`, without which they put up
//! with what KVM-PR does otherwise than the architecture: C may be set by a load where a store is permitted, a no-execute
//! segment is executed from, ME is clear in handlers, class keys deny nothing, and the facilities are not there.

pub(crate) mod elf;
mod facilities;
pub(crate) mod hypercalls;
pub(crate) mod layout;
mod litmus;
pub mod old_mappings;
mod page_faults;
mod script;

use power::insn::{Endian, assemble};

use crate::stress::Part;

/// Where programs lie in memory.
const BASE: u64 = 0x40_0000;

/// First byte of the processors' areas, behind every program's bytes.
const AREAS: u64 = 0x50_0000;

/// First byte behind the areas: 64 of 8 KiB each.
const END: u64 = AREAS + 64 * 0x2000;

/// What every program is made of, before its own part.
const RUNTIME: [&str; 7] = [
    include_str!("runtime/entry.s"),
    include_str!("runtime/interrupts.s"),
    include_str!("runtime/console.s"),
    include_str!("runtime/tree.s"),
    include_str!("runtime/arguments.s"),
    include_str!("runtime/rtas.s"),
    include_str!("runtime/verdict.s"),
];

/// What a processor that comes in with the other byte order executes: it changes its own and goes on behind this.
const CHANGE_ORDER: &str = "
    mfmsr   r4
    xori    r4,r4,1
    mtsrr1  r4
    bcl     20,31,.+4
    mflr    r5
    addi    r5,r5,16
    mtsrr0  r5
    rfid
";

/// A place named `label` where a processor may come in with either byte order and goes on at `target` with the program's.
fn entry(label: &str, target: &str, endian: Endian) -> String {
    let other = match endian {
        Endian::Big => Endian::Little,
        Endian::Little => Endian::Big,
    };
    let bytes = assemble(CHANGE_ORDER, 0, other).expect("it is right").bytes;
    let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
    // The trap never happens; in the other byte order it is a branch over the next instruction.
    format!(
        "{label}:\n    tdi 0,0,0x48\n    b {target}\n    .byte {}\n    b {target}\n",
        bytes.join(",")
    )
}

/// A program whose processors begin at `secondary`.
pub(crate) fn of_processors(parts: &[&str], endian: Endian) -> String {
    entry("secondary_entry", "secondary", endian) + &parts.concat() + include_str!("processors.s")
}

/// The program of all processors.
fn smp(endian: Endian) -> String {
    let parts = [
        include_str!("smp.s"),
        include_str!("smp/wrong_starts.s"),
        include_str!("smp/memory.s"),
        include_str!("barrier.s"),
        include_str!("pause.s"),
        include_str!("smp/messages.s"),
    ];
    of_processors(&parts, endian)
}

/// Meetings of processors in memory.
fn litmus(endian: Endian) -> String {
    of_processors(
        &[&litmus::source(), include_str!("barrier.s"), include_str!("pause.s")],
        endian,
    )
}

/// Removals while other processors touch the page.
fn stale_translations(endian: Endian) -> String {
    let parts = [
        include_str!("stale_translations.s"),
        include_str!("stale_translations/touch.s"),
        include_str!("stale_translations/report.s"),
        include_str!("translation.s"),
    ];
    of_processors(&parts, endian)
}

/// Stores through mappings that never change.
fn old_mappings(endian: Endian) -> String {
    of_processors(&[&old_mappings::source(), include_str!("translation.s")], endian)
}

/// Loads from every page of a window, all the time.
fn sweep(endian: Endian) -> String {
    of_processors(&[include_str!("sweep.s"), include_str!("translation.s")], endian)
}

/// The page table under stress.
fn stress(endian: Endian) -> String {
    stress_source(&Part::All, endian)
}

fn stress_source(part: &Part, endian: Endian) -> String {
    of_processors(
        &[
            &crate::stress::source(part),
            include_str!("barrier.s"),
            include_str!("pause.s"),
        ],
        endian,
    )
}

/// The same as an ELF file, with a part of its operations.
pub(crate) fn stress_of(part: &Part, endian: Endian) -> Vec<u8> {
    build("stress", &stress_source(part, endian), endian)
}

/// What hypercalls cost.
fn hypercall_costs() -> String {
    let parts = [
        include_str!("hypercall_costs.s"),
        include_str!("hypercall_costs/operations.s"),
        include_str!("translation.s"),
    ];
    parts.concat()
}

/// A guest program.
#[derive(Debug)]
pub struct Program {
    /// What users and verdict lines call it.
    pub name: &'static str,
    /// One line about it.
    pub description: &'static str,
    source: fn(Endian) -> String,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 15] = [
        Self {
            name: "hello",
            description: "a greeting from a guest without an operating system",
            source: |_| include_str!("hello.s").to_owned(),
        },
        Self {
            name: "echo",
            description: "what is typed comes back, until Ctrl-D",
            source: |_| include_str!("echo.s").to_owned(),
        },
        Self {
            name: "lives",
            description: "finds nothing of the life before it; r reboots, Ctrl-D ends it",
            source: |_| include_str!("lives.s").to_owned(),
        },
        Self {
            name: "ticks",
            description: "says the time base about every millisecond; takes ticks=",
            source: |_| include_str!("ticks.s").to_owned(),
        },
        Self {
            name: "hypercalls",
            description: "the page table's hypercalls and the console's: words, statuses, bad arguments",
            source: |_| hypercalls::source(),
        },
        Self {
            name: "decrementer",
            description: "decrementer interrupts: when they come, and what they leave in the registers",
            source: |_| include_str!("decrementer.s").to_owned(),
        },
        Self {
            name: "facilities",
            description: "messages to itself, priorities, event registers, traces; looks only with exact=1",
            source: |_| facilities::source(),
        },
        Self {
            name: "smp",
            description: "all processors at once: reservations, locks, barriers, inter-processor interrupts",
            source: smp,
        },
        Self {
            name: "litmus",
            description: "meetings of processors in memory that must not end in some ways; takes rounds=",
            source: litmus,
        },
        Self {
            name: "page_faults",
            description: "storage and segment interrupts, protection, class keys, R and C, page and segment sizes, stale translations",
            source: |_| page_faults::source(),
        },
        Self {
            name: "stale_translations",
            description: "entries of the page table come and go while other processors touch the page; takes tries=, delay=",
            source: stale_translations,
        },
        Self {
            name: "old_mappings",
            description: "processors store through mappings that never change, for tests that take the memory away; takes tries=, pause=",
            source: old_mappings,
        },
        Self {
            name: "sweep",
            description: "processors load from memory page by page, for figures of what takes it away; takes tries=, shift=, mib=",
            source: sweep,
        },
        Self {
            name: "stress",
            description: "all processors change the page table and use it, and know what may be seen; takes seed=, ms=, operations=, base=, segment=, crowd=, resize=",
            source: stress,
        },
        Self {
            name: "hypercall_costs",
            description: "what the page table's hypercalls cost, in ticks of the time base; takes ops=, rounds=",
            source: |_| hypercall_costs(),
        },
    ];

    /// The program of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        const ALL: &[Program] = &Program::ALL;
        ALL.iter().find(|program| program.name == name)
    }

    /// The program as an ELF file of the given byte order.
    pub fn elf(&self, endian: Endian) -> Vec<u8> {
        build(self.name, &(self.source)(endian), endian)
    }
}

/// Firmware for machines that start it at real address 0x100 with the device tree's address in r3, and have put a program where it
/// belongs: it starts the program, and does nothing else. It is to lie at real address 0.
pub fn boot_rom() -> Vec<u8> {
    let source =
        format!(".org 0x100\n    lis r12,{BASE:#x}@ha\n    addi r12,r12,{BASE:#x}@l\n    mtctr r12\n    bctr\n");
    assemble(&source, 0, Endian::Big).expect("it is right").bytes
}

/// The program `name` as an ELF file: the runtime, and the program's own part in assembler text, which has `main`.
pub(crate) fn build(name: &str, source: &str, endian: Endian) -> Vec<u8> {
    let source = [
        &format!(".equ BASE,{BASE:#x}\n.equ AREAS,{AREAS:#x}\n"),
        &entry("entry", "start", endian),
        &RUNTIME.concat(),
        source,
        &format!("program_name: .asciz \"{name}\"\nprogram_end:\n"),
    ];
    let program = assemble(&source.join("\n"), BASE, endian).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(
        (program.bytes.len() as u64) < AREAS - BASE,
        "{name} does not end before the areas"
    );
    elf::executable(&program.bytes, BASE, END, endian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_assembles_in_either_byte_order_and_ends_before_the_areas() {
        for program in &Program::ALL {
            for endian in [Endian::Big, Endian::Little] {
                let bytes = program.elf(endian).len() as u64;
                assert!(bytes < AREAS - BASE, "{}: {bytes} bytes", program.name);
            }
        }
    }

    #[test]
    fn the_boot_rom_goes_where_programs_begin() {
        let rom = boot_rom();
        assert!(rom[..0x100].iter().all(|&byte| byte == 0));
        let words: Vec<u32> = rom[0x100..]
            .chunks(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
        // lis r12,0x40; addi r12,r12,0; mtctr r12; bctr
        assert_eq!(words, [0x3d80_0040, 0x398c_0000, 0x7d89_03a6, 0x4e80_0420]);
    }

    #[test]
    fn a_program_is_found_by_its_name() {
        for program in &Program::ALL {
            assert_eq!(
                Program::by_name(program.name).map(|found| found.name),
                Some(program.name)
            );
        }
        assert!(Program::by_name("goodbye").is_none());
    }
}
