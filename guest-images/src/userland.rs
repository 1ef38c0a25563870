//! Programs of Debian's for guests without a disk: packages and what they depend on, unpacked into one archive.
//!
//! Linux unpacks several archives that follow each other in an initramfs, so this one is made once, kept in the cache, and put before
//! the guest's own. Nothing is configured: the packages' scripts are never run, on neither machine.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::image::GUEST;
use crate::initramfs::{Entry, TRAILER, append};
use crate::{Archive, Cache, Error, Progress};

/// Packages that are unpacked together.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Userland {
    /// Its name in the cache.
    pub name: &'static str,
    /// What is wanted; what it depends on comes along.
    pub packages: &'static [&'static str],
    /// What is left out, though something depends on it: what only an installation needs.
    pub without: &'static [&'static str],
    /// Directories that are left out.
    pub without_files: &'static [&'static str],
}

/// Where all of it is from.
const SUITE: &str = "bookworm";

impl Userland {
    /// The archive, made if `cache` does not have it.
    pub(crate) fn archive(&self, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf, Error> {
        // With other packages it is another.
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let name = format!("userlands/{}-{:016x}", self.name, hasher.finish());
        let made = cache.made(Path::new(&name), progress, |archive, directory| {
            self.fill(archive, directory, progress)
        })?;
        Ok(made.join(ARCHIVE))
    }

    fn fill(&self, archive: &Archive<'_>, directory: &Path, progress: &dyn Progress) -> Result<(), Error> {
        let tree = directory.join("tree");
        let is_wanted = |package: &str| !self.without.contains(&package);
        let packages = archive.unpack_with_dependencies((SUITE, GUEST), self.packages, &is_wanted, &tree)?;
        let versions: String = packages
            .iter()
            .map(|(package, version)| format!("{package} {version}\n"))
            .collect();
        let _step = progress.begin(&format!("packing {}", self.name), None);
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        let path = directory.join("packages");
        fs::write(&path, versions).map_err(unwritable(&path))?;
        let path = directory.join(ARCHIVE);
        let file = File::create(&path).map_err(unwritable(&path))?;
        let mut out = BufWriter::new(&file);
        pack(&tree, self.without_files, |bytes| {
            out.write_all(bytes).map_err(unwritable(&path))
        })?;
        out.flush().map_err(unwritable(&path))?;
        drop(out);
        file.sync_all().map_err(unwritable(&path))?;
        fs::remove_dir_all(&tree).map_err(unwritable(&tree))
    }
}

/// Name of the archive in its directory.
const ARCHIVE: &str = "root.cpio";

/// Gives what is below `tree` to `write` as an archive, all of it root's; directories come before what is in them. Directories whose
/// path from there is in `without` are left out.
fn pack(tree: &Path, without: &[&str], mut write: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut open = vec![PathBuf::new()];
    let mut number = 0;
    while let Some(directory) = open.pop() {
        for path in sorted(&tree.join(&directory))?
            .into_iter()
            .map(|name| directory.join(name))
        {
            let from = tree.join(&path);
            let unreadable = |source| Error::Read {
                path: from.clone(),
                source,
            };
            let metadata = fs::symlink_metadata(&from).map_err(unreadable)?;
            let data = if metadata.is_symlink() {
                fs::read_link(&from)
                    .map_err(unreadable)?
                    .into_os_string()
                    .as_bytes()
                    .to_owned()
            } else if metadata.is_file() {
                fs::read(&from).map_err(unreadable)?
            } else if metadata.is_dir() && !without.iter().any(|&left_out| path == Path::new(left_out)) {
                open.push(path.clone());
                Vec::new()
            } else {
                continue;
            };
            if u32::try_from(data.len()).is_err() {
                return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
            }
            number += 1;
            let entry = Entry {
                mode: metadata.mode(),
                major_minor: (0, 0),
                data: &data,
            };
            let mut bytes = Vec::new();
            append(&mut bytes, number, path.as_os_str().as_bytes(), &entry);
            write(&bytes)?;
        }
    }
    let mut end = Vec::new();
    append(&mut end, 0, TRAILER.as_bytes(), &Entry::default());
    write(&end)
}

/// The names in a directory, always in the same order.
fn sorted(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = fs::read_dir(directory).and_then(|entries| {
        entries
            .map(|entry| Ok(PathBuf::from(entry?.file_name())))
            .collect::<io::Result<Vec<_>>>()
    });
    let mut names = names.map_err(|source| Error::Read {
        path: directory.to_owned(),
        source,
    })?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::initramfs::tests::read;

    const SOME: Userland = Userland {
        name: "some",
        packages: &["a", "b"],
        without: &["installer"],
        without_files: &["usr/share/doc"],
    };

    #[test]
    fn a_tree_is_packed_with_its_links_and_permissions_and_without_what_is_left_out() {
        let tree = tempfile::tempdir().unwrap();
        for directory in ["usr/bin", "usr/share/doc/x", "usr/share/doc-base"] {
            fs::create_dir_all(tree.path().join(directory)).unwrap();
        }
        let program = tree.path().join("usr/bin/program");
        fs::write(&program, "text").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o751)).unwrap();
        fs::write(tree.path().join("usr/share/doc/x/copyright"), "long").unwrap();
        symlink("program", tree.path().join("usr/bin/link")).unwrap();
        let mut archive = Vec::new();
        pack(tree.path(), SOME.without_files, |bytes| {
            archive.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
        let entries = read(&archive);
        let names: Vec<&str> = entries.iter().map(|(name, ..)| &**name).collect();
        assert_eq!(
            names,
            [
                "usr",
                "usr/bin",
                "usr/share",
                "usr/share/doc-base",
                "usr/bin/link",
                "usr/bin/program"
            ]
        );
        let entry = |name| entries.iter().find(|(other, ..)| other == name).unwrap();
        assert_eq!(
            (entry("usr/bin/program").1[1], &*entry("usr/bin/program").2),
            (0o100_751, &b"text"[..])
        );
        assert_eq!(
            (entry("usr/bin/link").1[1], &*entry("usr/bin/link").2),
            (0o120_777, &b"program"[..])
        );
    }
}
