//! What the guest finds when it starts, without firmware before it: the kernel, the initial RAM disk, the
//! device tree and the RTAS stub in memory, and the registers of the first processor.

mod elf;
mod fdt;
mod layout;
mod processor;
mod rtas_stub;
mod sc1;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devices::pci::Plugged;
use elf::Kernel;
pub(crate) use elf::KernelError;
use fdt::{SEED_BYTES, Tree};
use layout::{Contents, Layout, LayoutError};
#[cfg(target_arch = "powerpc64")]
pub(crate) use processor::Translation;
pub(crate) use processor::{ProcessorKind, UnknownProcessor};

use power::insn::Endian;

use crate::memory::GuestRam;
use crate::offer::Offer;
use crate::random::Randomness;
use crate::size::Size;

/// What to load.
#[derive(Debug)]
pub(crate) struct Files {
    /// ELF file of the kernel.
    pub(crate) kernel: KernelFile,
    /// Initial RAM disk.
    pub(crate) initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub(crate) command_line: String,
}

/// Where a kernel is from.
#[derive(Debug)]
pub(crate) enum KernelFile {
    /// A file.
    Path(PathBuf),
    /// A program that came with pteg.
    BuiltIn {
        /// What the user calls it.
        name: &'static str,
        /// The bytes of its ELF file.
        elf: Vec<u8>,
    },
}

/// The machine that the guest is to find.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Number of processors.
    pub(crate) processors: u32,
    /// What they are.
    pub(crate) processor: ProcessorKind,
    /// Whether the guest's `sc 1` must be replaced by the word that KVM-PR takes for it.
    pub(crate) patch_sc1: bool,
    /// log2 of the size of the hashed page table in bytes.
    pub(crate) hpt_order: u32,
    /// Interrupt source of the console.
    pub(crate) console_interrupt: u32,
    /// Interrupt source of the events of the power supply.
    pub(crate) power_interrupt: u32,
    /// Bytes of NVRAM.
    pub(crate) nvram_bytes: usize,
    /// PCI functions, if there is a PCI host bridge.
    pub(crate) pci: Option<Vec<Plugged>>,
    /// What of the hypercalls is on offer.
    pub(crate) offer: Offer,
    /// Where the seed of the guest's own randomness comes from.
    pub(crate) random: Arc<Randomness>,
}

/// Why there is nothing to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The initial RAM disk.
    #[error("initial RAM disk {}", path.display())]
    Initrd {
        /// Which file.
        path: PathBuf,
        /// What the host answered.
        #[source]
        source: io::Error,
    },
    /// Memory is too small for all.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A command line with a zero byte in it.
    #[error("making the device tree")]
    Tree(#[source] vm_fdt::Error),
    /// No randomness.
    #[error("reading randomness from the host")]
    Seed(#[source] io::Error),
}

impl BootError {
    /// The flag whose value is wrong.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        match self {
            Self::Kernel(_) => Some("kernel"),
            Self::Initrd { .. } => Some("initrd"),
            Self::Layout(_) => Some("mem"),
            Self::Tree(_) => Some("append"),
            Self::Seed(_) => None,
        }
    }
}

/// Whether a guest with `memory` could start this kernel, and has this initial RAM disk.
pub(crate) fn check(kernel: &Path, initrd: Option<&Path>, memory: Size) -> Result<(), BootError> {
    Kernel::open(kernel, memory)?;
    initrd.map_or(Ok(()), |path| Initrd::open(path).map(drop))
}

/// Registers of the first processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Real address of the first instruction.
    pub(crate) pc: u64,
    /// r3: real address of the device tree.
    pub(crate) device_tree: u64,
}

/// Loads `files` into `ram`, which is fresh, and describes `machine` beside them.
pub(crate) fn load(files: &Files, machine: &Machine, ram: &GuestRam) -> Result<Entry, BootError> {
    let kernel = match &files.kernel {
        KernelFile::Path(path) => Kernel::open(path, ram.size())?,
        KernelFile::BuiltIn { name, elf } => Kernel::from_bytes(name, elf, ram.size())?,
    };
    let initrd = files.initrd.as_deref().map(Initrd::open).transpose()?;
    let mut seed = [0; SEED_BYTES];
    machine.random.fill(&mut seed).map_err(BootError::Seed)?;
    let tree = Tree {
        memory: ram.size(),
        processors: machine.processors,
        processor: &machine.processor,
        hpt_order: machine.hpt_order,
        command_line: &files.command_line,
        console_interrupt: machine.console_interrupt,
        power_interrupt: machine.power_interrupt,
        nvram_bytes: machine.nvram_bytes,
        pci: machine.pci.as_deref(),
        offer: machine.offer,
        seed,
    };
    let flatten = |layout: &Layout| tree.flatten(layout).map_err(BootError::Tree);

    // Its size decides where the tree lies, and its contents say where all lies: so it is made twice.
    let placeholder = Layout {
        rtas: 0..1,
        fdt: 0..1,
        initrd: initrd.as_ref().map(|_| 0..1),
    };
    let draft = flatten(&placeholder)?;
    let mut rtas = rtas_stub::code();
    if machine.patch_sc1 {
        sc1::replace(&mut rtas, Endian::Big);
    }
    let contents = Contents {
        rtas: rtas.len() as u64,
        fdt: draft.len() as u64,
        initrd: initrd.as_ref().map(|disk| disk.bytes),
    };
    let layout = Layout::new(ram.size(), &kernel.extent(), contents)?;
    let device_tree = flatten(&layout)?;

    let entry = Entry {
        pc: kernel.entry(),
        device_tree: layout.fdt.start,
    };
    kernel.load(ram)?;
    if machine.patch_sc1 {
        kernel.replace_sc1(ram)?;
    }
    if let (Some(disk), Some(place)) = (initrd, &layout.initrd) {
        disk.load(place.start, ram)?;
    }
    for (bytes, place) in [(&device_tree[..], &layout.fdt), (&rtas[..], &layout.rtas)] {
        ram.write(place.start, bytes).expect("the layout lies inside memory");
    }
    Ok(entry)
}

/// An initial RAM disk that has been found.
struct Initrd<'a> {
    path: &'a Path,
    file: File,
    bytes: u64,
}

impl<'a> Initrd<'a> {
    fn open(path: &'a Path) -> Result<Self, BootError> {
        let failed = |source| BootError::Initrd {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if !about.is_file() {
            return Err(failed(io::Error::other("not a regular file")));
        }
        Ok(Self {
            path,
            file,
            bytes: about.len(),
        })
    }

    fn load(self, real: u64, ram: &GuestRam) -> Result<(), BootError> {
        let failed = |source| BootError::Initrd {
            path: self.path.to_owned(),
            source,
        };
        ram.load(&self.file, 0, real, self.bytes).map_err(failed)
    }
}
