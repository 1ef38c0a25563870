//! ELF files made by hand, right and wrong.

use std::io::Write as _;

use tempfile::NamedTempFile;

use super::*;

const RAM: Size = Size::from_mib(32);

/// An ELF file of one segment of 16 bytes, in either byte order.
struct Image {
    little: bool,
    class: u8,
    machine: elf::Machine,
    kind: elf::FileType,
    entry: u64,
    offset: u64,
    vaddr: u64,
    paddr: u64,
    filesz: u64,
    memsz: u64,
    program_headers: u16,
    flags: u32,
    contents: Vec<u8>,
}

impl Default for Image {
    /// As Linux is linked: high virtual addresses, physical address 0.
    fn default() -> Self {
        Self {
            little: true,
            class: 2,
            machine: elf::EM_PPC64,
            kind: elf::ET_EXEC,
            entry: 0xc000_0000_0000_0100,
            offset: 120,
            vaddr: 0xc000_0000_0000_0000,
            paddr: 0,
            filesz: 16,
            memsz: 0x1000,
            program_headers: 1,
            flags: elf::PF_R.0 | elf::PF_W.0 | elf::PF_X.0,
            contents: b"segment contents".to_vec(),
        }
    }
}

impl Image {
    fn file(&self) -> NamedTempFile {
        let u16 = |n: u16| if self.little { n.to_le_bytes() } else { n.to_be_bytes() };
        let u32 = |n: u32| if self.little { n.to_le_bytes() } else { n.to_be_bytes() };
        let u64 = |n: u64| if self.little { n.to_le_bytes() } else { n.to_be_bytes() };
        let mut bytes = vec![0x7f, b'E', b'L', b'F', self.class, 2 - u8::from(self.little), 1, 0];
        bytes.resize(16, 0);
        for half in [self.kind.0, self.machine.0] {
            bytes.extend(u16(half));
        }
        bytes.extend(u32(1));
        for double in [self.entry, 64, 0] {
            bytes.extend(u64(double));
        }
        bytes.extend(u32(0));
        for half in [64, 56, self.program_headers, 64, 0, 0] {
            bytes.extend(u16(half));
        }
        assert_eq!(bytes.len(), 64);
        bytes.extend(u32(elf::PT_LOAD.0));
        bytes.extend(u32(self.flags));
        for double in [self.offset, self.vaddr, self.paddr, self.filesz, self.memsz, 0x1_0000] {
            bytes.extend(u64(double));
        }
        bytes.extend(&self.contents);
        written(&bytes)
    }

    fn open(&self) -> Result<Kernel, String> {
        said(Kernel::open(self.file().path(), RAM))
    }
}

