//! The images by name, and how each is made: a kernel package, of which some modules are kept, BusyBox, and an initramfs of ours.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::apt::{Repository, discard};
use crate::cache::Lock;
use crate::package::{Package, Wanted};
use crate::{Cache, Console, Error, ImageOptions, Init, Progress};
use crate::{modules, root};

/// The architecture of every guest, in Debian's words: little-endian 64-bit POWER.
pub(crate) const GUEST: &str = "ppc64el";

/// A guest that can be made by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// What the user calls it.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// Where the kernel is from.
    suite: &'static str,
    /// The package that stands for the newest kernel.
    kernel: &'static str,
}

/// An image that is ready to boot.
#[derive(Debug)]
pub struct Prepared {
    /// The kernel, an ELF file.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initrd: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// Keeps an initramfs that was made for this caller alone until it is dropped.
    _own_initrd: Option<TempPath>,
}

/// There is no image of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no image `{name}`; there are {}", Image::ALL.each_ref().map(|image| image.name).join(", "))]
pub struct UnknownImage {
    /// What was asked for.
    pub name: String,
}

impl Image {
    /// Every image, the usual one first.
    pub const ALL: [Self; 3] = [
        Self {
            name: "debian",
            description: "Debian 12's Linux 6.1 (64 KiB pages) and BusyBox",
            suite: "bookworm",
            kernel: "linux-image-powerpc64le",
        },
        Self {
            name: "debian:6.12",
            description: "Debian 12 backports' Linux 6.12 (4 KiB pages) and BusyBox",
            suite: "bookworm-backports",
            kernel: "linux-image-powerpc64le",
        },
        Self {
            name: "debian:6.12-64k",
            description: "Debian 12 backports' Linux 6.12 (64 KiB pages) and BusyBox",
            suite: "bookworm-backports",
            kernel: "linux-image-powerpc64le-64k",
        },
    ];

    /// The image that the user calls `name`.
    pub fn by_name(name: &str) -> Result<&'static Self, UnknownImage> {
        const ALL: &[Image] = &Image::ALL;
        ALL.iter()
            .find(|image| image.name == name)
            .ok_or_else(|| UnknownImage { name: name.to_owned() })
    }

    /// Makes the image bootable: fetches what `cache` does not have yet, and writes the initramfs that
    /// `options` ask for.
    pub fn prepare(&self, cache: &Cache, progress: &dyn Progress, options: &ImageOptions) -> Result<Prepared, Error> {
        let parts = match self.cached(cache) {
            Some(parts) => parts,
            None => self.make(cache, progress)?,
        };
        let is_usual = options.init == Init::Shell && options.extra_files.is_empty() && options.userland.is_none();
        let (initrd, own_initrd) = if is_usual {
            (usual_initrd(&parts)?, None)
        } else {
            let userland = options.userland.map(|userland| userland.archive(cache, progress));
            let path = own_initrd(&parts, options, userland.transpose()?)?;
            (path.to_path_buf(), Some(path))
        };
        Ok(Prepared {
            kernel: parts.join("vmlinux"),
            initrd,
            append: match options.console {
                Console::Terminal => "console=hvc0".to_owned(),
                Console::Pipe => "console=hvc0 pteg.console=pipe".to_owned(),
            },
            _own_initrd: own_initrd,
        })
    }

    /// Where the parts are kept, below the cache. A colon would be special in many a shell and variable.
    fn directory(&self) -> PathBuf {
        Path::new("images").join(self.name.replace(':', "-"))
    }

    /// The directory of the parts, if they are all there.
    fn cached(&self, cache: &Cache) -> Option<PathBuf> {
        let directory = cache.root().join(self.directory());
        ["vmlinux", MODULES, "busybox"]
            .iter()
            .all(|part| directory.join(part).exists())
            .then_some(directory)
    }

    /// Fetches the parts.
    fn make(&self, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf, Error> {
        let lock = cache.lock(progress)?;
        // Whoever held the lock before may have made it.
        if let Some(directory) = self.cached(cache) {
            return Ok(directory);
        }
        cache.make_directory(&lock, &self.directory(), |directory| {
            let linux = self.make_kernel(cache, &lock, progress, directory)?;

            let busybox = directory.join("busybox");
            let wanted = Wanted {
                begins: "bin/busybox",
                to: &busybox,
                mode: 0o755,
            };
            let shell = part(cache, &lock, progress, "bookworm", ("busybox-static", None), &wanted)?;

            let versions = [linux, shell]
                .map(|it| format!("{} {}\n", it.name, it.version))
                .concat();
            write(&directory.join("packages"), versions.as_bytes())
        })
    }

    /// Takes the kernel and the modules out of their package, and tells which package that was.
    fn make_kernel(
        &self,
        cache: &Cache,
        lock: &Lock,
        progress: &dyn Progress,
        directory: &Path,
    ) -> Result<Package, Error> {
        let repository = Repository::open(cache, lock, progress, self.suite, GUEST)?;
        let package = repository.fetch(self.kernel, Some("linux-image-"))?;
        take_kernel(&package, cache, progress, directory)?;
        discard(&package);
        Ok(package)
    }
}

