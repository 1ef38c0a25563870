//! Root disks: recipes that make a bootable disk of Debian's packages, without a privilege on the host.
//!
//! The first stage is done here: apt resolves and fetches the packages, which become a *seed*, one tar file:
//!
//! ```text
//! base.tar        what the essential packages have, unpacked by the guest to have a dpkg that runs (`base`)
//! modules.tar     the modules of the kernel that is booted
//! debs/…          all packages, not compressed (`deb`): the guest would spend longer unpacking than anyone saves
//! essential       the files of the essential ones
//! sources         where the guest's apt is to look
//! ```
//!
//! The second stage is a guest's, whose first process is `second-stage.sh`: it has an empty file system as its first disk and the seed as
//! its second one, and does there what an installer does. Who runs it is for the caller to say ([`SecondStage`]). So files have the owners and
//! permissions that packages give them, and packages' scripts run where they belong: in the guest.
//!
//! What comes of it is kept in the cache, whole or not at all: `vmlinux`, `initrd.cpio` (the modules that reach the root file system; `boot-init.sh`
//! is its first process), `root.img`, and `packages`, the list of what is in it.

mod base;
mod deb;
mod modules;
mod seed;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::apt::Repository;
use crate::cache::Lock;
use crate::host::run;
use crate::image::{GUEST, check_kernel};
use crate::initramfs::Initramfs;
use crate::package::Wanted;
use crate::{Archive, Cache, Error, Progress};

/// A root disk that can be made by name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct DiskImage {
    /// What the user calls it.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    suite: &'static str,
    /// The package that stands for the newest kernel.
    kernel: &'static str,
    /// Beside the essential and the required ones.
    packages: &'static [&'static str],
}

/// A root disk that has been made. None of it is to be written: a guest gets a copy of the disk.
#[derive(Debug)]
pub struct PreparedDisk {
    /// The kernel, an ELF file.
    pub kernel: PathBuf,
    /// The initramfs that mounts the disk.
    pub initrd: PathBuf,
    /// The kernel's command line, for a root file system on the first disk.
    pub append: String,
    /// The disk, raw and sparse.
    pub disk: PathBuf,
}

/// What the second stage is to be run with.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The kernel, an ELF file.
    pub kernel: &'a Path,
    /// Its initramfs.
    pub initrd: &'a Path,
    /// Its command line.
    pub append: &'a str,
    /// The first disk, which the guest writes.
    pub disk: &'a Path,
    /// The second one, which it reads.
    pub seed: &'a Path,
    /// The guest's memory.
    pub memory_mib: u32,
}

/// Who runs guests.
pub trait SecondStage {
    /// Runs `stage` until the guest powers off, and gives every line of its console to `line`.
    ///
    /// # Errors
    /// Why it did not run, or did not end by itself: a sentence's end.
    fn run(&self, stage: &Stage<'_>, line: &mut dyn FnMut(&str)) -> Result<(), String>;
}

/// The size of a disk. It is sparse, and the file system of a copy can be made larger.
const DISK_BYTES: u64 = 8 << 30;

/// The guest of the second stage: dpkg and apt know all packages at once.
const MEMORY_MIB: u32 = 1024;

/// What the guest's console says when all went well.
const WENT_WELL: &str = "second stage: done";

/// What a line of the guest's console begins with that names a step.
const STEP: &str = "second stage: ";

const SECOND_STAGE: &str = include_str!("second-stage.sh");
const BOOT: &str = include_str!("boot-init.sh");

impl DiskImage {
    /// Every one.
    pub const ALL: [Self; 1] = [Self {
        name: "debian-disk",
        description: "Debian 12 on a disk: systemd, ssh, apt; Linux 6.1 (64 KiB pages)",
        suite: "bookworm",
        kernel: "linux-image-powerpc64le",
        packages: &[
            "apt",
            "ca-certificates",
            "dbus",
            "debian-archive-keyring",
            "e2fsprogs",
            "iproute2",
            "iputils-ping",
            "kmod",
            "less",
            "login",
            "nano",
            "netbase",
            "openssh-server",
            "passwd",
            "procps",
            "systemd-resolved",
            "systemd-sysv",
            "systemd-timesyncd",
            "udev",
        ],
    }];

    /// The one that the user calls `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        const ALL: &[DiskImage] = &DiskImage::ALL;
        ALL.iter().find(|image| image.name == name)
    }