fn written(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn said<T>(result: Result<T, KernelError>) -> Result<T, String> {
    result.map_err(|error| format!("{error}: {}", error.cause))
}

#[test]
fn a_kernel_of_either_byte_order_lands_at_its_physical_address() {
    for little in [true, false] {
        for kind in [elf::ET_EXEC, elf::ET_DYN] {
            let kernel = Image {
                little,
                kind,
                paddr: 0x40_0000,
                ..Image::default()
            }
            .open()
            .unwrap();
            assert_eq!(kernel.entry(), 0x40_0100);
            assert_eq!(kernel.extent(), 0x40_0000..0x40_1000);
            let ram = GuestRam::new(RAM).unwrap();
            kernel.load(&ram).unwrap();
            assert_eq!(ram.read(0x40_0000), Some(*b"segment contents"));
            assert_eq!(ram.read(0x40_0010), Some([0; 16]));
        }
    }
}

/// `sc 1` among other instructions, and what it is replaced by, in a kernel's byte order.
fn hypercalls(little: bool, sc_1: u32) -> Vec<u8> {
    let words = [0x3860_0001, sc_1, 0x2200_0044, sc_1];
    let bytes = |word: u32| if little { word.to_le_bytes() } else { word.to_be_bytes() };
    words.map(bytes).concat()
}

#[test]
fn sc_1_is_replaced_in_executable_segments_of_either_byte_order() {
    for little in [true, false] {
        for (flags, replaced) in [(elf::PF_R.0 | elf::PF_X.0, 2), (elf::PF_R.0 | elf::PF_W.0, 0)] {
            let kernel = Image {
                little,
                flags,
                contents: hypercalls(little, 0x4400_0022),
                ..Image::default()
            };
            let kernel = kernel.open().unwrap();
            let ram = GuestRam::new(RAM).unwrap();
            kernel.load(&ram).unwrap();
            assert_eq!(kernel.replace_sc1(&ram).unwrap(), replaced);
            let wanted = if replaced == 0 { 0x4400_0022 } else { 0x7c00_0268 };
            assert_eq!(ram.read::<16>(0).unwrap().to_vec(), hypercalls(little, wanted));
        }
    }
}

#[test]
fn instructions_are_looked_for_where_they_can_lie() {
    // From real address 2, instructions begin two bytes into the segment; there are more than are read at once.
    let mut contents = vec![0; 2 + (256 << 10)];
    let ends = [2, contents.len() - 4];
    for end in ends {
        contents[end..end + 4].copy_from_slice(&0x4400_0022_u32.to_be_bytes());
    }
    let bytes = contents.len() as u64;
    let kernel = Image {
        little: false,
        paddr: 2,
        filesz: bytes,
        memsz: bytes,
        contents,
        ..Image::default()
    };
    let kernel = kernel.open().unwrap();
    let ram = GuestRam::new(RAM).unwrap();
    kernel.load(&ram).unwrap();
    assert_eq!(kernel.replace_sc1(&ram).unwrap(), 2);
    for end in ends {
        assert_eq!(ram.read(2 + end as u64), Some(0x7c00_0268_u32.to_be_bytes()));
    }
}

#[test]
fn a_virtual_base_in_the_physical_address_is_dropped() {
    let kernel = Image {
        paddr: 0xc000_0000_0000_2000,
        ..Image::default()
    }
    .open()
    .unwrap();
    assert_eq!((kernel.entry(), kernel.extent()), (0x2100, 0x2000..0x3000));
}

#[test]
fn each_wrong_file_is_told_what_it_is() {
    let wrong = [
        (
            Image {
                machine: elf::EM_X86_64,
                ..Image::default()
            },
            "for x86-64, not for 64-bit POWER",
        ),
        (
            Image {
                machine: elf::Machine(9999),
                ..Image::default()
            },
            "ELF machine 9999",
        ),
        (
            Image {
                class: 1,
                ..Image::default()
            },
            "32 bits",
        ),
        (
            Image {
                kind: elf::ET_REL,
                ..Image::default()
            },
            "cannot be started",
        ),
        (
            Image {
                entry: 0x1000,
                ..Image::default()
            },
            "entry 0x1000 is in none",
        ),
        (
            Image {
                filesz: 17,
                ..Image::default()
            },
            "outside the file",
        ),
        (
            Image {
                offset: u64::MAX,
                ..Image::default()
            },
            "outside the file",
        ),
        (
            Image {
                memsz: 15,
                ..Image::default()
            },
            "larger in the file",
        ),
        (
            Image {
                memsz: u64::MAX,
                paddr: 0x1000,
                ..Image::default()
            },
            "beyond any memory",
        ),
        (
            Image {
                memsz: 0,
                filesz: 0,
                ..Image::default()
            },
            "in none",
        ),
        (
            Image {
                program_headers: 1000,
                ..Image::default()
            },
            "program headers lie outside",
        ),
        (
            Image {
                paddr: RAM.bytes() - 0xfff,
                ..Image::default()
            },
            "--mem gives 32 MiB",
        ),
    ];
    for (image, words) in wrong {
        let said = image.open().unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_file_that_is_not_elf_is_named_with_what_would_be_right() {
    for bytes in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", b"\x1f\x8b\x08\x00", b"\x7fELF\x02"] {
        let file = written(bytes);
        let said = said(Kernel::open(file.path(), RAM)).unwrap_err();
        assert!(said.contains(file.path().to_str().unwrap()), "{said}");
        assert!(said.contains("ELF"), "{said}");
    }
    let said = said(Kernel::open(written(b"\x1f\x8b\x08").path(), RAM)).unwrap_err();
    assert!(said.contains("gunzip"), "{said}");
}

#[test]
fn a_missing_file_and_a_directory_say_so() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        said(Kernel::open(&folder.path().join("vmlinux"), RAM))
            .unwrap_err()
            .contains("No such file")
    );
    assert!(
        said(Kernel::open(folder.path(), RAM))
            .unwrap_err()
            .contains("directory")
    );
}