/// Makes `vmlinux` and [`MODULES`] in `directory` out of a kernel's package.
pub(crate) fn take_kernel(
    package: &Package,
    cache: &Cache,
    progress: &dyn Progress,
    directory: &Path,
) -> Result<(), Error> {
    let kernel = directory.join("vmlinux");
    let wanted = Wanted {
        begins: "boot/vmlinux-",
        to: &kernel,
        mode: 0o644,
    };
    package.extract(&cache.host, &wanted, progress)?;
    check_kernel(&kernel)?;
    let tree = directory.join("tree");
    package.unpack(&cache.host, &tree, progress)?;
    write(&directory.join(MODULES), &modules::archive(&tree)?)?;
    fs::remove_dir_all(&tree).map_err(|source| Error::Write { path: tree, source })
}

/// The file of the modules in an image's directory: an archive of an initramfs. With other modules in it, it has another number, and is made anew.
pub(crate) const MODULES: &str = "modules-1.cpio";

/// Takes one file out of a package for guests, and tells which package that was.
fn part(
    cache: &Cache,
    lock: &Lock,
    progress: &dyn Progress,
    suite: &'static str,
    (package, series): (&str, Option<&str>),
    wanted: &Wanted<'_>,
) -> Result<Package, Error> {
    let package = Repository::open(cache, lock, progress, suite, GUEST)?.fetch(package, series)?;
    package.extract(&cache.host, wanted, progress)?;
    discard(&package);
    Ok(package)
}

/// The initramfs without changes, kept beside the other parts.
fn usual_initrd(parts: &Path) -> Result<PathBuf, Error> {
    let usual = ImageOptions::default();
    // Named by all that this version puts into it, except BusyBox and the modules, which stay what they are: so nothing
    // large is read to find that it is there.
    let mut hasher = DefaultHasher::new();
    root::archive(&[], &usual)?.hash(&mut hasher);
    let path = parts.join(format!("initrd-{:016x}.cpio", hasher.finish()));
    if !path.exists() {
        let unwritable = |source| Error::Write {
            path: path.clone(),
            source,
        };
        let archives = [
            read(&parts.join(MODULES))?,
            root::archive(&read(&parts.join("busybox"))?, &usual)?,
        ];
        let mut file = NamedTempFile::new_in(parts).map_err(unwritable)?;
        file.write_all(&archives.concat()).map_err(unwritable)?;
        file.as_file().sync_all().map_err(unwritable)?;
        file.persist(&path).map_err(|error| unwritable(error.error))?;
    }
    Ok(path)
}

/// An initramfs for one caller alone; what is in the archive `before` stands first, so that the caller's own replaces it.
fn own_initrd(parts: &Path, options: &ImageOptions, before: Option<PathBuf>) -> Result<TempPath, Error> {
    let modules = read(&parts.join(MODULES))?;
    let archive = root::archive(&read(&parts.join("busybox"))?, options)?;
    let mut before = match before {
        Some(path) => Some(fs::File::open(&path).map_err(|source| Error::Read { path, source })?),
        None => None,
    };
    let file = tempfile::Builder::new()
        .prefix("pteg-initrd-")
        .suffix(".cpio")
        .tempfile();
    let written = file.and_then(|mut file| {
        if let Some(before) = &mut before {
            io::copy(before, &mut file)?;
        }
        file.write_all(&modules)?;
        file.write_all(&archive)?;
        Ok(file.into_temp_path())
    });
    written.map_err(|source| Error::Write {
        path: env::temp_dir(),
        source,
    })
}

