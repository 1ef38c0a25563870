//! The guests that a user can name: where the command line meets `guest-images`.

use std::io::{self, Write};

use guest_images::programs::Program;
use guest_images::{Cache, Console, DiskImage, Image, ImageOptions, Prepared, Stderr};
use power::insn::Endian;
use rustix::stdio::stdin;
use rustix::termios::isatty;

use crate::boot::{Files, KernelFile};
use crate::root_disk;

/// Why there is no such guest to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// The name is wrong.
    #[error("there is no image `{name}`; there are {}", names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// What the user asked for.
        name: String,
    },
    /// The name is no root disk's.
    #[error("there is no root disk `{name}`; there are {}", DiskImage::ALL.map(|image| image.name).join(", "))]
    NoDisk {
        /// What the user asked for.
        name: String,
    },
    /// An image that starts from a disk, and no disk.
    #[error(
        "{name} starts from a disk of yours: make one with `pteg image {name} --output root.img`, and add --disk root.img,format=raw"
    )]
    NeedsDisk {
        /// The image.
        name: &'static str,
    },
    /// It could not be made.
    #[error(transparent)]
    Make(#[from] guest_images::Error),
}

/// All names, images of distributions first.
fn names() -> impl Iterator<Item = &'static str> {
    Image::ALL
        .map(|image| image.name)
        .into_iter()
        .chain(DiskImage::ALL.map(|image| image.name))
        .chain(Program::ALL.map(|program| program.name))
}

/// Whether there is a guest `name`; some need that it `has_disk`.
pub(crate) fn check(name: &str, has_disk: bool) -> Result<(), ImageError> {
    match DiskImage::by_name(name) {
        Some(image) if !has_disk => Err(ImageError::NeedsDisk { name: image.name }),
        _ if names().any(|known| known == name) => Ok(()),
        _ => Err(ImageError::Unknown { name: name.to_owned() }),
    }
}

/// Makes the guest `name` ready, fetching what is not here yet; `append` is added to its command line.
/// The second value keeps temporary files until the run is over. Some images need that the guest `has_disk`.
pub(crate) fn prepare(name: &str, append: &str, has_disk: bool) -> Result<(Files, Option<Prepared>), ImageError> {
    if let Some(program) = Program::by_name(name) {
        // They run in either byte order; this one is the order of the images.
        let kernel = KernelFile::BuiltIn {
            name: program.name,
            elf: program.elf(Endian::Little),
        };
        return Ok((
            Files {
                kernel,
                initrd: None,
                command_line: append.to_owned(),
            },
            None,
        ));
    }
    if let Some(image) = DiskImage::by_name(name) {
        if !has_disk {
            return Err(ImageError::NeedsDisk { name: image.name });
        }
        let prepared = root_disk::prepare(image)?;
        let files = Files {
            kernel: KernelFile::Path(prepared.kernel),
            initrd: Some(prepared.initrd),
            command_line: format!("{} {append}", prepared.append).trim_end().to_owned(),
        };
        return Ok((files, None));
    }
    let image = Image::by_name(name).map_err(|unknown| ImageError::Unknown { name: unknown.name })?;
    let cache = Cache::from_environment()?;
    let console = if isatty(stdin()) {
        Console::Terminal
    } else {
        Console::Pipe
    };
    let options = ImageOptions {
        console,
        ..ImageOptions::default()
    };
    let prepared = image.prepare(&cache, &Stderr::new(), &options)?;
    let files = Files {
        kernel: KernelFile::Path(prepared.kernel.clone()),
        initrd: Some(prepared.initrd.clone()),
        command_line: format!("{} {append}", prepared.append).trim_end().to_owned(),
    };
    Ok((files, Some(prepared)))
}

/// Writes all guests with a line each.
pub(crate) fn list(out: &mut dyn Write) -> io::Result<()> {
    let width = names().map(str::len).max().unwrap_or(0);
    writeln!(out, "Images for pteg run (fetched when first used, then kept):")?;
    for Image { name, description, .. } in &Image::ALL {
        writeln!(out, "  {name:width$}  {description}")?;
    }
    writeln!(out, "Images that start from a disk, which pteg image makes:")?;
    for DiskImage { name, description, .. } in &DiskImage::ALL {
        writeln!(out, "  {name:width$}  {description}")?;
    }
    writeln!(out, "Programs that come with pteg:")?;
    for Program { name, description, .. } in &Program::ALL {
        writeln!(out, "  {name:width$}  {description}")?;
    }
    Ok(())
}
