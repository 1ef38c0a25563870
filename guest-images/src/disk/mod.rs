//! Root disks: recipes that make a bootable disk of Debian's packages, without a privilege on the host.
//!
//! The first stage is done here: apt resolves and fetches the packages, which become a *seed*, one tar file with the whole root file system
//! ([`tree`]). All packages are unpacked there, dpkg's database says so ([`database`]), and the kernel's modules are beside them. Unpacking is what a guest
//! would spend longest on.
//!
//! The second stage is a guest's, whose first process is `second-stage.sh`: it has an empty file system as its first disk and the seed as
//! its second one. It unpacks the seed and has dpkg configure the packages. Who runs it is for the caller to say ([`SecondStage`]). So files have the
//! owners and permissions that packages give them, and packages' scripts run where they belong: in the guest.
//!
//! What comes of it is kept in the cache, whole or not at all: `vmlinux`, `initrd.cpio` (the modules that reach the root file system; `boot-init.sh`
//! is its first process), `root.img`, and `packages`, the list of what is in it.

mod database;
mod tree;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use self::database::{Control, Database};
use self::tree::Tree;
use crate::apt::Repository;
use crate::cache::Lock;
use crate::host::run;
use crate::image::{GUEST, MODULES, read, take_kernel, write};
use crate::initramfs::Initramfs;
use crate::package::{Package, Wanted};
use crate::{Archive, Cache, Error, Progress, deb};

/// A root disk that can be made by name.
#[derive(Debug, PartialEq, Eq)]
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

