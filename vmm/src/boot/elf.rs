//! The kernel: an ELF file for 64-bit POWER of either byte order, checked first and then copied
//! into guest memory by the host.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, ReadCache};
use power::insn::Endian;
use rustix::fs::{MemfdFlags, memfd_create};

use super::sc1;
use crate::memory::GuestRam;
use crate::size::Size;

/// The real mode of the processor ignores the top four bits of an address, in which a kernel keeps its
/// virtual base: Power ISA v2.07B, Book III-S, 5.7.3.
const REAL: u64 = 0x0fff_ffff_ffff_ffff;

/// Why a file is no kernel for this machine.
#[derive(Debug, thiserror::Error)]
#[error("kernel {}", path.display())]
pub(crate) struct KernelError {
    path: PathBuf,
    #[source]
    cause: Cause,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// The host does not let us read it.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Too short for an ELF header, or without its magic number.
    #[error("not an ELF file{hint}; give a ppc64 vmlinux or a bare-metal ELF program", hint = .0.hint())]
    NotElf(Looks),
    /// ELF, but of 32 bits.
    #[error("an ELF file of 32 bits; give one for 64-bit POWER")]
    NotElf64,
    /// ELF, but for another architecture.
    #[error("an ELF file for {}, not for 64-bit POWER", machine_name(*.0))]
    Machine(elf::Machine),
    /// An object file, a core file.
    #[error("an ELF file that cannot be started (type {}); give an executable", .0.0)]
    Type(elf::FileType),
    /// A damaged or truncated file.
    #[error("a damaged ELF file ({0})")]
    Damaged(&'static str),
    /// Nothing would be started.
    #[error("an ELF file whose entry {0:#x} is in none of its segments")]
    Entry(u64),
    /// Guest memory ends before the kernel does.
    #[error("needs guest memory up to {end:#x}, and --mem gives {size}; give more")]
    Memory {
        /// First address behind the segment.
        end: u64,
        /// What there is.
        size: Size,
    },
}

/// What a file that is not ELF seems to be.
#[derive(Debug)]
pub(crate) enum Looks {
    Gzip,
    Xz,
    Unknown,
}

impl Looks {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Xz,
            _ => Self::Unknown,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Gzip => " (it is compressed: gunzip it first)",
            Self::Xz => " (it is compressed: unxz it first)",
            Self::Unknown => "",
        }
    }
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86-64".into(),
        elf::EM_386 => "x86".into(),
        elf::EM_AARCH64 => "64-bit Arm".into(),
        elf::EM_PPC => "32-bit POWER".into(),
        elf::EM_RISCV => "RISC-V".into(),
        elf::EM_S390 => "s390".into(),
        other => format!("another architecture (ELF machine {})", other.0),
    }
}

/// A part of the file and where it goes.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    file_bytes: u64,
    real: Range<u64>,
    /// Whether there are instructions in it.
    has_code: bool,
}

/// A kernel whose headers have been checked against its file and the size of guest memory.
#[derive(Debug)]
pub(crate) struct Kernel {
    path: PathBuf,
    file: File,
    segments: Vec<Segment>,
    entry: u64,
    endian: Endian,
}

impl Kernel {
    /// Reads and checks the headers of the file at `path`, for a guest with `size` of RAM.
    pub(crate) fn open(path: &Path, size: Size) -> Result<Self, KernelError> {
        Self::check(path, size, File::open(path))
    }

    /// The same for a program that is no file of the user's: its bytes, under a name for messages.
    pub(crate) fn from_bytes(name: &str, elf: &[u8], size: Size) -> Result<Self, KernelError> {
        let file = || {
            let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
            file.write_all(elf)?;
            file.rewind()?;
            Ok(file)
        };
        Self::check(Path::new(name), size, file())
    }

