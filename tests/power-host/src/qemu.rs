//! QEMU of Debian's packages, unpacked and not installed, with its loader and its libraries beside it: one that emulates a host
//! here, and one that runs on a host, to compare with.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest_images::{Archive, Cache, Progress};

use crate::host::Error;

/// The package.
const PACKAGE: &str = "qemu-system-ppc";

/// The program, where the package has it.
const PROGRAM: &str = "usr/bin/qemu-system-ppc64";

/// One of Debian's.
struct Build {
    /// The directory of the cache that has it.
    name: &'static str,
    suite: &'static str,
    architecture: &'static str,
    /// What loads the program.
    loader: &'static str,
    /// Where the packages have libraries.
    libraries: [&'static str; 2],
    /// What it starts its machines with.
    firmware: &'static [&'static str],
}

/// For this machine. From 7.1 on, and before 9.1, a QEMU with several threads answers `tlbie` before the other processors have dropped
/// what they have: a busy machine then shows stale translations that no program in it can avoid (QEMU's commit 82676f1fc4b1 of
/// May 2024 mends it).
const HERE: Build = Build {
    name: "tools/qemu-for-power-trixie",
    suite: "trixie",
    architecture: "amd64",
    loader: "usr/lib64/ld-linux-x86-64.so.2",
    libraries: ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"],
    firmware: &["usr/share/qemu/skiboot.lid", "usr/share/qemu/vof.bin"],
};

/// For a host.
const ON_POWER: Build = Build {
    name: "tools/qemu-on-power-bookworm",
    suite: "bookworm",
    architecture: "ppc64el",
    loader: "lib/powerpc64le-linux-gnu/ld64.so.2",
    libraries: ["lib/powerpc64le-linux-gnu", "usr/lib/powerpc64le-linux-gnu"],
    firmware: &["usr/share/qemu/vof.bin"],
};

/// A QEMU that runs here.
#[derive(Clone, Debug)]
pub struct Qemu {
    directory: PathBuf,
}

impl Qemu {
    /// The one of the cache; it is fetched if it is not there.
    pub fn of(cache: &Cache, progress: &dyn Progress) -> Result<Self, Error> {
        let directory = HERE.made(cache, progress)?;
        Ok(Self { directory })
    }

    /// A command that runs it, still without what it emulates.
    pub(crate) fn command(&self) -> Command {
        let file = |path: &str| self.directory.join(file_name(path));
        // Its own loader and libraries: those of this machine may be older.
        let mut command = Command::new(file(HERE.loader));
        command
            .arg("--library-path")
            .arg(self.directory.join("lib"))
            .arg(file(PROGRAM))
            .arg("-L")
            .arg(&self.directory);
        command
    }
}

/// The files of the one for a host, by their names: libraries in `qemu/lib`, all else in `qemu`.
pub(crate) fn contents(cache: &Cache, progress: &dyn Progress) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let directory = ON_POWER.made(cache, progress)?;
    let mut contents = Vec::new();
    for (from, to) in [(directory.clone(), "qemu"), (directory.join("lib"), "qemu/lib")] {
        for path in files(&from)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            contents.push((format!("{to}/{name}"), fs::read(&path).map_err(unreadable(&path))?));
        }
    }
    Ok(contents)
}

impl Build {
    /// The directory that has it: libraries in `lib`.
    fn made(&self, cache: &Cache, progress: &dyn Progress) -> Result<PathBuf, Error> {
        cache.made(Path::new(self.name), progress, |archive, directory| {
            self.fetch(archive, directory)
        })
    }

    /// Unpacks the package and all that it depends on, and keeps what the program is linked with: a tenth of it.
    fn fetch(&self, archive: &Archive<'_>, directory: &Path) -> Result<(), Error> {
        let unpacked = directory.join("unpacked");
        fs::create_dir(&unpacked).map_err(unreadable(&unpacked))?;
        // The other packages are for installing, or for programs beside it.
        let is_library = |name: &str| name.starts_with("lib") || name == "zlib1g" || name == "qemu-system-data";
        let from = (self.suite, self.architecture);
        archive.unpack_with_dependencies(from, &[PACKAGE], &is_library, &unpacked)?;
        let library = directory.join("lib");
        fs::create_dir(&library).map_err(unreadable(&library))?;
        for file in [PROGRAM, self.loader].iter().chain(self.firmware) {
            copy(&unpacked.join(file), directory)?;
        }
        let mut linked = needed(&unpacked.join(PROGRAM))?;
        let mut there = BTreeSet::new();
        while let Some(name) = linked.pop() {
            let path = self.libraries.map(|directory| unpacked.join(directory).join(&name));
            if let Some(path) = path.iter().find(|path| path.exists())
                && there.insert(name)
            {
                copy(path, &library)?;
                linked.extend(needed(path)?);
            }
        }
        fs::remove_dir_all(&unpacked).map_err(unreadable(&unpacked))
    }
}

/// The last part of the path of a file.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The names of the libraries that a program or a library is linked with, by readelf.
fn needed(path: &Path) -> Result<Vec<String>, Error> {
    let readelf = |source| Error::Readelf {
        path: path.to_owned(),
        source,
    };
    let told = Command::new("readelf").arg("-d").arg(path).output().map_err(readelf)?;
    if !told.status.success() {
        return Err(readelf(io::Error::other(told.status.to_string())));
    }
    let told = String::from_utf8_lossy(&told.stdout);
    let names = told.lines().filter(|line| line.contains("(NEEDED)"));
    let names = names.filter_map(|line| Some(line.split_once('[')?.1.trim_end().trim_end_matches(']').to_owned()));
    Ok(names.collect())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let to = to.join(from.file_name().unwrap_or_default());
    fs::copy(from, to).map_err(unreadable(from)).map(drop)
}

/// What is a file in `directory`.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(directory).map_err(unreadable(directory))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(unreadable(directory))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Read {
        path: path.clone(),
        source,
    }
}