    /// Makes it, if `cache` does not have it; `second_stage` runs the guest that does the second half.
    pub fn prepare(
        &self,
        cache: &Cache,
        progress: &dyn Progress,
        second_stage: &dyn SecondStage,
    ) -> Result<PreparedDisk, Error> {
        // With other packages, or another guest to install them, it is another.
        let mut hasher = DefaultHasher::new();
        (self, SECOND_STAGE, BOOT, DISK_BYTES).hash(&mut hasher);
        let name = format!("disks/{}-{:016x}", self.name, hasher.finish());
        let made = cache.made(Path::new(&name), progress, |archive, directory| {
            self.make(archive, directory, second_stage)
        })?;
        Ok(PreparedDisk {
            kernel: made.join("vmlinux"),
            initrd: made.join("initrd.cpio"),
            append: "console=hvc0 root=/dev/vda rw".to_owned(),
            disk: made.join("root.img"),
        })
    }

    fn make(&self, archive: &Archive<'_>, directory: &Path, second_stage: &dyn SecondStage) -> Result<(), Error> {
        let (cache, lock, progress) = archive.parts();
        let kernel = directory.join("vmlinux");
        let modules = directory.join("modules.tar");
        let linux = self.fetch_kernel((cache, lock, progress), &kernel, &modules)?;
        let busybox = directory.join("busybox");
        fetch_busybox((cache, lock, progress), self.suite, &busybox)?;
        let busybox = read(&busybox)?;

        let repository = Repository::open(cache, lock, progress, self.suite, GUEST)?;
        let debs = directory.join("debs");
        let wanted: Vec<&str> = ["?essential", "?priority(required)"]
            .iter()
            .chain(self.packages)
            .copied()
            .collect();
        let all = repository.fetch_all(&wanted, &debs)?;
        let essential = repository.resolve(&["?essential", "apt"])?;
        let sources = repository.sources()?;

        let seed = directory.join("seed.tar");
        seed::write(
            &cache.host,
            progress,
            &seed::Contents {
                all: &all,
                essential: &essential,
                modules: &modules,
                sources: &sources,
            },
            &seed,
        )?;
        write(&directory.join("packages"), packages(&linux, &all))?;
        for path in [&debs, &modules] {
            remove(path)?;
        }

        let needed = modules::needed(&seed::modules_of(&seed)?, &["virtio_pci", "virtio_blk", "ext4"])?;
        let initramfs = |init: &str| {
            let mut archive = Initramfs::new();
            archive.file("bin/busybox", 0o755, &busybox)?;
            archive.symlink("bin/sh", "busybox")?;
            archive.character_device("dev/console", 0o600, (5, 1))?;
            for path in ["proc", "sys", "root"] {
                archive.directory(path, 0o755)?;
            }
            archive.file("init", 0o755, init.as_bytes())?;
            let paths: Vec<String> = (0..)
                .zip(&needed)
                .map(|(n, module)| format!("modules/{n:02}-{}.ko", module.name))
                .collect();
            for (path, module) in paths.iter().zip(&needed) {
                archive.file(path, 0o644, &module.bytes)?;
            }
            Ok::<_, Error>(archive.finish())
        };
        let initrd = directory.join("initrd.cpio");
        write(&initrd, initramfs(BOOT)?)?;
        let stage_initrd = directory.join("second-stage.cpio");
        write(&stage_initrd, initramfs(SECOND_STAGE)?)?;

        let disk = directory.join("root.img");
        make_file_system(cache, &disk)?;
        run_second_stage(
            progress,
            second_stage,
            &Stage {
                kernel: &kernel,
                initrd: &stage_initrd,
                append: "console=hvc0 quiet panic=-1",
                disk: &disk,
                seed: &seed,
                memory_mib: MEMORY_MIB,
            },
        )?;
        for path in [seed, stage_initrd, directory.join("busybox")] {
            remove(&path)?;
        }
        // A finished image is trusted for good: it must not be empty after a power failure.
        for path in [disk, initrd] {
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|source| Error::Write { path, source })?;
        }
        Ok(())
    }

    /// The kernel, and all its modules as a tar file; returns the package's name and version.
    fn fetch_kernel(
        &self,
        (cache, lock, progress): (&Cache, &Lock, &dyn Progress),
        kernel: &Path,
        modules: &Path,
    ) -> Result<String, Error> {
        let repository = Repository::open(cache, lock, progress, self.suite, GUEST)?;
        let package = repository.fetch(self.kernel, Some("linux-image-"))?;
        let wanted = Wanted {
            begins: "boot/vmlinux-",
            to: kernel,
            mode: 0o644,
        };
        package.extract(&cache.host, &wanted, progress)?;
        check_kernel(kernel)?;
        let _step = progress.begin("unpacking the kernel's modules", None);
        base::merge(&cache.host, std::slice::from_ref(&package.path), modules, |path| {
            path.starts_with("usr/lib/modules/")
        })?;
        crate::apt::discard(&package);
        Ok(format!("{} {}\n", package.name, package.version))
    }
}