    fn check(path: &Path, size: Size, file: io::Result<File>) -> Result<Self, KernelError> {
        let failed = |cause| KernelError {
            path: path.to_owned(),
            cause,
        };
        let mut file = file.map_err(|error| failed(error.into()))?;
        let headers = headers(&mut file)
            .and_then(|found| fitting(found, size))
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            segments: headers.segments,
            entry: headers.entry,
            endian: headers.endian,
        })
    }

    /// Real address of the first instruction.
    pub(crate) fn entry(&self) -> u64 {
        self.entry
    }

    /// The lowest and the first free real address of the kernel with its zeroed data.
    pub(crate) fn extent(&self) -> Range<u64> {
        let start = self.segments.iter().map(|s| s.real.start).min().unwrap_or(0);
        start..self.segments.iter().map(|s| s.real.end).max().unwrap_or(0)
    }

    /// Copies the segments into `ram`, which is fresh: what the file does not fill is zero already.
    pub(crate) fn load(&self, ram: &GuestRam) -> Result<(), KernelError> {
        for segment in &self.segments {
            ram.load(&self.file, segment.offset, segment.real.start, segment.file_bytes)
                .map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Replaces `sc 1` in what [`Self::load`] has put into `ram`, where segments are executable. Returns how many there were.
    pub(crate) fn replace_sc1(&self, ram: &GuestRam) -> Result<usize, KernelError> {
        let mut replaced = 0;
        for segment in self.segments.iter().filter(|segment| segment.has_code) {
            let unaligned = segment.real.start.wrapping_neg() % 4;
            let mut done = unaligned.min(segment.file_bytes);
            let mut buffer = vec![0; 128 << 10];
            while done < segment.file_bytes {
                let count = buffer.len().min((segment.file_bytes - done) as usize);
                let piece = &mut buffer[..count];
                self.file
                    .read_exact_at(piece, segment.offset + done)
                    .map_err(|error| self.failed(error))?;
                let found = sc1::replace(piece, self.endian);
                if found != 0 {
                    ram.write(segment.real.start + done, piece)
                        .expect("the segment has been loaded there");
                }
                replaced += found;
                done += count as u64;
            }
        }
        Ok(replaced)
    }

    fn failed(&self, error: io::Error) -> KernelError {
        KernelError {
            path: self.path.clone(),
            cause: error.into(),
        }
    }
}

/// What the headers say.
struct Headers {
    /// The loadable segments.
    segments: Vec<Segment>,
    /// Real address of the entry.
    entry: u64,
    /// Byte order.
    endian: Endian,
}

/// Reads them.
fn headers(file: &mut File) -> Result<Headers, Cause> {
    let length = file.metadata()?.len();
    let mut start = Vec::new();
    (&*file)
        .take(size_of::<FileHeader64<Endianness>>() as u64)
        .read_to_end(&mut start)?;
    match start.as_slice() {
        [0x7f, b'E', b'L', b'F', class, ..] if *class == elf::ELFCLASS64.0 => {}
        [0x7f, b'E', b'L', b'F', class, ..] if *class == elf::ELFCLASS32.0 => return Err(Cause::NotElf64),
        other => return Err(Cause::NotElf(Looks::of(other))),
    }
    file.rewind()?;
    let data = ReadCache::new(file);
    let header = FileHeader64::<Endianness>::parse(&data).map_err(|_| Cause::Damaged("its header ends early"))?;
    let endian = header
        .endian()
        .map_err(|_| Cause::Damaged("its byte order is unknown"))?;
    match header.e_machine(endian) {
        elf::EM_PPC64 => {}
        other => return Err(Cause::Machine(other)),
    }
    match header.e_type(endian) {
        elf::ET_EXEC | elf::ET_DYN => {}
        other => return Err(Cause::Type(other)),
    }
    let programs = header
        .program_headers(endian, &data)
        .map_err(|_| Cause::Damaged("its program headers lie outside the file"))?;

    let virtual_entry = header.e_entry(endian);
    let mut entry = None;
    let mut segments = Vec::new();
    for program in programs
        .iter()
        .filter(|p| p.p_type(endian) == elf::PT_LOAD && p.p_memsz(endian) != 0)
    {
        let (offset, file_bytes, bytes) = (
            program.p_offset(endian),
            program.p_filesz(endian),
            program.p_memsz(endian),
        );
        if offset.checked_add(file_bytes).is_none_or(|end| end > length) {
            return Err(Cause::Damaged("a segment lies outside the file"));
        }
        if file_bytes > bytes {
            return Err(Cause::Damaged("a segment is larger in the file than in memory"));
        }
        let real = program.p_paddr(endian) & REAL;
        let end = real
            .checked_add(bytes)
            .ok_or(Cause::Damaged("a segment ends beyond any memory"))?;
        let into = virtual_entry.wrapping_sub(program.p_vaddr(endian));
        if into < bytes {
            entry = entry.or(Some(real + into));
        }
        segments.push(Segment {
            offset,
            file_bytes,
            real: real..end,
            has_code: program.p_flags(endian).0 & elf::PF_X.0 != 0,
        });
    }
    Ok(Headers {
        segments,
        entry: entry.ok_or(Cause::Entry(virtual_entry))?,
        endian: match endian {
            Endianness::Little => Endian::Little,
            Endianness::Big => Endian::Big,
        },
    })
}

/// The same, if it fits.
fn fitting(headers: Headers, size: Size) -> Result<Headers, Cause> {
    match headers.segments.iter().map(|s| s.real.end).max() {
        Some(end) if end > size.bytes() => Err(Cause::Memory { end, size }),
        _ => Ok(headers),
    }
}

#[cfg(test)]
mod tests;