/// Whether a file begins as a POWER kernel does: ELF, 64 bits, little-endian, machine `EM_PPC64`.
pub(crate) fn check_kernel(path: &Path) -> Result<(), Error> {
    let mut header = [0; 20];
    let unreadable = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let is_long_enough = fs::File::open(path)
        .map_err(unreadable)?
        .read_exact(&mut header)
        .is_ok();
    let is_kernel = header.starts_with(b"\x7fELF\x02\x01") && header[18..] == 21_u16.to_le_bytes();
    if is_long_enough && is_kernel {
        return Ok(());
    }
    Err(Error::NotAKernel { path: path.to_owned() })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// Writes a part of a finished image, which is trusted for good: it must not be empty after a power failure.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = fs::File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::tests::contains;
    use crate::{ExtraFile, Silent};

    /// A cache that has `debian` already, on a host where no program can be run.
    fn filled_cache(directory: &Path) -> Cache {
        let image = directory.join("images/debian");
        fs::create_dir_all(&image).unwrap();
        for (name, text) in [("vmlinux", "kernel"), ("busybox", "busybox"), (MODULES, "modules!")] {
            fs::write(image.join(name), text).unwrap();
        }
        let mut cache = Cache::at(directory).unwrap();
        cache.host.search_path = Some("/nonexistent".into());
        cache
    }

    #[test]
    fn an_image_is_found_by_its_name_and_a_wrong_name_gets_the_list() {
        assert_eq!(Image::by_name("debian:6.12").unwrap().name, "debian:6.12");
        let message = Image::by_name("plan9").unwrap_err().to_string();
        assert_eq!(
            message,
            "there is no image `plan9`; there are debian, debian:6.12, debian:6.12-64k"
        );
    }

    #[test]
    fn a_cached_image_needs_neither_programs_nor_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let cache = filled_cache(directory.path());
        let _lock = cache.lock(&Silent).unwrap();
        let image = Image::by_name("debian").unwrap();
        let prepared = image.prepare(&cache, &Silent, &ImageOptions::default()).unwrap();
        assert_eq!(fs::read(&prepared.kernel).unwrap(), b"kernel");
        let initrd = fs::read(&prepared.initrd).unwrap();
        assert!(initrd.starts_with(b"modules!") && contains(&initrd, root::INIT));
        assert_eq!(prepared.append, "console=hvc0");
    }

    #[test]
    fn the_usual_initramfs_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let cache = filled_cache(directory.path());
        let image = Image::by_name("debian").unwrap();
        let first = image.prepare(&cache, &Silent, &ImageOptions::default()).unwrap();
        fs::write(&first.initrd, "kept").unwrap();
        let second = image.prepare(&cache, &Silent, &ImageOptions::default()).unwrap();
        assert_eq!(second.initrd, first.initrd);
        assert_eq!(fs::read(&second.initrd).unwrap(), b"kept");
    }

    #[test]
    fn a_callers_own_initramfs_has_its_files_and_goes_with_the_caller() {
        let directory = tempfile::tempdir().unwrap();
        let cache = filled_cache(directory.path());
        let image = Image::by_name("debian").unwrap();
        let options = ImageOptions {
            init: Init::Script("echo mine".into()),
            extra_files: vec![ExtraFile {
                path: "/opt/data".into(),
                permissions: 0o644,
                contents: b"some data".into(),
            }],
            userland: None,
            console: Console::Pipe,
        };
        let prepared = image.prepare(&cache, &Silent, &options).unwrap();
        let initrd = fs::read(&prepared.initrd).unwrap();
        for text in [root::INIT, "echo mine", "opt/data", "some data", "modules!"] {
            assert!(contains(&initrd, text), "{text}");
        }
        assert!(prepared.append.contains("pteg.console=pipe"));
        let path = prepared.initrd.clone();
        drop(prepared);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(directory.path().join("images/debian")).unwrap().count(), 3);
    }

    #[test]
    fn an_image_that_lost_a_part_is_fetched_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = filled_cache(directory.path());
        for part in ["busybox", MODULES] {
            fs::remove_file(directory.path().join("images/debian").join(part)).unwrap();
            let image = Image::by_name("debian").unwrap();
            let error = image.prepare(&cache, &Silent, &ImageOptions::default()).unwrap_err();
            assert!(
                matches!(error, Error::MissingProgram { .. } | Error::NoKeyring { .. }),
                "{error:?}"
            );
        }
    }

    #[test]
    fn only_a_power_elf_is_taken_for_a_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vmlinux");
        let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x15\0";
        let check = |header: &[u8]| {
            fs::write(&path, header).unwrap();
            check_kernel(&path)
        };
        check(&header).unwrap();
        assert!(check(&header[..19]).is_err());
        header[18] = 62;
        assert!(matches!(check(&header), Err(Error::NotAKernel { .. })));
    }
}