fn fetch_busybox(
    (cache, lock, progress): (&Cache, &Lock, &dyn Progress),
    suite: &'static str,
    to: &Path,
) -> Result<(), Error> {
    let package = Repository::open(cache, lock, progress, suite, GUEST)?.fetch("busybox-static", None)?;
    let wanted = Wanted {
        begins: "bin/busybox",
        to,
        mode: 0o755,
    };
    package.extract(&cache.host, &wanted, progress)?;
    crate::apt::discard(&package);
    Ok(())
}

/// An empty ext4 file system of [`DISK_BYTES`] in the new file `disk`.
fn make_file_system(cache: &Cache, disk: &Path) -> Result<(), Error> {
    let unwritable = |source| Error::Write {
        path: disk.to_owned(),
        source,
    };
    let file = File::create(disk).map_err(unwritable)?;
    file.set_len(DISK_BYTES).map_err(unwritable)?;
    let doing = "making a file system for the root disk";
    // Its owner is the guest's root, and blocks that are zero already need not be written.
    let mut command = cache.host.command("mke2fs");
    command.args([
        "-q",
        "-F",
        "-t",
        "ext4",
        "-L",
        "root",
        "-E",
        "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1",
    ]);
    run("mke2fs", command.arg(disk), doing, |_| ())
}

/// Has the guest do its part, and the user see how far it is.
fn run_second_stage(progress: &dyn Progress, who: &dyn SecondStage, stage: &Stage<'_>) -> Result<(), Error> {
    /// Lines that are told if it fails.
    const LAST: usize = 5;
    let mut last: Vec<String> = Vec::new();
    let mut went_well = false;
    let mut step = None;
    let mut line = |line: &str| {
        let line = line.trim_end();
        went_well |= line == WENT_WELL;
        if let Some(what) = line.strip_prefix(STEP) {
            step = None;
            step = Some(progress.begin(&format!("in the guest: {what}"), None));
        }
        if !line.is_empty() {
            last.push(line.to_owned());
        }
        if last.len() > LAST {
            last.remove(0);
        }
    };
    let ended = who.run(stage, &mut line);
    drop(step);
    match ended {
        Ok(()) if went_well => Ok(()),
        Ok(()) => Err(Error::SecondStage { said: last.join("; ") }),
        Err(why) => Err(Error::SecondStage {
            said: format!("{why}; it said: {}", last.join("; ")),
        }),
    }
}

/// What is on the disk, a line for each package.
fn packages(kernel: &str, debs: &[PathBuf]) -> String {
    let names = debs.iter().filter_map(|path| path.file_stem()?.to_str());
    let lines = names.map(|name| {
        let mut parts = name.split('_');
        let (package, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{package} {}\n", version.replace("%3a", ":"))
    });
    std::iter::once(kernel.to_owned()).chain(lines).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    struct Says(&'static [&'static str], Result<(), String>);

    impl SecondStage for Says {
        fn run(&self, _: &Stage<'_>, line: &mut dyn FnMut(&str)) -> Result<(), String> {
            self.0.iter().for_each(|said| line(said));
            self.1.clone()
        }
    }

    fn run_with(says: &Says) -> Result<(), Error> {
        let nowhere = Path::new("");
        let stage = Stage {
            kernel: nowhere,
            initrd: nowhere,
            append: "",
            disk: nowhere,
            seed: nowhere,
            memory_mib: 1,
        };
        run_second_stage(&Silent, says, &stage)
    }

    #[test]
    fn a_guest_that_does_not_say_that_it_is_done_has_failed_with_its_last_words() {
        assert!(run_with(&Says(&["second stage: done\r"], Ok(()))).is_ok());
        let said = run_with(&Says(&["second stage: apt", "no space", ""], Ok(())))
            .unwrap_err()
            .to_string();
        assert!(said.contains("second stage: apt; no space"), "{said}");
        let said = run_with(&Says(&["second stage: done"], Err("it was killed".into()))).unwrap_err();
        assert!(said.to_string().contains("it was killed"), "{said}");
    }

    #[test]
    fn a_package_file_is_listed_with_its_version() {
        let debs = ["a/apt_2.6.1_ppc64el.deb", "login_1%3a4.13+dfsg1-1_ppc64el.deb"].map(PathBuf::from);
        assert_eq!(
            packages("linux 6\n", &debs),
            "linux 6\napt 2.6.1\nlogin 1:4.13+dfsg1-1\n"
        );
    }
}