impl PreparedDisk {
    fn at(directory: &Path) -> Self {
        Self {
            kernel: directory.join("vmlinux"),
            initrd: directory.join("initrd.cpio"),
            append: "console=hvc0 root=/dev/vda rw".to_owned(),
            disk: directory.join("root.img"),
        }
    }
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
    /// The guest's processors.
    pub processors: u32,
    /// Keeps others out of the cache as long as somebody has it: a program that runs the guest has it on its stdin, and reads nothing from it.
    pub lock: File,
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

/// The guest of the second stage, which keeps dpkg's database in its memory, and what it writes for as long as it can.
const MEMORY_MIB: u32 = 2048;
const PROCESSORS: u32 = 2;

/// What of the recipe is code. Another number when that makes another disk: those who have one get the new one then.
const RECIPE: &str = "2";

/// The kernel's modules that come along: all but the drivers of hardware that no guest of pteg's has, and what only such hardware needs: where the kernel's part
/// of wireless networks is, systemd-networkd has it loaded, with ciphers that try themselves. These folders of drivers are for the devices that it has, or for none.
const DRIVERS: [&str; 9] = [
    "block", "char", "crypto", "md", "net", "nvdimm", "tty", "vhost", "virtio",
];
const WITHOUT: [&str; 11] = [
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "net/bluetooth",
    "net/can",
    "net/ieee802154",
    "net/mac80211",
    "net/mac802154",
    "net/nfc",
    "net/rfkill",
    "net/wireless",
    "sound",
];

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
            // Else a program is installed, and all of Perl with it, that would do what is done already.
            "usr-is-merged",
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
        let name = self.directory();
        let mut is_new = false;
        let made = cache.made(&name, progress, |archive, directory| {
            self.make(archive, directory, second_stage)?;
            is_new = true;
            Ok::<_, Error>(())
        })?;
        if is_new {
            self.remove_others(cache);
        }
        Ok(PreparedDisk::at(&made))
    }

    /// As `cache` has it, if it was made.
    pub fn in_cache(&self, cache: &Cache) -> Option<PreparedDisk> {
        let made = cache.root().join(self.directory());
        made.is_dir().then(|| PreparedDisk::at(&made))
    }

    /// Where it is in the cache: what it is made of decides, so another recipe makes another disk.
    fn directory(&self) -> PathBuf {
        let parts = [self.suite, self.kernel, RECIPE, SECOND_STAGE, BOOT, MODULES];
        let disk_bytes = DISK_BYTES.to_string();
        let parts = parts.iter().chain(self.packages).chain(&FILE_SYSTEM);
        let parts = parts.chain(&DRIVERS).chain(&WITHOUT);
        let mut hash = Sha256::new();
        for part in parts.copied().chain([&*disk_bytes]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Path::new(DISKS).join(format!("{}-{hash}", self.name))
    }

    /// Removes the disks of this name that other recipes have made.
    fn remove_others(&self, cache: &Cache) {
        let ours = cache.root().join(self.directory());
        let Ok(all) = fs::read_dir(cache.root().join(DISKS)) else {
            return;
        };
        for other in all.flatten() {
            let name = other.file_name().to_string_lossy().into_owned();
            let is_ours = ours
                .file_name()
                .is_some_and(|ours| name.starts_with(&*ours.to_string_lossy()));
            let hash = name.strip_prefix(self.name).and_then(|name| name.strip_prefix('-'));
            if hash.is_some_and(|hash| !hash.contains('-')) && !is_ours {
                // A disk more in the cache is no reason to fail.
                let _ = fs::remove_dir_all(other.path());
            }
        }
    }

    fn make(&self, archive: &Archive<'_>, directory: &Path, second_stage: &dyn SecondStage) -> Result<(), Error> {
        let (cache, lock, progress) = archive.parts();
        let repository = Repository::open(cache, lock, progress, self.suite, GUEST)?;
        let kernel = repository.fetch(self.kernel, Some("linux-image-"))?;
        take_kernel(&kernel, cache, progress, directory)?;
        let busybox = directory.join("busybox");
        fetch_busybox((cache, lock, progress), self.suite, &busybox)?;
        let busybox = read(&busybox)?;

        let debs = directory.join("debs");
        let wanted: Vec<&str> = ["?essential", "?priority(required)"]
            .iter()
            .chain(self.packages)
            .copied()
            .collect();
        let all = repository.fetch_all(&wanted, &debs)?;
        let seed = directory.join("seed.tar");
        write_seed(cache, progress, (&all, &kernel), &repository.sources()?, &seed)?;
        write(&directory.join("packages"), packages(&kernel, &all).as_bytes())?;
        crate::apt::discard(&kernel);
        remove(&debs)?;

        let modules = directory.join(MODULES);
        let initramfs = |init: &str| {
            let mut archive = Initramfs::new();
            archive.file("bin/busybox", 0o755, &busybox)?;
            archive.symlink("bin/sh", "busybox")?;
            archive.character_device("dev/console", 0o600, (5, 1))?;
            for path in ["proc", "sys", "root"] {
                archive.directory(path, 0o755)?;
            }
            archive.file("init", 0o755, init.as_bytes())?;
            Ok::<_, Error>([read(&modules)?, archive.finish()].concat())
        };
        write(&directory.join("initrd.cpio"), &initramfs(BOOT)?)?;
        let stage_initrd = directory.join("second-stage.cpio");
        write(&stage_initrd, &initramfs(SECOND_STAGE)?)?;

        let disk = directory.join("root.img");
        make_file_system(cache, &disk)?;
        run_second_stage(
            progress,
            second_stage,
            &Stage {
                kernel: &directory.join("vmlinux"),
                initrd: &stage_initrd,
                append: "console=hvc0 quiet panic=-1",
                disk: &disk,
                seed: &seed,
                memory_mib: MEMORY_MIB,
                processors: PROCESSORS,
                lock: lock.share().map_err(|source| Error::Lock {
                    path: cache.root().join("lock"),
                    source,
                })?,
            },
        )?;
        for path in [seed, stage_initrd, modules, directory.join("busybox")] {
            remove(&path)?;
        }
        // A finished image is trusted for good: it must not be empty after a power failure.
        File::open(&disk)
            .and_then(|file| file.sync_all())
            .map_err(|source| Error::Write { path: disk, source })
    }
}

/// Where all disks are in the cache.
const DISKS: &str = "disks";

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

