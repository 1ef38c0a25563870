//! What the measured guests do: the first process and its programs, and the kernel that only says that it runs.

mod elf;

use std::fs;
use std::path::Path;

use guest_images::{ExtraFile, ImageOptions, Init};
use object::read::elf::{ElfFile64, FileHeader as _};
use object::{Endianness, Object as _, ObjectSegment as _};
use power::insn::{Endian, assemble};

use crate::error::{Error, Result};

/// On the console when the first process starts.
pub const AT_INIT: &str = "bench: init";

/// The parts of the work: name, and what is on the console when it was done, and rightly.
pub const PARTS: [(&str, &str); 3] = [
    ("processes", "bench: processes 200"),
    ("mappings", "bench: mappings"),
    ("files", "bench: files 79800"),
];

/// On the console when the first instruction has run.
pub const AT_FIRST_INSTRUCTION: &str = "{first}";

/// Bytes that the first instructions may take.
const REPLACED: usize = 0x80;

/// On the console when all of [`parallel_workload`] is done.
pub const AT_DONE: &str = "bench: done by";

/// On the kernel's command line: nothing of [`parallel_workload`] is to be done.
pub const BOOT_ONLY: &str = "bench=boot";

/// The first process of a guest whose disk or network card is measured.
pub const IO_SCRIPT: &str = include_str!("io.sh");

/// Makes an image do the fixed work.
pub fn workload() -> ImageOptions {
    image(include_str!("init.sh"))
}

/// Makes an image do the processes and mappings of the fixed work on every processor at the same time, each all of them.
pub fn parallel_workload() -> ImageOptions {
    image(include_str!("parallel.sh"))
}

/// An image whose first process is `init`.
fn image(init: &str) -> ImageOptions {
    ImageOptions {
        init: Init::Replace(init.to_owned()),
        extra_files: vec![ExtraFile {
            path: "bin/mappings".to_owned(),
            permissions: 0o755,
            contents: elf::program(&assembled(include_str!("mappings.s"), elf::BASE, Endian::Little)),
        }],
        ..ImageOptions::default()
    }
}

/// The kernel of `path` with other first instructions, which put [`AT_FIRST_INSTRUCTION`] on the console and
/// then go in a circle. All the rest is what it was, so it takes as long to load.
pub fn kernel_that_says_it_runs(path: &Path) -> Result<Vec<u8>> {
    let mut kernel = fs::read(path).map_err(|source| Error::io("reading", path, source))?;
    let at = entry_in_file(&kernel).ok_or_else(|| Error::NoEntry { path: path.to_owned() })?;
    let first = assembled(include_str!("first.s"), 0, Endian::Big);
    assert!(first.len() <= REPLACED, "the source is part of this program");
    kernel[at..at + first.len()].copy_from_slice(&first);
    Ok(kernel)
}

/// Where in the file of a kernel its first instruction is.
fn entry_in_file(kernel: &[u8]) -> Option<usize> {
    let file = ElfFile64::<Endianness>::parse(kernel).ok()?;
    let entry = file.elf_header().e_entry(file.endian());
    let segment = file
        .segments()
        .find(|segment| (segment.address()..segment.address() + segment.size()).contains(&entry))?;
    let at = usize::try_from(segment.file_range().0 + (entry - segment.address())).ok()?;
    (at + REPLACED <= kernel.len()).then_some(at)
}

fn assembled(source: &str, origin: u64, endian: Endian) -> Vec<u8> {
    assemble(source, origin, endian)
        .expect("the sources are part of this program")
        .bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_what_the_kernel_writes() {
        let word = |source: &str| assembled(source, 0, Endian::Big);
        let kernel = assembled(include_str!("first.s"), 0, Endian::Big);
        let line = format!("{AT_FIRST_INSTRUCTION}\n").into_bytes();
        assert_eq!(line.len(), 8);
        for (at, mnemonic) in [(0, "lis r6"), (2, "ori r6,r6"), (4, "oris r6,r6"), (6, "ori r6,r6")] {
            let value = u16::from_be_bytes([line[at], line[at + 1]]);
            let wanted = word(&format!("{mnemonic},{value:#x}"));
            assert!(kernel.chunks(4).any(|instruction| instruction == wanted), "{at}");
        }
    }

    #[test]
    fn the_entry_of_a_program_is_found_in_its_file() {
        let code = assembled("nop\n.space 0x200", elf::BASE, Endian::Little);
        let file = elf::program(&code);
        let at = entry_in_file(&file).unwrap();
        assert_eq!(file[at..], code);
        assert_eq!(entry_in_file(&file[..at + 4]), None);
        assert_eq!(entry_in_file(b"not a kernel"), None);
    }

    #[test]
    fn the_sum_of_the_files_is_the_one_that_is_waited_for() {
        let sum: u32 = (0..400).sum();
        assert_eq!(PARTS[2].1, format!("bench: files {sum}"));
    }
}
