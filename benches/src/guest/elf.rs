//! An ELF file that Linux for ppc64le starts: one segment, entered at its first byte (64-Bit ELF V2 ABI, chapter 4).

use object::elf;
use object::endian::{LittleEndian as LE, U16, U32, U64};
use object::pod::bytes_of;

/// Address of the first byte of a program.
pub const BASE: u64 = 0x1000_0000;

/// Where the segment lies in the file: a multiple of every page size.
const OFFSET: u64 = 0x1_0000;

/// A program of the given instructions.
pub fn program(code: &[u8]) -> Vec<u8> {
    let header_bytes = size_of::<elf::FileHeader64<LE>>() as u16;
    let header = elf::FileHeader64 {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_SYSV,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, elf::ET_EXEC),
        e_machine: U16::new(LE, elf::EM_PPC64),
        e_version: U32::new(LE, elf::EV_CURRENT.0.into()),
        e_entry: U64::new(LE, BASE),
        e_phoff: U64::new(LE, header_bytes.into()),
        e_shoff: U64::new(LE, 0),
        // The second ABI: the entry is an instruction, not a descriptor.
        e_flags: U32::new(LE, elf::FileFlags(2)),
        e_ehsize: U16::new(LE, header_bytes),
        e_phentsize: U16::new(LE, size_of::<elf::ProgramHeader64<LE>>() as u16),
        e_phnum: U16::new(LE, 1),
        e_shentsize: U16::new(LE, 0),
        e_shnum: U16::new(LE, 0),
        e_shstrndx: U16::new(LE, elf::SHN_UNDEF),
    };
    let size = U64::new(LE, code.len() as u64);
    let segment = elf::ProgramHeader64 {
        p_type: U32::new(LE, elf::PT_LOAD),
        p_flags: U32::new(LE, elf::PF_R | elf::PF_X),
        p_offset: U64::new(LE, OFFSET),
        p_vaddr: U64::new(LE, BASE),
        p_paddr: U64::new(LE, BASE),
        p_filesz: size,
        p_memsz: size,
        p_align: U64::new(LE, OFFSET),
    };
    let mut file = bytes_of(&header).to_vec();
    file.extend(bytes_of(&segment));
    file.resize(OFFSET as usize, 0);
    file.extend(code);
    file
}
