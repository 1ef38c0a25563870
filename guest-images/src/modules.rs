//! Modules of an image's kernel, for guests that do not start from a disk: Debian's kernels have the drivers of virtio devices, and ext4, in modules, and
//! an image has none.

use std::fs;
use std::path::{Path, PathBuf};

use crate::image::GUEST;
use crate::{Cache, Error, ExtraFile, Image, PackageName, Progress};

/// Where a guest finds them.
const FOLDER: &str = "modules";

/// Where they are in the cache: another place when others are kept, or a cache of before would lack them.
const CACHED: &str = "kernel-modules-2";

/// What is kept beside virtio's own: what the drivers of networks, sockets and shared directories need; ext4, and what it needs.
const OTHERS: [&str; 10] = [
    "crc16",
    "crc32c_generic",
    "crc32c_vpmsum",
    "ext4",
    "failover",
    "fuse",
    "jbd2",
    "mbcache",
    "net_failover",
    "vsock",
];

impl Image {
    /// The modules of the image's kernel that are `named` so (`virtio_pci`), to be put into the guest as `/modules/virtio_pci.ko`. There are those with
    /// `virtio` in their name, ext4, and what these need.
    ///
    /// # Errors
    /// The image cannot be made, or the kernel's package cannot be had any more, or has no such module.
    pub fn modules(&self, cache: &Cache, progress: &dyn Progress, named: &[&str]) -> Result<Vec<ExtraFile>, Error> {
        let package = self.kernel_package(cache, progress)?;
        let directory = cache.made(&Path::new(CACHED).join(&package), progress, |archive, directory| {
            let tree = directory.join("tree");
            let name = PackageName {
                suite: self.suite(),
                architecture: GUEST,
                package: &package,
            };
            archive.unpack(name, &tree)?;
            keep(&tree, directory)?;
            fs::remove_dir_all(&tree).map_err(|source| Error::Write { path: tree, source })
        })?;
        let each = named.iter().map(|name| {
            let path = directory.join(format!("{name}.ko"));
            let contents = fs::read(&path).map_err(|source| Error::Read { path, source })?;
            Ok(ExtraFile {
                path: format!("/{FOLDER}/{name}.ko"),
                permissions: 0o644,
                contents,
            })
        });
        each.collect()
    }
}

/// Moves the modules that are kept and lie anywhere below `tree` into `directory`, by names with underscores.
fn keep(tree: &Path, directory: &Path) -> Result<(), Error> {
    let mut open = vec![tree.to_owned()];
    while let Some(folder) = open.pop() {
        let unreadable = |source| Error::Read {
            path: folder.clone(),
            source,
        };
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if entry.file_type().map_err(unreadable)?.is_dir() {
                open.push(path);
            } else if let Some(name) = module_name(&path) {
                let to = directory.join(name);
                fs::rename(&path, &to).map_err(|source| Error::Write { path: to, source })?;
            }
        }
    }
    Ok(())
}

fn module_name(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.replace('-', "_");
    let module = name.strip_suffix(".ko")?;
    (module.contains("virtio") || OTHERS.contains(&module)).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    /// A cache with an image whose modules were taken out before, on a host where no program can be run.
    #[test]
    fn modules_come_from_the_cache_as_files_for_the_guest() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("images/debian/vmlinux", "kernel"),
            ("images/debian/busybox", "busybox"),
            ("images/debian/packages", "linux-image-7 7.1\nbusybox-static 1\n"),
            ("kernel-modules-2/linux-image-7/virtio_pci.ko", "module"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cache = Cache::at(folder.path()).unwrap();
        let image = Image::by_name("debian").unwrap();
        let files = image.modules(&cache, &Silent, &["virtio_pci"]).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(
            (&*files[0].path, &*files[0].contents),
            ("/modules/virtio_pci.ko", &b"module"[..])
        );
        assert!(image.modules(&cache, &Silent, &["virtio_pci", "virtio_none"]).is_err());
    }

    #[test]
    fn of_a_kernels_files_the_modules_that_disks_and_networks_need_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        for path in [
            "lib/modules/7/kernel/a/virtio-rng.ko",
            "lib/modules/7/kernel/b/other.ko",
            "lib/modules/7/kernel/c/crc32c-vpmsum.ko",
            "boot/virtio",
        ] {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        keep(&tree, folder.path()).unwrap();
        let mut kept: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        kept.sort();
        assert_eq!(kept, ["crc32c_vpmsum.ko", "tree", "virtio_rng.ko"]);
    }
}
