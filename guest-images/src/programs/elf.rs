//! An ELF file for 64-bit POWER with one segment (System V ABI, chapters 4 and 5).

use power::insn::Endian;

/// Bytes of the file's header and of a program header.
const HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;

/// Where the segment lies in the file: at the same place of its page as in memory, however large pages are.
const OFFSET: u64 = 0x1000;
const OFFSET_FOR_LINUX: u64 = 0x1_0000;

/// Flags: no ABI, as no function is called from outside.
const NO_ABI: u32 = 0;
/// Flags: the second ABI, where the entry is an instruction and not a descriptor.
const ELF_V2: u32 = 2;

const EXECUTABLE: u16 = 2;
const PPC64: u16 = 21;
const VERSION: u32 = 1;
const LOAD: u32 = 1;
const READ_WRITE_EXECUTE: u32 = 7;

/// The fields of a header, one after the other.
struct Fields {
    bytes: Vec<u8>,
    endian: Endian,
}

impl Fields {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(match self.endian {
            Endian::Big => value.to_be_bytes(),
            Endian::Little => value.to_le_bytes(),
        });
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(match self.endian {
            Endian::Big => value.to_be_bytes(),
            Endian::Little => value.to_le_bytes(),
        });
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(match self.endian {
            Endian::Big => value.to_be_bytes(),
            Endian::Little => value.to_le_bytes(),
        });
    }
}

/// An executable that holds `contents` at the real and virtual address `base`, zeros behind them up to `end`, and
/// is entered at `base`.
pub(super) fn executable(contents: &[u8], base: u64, end: u64, endian: Endian) -> Vec<u8> {
    file(contents, (base, end), (OFFSET, NO_ABI), endian)
}

/// The same for Linux, whatever its page size, without anything behind `contents`.
pub(crate) fn for_linux(contents: &[u8], base: u64, endian: Endian) -> Vec<u8> {
    let end = base + contents.len() as u64;
    file(contents, (base, end), (OFFSET_FOR_LINUX, ELF_V2), endian)
}

fn file(contents: &[u8], (base, end): (u64, u64), (offset, flags): (u64, u32), endian: Endian) -> Vec<u8> {
    let data = match endian {
        Endian::Big => 2,
        Endian::Little => 1,
    };
    let identification = [0x7f, b'E', b'L', b'F', 2, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut file = Fields {
        bytes: identification.to_vec(),
        endian,
    };
    file.u16(EXECUTABLE);
    file.u16(PPC64);
    file.u32(VERSION);
    file.u64(base);
    // Program headers; no section headers.
    file.u64(HEADER.into());
    file.u64(0);
    file.u32(flags);
    for size in [HEADER, PROGRAM_HEADER, 1, 0, 0, 0] {
        file.u16(size);
    }
    file.u32(LOAD);
    file.u32(READ_WRITE_EXECUTE);
    for value in [offset, base, base, contents.len() as u64, end - base, offset] {
        file.u64(value);
    }
    file.bytes.resize(offset as usize, 0);
    file.bytes.extend(contents);
    file.bytes
}

#[cfg(test)]
mod tests {
    use object::read::elf::{ElfFile64, ProgramHeader as _};
    use object::{Architecture, Endianness, Object as _, ObjectSegment as _};

    use super::*;

    /// As an independent reader sees it.
    #[test]
    fn the_file_has_one_segment_at_its_place() {
        for (endian, is_little) in [(Endian::Big, false), (Endian::Little, true)] {
            let file = executable(b"contents", 0x40_0000, 0x50_0000, endian);
            let file = ElfFile64::<Endianness>::parse(&*file).unwrap();
            assert_eq!(
                (file.architecture(), file.is_little_endian()),
                (Architecture::PowerPc64, is_little)
            );
            assert_eq!(file.entry(), 0x40_0000);
            let segments: Vec<_> = file.segments().collect();
            assert_eq!(segments.len(), 1);
            assert_eq!(segments[0].data().unwrap(), b"contents");
            assert_eq!((segments[0].address(), segments[0].size()), (0x40_0000, 0x10_0000));
            assert_eq!(file.elf_program_headers()[0].p_paddr(file.endian()), 0x40_0000);
        }
    }
}