/// Writes the root file system of the package files `debs` and the modules of `kernel` to `to`; apt's list of sources there is `sources`.
fn write_seed(
    cache: &Cache,
    progress: &dyn Progress,
    (debs, kernel): (&[PathBuf], &Package),
    sources: &str,
    to: &Path,
) -> Result<(), Error> {
    let unwritable = |source| Error::Write {
        path: to.to_owned(),
        source,
    };
    let host = &cache.host;
    let size = |path: &PathBuf| path.metadata().map_or(0, |file| file.len());
    let bytes = debs.iter().chain([&kernel.path]).map(size).sum();
    let mut step = progress.begin("unpacking the packages", Some(bytes));
    let mut done = 0;
    let file = File::create(to).map_err(unwritable)?;
    let mut tree = Tree::new(BufWriter::new(file)).map_err(unwritable)?;
    let mut database = Database::default();
    for path in debs {
        let control = deb::read_control(host, path, |stream| Control::read(stream))?;
        let list = deb::read_files(host, path, |stream| tree.add(stream, &control.conffiles, |_| true))?;
        database.add(&mut tree, &control, &list).map_err(unwritable)?;
        done += size(path);
        step.reach(done);
    }
    deb::read_files(host, &kernel.path, |stream| tree.add(stream, &[], is_wanted_module))?;
    database.finish(&mut tree).map_err(unwritable)?;
    tree.file("etc/apt/sources.list.d/debian.sources", 0o644, sources.as_bytes())
        .map_err(unwritable)?;
    tree.finish().map_err(unwritable)
}

/// Whether a path of the kernel's package is a module that comes along, or what is said of all of them.
fn is_wanted_module(path: &str) -> bool {
    let Some(path) = path.strip_prefix("usr/lib/modules/") else {
        return false;
    };
    let (_, path) = path.split_once("/kernel/").unwrap_or_default();
    let is_below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    if WITHOUT.iter().any(|folder| is_below(folder)) {
        return false;
    }
    match path.strip_prefix("drivers/") {
        None => true,
        Some(driver) => DRIVERS.contains(&driver.split('/').next().unwrap_or_default()),
    }
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
    let mut command = cache.host.command("mke2fs");
    run("mke2fs", command.args(FILE_SYSTEM).arg(disk), doing, |_| ())
}

/// What mke2fs is told. The owner is the guest's root, and blocks that are zero already need not be written.
const FILE_SYSTEM: [&str; 8] = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "root",
    "-E",
    "root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1",
];

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
fn packages(kernel: &Package, debs: &[PathBuf]) -> String {
    let names = debs.iter().filter_map(|path| path.file_stem()?.to_str());
    let lines = names.map(|name| {
        let mut parts = name.split('_');
        let (package, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{package} {}\n", version.replace("%3a", ":"))
    });
    std::iter::once(format!("{} {}\n", kernel.name, kernel.version))
        .chain(lines)
        .collect()
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
            processors: 1,
            lock: tempfile::tempfile().unwrap(),
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
        let kernel = Package {
            name: "linux".into(),
            version: "6".into(),
            path: PathBuf::new(),
        };
        let debs = ["a/apt_2.6.1_ppc64el.deb", "login_1%3a4.13+dfsg1-1_ppc64el.deb"].map(PathBuf::from);
        assert_eq!(packages(&kernel, &debs), "linux 6\napt 2.6.1\nlogin 1:4.13+dfsg1-1\n");
    }

    #[test]
    fn modules_of_hardware_that_no_guest_has_are_left_out() {
        let is_wanted = |path: &str| is_wanted_module(&format!("usr/lib/modules/6{path}"));
        for path in [
            "",
            "/modules.builtin",
            "/kernel/fs/ext4/ext4.ko",
            "/kernel/drivers/net/virtio_net.ko",
            "/kernel/net/ipv4/ip_tables.ko",
            "/kernel/drivers/virtio/virtio.ko",
        ] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "/kernel/sound/a.ko",
            "/kernel/drivers/gpu/a.ko",
            "/kernel/drivers/net/ethernet/a.ko",
            "/kernel/net/wireless/cfg80211.ko",
        ] {
            assert!(!is_wanted(path), "{path}");
        }
        assert!(!is_wanted_module("boot/vmlinux-6"));
    }

    #[test]
    fn a_disk_of_another_recipe_goes_when_there_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let image = DiskImage::by_name("debian-disk").unwrap();
        let ours = image.directory();
        assert_eq!(ours, image.directory());
        let other = DiskImage {
            packages: &["apt"],
            ..DiskImage::ALL[0]
        };
        assert_ne!(ours, other.directory());
        let all = [
            ours.clone(),
            ours.with_extension("partial"),
            other.directory(),
            "disks/debian-disk-more-0".into(),
        ];
        for path in &all {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        image.remove_others(&cache);
        let left = all.each_ref().map(|path| folder.path().join(path).exists());
        assert_eq!(left, [true, true, false, true]);
    }
}
